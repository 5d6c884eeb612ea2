"""The atlas: a layer's nested windows below one another, and how a plane position is looked up in it.

Window l of an atlas (k, C, L * N, N) holds rows l * N to (l + 1) * N. Its texels measure
``texel_km * WINDOW_FACTOR**l``; row 0 is north, column 0 is west; the windows share one centre.
A position is read from the finest window that surely reaches it from the camera; :func:`blend_margins` has made the
outer texels of each window melt into the next coarser one, so no ring appears at the switch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from skygen_addon.core.signatures import WINDOW_FACTOR

INSET_TEXELS = 2.0
"""Texels at a window's rim that are never read, so that bilinear taps stay inside."""
MARGIN_SHARE = 8
"""Part of a window's side over which it melts into the next coarser one."""
SNAP_SHARE = 16
"""The camera stands within this part of the finest window's side off its centre: half of the bundles' snap."""


@dataclass(frozen=True)
class AtlasPlaces:
    """Lattice positions on an atlas, each in the window that holds it; made by :func:`places_on_atlas`."""

    column: Tensor
    """(...) in the coordinates of ``grid_sample``, -1 to 1 over the atlas's columns."""
    row: Tensor
    """(...) the same over all rows."""
    wider: Tensor
    """(...) texel of the window that holds the place, in finest texels."""
    middle: Tensor
    """(...) row of that window's middle."""
    texel_km: Tensor
    """Scalar: finest texel."""
    window: int
    """Texels N along a window."""
    levels: int
    """Windows L."""

    @property
    def grid(self) -> Tensor:
        """Coordinates (..., 2) for :func:`sample`."""
        return torch.stack([self.column, self.row], dim=-1)

    @property
    def texel_there_km(self) -> Tensor:
        """(...) texel of the window that holds the place."""
        return self.wider * self.texel_km

    def chosen(self, index: Tensor) -> AtlasPlaces:
        """The places (q,) of some indices into the flattened ones."""
        column, row, wider, middle = (v.reshape(-1)[index] for v in (self.column, self.row, self.wider, self.middle))
        return AtlasPlaces(column, row, wider, middle, self.texel_km, self.window, self.levels)

    def moved(self, east_km: Tensor, north_km: Tensor) -> Tensor:
        """Coordinates (..., 2) a small step (...) away on the lattice; steps end at the window's rim."""
        limit = 1 - 1 / self.window
        per_km = 2 / (self.window * self.texel_there_km)
        column = (self.column + east_km * per_km).clamp(-limit, limit)
        column = torch.where(self.column.abs() > 1, self.column, column)  # where there is nothing it stays so
        row = (self.row - self.middle) * self.levels - north_km * per_km
        return torch.stack([column, row.clamp(-limit, limit) / self.levels + self.middle], dim=-1)


def sure_reach(window: int, level: int) -> float:
    """How far from the camera a window surely reaches, wherever the camera stands within half a snap of its centre.

    In halves of the finest window's side.
    """
    return (1 - 2 * INSET_TEXELS / window) * float(WINDOW_FACTOR**level) - 2 / SNAP_SHARE


