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
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import OCCUPANCY_CELL
from skygen_addon.core.sunlight_passes import LOW_SUN_SUBSTEPS, SUBSTEPS

from .atlas import blend_margins, sample, shifted_texels, stack_shells, stack_windows, texel_positions
from .dome_detail import GREATEST_WARP_TEXELS
from .outline import SHARPNESS, sharpened
from .shells import EARTH_RADIUS_KM

TABLE_STRIDE = 2
"""Depths are tabulated on every second texel."""
ZENITH_SUBSTEPS = 4
"""Samples of extinction between two shells toward the zenith."""


class SunTables(NamedTuple):
    """A volume as the dome reads it, shells of L windows each; n is N / TABLE_STRIDE."""

    extinction: Tensor
    """(k, 1, L * N, N) in 1/km, every window melted into the next coarser one."""
    fill: Tensor
    """(k, 1, L * N, N) shares of the column's greatest extinction."""
    greatest: Tensor
    """(1, 1, L * N, N) the column's greatest extinction."""
    sun_depth: Tensor
    """(k, 1, L * n, n) optical depth toward the sun."""
    zenith_depth: Tensor
    """(k, 1, L * n, n) optical depth straight up."""


def shell_fill(extinction: Tensor) -> tuple[Tensor, Tensor]:
    """Shells (k, 1, L * N, N) as shares of a column's greatest extinction, and that, (1, 1, L * N, N)."""
    greatest = extinction.amax(0, keepdim=True)
    return extinction / (greatest + 1e-6), greatest


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
        levels = extinction.shape[0]
        tables = self.tables(extinction, shell_km, texel_km, plane_matrix, plane_offset_km, sun_direction)
        depths = [spread_table(depth, levels) for depth in (tables.sun_depth, tables.zenith_depth)]
        return torch.cat([tables.extinction, *depths], dim=1)  # k 3 LN N

    def tables(
        self,
        extinction: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        sun_direction: Tensor,
    ) -> SunTables:
        """The tables of a volume (L, k, N, N)."""
        levels, shells, size, _ = extinction.shape
        atlas = stack_windows(blend_margins(extinction, plane_offset_km / texel_km))  # k 1 LN N
        fill, greatest = shell_fill(atlas)
        gap_km = (shell_km[-1] - shell_km[0]) / float(shells - 1)  # shells are evenly spaced
        zenith_depth = zenith_depths(fill, greatest, gap_km)  # k 1 Ln n

        # with a sun below the horizon, the volume is turned upside down and back
        rising = (sun_direction[2] >= 0).to(torch.float32)
        upward = torch.arange(shells, dtype=torch.float32, device=atlas.device)
        order = (rising * upward + (1 - rising) * (float(shells - 1) - upward)).to(torch.int64)
        maps = fill.index_select(0, order).reshape(1, shells, levels * size, size)

        small = size // TABLE_STRIDE
        small_texel = texel_km * float(TABLE_STRIDE)
        from_camera = texel_positions(levels, small, small_texel) - plane_offset_km  # Ln n 2
        path, toward = self.paths(from_camera, gap_km, plane_matrix, sun_direction, rising)
        step = path[..., None] * toward  # Ln n 2, lattice km from one shell to the next

        gap_depth = torch.zeros(1, device=atlas.device)
        for fraction, width in sample_places(self.low_sun):
            place = shifted_texels(levels, small, small_texel, step * fraction, self.repeat)[None]
            here = sample(maps, place)  # 1 k Ln n
            climbed = fraction_climbed(fraction, path, gap_km, rising)
            between = here[:, :-1] + climbed * (here[:, 1:] - here[:, :-1])  # 1 k-1 Ln n
            gap_depth = gap_depth + sharpened(between) * (sample(greatest, place) * width)
        gap_depth = (gap_depth * path).reshape(shells - 1, 1, levels * small, small)

        whole = shifted_texels(levels, small, small_texel, step, self.repeat)[None]
        tables = [torch.zeros_like(gap_depth[:1])]
        for k in range(shells - 2, -1, -1):
            tables.insert(0, gap_depth[k : k + 1] + sample(tables[0], whole))
        sun_depth = torch.cat(tables).index_select(0, order)  # k 1 Ln n
        return SunTables(atlas, fill, greatest, sun_depth, zenith_depth)

    @staticmethod
    def paths(
        from_camera_km: Tensor, gap_km: Tensor, plane_matrix: Tensor, sun_direction: Tensor, rising: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Paths through a gap at the sun's slope over every texel, (L * n, n), and a kilometre of them on the lattice.

        ``from_camera_km`` (L * n, n, 2) are the texels' places east and north of the camera on the lattice.
        """
        horizontal = sun_direction[:2]
        cos_elevation = torch.sqrt((horizontal * horizontal).sum() + 1e-12)
        a, b, c, d = plane_matrix[0, 0], plane_matrix[0, 1], plane_matrix[1, 0], plane_matrix[1, 1]
        east, north = horizontal[0] / cos_elevation, horizontal[1] / cos_elevation
        from_lattice = torch.stack([east * d - north * c, north * a - east * b]) / (a * d - b * c)  # 2
        along = (from_camera_km * from_lattice).sum(-1)  # Ln n, km toward the sun
        slope = sun_direction[2] + cos_elevation * (along / EARTH_RADIUS_KM)
        path = rising * rising_path_km(gap_km, slope) + (1 - rising) * falling_path_km(gap_km, slope)
        return path, plane_matrix @ horizontal


def zenith_depths(fill: Tensor, greatest: Tensor, gap_km: Tensor) -> Tensor:
    """Optical depth straight up (k, 1, L * n, n) of every second texel of shells (k, 1, L * N, N)."""
    raised = (nn.functional.avg_pool2d(fill, TABLE_STRIDE) - 0.5) * SHARPNESS + 0.5  # as outline.sharpened
    lower, rise = raised[:-1], raised[1:] - raised[:-1]
    slab = torch.zeros_like(lower)
    for index in range(ZENITH_SUBSTEPS):
        slab = slab + (lower + ((index + 0.5) / ZENITH_SUBSTEPS) * rise).clamp(0.0, 1.0)
    column = nn.functional.avg_pool2d(greatest, TABLE_STRIDE) * (gap_km / ZENITH_SUBSTEPS)
    above = torch.flip(torch.cumsum(torch.flip(slab * column, [0]), dim=0), [0])
    return torch.cat([above, torch.zeros_like(column)])


def spread_table(depth: Tensor, levels: int) -> Tensor:
    """Depths (k, 1, L * n, n) interpolated on every texel, (k, 1, L * N, N), window by window."""
    shells, _, _, small = depth.shape
    windows = nn.functional.interpolate(
        depth.reshape(shells, levels, small, small),
        scale_factor=float(TABLE_STRIDE),
        mode="bilinear",
        align_corners=False,
    )
    return windows.reshape(shells, 1, levels * small * TABLE_STRIDE, small * TABLE_STRIDE)


def gathered_table(depth: Tensor, levels: int) -> Tensor:
    """The table (k, 1, L * n, n) that :func:`spread_table` has interpolated to (k, 1, L * N, N)."""
    shells, _, _, size = depth.shape
    table = depth.reshape(shells, levels, size, size)
    for axis in (2, 3):
        first, second = table.unflatten(axis, (-1, TABLE_STRIDE)).unbind(axis + 1)
        start = first.narrow(axis, 0, 1)
        before = torch.cat([start, second.narrow(axis, 0, second.shape[axis] - 1)], axis)
        # a quarter of the entry before and three of the own, and the other way round
        table = 1.5 * first - 0.5 * before
    small = size // TABLE_STRIDE
    return table.clamp(min=0.0).reshape(shells, 1, levels * small, small)


def occupancy_of(fill: Tensor, greatest: Tensor) -> Tensor:
    """Greatest fill of a gap's shells in and around every cell, (k - 1, 1, R / CELL, N / CELL); fill (k, 1, R, N).

    As far around it as detail displaces outlines.
    """
    around = math.ceil(GREATEST_WARP_TEXELS) + 1  # what is interpolated reaches a texel farther
    held = fill * (greatest > 1e-6).to(torch.float32)
    cells = nn.functional.max_pool2d(held, OCCUPANCY_CELL + 2 * around, stride=OCCUPANCY_CELL, padding=around)
    return torch.maximum(cells[:-1], cells[1:])


def dome_tables(atlas: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """An atlas (k, 3, L * N, N) as the dome reads it: the outputs of core.signatures.SUNLIGHT."""
    fill, greatest = shell_fill(atlas[:, :1])
    levels = atlas.shape[2] // atlas.shape[3]
    sun, zenith = (gathered_table(depth, levels) for depth in (atlas[:, 1:2], atlas[:, 2:]))
    return stack_shells(fill), greatest, stack_shells(sun), stack_shells(zenith), occupancy_of(fill, greatest)


class DomeSunlight(nn.Module):
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
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        _, fill, greatest, sun_depth, zenith_depth = self.sunlight.tables(
            extinction, shell_km, texel_km, plane_matrix, plane_offset_km, sun_direction
        )
        occupancy = occupancy_of(fill, greatest)
        return stack_shells(fill), greatest, stack_shells(sun_depth), stack_shells(zenith_depth), occupancy
