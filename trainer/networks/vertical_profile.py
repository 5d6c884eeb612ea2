"""From a column's optical depth to extinction on shells: bases flat or undulating, domed and billowing tops.

Shared by the procedural and the learned field, so both fill a layer in the same way. Heights are
fractions of the layer's thickness, 0 at the base and 1 at the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import WINDOW_FACTOR

from .cloud_widths import SPANS, inner_width, soften, spread_over

TEXEL_KM = 0.025
"""Texel of the finest level at texture scale 1."""


@dataclass(frozen=True)
class ProfileShape:
    """How one cloud type fills its layer."""

    thin_top: float
    """Height of the top at a cloud's rim; below 0 for rims that taper off, since a top also fades over its softness."""
    thick_top: float
    """Height of the top in the middle of a wide, thick cloud."""
    half_depth: float
    """Column optical depth at which the top is half-way as high as depth can make it."""
    puffs: float
    """Deviation of the surface by puffs along its normal, in high clouds and in shares of the thickness."""
    softness: float
    """Height over which the top fades out, several shells wide; the dome makes it three times steeper."""
    gain: float
    """Growth of extinction with height (liquid water rises above a condensation level)."""
    base_softness: float
    """Height over which the base fades in where there is no relief; small for flat bases."""
    width_share: tuple[float, float, float, float, float, float, float]
    """Shares of height that a cloud has anywhere, and where it fills 60, 120, 240, 480, 960 and 1920 m around a
    place; they sum to 1. Convection cells are about as high as they are wide."""
    relief: float = 0.0
    """Height between the lowest and the highest places of the base: the undulations that an overcast shows."""
    tall: float = 0.0
    """1 for towers, whose layer is several times as thick as other types', with steep sides and broad shoulders."""
    usual_km: float = 1.0
    """Thickness that the layer usually has; tells how steep a cloud's sides are."""


PROFILES = (
    # cumulus
    ProfileShape(-0.04, 1.00, 14.0, 0.08, 0.36, 0.6, 0.02, (0.0, 0.15, 0.24, 0.31, 0.30, 0.0, 0.0), 0.12, 0.0, 1.3),
    # stratocumulus
    ProfileShape(0.12, 0.90, 7.0, 0.10, 0.25, 0.5, 0.02, (0.15, 0.25, 0.30, 0.30, 0.0, 0.0, 0.0), 0.22, 0.0, 0.5),
    # altocumulus
    ProfileShape(0.25, 0.90, 3.0, 0.08, 0.40, 0.0, 0.20, (0.40, 0.35, 0.25, 0.0, 0.0, 0.0, 0.0), 0.12, 0.0, 0.4),
    # stratus
    ProfileShape(0.70, 0.95, 8.0, 0.05, 0.30, 0.2, 0.02, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.22, 0.0, 0.6),
    # cirrus
    ProfileShape(0.60, 1.00, 0.4, 0.05, 0.60, 0.0, 0.60, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.9),
    # towering cumulus
    ProfileShape(-0.03, 1.00, 24.0, 0.05, 0.30, 0.5, 0.02, (0.0, 0.04, 0.08, 0.16, 0.26, 0.27, 0.19), 0.06, 1.0, 4.0),
)
"""Shapes in the order of CLOUD_TYPES."""

PARAMETERS = 7 + 1 + SPANS + 3
DEPTH_SHARE = 0.45
"""Share of the height that depends on the column's depth; the rest is there wherever the cloud is wide."""
FULL_DEPTH = (0.35, 0.5, 0.7)
"""Optical depth, in half depths, of a texel that is all cloud, by level: coarser texels hold means."""
RELIEF_SLOPE = 0.35
"""Share of a base's relief per deviation of its noise; what goes beyond lies at the lowest or highest place."""
LEAST_TOP = (-0.1, 0.0, 0.08)
"""Least height of a top, by level: rims may vanish, but a coarser texel's rim is a mean that holds more than rims."""
GREATEST_STRETCH, GREATEST_BULGE = 10.0, 2.5
"""How much farther up than their size puffs move a steep surface, at most: inward, and outward, where lobes would come
off as crumbs."""
LEAST_SOFTNESS = 0.14
"""Softness of the lowest tops, about two shells."""
GREATEST_PACKING = 120.0
"""Greatest extinction per thickness of a filled shell; thin clouds hold no more."""


def tall_share(shape: Tensor) -> Tensor:
    """Share of towers (B, 1, S, S) in maps of :meth:`VerticalProfile.parameters_of`."""
    return shape[:, PARAMETERS - 2 : PARAMETERS - 1]


def normal_stretch(top: Tensor, texels: Tensor) -> Tensor:
    """How much farther up than along its normal a surface must be moved to lie as far from where it was.

    Parameters
    ----------
    top : Tensor, shape (B, 1, S, S)
        Height of the surface in shares of the thickness.
    texels : Tensor, shape (B, 1, S, S)
        Thickness in texels.

    Returns
    -------
    Tensor, shape (B, 1, S, S)
        1 where it is level, up to GREATEST_STRETCH where it is steep.
    """
    wide = nn.functional.pad(top, (1, 1, 1, 1), mode="replicate")
    east = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]
    north = wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]
    slope_squared = (east * east + north * north) * (0.5 * texels).square()
    return torch.sqrt(1 + slope_squared).clamp(max=GREATEST_STRETCH)


def _domed(inside: Tensor) -> Tensor:
    return inside * (2 - inside)