def places_on_atlas(
    east_km: Tensor,
    north_km: Tensor,
    texel_km: Tensor,
    window: int,
    levels: int,
    repeat: bool = True,
    camera_km: Tensor | None = None,
) -> AtlasPlaces:
    """Where an atlas holds lattice positions: in the finest window that surely reaches so far from the camera.

    Parameters
    ----------
    east_km, north_km : Tensor, shape (...)
        Window coordinates from the common centre.
    texel_km : Tensor, scalar
        Texel of the finest window.
    window, levels : int
        N and L of the atlas.
    repeat : bool
        Repeat the coarsest window beyond its rim; otherwise there is nothing.
    camera_km : Tensor, shape (2,), optional
        Camera in the window, on the lattice; at its centre by default.
    """
    per_km = 2 / (window * texel_km)  # 1 is the rim of the finest window
    column, row = east_km * per_km, north_km * per_km
    limit = 1 - 2 * INSET_TEXELS / window
    reach = torch.maximum(column.abs(), row.abs())
    wider, middle = torch.ones_like(reach), torch.full_like(reach, 1 / levels - 1)
    away = reach
    if camera_km is not None:
        camera = camera_km * per_km
        away = torch.maximum((column - camera[0]).abs(), (row - camera[1]).abs())
    for level in range(1, levels):
        # of a small window the camera may stand farther off the centre
        beyond = (away >= sure_reach(window, level - 1)) | (reach >= limit * float(WINDOW_FACTOR ** (level - 1)))
        wider = torch.where(beyond, float(WINDOW_FACTOR**level), wider)
        middle = torch.where(beyond, (2 * level + 1) / levels - 1, middle)
    column, row = column / wider, row / wider
    beyond = reach >= limit * float(WINDOW_FACTOR ** (levels - 1))
    if repeat:
        column = torch.where(beyond, torch.remainder(column + limit, 2 * limit) - limit, column)
        row = torch.where(beyond, limit - torch.remainder(limit - row, 2 * limit), row)
    else:
        column = torch.where(beyond, -9.0, column)
    return AtlasPlaces(column, middle - row / levels, wider, middle, texel_km, window, levels)


def atlas_grid(position_km: Tensor, texel_km: Tensor, window: int, levels: int, repeat: bool = True) -> Tensor:
    """Grid coordinates (..., 2) of positions (..., 2); as :func:`places_on_atlas`."""
    return places_on_atlas(position_km[..., 0], position_km[..., 1], texel_km, window, levels, repeat).grid


def sample(maps: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    """``grid_sample`` as all atlases are read: outside there is nothing."""
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="zeros", align_corners=False)


def stack_shells(maps: Tensor) -> Tensor:
    """Atlases of shells (k, 1, R, N) below one another as one (1, 1, k * R, N)."""
    shells, _, rows, columns = maps.shape
    return maps.reshape(1, 1, shells * rows, columns)


def sample_shells(stack: Tensor, grid: Tensor, shell: Tensor, shells: int) -> Tensor:
    """Values (q,) of atlases stacked by :func:`stack_shells`, at coordinates (q, 2) on shells (q,)."""
    row = (0.5 * grid[:, 1] + 0.5 + shell) * (2.0 / shells) - 1
    place = torch.stack([grid[:, 0], row], dim=-1)[None, None]  # 1 1 q 2
    return sample(stack, place)[0, 0, 0]


def blend_margins(windows: Tensor, offset_texels: Tensor | None = None) -> Tensor:
    """Melt every window into the next coarser one around the camera.

    How much of which window a place shows follows from its distance to the camera, not from the
    windows' centre, so that nothing changes when the windows move on by a snap.

    Parameters
    ----------
    windows : Tensor, shape (L, k, N, N)
        Finest first.
    offset_texels : Tensor, shape (2,), optional
        Camera east and north of the windows' centre, in finest texels; at most N / SNAP_SHARE.

    Returns
    -------
    Tensor, shape (L, k, N, N)
        Equal to the coarser window where the finer one ends; the coarsest window stays as it is.
    """
    levels, _, size, _ = windows.shape
    offset = windows.new_zeros(2) if offset_texels is None else offset_texels
    axis = torch.arange(size, dtype=torch.float32, device=windows.device) + 0.5 - size / 2
    margin = size / MARGIN_SHARE
    quarter = size // WINDOW_FACTOR
    start = (size - quarter) // 2
    result = [windows[levels - 1]]
    for level in range(levels - 2, -1, -1):
        wider = float(WINDOW_FACTOR**level)
        end = sure_reach(size, level) * (size / 2) / wider
        east, north = (end - (axis - offset[0] / wider).abs()), (end - (axis + offset[1] / wider).abs())
        weight = (torch.minimum(east[None, :], north[:, None]) / margin).clamp(0.0, 1.0)
        weight = weight * weight * (3 - 2 * weight)  # N N
        coarse = result[0][:, start - 1 : start + quarter + 1, start - 1 : start + quarter + 1]  # k N/4+2 N/4+2
        wide = functional.interpolate(coarse[None], scale_factor=WINDOW_FACTOR, mode="bilinear", align_corners=False)[0]
        parent = wide[:, WINDOW_FACTOR : WINDOW_FACTOR + size, WINDOW_FACTOR : WINDOW_FACTOR + size]  # k N N
        result.insert(0, windows[level] * weight + parent * (1 - weight))
    return torch.stack(result)  # L k N N


