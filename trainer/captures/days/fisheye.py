"""The picture of an upward fisheye camera: where directions fall, the circle of the sky, blobs of saturated pixels.

Pixel coordinates are (column, row); row 0 is the top of the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.errors import CaptureError

Array = NDArray[np.float64]

BLOB_PIXELS = (15, 900)
"""Area of a blob that may be the sun; smaller is a reflection, larger a bright cloud."""
SMALL_RADIUS = 90.0
"""Lengths and areas in pixels hold for circles of this radius and more; in smaller ones they shrink."""
ROUND = 0.035
"""Median distance of the sky's edge from its circle, in radii; trees and masts stand in it."""


@dataclass(frozen=True)
class Fisheye:
    """Circle of an upward camera: near-equidistant, image up is about north, east is left."""

    centre: tuple[float, float]
    """Column and row of the zenith in pixels."""
    radius: float
    """Pixels from the centre to the horizon."""
    rotation_rad: float = 0.0
    """Azimuth that points up in the image, negated."""
    tilt: tuple[float, float] = (0.0, 0.0)
    """Lean of the axis to east and north in radians."""
    cubic: float = 0.0
    """Radial distortion: r / radius = a + cubic (a^3 - a) for a = zenith angle / 90 degrees."""
    mirrored: bool = False
    """Whether east is right."""

    def project(self, east: Array, north: Array, up: Array) -> tuple[Array, Array]:
        """Columns and rows of unit directions (any shape)."""
        tilt_east, tilt_north = self.tilt
        leaned_e, leaned_n = east + tilt_east * up, north + tilt_north * up
        leaned_u = up - tilt_east * east - tilt_north * north
        angle = np.arctan2(np.hypot(leaned_e, leaned_n), leaned_u) / (math.pi / 2)
        radius = self.radius * (angle + self.cubic * (angle**3 - angle))
        azimuth = np.arctan2(leaned_e, leaned_n) + self.rotation_rad
        side = -1 if self.mirrored else 1
        return self.centre[0] - side * radius * np.sin(azimuth), self.centre[1] - radius * np.cos(azimuth)

    def directions(self, column: Array, row: Array) -> Array:
        """Unit directions (..., 3) east, north, up of pixels, for a camera without tilt."""
        right, above = column - self.centre[0], self.centre[1] - row
        radius = np.hypot(right, above) / self.radius
        angle = np.clip(radius, 0, 2)
        for _ in range(8):  # inverts the cubic by fixed-point iteration
            angle = radius - self.cubic * (np.clip(angle, 0, 1.2) ** 3 - angle)
        azimuth = np.arctan2(right if self.mirrored else -right, above) - self.rotation_rad
        zenith = np.clip(angle, 0, 1.5) * (math.pi / 2)
        return np.stack([np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth), np.cos(zenith)], -1)


def pixel_scale(radius: float) -> float:
    """Factor for lengths in pixels in a circle of this radius (1 from SMALL_RADIUS on)."""
    return min(1.0, radius / SMALL_RADIUS)


def find_circle(mean_luminance: Array) -> Fisheye:
    """Circle of the sky in a mean frame (height, width) of 8-bit luminance.

    Raises
    ------
    CaptureError
        If no bright disc on a dark surround is there.
    """
    height, width = mean_luminance.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = mean_luminance[top : top + side, left : left + side]  # in a wide frame most is surround
    bright = ndimage.binary_opening(mean_luminance > 0.55 * np.median(middle), iterations=2)
    if not 0.2 < bright.mean() < 0.9:
        raise CaptureError("No fisheye circle was found.", "Give frames that show the whole circle on a dark surround.")
    edge = bright & ~ndimage.binary_erosion(bright)
    edge[:3] = edge[-3:] = False
    edge[:, :3] = edge[:, -3:] = False
    row, column = np.nonzero(edge)
    system = np.stack([2.0 * column, 2.0 * row, np.ones(len(row))], -1)
    x, y, rest = np.linalg.lstsq(system, (column**2 + row**2).astype(np.float64), rcond=None)[0]
    circle = Fisheye((float(x), float(y)), float(math.sqrt(max(rest + x * x + y * y, 0))))
    _check_circle(circle, column, row, (height, width))
    return circle


def _check_circle(circle: Fisheye, column: NDArray[np.int64], row: NDArray[np.int64], shape: tuple[int, int]) -> None:
    """Refuse a circle that the edge of the bright region does not follow, or follows on one side only."""
    right, down = column - circle.centre[0], row - circle.centre[1]
    inside = 0 < circle.centre[0] < shape[1] and 0 < circle.centre[1] < shape[0]
    away = np.abs(np.hypot(right, down) - circle.radius)
    near = away < 2 * ROUND * circle.radius
    seen = len(set(np.floor(np.arctan2(down, right)[near] * 36 / (2 * math.pi)).astype(int).tolist()))
    if not inside or circle.radius < 0.25 * min(shape) or np.median(away) > ROUND * circle.radius or seen < 18:
        raise CaptureError("The sky is no circle.", "Give frames of an upward fisheye that show the whole circle.")


def find_blob(saturated: NDArray[np.bool_], circle: Fisheye) -> tuple[float, float] | None:
    """Centre (column, row) of the largest blob of saturated pixels (height, width) inside the circle, or None."""
    row, column = np.mgrid[: saturated.shape[0], : saturated.shape[1]]
    inside = np.hypot(column - circle.centre[0], row - circle.centre[1]) < circle.radius
    labels, count = ndimage.label(saturated & inside)
    if count == 0:
        return None
    area = np.bincount(labels.ravel())[1:]
    largest = int(area.argmax()) + 1
    scale = pixel_scale(circle.radius) ** 2
    if not BLOB_PIXELS[0] * scale <= area[largest - 1] <= BLOB_PIXELS[1] * scale:
        return None
    y, x = ndimage.center_of_mass(labels == largest)
    return float(x), float(y)
