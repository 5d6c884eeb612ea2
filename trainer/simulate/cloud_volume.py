"""A cloud layer as the reference sees it: extinction and sun depth at any point, and majorants.

Positions are (3, n) in km in the camera's frame (x east, y north, z up, origin at the camera on
the ground of a spherical Earth), so straight lines are straight and height follows the curvature.
Extinction is interpolated exactly as in :class:`trainer.networks.dome.Dome` (the share of a
column's greatest extinction bilinear on the plane and linear in height, then sharpened), and zero
above, below and beside the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from skygen_addon.core.signatures import WINDOW_FACTOR
from skygen_addon.core.sunlight_passes import mixed_depth, sunlight_passes
from trainer.networks.atlas import INSET_TEXELS, sure_reach
from trainer.networks.outline import sharpened
from trainer.networks.shells import EARTH_RADIUS_KM
from trainer.networks.sunlight import Sunlight

MAJORANT_TEXELS = 8
"""Side of a majorant tile in texels of its window."""


def height_km(position_km: Tensor) -> Tensor:
    """Height (n,) above the camera's sphere of positions (3, n), without cancellation."""
    rise = 2 * EARTH_RADIUS_KM * position_km[2] + (position_km * position_km).sum(0)
    return rise / (EARTH_RADIUS_KM + torch.sqrt(EARTH_RADIUS_KM**2 + rise))


@dataclass(frozen=True)
class CloudVolume:
    """One layer of one frame, ready for dome and reference."""

    atlas: Tensor
    """(k, 3, L * N, N): extinction in 1/km, optical depth toward sun and zenith."""
    shell_km: Tensor
    """(k,) evenly spaced heights above the camera."""
    texel_km: Tensor
    """Scalar: finest texel."""
    plane_matrix: Tensor
    """(2, 2) plane to lattice."""
    plane_offset_km: Tensor
    """(2,) camera in the window, on the lattice."""
    sun_direction: Tensor
    """(3,) unit vector."""

    @property
    def window(self) -> int:
        """Texels along the side of a window."""
        return int(self.atlas.shape[3])

    @property
    def levels(self) -> int:
        """Number of nested windows."""
        return int(self.atlas.shape[2]) // self.window

    @property
    def base_km(self) -> float:
        """Height of the lowest shell."""
        return float(self.shell_km[0])

    @property
    def top_km(self) -> float:
        """Height of the highest shell."""
        return float(self.shell_km[-1])

    def lattice(self, position_km: Tensor) -> Tensor:
        """Window coordinates (2, n) in texels of the finest window, east and north of its centre."""
        return (self.plane_matrix @ position_km[:2] + self.plane_offset_km[:, None]) / self.texel_km

    def level_of(self, texels: Tensor) -> Tensor:
        """Finest window (n,) that surely reaches the coordinates, as places_on_atlas; ``levels`` where none does."""
        half = self.window / 2
        reach = torch.maximum(texels[0].abs(), texels[1].abs())
        from_camera = texels - (self.plane_offset_km / self.texel_km)[:, None]
        away = torch.maximum(from_camera[0].abs(), from_camera[1].abs())
        level = (reach >= (half - INSET_TEXELS) * float(WINDOW_FACTOR ** (self.levels - 1))).to(reach.dtype)
        for index in range(self.levels - 1):
            rim = (half - INSET_TEXELS) * float(WINDOW_FACTOR**index)
            level += ((away >= sure_reach(self.window, index) * half) | (reach >= rim)).to(reach.dtype)
        return level


def make_volume(
    extinction: Tensor,
    shell_km: Tensor,
    texel_km: float,
    sun_direction: Tensor,
    plane_matrix: Tensor | None = None,
    plane_offset_km: Tensor | None = None,
    *,
    repeat: bool = False,
) -> CloudVolume:
    """Volume of an extinction (L, k, N, N) in 1/km, on its device, lit as in runtime.clouds.layers by Sunlight.

    ``repeat`` is that of :func:`trainer.networks.atlas.atlas_grid`; the path tracer knows only False.
    """
    device = extinction.device
    passes = sunlight_passes(sun_direction.cpu().numpy(), float(shell_km[1] - shell_km[0]))
    shell_km, sun_direction = shell_km.to(device), sun_direction.to(device)
    matrix = torch.eye(2, device=device) if plane_matrix is None else plane_matrix
    offset = torch.zeros(2, device=device) if plane_offset_km is None else plane_offset_km
    texel = torch.tensor(texel_km, device=device)
    atlases = []
    with torch.no_grad():
        for one in passes:
            toward_sun = torch.from_numpy(one.sun_direction).to(device)
            sunlight = Sunlight(repeat=repeat, low_sun=one.low_sun)
            atlases.append(sunlight(extinction, shell_km, texel, matrix, offset, toward_sun))
    atlas = atlases[0]
    if len(atlases) > 1:
        atlas[:, 1] = torch.from_numpy(mixed_depth(passes, [a[:, 1].cpu().numpy() for a in atlases])).to(device)
    return CloudVolume(atlas, shell_km, texel, matrix, offset, sun_direction)