def stack_windows(windows: Tensor) -> Tensor:
    """Windows (L, k, N, N) as one atlas channel (k, 1, L * N, N)."""
    levels, shells, size, _ = windows.shape
    return windows.permute(1, 0, 2, 3).reshape(shells, 1, levels * size, size)  # k 1 LN N


def shifted_texels(levels: int, size: int, texel_km: Tensor, step_km: Tensor, repeat: bool = True) -> Tensor:
    """Where an atlas holds the places a step away from each of its texels; as atlas_grid, but cheaper.

    A place is read from its texel's own window where that contains it, else from the next wider one.

    Parameters
    ----------
    levels, size : int
        L windows of ``size`` texels.
    texel_km : Tensor, scalar
        Texel of the finest window.
    step_km : Tensor, shape (L * size, size, 2)
        Every texel's step, east and north.
    repeat : bool
        As in :func:`atlas_grid`.

    Returns
    -------
    Tensor, shape (L * size, size, 2)
    """
    axis = (torch.arange(size, dtype=torch.float32, device=texel_km.device) + 0.5) * (2.0 / size) - 1
    window = torch.arange(levels, dtype=torch.float32, device=texel_km.device)[:, None, None]  # L 1 1
    wider = [float(WINDOW_FACTOR**level) for level in range(levels)]
    half_km = 0.5 * size * texel_km * torch.tensor(wider, device=texel_km.device)[:, None, None]  # L 1 1
    step = step_km.reshape(levels, size, size, 2)
    column = axis + step[..., 0] / half_km  # L n n, -1 to 1 in the own window
    row = axis[:, None] - step[..., 1] / half_km
    limit = 1 - 2 * INSET_TEXELS / size
    last = levels - 1

    def on_atlas(place: Tensor, level: Tensor) -> Tensor:
        return (0.5 * place + 0.5 + level) * (2.0 / levels) - 1

    to_widest = torch.tensor(wider[::-1], device=texel_km.device)[:, None, None]  # L 1 1
    columns, rows = column / to_widest, row / to_widest
    if repeat:
        columns = torch.remainder(columns + limit, 2 * limit) - limit
        rows = torch.remainder(rows + limit, 2 * limit) - limit
    else:
        nowhere = torch.full((), -9.0, device=texel_km.device)  # outside of every atlas
        columns = torch.where(columns.abs() < limit, columns, nowhere)
        rows = torch.where(rows.abs() < limit, rows, nowhere)
    rows = on_atlas(rows, torch.full_like(window, float(last)))
    reach = torch.maximum(column.abs(), row.abs())
    for jump in range(last - 1, -1, -1):  # ever finer windows, down to the texel's own
        inside = (reach < limit * wider[jump]) & (window + jump <= last)
        columns = torch.where(inside, column / wider[jump], columns)
        rows = torch.where(inside, on_atlas(row / wider[jump], window + jump), rows)
    return torch.stack([columns, rows], dim=-1).reshape(levels * size, size, 2)


def texel_positions(levels: int, size: int, texel_km: Tensor) -> Tensor:
    """Window coordinates in km of every texel of an atlas, shape (L * N, N, 2)."""
    axis = torch.arange(size, dtype=torch.float32, device=texel_km.device) + 0.5 - size / 2
    north, east = torch.meshgrid(-axis, axis, indexing="ij")
    plane = torch.stack([east, north], dim=-1)  # N N 2
    return torch.cat([plane * (texel_km * float(WINDOW_FACTOR**level)) for level in range(levels)])  # LN N 2
