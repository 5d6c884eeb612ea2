"""Random scattering directions of the cloud's phase function, and rotations to them."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from trainer.networks.cloud_light import BACKWARD_G, FORWARD_G, FORWARD_WEIGHT


def scattering_cosines(count: int, generator: Generator) -> Tensor:
    """Cosines (count,) of the scattering angle, distributed as ``dual_lobe`` (Henyey and Greenstein 1941)."""
    u = torch.rand(3, count, generator=generator)
    g = torch.where(u[0] < FORWARD_WEIGHT, torch.tensor(FORWARD_G), torch.tensor(BACKWARD_G))
    bracket = (1 - g * g) / (1 - g + 2 * g * u[1])
    return ((1 + g * g - bracket * bracket) / (2 * g)).clamp(-1.0, 1.0)


def isotropic_cosines(count: int, generator: Generator) -> Tensor:
    """Cosines (count,) of isotropic scattering."""
    return torch.rand(count, generator=generator) * 2 - 1


def deflect(direction: Tensor, cosine: Tensor, generator: Generator) -> Tensor:
    """Unit vectors (3, n) at given angles to ``direction`` and at random azimuths about it.

    Uses the orthonormal basis of Duff et al. 2017, "Building an Orthonormal Basis, Revisited".
    """
    x, y, z = direction
    sign = torch.where(z >= 0, torch.ones_like(z), -torch.ones_like(z))
    a = -1 / (sign + z)
    b = x * y * a
    azimuth = torch.rand(cosine.shape[0], generator=generator) * (2 * math.pi)
    sine = torch.sqrt((1 - cosine * cosine).clamp(min=0.0))
    p, q = sine * torch.cos(azimuth), sine * torch.sin(azimuth)
    turned = torch.stack(
        [
            p * (1 + sign * x * x * a) + q * b + cosine * x,
            p * sign * b + q * (sign + y * y * a) + cosine * y,
            -p * sign * x - q * y + cosine * z,
        ]
    )
    return turned / torch.sqrt((turned * turned).sum(0))
