"""What the pixels of a camera's binned frames see: directions, open sky, places of the sun.

Directions are those of the level camera about its circle, unturned: east is left (right if mirrored), image up
is north. Cloud is told by angles between them, which a turn does not change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trainer.captures.days.fisheye import Fisheye

Array = NDArray[np.float64]

ZENITH_LIMIT_RAD = math.radians(68)
"""Lower sky is left out: trees, sunset colours, stretched pixels."""
SUN_LIMIT_RAD = math.radians(7)
"""Frames with a lower sun are left out: everything is warm."""
DARK = 60
"""8-bit luminance that an open pixel exceeds in a tenth of the frames; trees and masts do not."""
HORIZON = 1.03
"""Horizon's radius over that of the circle found, whose edge is trees and haze."""


@dataclass(frozen=True)
class SkyView:
    """Geometry of binned frames."""

    direction: Array
    """(h, w, 3) unit vectors of pixels."""
    sky: NDArray[np.bool_]
    """(h, w) sky above obstructions and ZENITH_LIMIT_RAD."""

    @cached_property
    def zenith(self) -> Array:
        """Zenith angle (h, w) in radians."""
        return np.asarray(np.arccos(np.clip(self.direction[..., 2], -1, 1)))


def make_view(circle: Fisheye, shape: tuple[int, int], binned: int, bright: Array) -> SkyView:
    """View of frames (h, w) that average ``binned`` pixels along an edge of those in which the circle was found.

    ``bright`` (h, w): luminance that a pixel exceeds in a tenth of the frames.
    """
    level = Fisheye(circle.centre, circle.radius * HORIZON)
    row, column = np.mgrid[: shape[0], : shape[1]] * float(binned) + (binned - 1) / 2
    direction = level.directions(column, row)
    dark = ndimage.binary_dilation(bright < DARK, iterations=1)
    return SkyView(direction, (direction[..., 2] > math.cos(ZENITH_LIMIT_RAD)) & ~dark)


def sun_directions(circle: Fisheye, position: Array) -> Array:
    """Unit vectors (..., 3) of pixels (..., 2) in the frame of :class:`SkyView`."""
    return Fisheye(circle.centre, circle.radius * HORIZON).directions(position[..., 0], position[..., 1])