class VerticalProfile(nn.Module):
    """Distribute column optical depth over shells; the mean over shells equals the column."""

    def __init__(self) -> None:
        super().__init__()
        rows = [
            (
                p.thin_top,
                p.thick_top - p.thin_top,
                math.log(p.half_depth),
                p.puffs,
                1 / p.softness,
                p.gain,
                1 / p.base_softness,
                *p.width_share,
                p.relief,
                p.tall,
                p.usual_km,
            )
            for p in PROFILES
        ]
        self.register_buffer("table", torch.tensor(rows).T.contiguous(), persistent=False)

    def parameters_of(self, types: Tensor) -> Tensor:
        """Parameter maps (B, PARAMETERS, n, n) of type weights (B, 6, n, n) that sum to 1."""
        table: Tensor = self.table
        return nn.functional.conv2d(types, table[:, :, None, None])

    def filled(self, depth: Tensor, shape: Tensor, level: int) -> Tensor:
        """Share of each texel (B, 1, S, S) that is cloud, 0 to 1; parameters as in :meth:`forward`."""
        return (depth / (torch.exp(shape[:, 2:3]) * FULL_DEPTH[level])).clamp(0.0, 1.0)

    def forward(
        self,
        depth: Tensor,
        shape: Tensor,
        puffs: Tensor | None,
        relief: Tensor,
        shell_height: Tensor,
        level: int,
        wider: Tensor | None = None,
    ) -> Tensor:
        """Extinction per layer thickness.

        How high a cloud reaches follows from how far a place lies inside it, hence tops are domes
        about as high as wide, and from the column's depth, which gives them turrets.

        Parameters
        ----------
        depth : Tensor, shape (B, 1, S, S)
            Vertical optical depth of the column, 0 or more; S a multiple of 32.
        shape : Tensor, shape (B, PARAMETERS, S, S)
            Maps of :meth:`parameters_of`.
        puffs : Tensor, shape (B, k, S, S), or None
            Noise of zero mean and at most unit variance in three dimensions.
        relief : Tensor, shape (B, 1, S, S)
            Noise of zero mean and about unit variance: how high the base lies.
        shell_height : Tensor, shape (k,)
            Fractions of the thickness, 0 to 1.
        level : int
            0 for texels of 25 m, 1 for 100 m, 2 for 400 m at texture scale 1.
        wider : Tensor, shape (B, 1, S, S), optional
            What :meth:`filled` gives for the next wider level.

        Returns
        -------
        Tensor, shape (B, k, S, S)
            0 or more; over a few texels its mean over k is that of ``depth`` where that needs at most
            GREATEST_PACKING.
        """
        height = shell_height[None, :, None, None]
        half = torch.exp(shape[:, 2:3])
        local = spread_over(depth, 4) if level == 0 else depth  # narrower, it would stand as a finger
        widths, crowns, rim = inner_width(self.filled(depth, shape, level), level, wider)
        shares = [shape[:, 8 + i : 9 + i] for i in range(SPANS)]
        inside = _domed(shape[:, 7:8] + sum(share * width for share, width in zip(shares, widths, strict=True)))
        crowned = _domed(shape[:, 7:8] + sum(share * crown for share, crown in zip(shares, crowns, strict=True)))
        # Domes, not tents; towers have steep sides and heads nearly as wide as they are.
        inside = inside + tall_share(shape) * (crowned * _domed(rim) - inside)
        turret = (1 - DEPTH_SHARE) + DEPTH_SHARE * (local / (local + half))
        top = (shape[:, 0:1] + shape[:, 1:2] * inside * turret).clamp(min=LEAST_TOP[level])
        raised = torch.relu(top)
        steep = torch.maximum(shape[:, 4:5], 1 / (LEAST_SOFTNESS + 0.5 * raised))
        surface = top - height
        if puffs is not None:
            # Puffs grow from a cloud's base to its middle, so bases stay flat, and with the cloud.
            risen = (height / (0.5 * raised + 0.02)).clamp(0.0, 1.0)
            stretch = normal_stretch(raised, shape[:, PARAMETERS - 1 :] * (1 / (TEXEL_KM * WINDOW_FACTOR**level)))
            bulge = stretch.clamp(max=GREATEST_BULGE)
            moved = torch.relu(puffs) * bulge - torch.relu(-puffs) * stretch
            surface = surface + (shape[:, 3:4] * (raised / (raised + 0.2))) * risen * moved
        filled = (surface * steep + 0.5).clamp(0.0, 1.0)
        shown = (2 - 10 * (shell_height[1] - shell_height[0])).clamp(0.0, 1.0)  # few shells show no relief
        relief_height = shape[:, PARAMETERS - 3 : PARAMETERS - 2] * shown
        lift = relief_height * (0.5 + RELIEF_SLOPE * relief).clamp(0.0, 1.0)
        lift = torch.minimum(lift, 0.5 * torch.relu(raised - 0.1))  # rims are thin and keep their base
        softness = 1 / shape[:, 6:7] + 0.5 * relief_height  # shells show a slope, not a step
        base = ((height - lift) / softness + 0.01 * shape[:, 6:7]).clamp(0.02, 1.0)
        floor = 1e-3 * (1.0 - height) ** 4
        weight = filled * base * (1.0 + shape[:, 5:6] * height)
        packing = (depth / (weight + floor).mean(1, keepdim=True)).clamp(max=GREATEST_PACKING)
        # Fine structure of the column belongs to its base; higher up it would stand as vertical streaks.
        smooth = soften(packing, 3)
        return weight * (packing + (smooth - packing) * height) + floor * packing
