"""Dome: view rays through a layer's shells, and the analytic scattering formula.

Along a ray, extinction is integrated between neighbouring shells; each of the m samples of a gap
reads the two shells at its own place on the plane and interpolates in height, so clouds have
sides. What a sample scatters toward the camera is, per unit of light,

- sun: single scattering ``P(angle) exp(-S)`` with a dual-lobe Henyey-Greenstein phase function,
  plus octaves of multiple scattering (Wrenninge et al. 2013: each octave sees a thinner cloud,
  a flatter phase function and less light), plus the two-stream diffuse field of a cloud layer;
- sky and ground: two-stream diffuse transmission from above and from below.

S is the optical depth toward the sun, U the optical depth straight up. Shading corrects this
formula toward a path-traced reference.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .atlas import lookup
from .shells import shell_distance_km

FORWARD_G, BACKWARD_G, FORWARD_WEIGHT = 0.8, -0.25, 0.85
OCTAVES = 3
OCTAVE_DEPTH, OCTAVE_LIGHT, OCTAVE_G = 0.4, 0.5, 0.5
ASYMMETRY = 0.85
"""Mean cosine of scattering in cloud droplets, for the two-stream terms."""
DETAIL_TILE_TEXELS = 64.0
"""Side of the detail tile in texels of the finest window."""
DETAIL_WAVELENGTH_TEXELS = (2.0, 1.0)
"""Wavelength of the two detail channels in texels of the finest window."""


def henyey_greenstein(cos_angle: Tensor, g: float) -> Tensor:
    """Phase function in 1/sr (Henyey and Greenstein 1941)."""
    return (1 - g * g) / (4 * math.pi) * (1 + g * g - 2 * g * cos_angle).clamp(1e-4, 1e4) ** -1.5


def dual_lobe(cos_angle: Tensor, octave: int = 0) -> Tensor:
    """Forward and backward lobe, flattened by octave, 1/sr."""
    shrink = OCTAVE_G**octave
    forward = henyey_greenstein(cos_angle, FORWARD_G * shrink)
    backward = henyey_greenstein(cos_angle, BACKWARD_G * shrink)
    return FORWARD_WEIGHT * forward + (1 - FORWARD_WEIGHT) * backward


def sun_source(cos_angle: Tensor, sun_depth: Tensor) -> Tensor:
    """Scattered radiance per unit of sun irradiance and unit of scattering, 1/sr.

    Parameters
    ----------
    cos_angle : Tensor
        Cosine between view ray and sun, broadcast against ``sun_depth``.
    sun_depth : Tensor
        Optical depth toward the sun.
    """
    source = dual_lobe(cos_angle) * torch.exp(-sun_depth)
    for octave in range(1, OCTAVES):
        light = OCTAVE_LIGHT**octave * torch.exp(-(OCTAVE_DEPTH**octave) * sun_depth)
        source = source + light * dual_lobe(cos_angle, octave)
    diffuse = 1 / (1 + 0.75 * (1 - ASYMMETRY) * sun_depth)
    build_up = 1 - torch.exp(-0.25 * sun_depth)
    return source + (2.4 / (4 * math.pi)) * build_up * diffuse


def diffuse_transmission(depth: Tensor) -> Tensor:
    """Two-stream transmission of diffuse light through a conservative layer."""
    return 1 / (1 + 0.75 * (1 - ASYMMETRY) * depth)


class Dome(nn.Module):
    """Rays through one layer; signature ``DOME`` of :mod:`skygen_addon.core.signatures`."""

    def forward(
        self,
        direction: Tensor,
        footprint_rad: Tensor,
        atlas: Tensor,
        detail: Tensor,
        detail_strength: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        detail_offset_km: Tensor,
        substep: Tensor,
        sun_direction: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        h, w = direction.shape[0], direction.shape[1]
        gaps = shell_km.shape[0] - 1
        steps = substep.shape[0]
        view = direction.reshape(1, h * w, 3)
        sin_elevation = view[..., 2].clamp(0.0, 1.0)  # 1 p
        cos_angle = (view * sun_direction).sum(-1)  # 1 p

        lower_km, gap_km = shell_km[:-1], shell_km[1:] - shell_km[:-1]  # g
        height = (lower_km[:, None] + gap_km[:, None] * substep[None, :]).reshape(gaps * steps, 1)  # s 1
        half = (gap_km[:, None] / (2.0 * steps)).expand(gaps, steps).reshape(gaps * steps, 1)
        distance = shell_distance_km(sin_elevation, height)  # s p
        length = shell_distance_km(sin_elevation, height + half) - shell_distance_km(sin_elevation, height - half)

        plane = distance[..., None] * view[..., :2]  # s p 2
        lattice = plane @ plane_matrix.transpose(0, 1)  # s p 2
        position = (lattice + plane_offset_km).reshape(gaps, steps, h * w, 2)
        lower = lookup(atlas[:-1], position, texel_km)  # g 3 m p
        upper = lookup(atlas[1:], position, texel_km)
        f = substep[None, None, :, None]
        sample = lower + (upper - lower) * f  # g 3 m p
        sample = sample.permute(1, 0, 2, 3).reshape(3, gaps * steps, h * w)  # 3 s p
        extinction, sun_depth, zenith_depth = sample[0], sample[1], sample[2]

        extinction = extinction * self.detail_factor(
            lattice + detail_offset_km, distance, sin_elevation, footprint_rad, detail, detail_strength, texel_km
        )
        depth = extinction * length  # s p
        total = torch.cumsum(depth, dim=0)
        weight = torch.exp(depth - total) * (1 - torch.exp(-depth))  # s p
        cover = weight.sum(0)
        safe = cover + 1e-6

        below = extinction * (height - shell_km[0])  # s p, as if the cloud were uniform down to its base
        sun = (weight * sun_source(cos_angle, sun_depth)).sum(0)
        sky = (weight * 0.5 * diffuse_transmission(zenith_depth)).sum(0)
        ground = (weight * 0.5 * diffuse_transmission(below)).sum(0)
        shape = (h, w)
        return (
            total[-1].reshape(shape),
            sun.reshape(shape),
            sky.reshape(shape),
            ground.reshape(shape),
            ((weight * distance).sum(0) / safe).reshape(shape),
            ((weight * sun_depth).sum(0) / safe).reshape(shape),
        )

    def detail_factor(
        self,
        lattice_km: Tensor,
        distance_km: Tensor,
        sin_elevation: Tensor,
        footprint_rad: Tensor,
        detail: Tensor,
        detail_strength: Tensor,
        texel_km: Tensor,
    ) -> Tensor:
        """Factor of mean 1 that carries octaves finer than a texel, faded by pixel footprint, (s, p)."""
        tile = lattice_km / (texel_km * DETAIL_TILE_TEXELS)
        tile = tile - torch.floor(tile)
        grid = (tile * 2 - 1)[None]  # 1 s p 2, the tile repeats its first row and column at the end
        noise = nn.functional.grid_sample(detail, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]
        footprint_km = distance_km * footprint_rad / (sin_elevation + 0.05)
        exponent = torch.zeros_like(distance_km)
        for channel, texels in enumerate(DETAIL_WAVELENGTH_TEXELS):
            resolved = (texels * texel_km / (2 * footprint_km) - 0.5).clamp(0.0, 1.0)
            strength = detail_strength * resolved
            exponent = exponent + strength * noise[channel] - 0.5 * strength * strength
        return torch.exp(exponent)
