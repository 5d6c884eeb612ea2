"""Sunlight: optical depth toward the sun and toward the zenith for every texel of a cloud volume.

Shells hold soft tops: extinction falls over several shells, so that interpolating it in height is
exact, and only the interpolated value is sharpened to a cloud's firm outline (:func:`.outline.sharpened`).
Otherwise a dome would show the shells as terraces. The path from shell k to shell k + 1 toward
the sun is sampled at some places; what lies above shell k + 1 is read from its own finished
table, so that cost grows with the number of shells and not with its square. A sun below the
horizon lights from beneath: then the recursion runs from the lowest shell upward. The Earth is
round: a place toward the sun sees it higher, and a path bends away from the ground.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import OCCUPANCY_CELL
from skygen_addon.core.sunlight_passes import LOW_SUN_SUBSTEPS, SUBSTEPS

from .atlas import blend_margins, sample, shifted_texels, stack_gaps, stack_windows, texel_positions
from .dome_detail import GREATEST_WARP_TEXELS
from .outline import sharpened
from .shells import EARTH_RADIUS_KM

SUN_TABLE_STRIDE = 2
"""The sun depth is computed on every second texel and interpolated."""
ZENITH_SUBSTEPS = 4
"""Samples of extinction between two shells toward the zenith."""


def shell_fill(extinction: Tensor) -> tuple[Tensor, Tensor]:
    """Shells (k, 1, L * N, N) as shares of a column's greatest extinction, and that, (1, 1, L * N, N)."""
    greatest = extinction.amax(0, keepdim=True)
    return extinction / (greatest + 1e-6), greatest


def gap_fill(extinction: Tensor) -> Tensor:
    """Shells (k, 1, L * N, N) as gaps (k - 1, 3, L * N, N): shares of lower and upper shell, greatest extinction."""
    fill, greatest = shell_fill(extinction)
    return torch.cat([fill[:-1], fill[1:], greatest.expand(extinction.shape[0] - 1, -1, -1, -1)], dim=1)


def rising_path_km(gap_km: Tensor, sin_elevation: Tensor) -> Tensor:
    """Length of a straight path that climbs ``gap_km`` above a sphere, from a start that is level at least."""
    s = sin_elevation.clamp(min=0.0)
    return (2 * gap_km) / (s + torch.sqrt(s * s + 2 * gap_km / EARTH_RADIUS_KM))


def falling_path_km(gap_km: Tensor, sin_elevation: Tensor) -> Tensor:
    """Length of a straight path that falls by ``gap_km``; at least as steep at its start as one that just does."""
    bend = 2 * gap_km / EARTH_RADIUS_KM
    s = torch.maximum(-sin_elevation, torch.sqrt(bend))
    return (2 * gap_km) / (s + torch.sqrt((s * s - bend).clamp(min=0.0)))


def fraction_climbed(fraction: float, path_km: Tensor, gap_km: Tensor, rising: Tensor) -> Tensor:
    """Share of a gap's height that lies behind a fraction of a path through it, for the Earth bends away from it."""
    bend = path_km * path_km / (2 * EARTH_RADIUS_KM * gap_km)
    return fraction * (1 + (1 - 2 * rising) * bend * (1 - fraction))


def sample_places(low_sun: bool) -> list[tuple[float, float]]:
    """Samples between two shells as fractions of the path, each with its share of the path.

    A high sun's are evenly spread. A low sun's paths are up to 40 km long: its samples start densely,
    for it is the cloud around a place that shades it most, and grow as far apart as clouds are.
    """
    if not low_sun:
        return [((index + 0.5) / SUBSTEPS, 1 / SUBSTEPS) for index in range(SUBSTEPS)]
    edges = [(index / LOW_SUN_SUBSTEPS) ** 2 for index in range(LOW_SUN_SUBSTEPS + 1)]
    middles = [((index + 0.5) / LOW_SUN_SUBSTEPS) ** 2 for index in range(LOW_SUN_SUBSTEPS)]
    return [(middle, end - start) for middle, start, end in zip(middles, edges[:-1], edges[1:], strict=True)]


