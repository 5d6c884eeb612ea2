"""Parts of the sky's disc over which light is summed: the disc, and finer pixels around the sun where it is coarse.

Where clouds leave the sun free, much light comes from the few degrees about it. On a draft's disc a pixel or two would
stand for them, and a cloud's edge there for a cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.geometry import FloatArray, disc_directions, disc_position

NEAR_SUN = 8
"""Pixels of the whole disc to each side of the sun that are summed as they are."""


@dataclass(frozen=True)
class DiscPart:
    """Pixels of a disc that lie in a rectangle."""

    direction: FloatArray
    """(h, w, 3) of their centres."""
    side: float
    """Of a pixel, in units of the horizon's radius."""
    weight: FloatArray
    """(h, w) solid angle times cosine of the zenith angle: the irradiance of radiance 1 in a pixel; 0 below the
    horizon and in pixels for which another part stands."""


def disc_parts(size: int, whole_size: int, sun_direction: FloatArray) -> list[DiscPart]:
    """The disc of ``size`` pixels along each side, and the pixels around the sun of the whole one if that is finer.

    Parameters
    ----------
    size, whole_size : int
        The first divides the second.
    sun_direction : ndarray, shape (3,)
        Unit vector; a sun below the horizon counts as one on the disc's rim.
    """
    disc = _part(disc_directions(size), 2.0 / size)
    share = whole_size // size
    half = -(-NEAR_SUN // share)
    if share == 1 or 2 * half >= size:
        return [disc]
    east, north = disc_position(sun_direction)
    place = np.floor((np.array([-north, east]) + 1) / 2 * size).astype(int)
    row, column = np.clip(place - half, 0, size - 2 * half - 1).tolist()
    side = 2 * half + 1
    rows, columns = (slice(share * first, share * (first + side)) for first in (row, column))
    disc.weight[row : row + side, column : column + side] = 0.0
    return [disc, _part(np.ascontiguousarray(disc_directions(whole_size)[rows, columns]), 2.0 / whole_size)]


def _part(direction: FloatArray, side: float) -> DiscPart:
    r2 = np.square(direction[..., :2] / (1 + direction[..., 2:])).sum(-1)
    weight = np.where(direction[..., 2] > 0, side**2 * 4 / (1 + r2) ** 2 * direction[..., 2], 0.0)
    return DiscPart(direction, side, weight)
