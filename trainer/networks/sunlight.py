"""Sunlight: optical depth toward the sun and toward the zenith for every texel of a cloud volume.

Shells hold soft tops: extinction falls over several shells, so that interpolating it in height is
exact, and only the interpolated value is sharpened to a cloud's firm outline (:func:`sharpened`).
Otherwise a dome would show the shells as terraces. The path from shell k to shell k + 1 toward
the sun is sampled at SUBSTEPS places; what lies above shell k + 1 is read from its own finished
table, so that cost grows with the number of shells and not with its square. A sun below the
horizon lights from beneath: then the recursion runs from the lowest shell upward.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import OCCUPANCY_CELL

from .atlas import blend_margins, sample, shifted_texels, stack_gaps, stack_windows
from .shells import EARTH_RADIUS_KM

SUBSTEPS = 4
"""Samples of extinction between two shells."""
SUN_TABLE_STRIDE = 2
"""The sun depth is computed on every second texel and interpolated."""
SHARPNESS = 3.0
"""How much steeper than the shells' own a cloud's top is."""


def sharpened(fill: Tensor) -> Tensor:
    """Share of a column's greatest extinction, 0 to 1, with a firm edge at one half."""
    return ((fill - 0.5) * SHARPNESS + 0.5).clamp(0.0, 1.0)


def gap_fill(extinction: Tensor) -> Tensor:
    """Shells (k, 1, L * N, N) as gaps (k - 1, 3, L * N, N): shares of lower and upper shell, greatest extinction."""
    greatest = extinction.amax(0, keepdim=True)
    fill = extinction / (greatest + 1e-6)
    return torch.cat([fill[:-1], fill[1:], greatest.expand(extinction.shape[0] - 1, -1, -1, -1)], dim=1)


def gap_path_km(gap_km: Tensor, sin_elevation: Tensor) -> Tensor:
    """Length of a straight path that climbs ``gap_km`` above a sphere, starting at this slope."""
    s = sin_elevation.abs()
    radius = EARTH_RADIUS_KM
    return (2 * gap_km) / (s + torch.sqrt(s * s + 2 * gap_km / radius))


class Sunlight(nn.Module):
    """Cloud volume (L, k, N, N) to atlas (k, 3, L * N, N): extinction, sun depth, zenith depth.

    ``repeat`` is that of :func:`trainer.networks.atlas.atlas_grid`.
    """

    def __init__(self, repeat: bool = True) -> None:
        super().__init__()
        self.repeat = repeat

    def forward(
        self, extinction: Tensor, shell_km: Tensor, texel_km: Tensor, plane_matrix: Tensor, sun_direction: Tensor
    ) -> Tensor:
        levels, shells, size, _ = extinction.shape
        atlas = stack_windows(blend_margins(extinction))  # k 1 LN N
        gap_km = shell_km[1:] - shell_km[:-1]
        zeros = torch.zeros_like(atlas[:1])

        gaps = gap_fill(atlas)  # k-1 3 LN N
        fraction = (torch.arange(SUBSTEPS, dtype=torch.float32, device=atlas.device) + 0.5) / SUBSTEPS
        between = gaps[:, :1] + (gaps[:, 1:2] - gaps[:, :1]) * fraction[None, :, None, None]  # k-1 SUBSTEPS LN N
        slab = sharpened(between).mean(1, keepdim=True) * gaps[:, 2:] * gap_km[:, None, None, None]  # k-1 1 LN N
        above = torch.flip(torch.cumsum(torch.flip(slab, [0]), dim=0), [0])
        zenith_depth = torch.cat([above, zeros])  # k 1 LN N

        horizontal = sun_direction[:2]
        toward = (plane_matrix @ horizontal) / torch.sqrt((horizontal * horizontal).sum() + 1e-12)  # 2
        cos_elevation = torch.sqrt((1 - sun_direction[2] ** 2).clamp(0.0, 1.0))
        path = gap_path_km(gap_km, sun_direction[2])  # k-1
        step = (path * cos_elevation)[:, None] * toward[None, :]  # k-1 2, lattice km from one shell to the next

        rising = (sun_direction[2] >= 0).to(torch.float32)
        # with a sun below the horizon, the volume is turned upside down and back
        ordered = gap_fill(rising * atlas + (1 - rising) * torch.flip(atlas, [0]))
        path = rising * path + (1 - rising) * torch.flip(path, [0])
        step = rising * step + (1 - rising) * torch.flip(step, [0])

        small = size // SUN_TABLE_STRIDE
        small_texel = texel_km * float(SUN_TABLE_STRIDE)
        gap_depth = torch.zeros(1, device=atlas.device)
        for index in range(SUBSTEPS):
            f = fraction[index]
            gap = sample(ordered, shifted_texels(levels, small, small_texel, step * f, self.repeat))  # k-1 3 Ln n
            gap_depth = gap_depth + sharpened((1 - f) * gap[:, :1] + f * gap[:, 1:2]) * gap[:, 2:]
        gap_depth = gap_depth * (path / SUBSTEPS)[:, None, None, None]

        whole = shifted_texels(levels, small, small_texel, step, self.repeat)
        tables = [torch.zeros_like(gap_depth[:1])]
        for k in range(shells - 2, -1, -1):
            beyond = sample(tables[0], whole[k : k + 1])
            tables.insert(0, gap_depth[k : k + 1] + beyond)
        table = torch.cat(tables)  # k 1 Ln n
        table = rising * table + (1 - rising) * torch.flip(table, [0])
        windows = table.reshape(shells, levels, small, small)
        sun_depth = nn.functional.interpolate(
            windows, scale_factor=float(SUN_TABLE_STRIDE), mode="bilinear", align_corners=False
        ).reshape(shells, 1, levels * size, size)
        return torch.cat([atlas, sun_depth, zenith_depth], dim=1)  # k 3 LN N


def occupancy_of(gaps: Tensor) -> Tensor:
    """Greatest fill of either shell within a texel of every cell, (g, 1, R / CELL, N / CELL), of gaps (g, 3, R, N)."""
    fill = torch.maximum(gaps[:, :1], gaps[:, 1:2]) * (gaps[:, 2:3] > 1e-6).to(torch.float32)
    return nn.functional.max_pool2d(fill, OCCUPANCY_CELL + 2, stride=OCCUPANCY_CELL, padding=1)


def gap_tables(atlas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """An atlas (k, 3, L * N, N) as the dome reads it: outline, light and occupancy of core.signatures.SUNLIGHT."""
    fill = gap_fill(atlas[:, :1])
    sun, zenith = atlas[:, 1:2], atlas[:, 2:3]
    light = torch.cat([sun[:-1], sun[1:], zenith[:-1], zenith[1:]], dim=1)
    return stack_gaps(fill), stack_gaps(light), occupancy_of(fill)


class GapSunlight(nn.Module):
    """Signature ``SUNLIGHT`` of :mod:`skygen_addon.core.signatures`."""

    def __init__(self) -> None:
        super().__init__()
        self.sunlight = Sunlight()

    def forward(
        self, extinction: Tensor, shell_km: Tensor, texel_km: Tensor, plane_matrix: Tensor, sun_direction: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return gap_tables(self.sunlight(extinction, shell_km, texel_km, plane_matrix, sun_direction))