class Sunlight(nn.Module):
    """Cloud volume (L, k, N, N) to atlas (k, 3, L * N, N): extinction, sun depth, zenith depth.

    Parameters
    ----------
    repeat : bool
        As in :func:`trainer.networks.atlas.atlas_grid`.
    low_sun : bool
        Take LOW_SUN_SUBSTEPS samples between two shells toward the sun instead of SUBSTEPS.
    """

    def __init__(self, repeat: bool = True, low_sun: bool = False) -> None:
        super().__init__()
        self.repeat, self.low_sun = repeat, low_sun

    def forward(
        self,
        extinction: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        sun_direction: Tensor,
    ) -> Tensor:
        levels, shells, size, _ = extinction.shape
        atlas = stack_windows(blend_margins(extinction, plane_offset_km / texel_km))  # k 1 LN N
        fill, greatest = shell_fill(atlas)
        gap_km = (shell_km[-1] - shell_km[0]) / float(shells - 1)  # shells are evenly spaced

        slab = torch.zeros_like(fill[:-1])  # k-1 1 LN N
        for index in range(ZENITH_SUBSTEPS):
            f = (index + 0.5) / ZENITH_SUBSTEPS
            slab = slab + sharpened((1 - f) * fill[:-1] + f * fill[1:])
        slab = slab * greatest * (gap_km / ZENITH_SUBSTEPS)
        above = torch.flip(torch.cumsum(torch.flip(slab, [0]), dim=0), [0])
        zenith_depth = torch.cat([above, torch.zeros_like(greatest)])  # k 1 LN N

        rising = (sun_direction[2] >= 0).to(torch.float32)
        # with a sun below the horizon, the volume is turned upside down and back
        ordered = rising * fill + (1 - rising) * torch.flip(fill, [0])
        maps = torch.cat([ordered, greatest]).transpose(0, 1)  # 1 k+1 LN N

        small = size // SUN_TABLE_STRIDE
        small_texel = texel_km * float(SUN_TABLE_STRIDE)
        path, toward = self.paths(levels, small, small_texel, gap_km, plane_matrix, sun_direction, rising)
        step = path[..., None] * toward  # Ln n 2, lattice km from one shell to the next

        gap_depth = torch.zeros(1, device=atlas.device)
        for fraction, width in sample_places(self.low_sun):
            place = shifted_texels(levels, small, small_texel, step * fraction, self.repeat)
            here = sample(maps, place[None])  # 1 k+1 Ln n
            climbed = fraction_climbed(fraction, path, gap_km, rising)
            between = here[:, :-2] + climbed * (here[:, 1:-1] - here[:, :-2])  # 1 k-1 Ln n
            gap_depth = gap_depth + sharpened(between) * (here[:, -1:] * width)
        gap_depth = (gap_depth * path).transpose(0, 1)  # k-1 1 Ln n

        whole = shifted_texels(levels, small, small_texel, step, self.repeat)[None]
        tables = [torch.zeros_like(gap_depth[:1])]
        for k in range(shells - 2, -1, -1):
            tables.insert(0, gap_depth[k : k + 1] + sample(tables[0], whole))
        table = torch.cat(tables)  # k 1 Ln n
        table = rising * table + (1 - rising) * torch.flip(table, [0])
        windows = table.reshape(shells, levels, small, small)
        sun_depth = nn.functional.interpolate(
            windows, scale_factor=float(SUN_TABLE_STRIDE), mode="bilinear", align_corners=False
        ).reshape(shells, 1, levels * size, size)
        return torch.cat([atlas, sun_depth, zenith_depth], dim=1)  # k 3 LN N

    @staticmethod
    def paths(
        levels: int,
        size: int,
        texel_km: Tensor,
        gap_km: Tensor,
        plane_matrix: Tensor,
        sun_direction: Tensor,
        rising: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Paths through a gap at the sun's slope over every texel, (L * n, n), and a kilometre of them on the lattice.

        The camera stands less than a kilometre off the windows' centre, which is taken for its place.
        """
        horizontal = sun_direction[:2]
        cos_elevation = torch.sqrt((horizontal * horizontal).sum() + 1e-12)
        a, b, c, d = plane_matrix[0, 0], plane_matrix[0, 1], plane_matrix[1, 0], plane_matrix[1, 1]
        east, north = horizontal[0] / cos_elevation, horizontal[1] / cos_elevation
        from_lattice = torch.stack([east * d - north * c, north * a - east * b]) / (a * d - b * c)  # 2
        along = (texel_positions(levels, size, texel_km) * from_lattice).sum(-1)  # Ln n, km toward the sun
        slope = sun_direction[2] + cos_elevation * (along / EARTH_RADIUS_KM)
        path = rising * rising_path_km(gap_km, slope) + (1 - rising) * falling_path_km(gap_km, slope)
        return path, plane_matrix @ horizontal


def occupancy_of(gaps: Tensor) -> Tensor:
    """Greatest fill of either shell in and around every cell, (g, 1, R / CELL, N / CELL), of gaps (g, 3, R, N).

    As far around it as detail displaces outlines.
    """
    around = math.ceil(GREATEST_WARP_TEXELS) + 1  # what is interpolated reaches a texel farther
    fill = torch.maximum(gaps[:, :1], gaps[:, 1:2]) * (gaps[:, 2:3] > 1e-6).to(torch.float32)
    return nn.functional.max_pool2d(fill, OCCUPANCY_CELL + 2 * around, stride=OCCUPANCY_CELL, padding=around)


def gap_tables(atlas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """An atlas (k, 3, L * N, N) as the dome reads it: outline, light and occupancy of core.signatures.SUNLIGHT."""
    fill = gap_fill(atlas[:, :1])
    sun, zenith = atlas[:, 1:2], atlas[:, 2:3]
    light = torch.cat([sun[:-1], sun[1:], zenith[:-1], zenith[1:]], dim=1)
    return stack_gaps(fill), stack_gaps(light), occupancy_of(fill)


class GapSunlight(nn.Module):
    """Signature ``SUNLIGHT`` of :mod:`skygen_addon.core.signatures`."""

    def __init__(self, low_sun: bool = False) -> None:
        super().__init__()
        self.sunlight = Sunlight(low_sun=low_sun)

    def forward(
        self,
        extinction: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        sun_direction: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        atlas = self.sunlight(extinction, shell_km, texel_km, plane_matrix, plane_offset_km, sun_direction)
        return gap_tables(atlas)
