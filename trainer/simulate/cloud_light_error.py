"""How far cloud light is from the path tracer's, on many skies at once.

Maps are (s, c, n, n): s skies, n cells of a sky disc. Radiances are compared as means over patches
of POOL x POOL cells, against path noise, and weighted by opacity, for where there is no cloud
there is no light to compare.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions

POOL = 4
"""Cells along the side of a patch."""
LEAST_OPACITY = 0.05
"""Mean opacity below which a patch does not count."""
_FLOOR = 0.02
"""Share of a sky's mean that is added to both sides of a ratio, so that dark patches do not rule."""


def luminance(radiance: Tensor) -> Tensor:
    """(s, 1, n, n) of linear Rec.709 (s, 3, n, n)."""
    return (radiance * torch.from_numpy(REC709_LUMINANCE)[None, :, None, None]).sum(1, keepdim=True)


def patch_weight(opacity: Tensor) -> Tensor:
    """Weight (s, 1, n / POOL, n / POOL) of patches, by the opacity (s, 1, n, n) of cells."""
    weight = functional.avg_pool2d(opacity, POOL)
    return weight * (weight > LEAST_OPACITY)


def patch_log_ratio(have: Tensor, want: Tensor) -> Tensor:
    """ln(have / want) of patches (s, 1, n / POOL, n / POOL), of luminances (s, 1, n, n)."""
    floor = _FLOOR * want.mean((1, 2, 3), keepdim=True) + 1e-9
    pair = functional.avg_pool2d(have, POOL), functional.avg_pool2d(want, POOL)
    return torch.log((pair[0] + floor) / (pair[1] + floor))


def log_ratio(have: Tensor, want: Tensor) -> float | None:
    """ln(sum of have / sum of want); None where ``want`` is dark."""
    total = float(want.sum())
    return round(math.log(max(float(have.sum()), 1e-12) / total), 4) if total > 0 else None


def sky_scale(want: Tensor) -> Tensor:
    """Factor (s, 1, 1, 1) by which every sky counts alike."""
    return 1 / want.mean((1, 2, 3), keepdim=True).clamp(min=1e-9)


def irradiance_error(have: Tensor, want: Tensor) -> Tensor:
    """Relative error (s,) of the horizontal irradiance by cloud light, of luminances (s, 1, n, n)."""
    up = torch.from_numpy(disc_directions(have.shape[-1])[..., 2])
    cosine = torch.where(up > 0, up * (1 + up) ** 2, 0.0)  # solid angle goes with (1 + z)^2 on this disc
    pair = (have * cosine).sum((1, 2, 3)), (want * cosine).sum((1, 2, 3))
    return pair[0] / pair[1].clamp(min=1e-9) - 1
