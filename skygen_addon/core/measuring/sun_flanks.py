"""The flanks of the glow around the sun, as a few hundred points from which its centre can be told.

Pixels around a first guess, without what stands before the sky, are averaged over cells of rings and
sectors. Cells grow with the distance from the guess: there the glow falls slowly and clouds tell less.
Brightness and colour are averaged apart: a clipped pixel tells the one in part, the other not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, panorama_directions, panorama_solid_angles

MAX_REACH_RAD = np.deg2rad(20.0)
"""Farthest from the first guess that flanks are read."""

REACH_RAD = np.deg2rad(8.0)
"""Flanks are read so far beyond twice the radius of the bright region."""

GROWTH = 0.12
"""Width of a ring over its radius, beyond the rings that are a pixel wide."""

SECTORS = 12
"""Most cells in a ring."""

SQUARES = 5
"""Sides of an even cell in the radius of the bright region."""

FAR_SECTORS = 8
"""Cells in a ring beyond the even ones."""

OBSTACLE_LOG = 0.5
"""Darker than its ring by this in log radiance: something stands before the sky."""

PLATEAU_LOG = 0.02
"""Pixels within this of the brightest one are clipped, if there are more than three."""

LEAST_SHARE = 1e-3
"""Red and blue below this share of a pixel's luminance tell no colour."""


@dataclass(frozen=True)
class Flanks:
    """Pixels (P) around a glow."""

    direction: NDArray[np.float64]
    """Unit vectors (P, 3)."""
    log_luminance: NDArray[np.float64]
    """Of each pixel (P,)."""
    log_ratio: NDArray[np.float64]
    """ln(B / R) of each pixel (P,)."""
    coloured: NDArray[np.bool_]
    """Whether the pixel (P,) tells a colour: no channel is clipped, red and blue are there."""
    area: NDArray[np.float64]
    """Solid angle (P,) over that of the largest."""
    clipped: NDArray[np.bool_]
    """Whether the pixel (P,) is at the peak with others, so that its luminance is only a least one."""
    pixel_rad: float
    """Height of a pixel."""
    reach_rad: float
    """Radius of the outermost ring."""


@dataclass(frozen=True)
class Cells:
    """Means over cells of rings and sectors (C)."""

    direction: NDArray[np.float64]
    """Unit vectors (C, 3)."""
    value: NDArray[np.float64]
    """Mean (C,)."""
    clipped: NDArray[np.bool_]
    """Whether the cell (C,) is one of clipped pixels."""


