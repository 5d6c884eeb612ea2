"""Optical depth toward the sun at any place in a layer: marched at first, from there on read from the table.

The table of :mod:`.sunlight` is coarser than a cloud's lit skin, and between two shells nothing
tells it where the outline runs. So the way nearest to a place, which decides how its skin is
lit, is marched through the outline itself, and the table is read where that way ends.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skygen_addon.core.sunlight_passes import HORIZON_FADE_RAD

from .atlas import AtlasPlaces, sample, sample_shells
from .cloud_light import between, between_from_beneath
from .outline import mean_sharpened, over_step
from .shells import EARTH_RADIUS_KM

MARCH_TEXELS = 3.0
"""Length of the marched way in texels of the window that holds the place; at least a gap between shells."""
MARCH_ENDS = (0.2, 0.5, 1.0)
"""Where its steps end, as shares of its length; over a step the outline is taken to be linear."""


def share_from_beneath(sun_direction: Tensor) -> Tensor:
    """Share of a layer's light, scalar, that reaches it from beneath; one less core.sunlight_passes.share_above."""
    even = (0.5 - sun_direction[2] * (0.5 / math.sin(HORIZON_FADE_RAD))).clamp(0.0, 1.0)
    return even * even * (3 - 2 * even)


def depths_at(
    outline: tuple[Tensor, Tensor],
    light: tuple[Tensor, Tensor],
    places: AtlasPlaces,
    height_km: Tensor,
    fill: Tensor,
    greatest: Tensor,
    slope: Tensor,
    shell_km: Tensor,
    toward: Tensor,
    sun_direction: Tensor,
    detail_km: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Optical depths toward the sun and straight up of places in a layer, and down from the shell below, all (q,).

    Parameters
    ----------
    outline : tuple of Tensor, shapes (1, 1, k * R, N) and (1, 1, R, N)
        Fill and greatest extinction, as the sunlight graph gives them.
    light : tuple of Tensor, shapes (1, 1, k * r, n)
        Depth toward the sun and straight up, as the sunlight graph gives them.
    places, height_km : AtlasPlaces of q, and Tensor, shape (q,)
        Places on the lattice, and their height above the camera.
    fill, greatest : Tensor, shapes (q,)
        Outline there, and greatest extinction of the column in 1/km.
    slope : Tensor, shape (q,)
        Sine of the sun's elevation there, see :func:`sun_slope`.
    shell_km : Tensor, shape (k,)
        Evenly spaced.
    toward : Tensor, shape (2,)
        A kilometre toward the sun on the lattice.
    sun_direction : Tensor, shape (3,)
    detail_km : tuple of Tensor, shapes (q,), optional
        How far east and north of a place the detail reads outline and light there.
    """
    shells = shell_km.shape[0]
    base, top = shell_km[0], shell_km[-1]
    gap_km = shell_km[1] - shell_km[0]
    march_km = torch.maximum(MARCH_TEXELS * places.texel_there_km, gap_km)
    climb_km = torch.where(slope >= 0, top - height_km, height_km - base)
    march_km = torch.minimum(march_km, climb_km.clamp(min=0) / slope.abs().clamp(min=1e-4))  # no farther than the layer

    def gap_and_fraction(height: Tensor) -> tuple[Tensor, Tensor]:
        shell = (height - base) / gap_km
        gap = torch.floor(shell).clamp(min=0).clamp(max=shells - 2)
        return gap, (shell - gap).clamp(0.0, 1.0)

    def on_both(table: Tensor, grid: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        return sample_shells(table, grid, gap, shells), sample_shells(table, grid, gap + 1, shells)

    depth = torch.zeros_like(height_km)
    begin = 0.0
    for end in MARCH_ENDS:
        along = end * march_km
        east, north = along * toward[0], along * toward[1]
        if detail_km is not None:
            east, north = east + detail_km[0], north + detail_km[1]
        gap, f = gap_and_fraction(height_km + along * slope)
        grid = places.moved(east, north)
        lower, upper = on_both(outline[0], grid, gap)
        next_fill, next_greatest = lower + f * (upper - lower), sample(outline[1], grid[None, None])[0, 0, 0]
        share = mean_sharpened(fill, next_fill) * over_step(greatest, next_greatest)
        depth = depth + share * ((end - begin) * march_km)
        begin, fill, greatest = end, next_fill, next_greatest

    gap, f = gap_and_fraction(height_km + march_km * slope)
    rest = on_both(light[0], grid, gap)  # where the last step ended
    lowest = (gap == 0).to(depth.dtype)
    depth = depth + between_from_beneath(rest[0], rest[1], f, lowest, share_from_beneath(sun_direction))

    gap, f = gap_and_fraction(height_km)
    grid = places.grid if detail_km is None else places.moved(*detail_km)
    lower, upper = on_both(light[1], grid, gap)
    beneath = sample_shells(light[1], grid, torch.zeros_like(gap), shells) - lower
    return depth, between(lower, upper, f), torch.relu(beneath)


def sun_slope(sun_direction: Tensor, cos_angle: Tensor, distance_km: Tensor) -> Tensor:
    """Sine of the sun's elevation at places seen at an angle to the sun: the round Earth turns toward it with distance.

    ``cos_angle`` and ``distance_km`` are of the view rays; the height of clouds is neglected against
    the Earth's radius.
    """
    return sun_direction[2] + cos_angle * distance_km / EARTH_RADIUS_KM