class VolumeSampler:
    """Point look-ups in a volume, each for many positions at once."""

    def __init__(self, volume: CloudVolume) -> None:
        self.volume = volume
        grids = volume.atlas.permute(1, 0, 2, 3).contiguous()  # 3 k LN N
        greatest = grids[:1].amax(1, keepdim=True).expand_as(grids[:1])
        self._fill = torch.cat([grids[:1] / (greatest + 1e-6), greatest])[None]  # 1 2 k LN N
        self._sun_depth = grids[None, 1:2]
        self._majorant, self._reach_km = majorant_tiles(volume)

    def _grid(self, texels: Tensor, height: Tensor) -> Tensor:
        """Coordinates (1, n, 1, 1, 3) for a trilinear look-up."""
        volume = self.volume
        window, levels = volume.window, volume.levels
        level = volume.level_of(texels)
        inside = level < levels
        level = level.clamp(max=levels - 1)
        scale = float(WINDOW_FACTOR) ** -level
        column = torch.where(inside, texels[0] * scale, texels[0].new_tensor(-4.0 * window)) + window / 2
        row = window / 2 - texels[1] * scale + level * window
        shells = volume.shell_km.shape[0]
        shell = (height - volume.base_km) * ((shells - 1) / (volume.top_km - volume.base_km))
        grid = torch.stack(
            [column * (2 / window) - 1, row * (2 / (levels * window)) - 1, (2 * shell + 1) / shells - 1], dim=-1
        )
        return grid[None, :, None, None, :]

    def _look_up(self, table: Tensor, position_km: Tensor, height: Tensor) -> Tensor:
        """Trilinear values (c, n) of a table (1, c, k, L * N, N)."""
        grid = self._grid(self.volume.lattice(position_km), height)
        value = functional.grid_sample(table, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        rows: Tensor = value.reshape(table.shape[1], -1)
        return rows

    def extinction(self, position_km: Tensor, height: Tensor | None = None) -> Tensor:
        """Extinction (n,) in 1/km."""
        height = height_km(position_km) if height is None else height
        inside = (height >= self.volume.base_km) & (height <= self.volume.top_km)
        fill, greatest = self.outline(position_km, height)
        return sharpened(fill) * greatest * inside

    def outline(self, position_km: Tensor, height: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Share of the column's greatest extinction, not sharpened, and that in 1/km, both (n,)."""
        height = height_km(position_km) if height is None else height
        fill, greatest = self._look_up(self._fill, position_km, height)
        return fill, greatest

    def sun_depth(self, position_km: Tensor) -> Tensor:
        """Optical depth (n,) toward the sun as tabulated in the atlas."""
        height = height_km(position_km).clamp(self.volume.base_km, self.volume.top_km)
        return self._look_up(self._sun_depth, position_km, height)[0]

    def majorant(self, position_km: Tensor) -> tuple[Tensor, Tensor]:
        """Bound (n,) of the extinction in 1/km and the distance (n,) in km up to which it holds."""
        volume = self.volume
        texels = volume.lattice(position_km)
        level = volume.level_of(texels).clamp(max=volume.levels - 1)
        scale = float(WINDOW_FACTOR) ** -level
        tiles = self._majorant.shape[1]
        column = ((texels[0] * scale + volume.window / 2) / MAJORANT_TEXELS).clamp(0, tiles - 1).long()
        row = ((volume.window / 2 - texels[1] * scale) / MAJORANT_TEXELS).clamp(0, tiles - 1).long()
        index = (level.long() * tiles + row) * tiles + column
        return self._majorant.reshape(-1)[index], self._reach_km / scale


def majorant_tiles(volume: CloudVolume) -> tuple[Tensor, float]:
    """Greatest extinction around every tile of every window, over all shells.

    Returns
    -------
    tuple of Tensor, shape (L, T, T), in 1/km, and float
        Each value bounds its own tile and the eight around it; so it holds for the returned
        distance in km (times WINDOW_FACTOR**level) from any point of the tile.
    """
    size, levels = volume.window, volume.levels
    tiles = size // MAJORANT_TEXELS
    column_max = volume.atlas[:, 0].amax(0).reshape(levels, size, size)
    # a bilinear tap reaches one texel beyond the tile
    own = functional.max_pool2d(column_max[None], MAJORANT_TEXELS + 2, MAJORANT_TEXELS, padding=1)[0]  # L T T
    quarter, start = tiles // WINDOW_FACTOR, (tiles - tiles // WINDOW_FACTOR) // 2
    middle = slice(start, start + quarter)
    # a flight may begin in one window and end in the next: each bounds the other where both are
    for level in range(levels - 1):
        finer = functional.max_pool2d(own[level][None], WINDOW_FACTOR)[0]
        own[level + 1, middle, middle] = torch.maximum(own[level + 1, middle, middle], finer)
    for level in range(levels - 2, -1, -1):
        coarser = own[level + 1, middle, middle].repeat_interleave(WINDOW_FACTOR, 0)
        own[level] = torch.maximum(own[level], coarser.repeat_interleave(WINDOW_FACTOR, 1))
    result = []
    for level in range(levels):
        if level + 1 < levels:
            ring = own[level + 1, start - 1 : start + quarter + 1, start - 1 : start + quarter + 1]
            ring = ring.repeat_interleave(WINDOW_FACTOR, 0).repeat_interleave(WINDOW_FACTOR, 1)
            inner = slice(WINDOW_FACTOR - 1, WINDOW_FACTOR + tiles + 1)
            around = ring[inner, inner].clone()
        else:
            around = own.new_zeros(tiles + 2, tiles + 2)
        around[1:-1, 1:-1] = torch.maximum(around[1:-1, 1:-1], own[level])
        result.append(functional.max_pool2d(around[None], 3, 1)[0])
    return torch.stack(result), float(volume.texel_km) * (MAJORANT_TEXELS - 1)