def tangent_position(direction: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (2, P) in rad, right and up, of unit vectors (P, 3) in the map around ``centre`` that keeps radii."""
    right, up = _tangent_frame(centre)
    across = np.stack([direction @ right, direction @ up])
    length = np.hypot(*across)
    return np.asarray(across * (np.arctan2(length, direction @ centre) / np.maximum(length, 1e-12)))


def tangent_direction(position: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector (3,) at a position (2,) of :func:`tangent_position`."""
    right, up = _tangent_frame(centre)
    angle = max(float(np.hypot(*position)), 1e-12)
    vector = np.cos(angle) * centre + np.sin(angle) / angle * (position[0] * right + position[1] * up)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


def _tangent_frame(centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    other = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(centre, other)
    right /= np.linalg.norm(right)
    return right, np.cross(right, centre)


def ring_edges(reach_rad: float, width_rad: float) -> NDArray[np.float64]:
    """Radii (R + 1,) from 0 to the reach between rings of at least that width, which grow outward."""
    edges = [0.0]
    while edges[-1] < reach_rad:
        edges.append(edges[-1] + max(width_rad, GROWTH * edges[-1]))
    edges[-1] = reach_rad
    if len(edges) > 3 and edges[-1] - edges[-2] < 0.5 * (edges[-2] - edges[-3]):
        del edges[-2]
    return np.array(edges)


def gather_flanks(
    radiance: NDArray[np.float32],
    centre: NDArray[np.float64],
    radius_rad: float,
    seen: NDArray[np.bool_] | None = None,
) -> Flanks:
    """Pixels above the horizon around a bright region.

    Parameters
    ----------
    radiance : ndarray, shape (R, W, 3), float32
        Rows of a linear panorama from the zenith down.
    centre : ndarray, shape (3,)
        Unit vector of the region's middle.
    radius_rad : float
        Radius of the region.
    seen : ndarray, shape (R, W), bool, optional
        What the capture covers.

    Returns
    -------
    Flanks
    """
    rows, width = radiance.shape[:2]
    reach = min(2 * radius_rad + REACH_RAD, MAX_REACH_RAD)
    directions = panorama_directions(width, 0, rows)
    inside = (directions @ centre.astype(np.float32) > np.cos(reach)) & (directions[..., 2] > 0)
    if seen is not None:
        inside &= seen
    area = np.broadcast_to(panorama_solid_angles(width)[:rows, None], inside.shape)[inside]
    channels = radiance[inside].astype(np.float64)  # (P, 3)
    luminance = channels @ REC709_LUMINANCE
    floor = 1e-6 * float(luminance.max(initial=1e-24))
    red, blue = channels[:, 0], channels[:, 2]
    coloured = np.minimum(red, blue) > np.maximum(LEAST_SHARE * luminance, floor)
    for channel in channels.T:
        coloured &= ~_at_the_peak(np.log(np.maximum(channel, 1e-30)))
    log_luminance = np.log(np.maximum(luminance, floor))
    return Flanks(
        direction=directions[inside].astype(np.float64),
        log_luminance=log_luminance,
        log_ratio=np.log(np.where(coloured, blue, 1.0) / np.where(coloured, red, 1.0)),
        coloured=coloured,
        area=area / area.max(initial=1e-30),
        clipped=_at_the_peak(log_luminance),
        pixel_rad=2 * np.pi / width,
        reach_rad=reach,
    )


def _at_the_peak(log_values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values (P,) share the largest one's place with at least three others."""
    there = log_values > log_values.max(initial=-np.inf) - PLATEAU_LOG
    return np.asarray(there & (int(there.sum()) > 3))


def unobstructed(flanks: Flanks, centre: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pixels (P,) are not much darker than the brighter part of their ring around ``centre``."""
    edges = ring_edges(flanks.reach_rad, flanks.pixel_rad)
    ring = _ring(flanks, centre, edges)
    order = np.lexsort((flanks.log_luminance, ring))
    count = np.bincount(ring, minlength=len(edges) - 1)
    start = np.cumsum(count) - count
    rank = np.minimum(start + (0.7 * count).astype(np.int64), ring.size - 1)
    return np.asarray(flanks.log_luminance > flanks.log_luminance[order][rank][ring] - OBSTACLE_LOG)


def _ring(flanks: Flanks, centre: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    radius = np.hypot(*tangent_position(flanks.direction, centre))
    return np.asarray(np.clip(np.digitize(radius, edges) - 1, 0, len(edges) - 2), dtype=np.int64)


def average_cells(
    flanks: Flanks, values: NDArray[np.float64], centre: NDArray[np.float64], use: NDArray[np.bool_]
) -> Cells:
    """Means of the values (P,) of pixels to ``use`` (P,) over cells around ``centre``; near it each pixel is a cell."""
    x, y = tangent_position(flanks.direction, centre)
    edges = ring_edges(flanks.reach_rad, flanks.pixel_rad)
    ring = _ring(flanks, centre, edges)
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    sectors = np.clip(np.round(2 * np.pi * middle / np.maximum(width, flanks.pixel_rad)), 6, SECTORS)
    turn = np.arctan2(x, y) / (2 * np.pi) % 1.0
    cell = (ring * (SECTORS + 1) + np.floor(turn * sectors[ring]).astype(np.int64)) * 2 + flanks.clipped
    alone = 2 * np.pi * np.hypot(x, y) < flanks.pixel_rad * SECTORS
    cell[alone] = 2 * (SECTORS + 1) * len(edges) + np.flatnonzero(alone)
    return _average(flanks, values, cell, use)


def even_cells(
    flanks: Flanks, values: NDArray[np.float64], centre: NDArray[np.float64], use: NDArray[np.bool_], radius_rad: float
) -> Cells:
    """The same over squares within 1.5 radii of the bright region, and rings beyond: to judge any place in it."""
    x, y = tangent_position(flanks.direction, centre)
    side = max(flanks.pixel_rad, radius_rad / SQUARES)
    column, row = (np.floor(at / side).astype(np.int64) for at in (x, y))
    span = 2 * int(np.ceil(flanks.reach_rad / side)) + 2
    squares = column * span + row
    turn = np.arctan2(x, y) / (2 * np.pi) % 1.0
    ring = _ring(flanks, centre, ring_edges(flanks.reach_rad, flanks.pixel_rad))
    beyond = span**2 + ring * FAR_SECTORS + np.floor(turn * FAR_SECTORS).astype(np.int64)
    cell = np.where(np.hypot(x, y) < 1.5 * radius_rad, squares, beyond) * 2 + flanks.clipped
    return _average(flanks, values, cell, use)


def _average(flanks: Flanks, values: NDArray[np.float64], cell: NDArray[np.int64], use: NDArray[np.bool_]) -> Cells:
    """Means over the pixels of each cell by their numbers (P,)."""
    _, index = np.unique(cell[use], return_inverse=True)
    area = flanks.area[use]
    total = np.bincount(index, area)
    direction = np.stack([np.bincount(index, area * flanks.direction[use, k]) for k in range(3)], axis=1)
    direction = direction / np.maximum(np.linalg.norm(direction, axis=1)[:, None], 1e-30)
    mean = np.bincount(index, area * values[use]) / np.maximum(total, 1e-30)
    clipped = np.bincount(index, area * flanks.clipped[use]) > 0.5 * total
    whole = total > 0.2  # slivers of a cell count for little
    return Cells(direction[whole], mean[whole], clipped[whole])
