"""From a column's optical depth to extinction on shells: flat bases, domed and eroded tops.

Shared by the procedural and the learned field, so both fill a layer in the same way. Heights are
fractions of the layer's thickness, 0 at the base and 1 at the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ProfileShape:
    """How one cloud type fills its layer."""

    thin_top: float
    """Height of the top where the column is thinnest."""
    thick_top: float
    """Height of the top where the column is thickest."""
    half_depth: float
    """Column optical depth at which the top is half-way between the two."""
    erosion: float
    """Deviation of the top height by noise that changes with height."""
    softness: float
    """Height over which the top fades out, several shells wide; the dome makes it three times steeper."""
    gain: float
    """Growth of extinction with height (liquid water rises above a condensation level)."""
    base_softness: float
    """Height over which the base fades in; small for flat bases."""


PROFILES = (
    ProfileShape(0.03, 1.00, 18.0, 0.18, 0.36, 0.6, 0.02),  # cumulus
    ProfileShape(0.12, 0.90, 7.0, 0.12, 0.25, 0.5, 0.02),  # stratocumulus
    ProfileShape(0.25, 0.90, 3.0, 0.10, 0.40, 0.0, 0.20),  # altocumulus
    ProfileShape(0.70, 0.95, 8.0, 0.05, 0.30, 0.2, 0.02),  # stratus
    ProfileShape(0.60, 1.00, 0.4, 0.20, 0.60, 0.0, 0.60),  # cirrus
    ProfileShape(0.03, 1.00, 36.0, 0.20, 0.30, 0.5, 0.02),  # towering cumulus
)
"""Shapes in the order of CLOUD_TYPES."""

PARAMETERS = 7
_TURNS = 2.2
"""Half turns of the erosion noise between base and top."""
DOME_POWER = 0.75
"""How fast tops rise with the product of a column's depth and the depth around it."""
LEAST_SOFTNESS = 0.12
"""Softness of the lowest tops, about two shells."""
GREATEST_PACKING = 90.0
"""Greatest extinction per thickness of a filled shell; thin clouds hold no more."""


def _soften(maps: Tensor, times: int) -> Tensor:
    """Blur one channel by the kernel (1, 2, 1) / 4 in both directions, several times; the rim repeats, size stays."""
    row = torch.tensor([0.25, 0.5, 0.25], device=maps.device)
    kernel = (row[:, None] * row[None, :])[None, None]
    for _ in range(times):
        maps = nn.functional.conv2d(nn.functional.pad(maps, (1, 1, 1, 1), mode="replicate"), kernel)
    return maps


def surrounding_depth(depth: Tensor, level: int) -> Tensor:
    """Column depth (B, 1, S, S) averaged over about 400 m, S a multiple of 4 on the finest level."""
    if level == 0:
        coarse = _soften(nn.functional.avg_pool2d(depth, 4), 6)
        return nn.functional.interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)
    return _soften(depth, 6 if level == 1 else 1)


class VerticalProfile(nn.Module):
    """Distribute column optical depth over shells; the mean over shells equals the column."""

    def __init__(self) -> None:
        super().__init__()
        rows = [
            (
                p.thin_top,
                p.thick_top - p.thin_top,
                math.log(p.half_depth),
                p.erosion,
                1 / p.softness,
                p.gain,
                1 / p.base_softness,
            )
            for p in PROFILES
        ]
        self.register_buffer("table", torch.tensor(rows).T.contiguous(), persistent=False)

    def parameters_of(self, types: Tensor) -> Tensor:
        """Parameter maps (B, 7, n, n) of type weights (B, 6, n, n) that sum to 1."""
        table: Tensor = self.table
        return nn.functional.conv2d(types, table[:, :, None, None])

    def forward(self, depth: Tensor, shape: Tensor, erosion: Tensor, shell_height: Tensor, level: int) -> Tensor:
        """Extinction per layer thickness.

        How high a cloud reaches follows from the column and from the depth around it, so tops are
        domes: neither a narrow column stands up as a pillar nor a cloud's rim as a curtain.

        Parameters
        ----------
        depth : Tensor, shape (B, 1, S, S)
            Vertical optical depth of the column, 0 or more.
        shape : Tensor, shape (B, 7, S, S)
            Maps of :meth:`parameters_of`.
        erosion : Tensor, shape (B, 2, S, S)
            Noise of zero mean and unit variance; its two parts are mixed by cos and sin of height.
        shell_height : Tensor, shape (k,)
            Fractions of the thickness, 0 to 1.
        level : int
            0 for texels of 25 m, 1 for 100 m, 2 for 400 m at texture scale 1.

        Returns
        -------
        Tensor, shape (B, k, S, S)
            0 or more; over a few texels its mean over k is that of ``depth`` where that needs at most
            GREATEST_PACKING.
        """
        height = shell_height[None, :, None, None]
        half = torch.exp(shape[:, 2:3])
        local = _soften(depth, 2) if level == 0 else depth
        ratio = (local * surrounding_depth(depth, level) / half.square() + 1e-8) ** DOME_POWER
        top = shape[:, 0:1] + shape[:, 1:2] * (ratio / (ratio + 1))
        amount = shape[:, 3:4] * (top / (top + 0.2))
        if level == 0:  # finer than its height, erosion would stand as spikes
            erosion = torch.cat([_soften(part, 4) for part in erosion.split(1, 1)], 1)
        steep = torch.maximum(shape[:, 4:5], 1 / (LEAST_SOFTNESS + 0.5 * top))
        turn = height * (_TURNS * math.pi)
        # Erosion grows from the base, so bases stay flat; the thinnest columns keep their lowest shell.
        eroded = (amount * erosion[:, 0:1]) * (torch.cos(turn) * height) + (amount * erosion[:, 1:2]) * (
            torch.sin(turn) * height
        )
        filled = ((top + eroded - height) * steep + 0.5).clamp(0.0, 1.0)
        base = ((height + 0.01) * shape[:, 6:7]).clamp(0.02, 1.0)
        floor = 1e-3 * (1.0 - height) ** 4
        weight = filled * base * (1.0 + shape[:, 5:6] * height) + floor
        packing = (depth / weight.mean(1, keepdim=True)).clamp(max=GREATEST_PACKING)
        # Fine structure of the column belongs to its base; higher up it would stand as vertical streaks.
        smooth = _soften(packing, 3)
        return weight * (packing + (smooth - packing) * height)
