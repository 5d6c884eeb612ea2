"""Where the sun stands in the frames of a fixed fisheye camera, also while clouds hide it.

Blobs of saturated pixels are found in each frame; one camera (centre, radius, orientation, tilt,
radial distortion) for all days and one solar path (declination, clock offset, frame spacing) for
each day are fitted to them by robust least squares. Local medians of what is left then follow
small timing gaps. Pixel coordinates are (column, row); row 0 is the top of the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

from skygen_addon.core.errors import CaptureError

Array = NDArray[np.float64]

SATURATED = 240
"""Smallest 8-bit value of all three channels inside the sun's blob."""
BLOB_PIXELS = (15, 900)
"""Area of a blob that may be the sun; smaller is a reflection, larger a bright cloud."""
NEAR_PIXELS = 6.0
"""A blob this near to the path is the sun."""
MIN_BLOBS = 12
"""Fewer blobs than this leave a day's path to the camera's prior."""


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

    def project(self, east: Array, north: Array, up: Array) -> tuple[Array, Array]:
        """Columns and rows of unit directions (any shape)."""
        tilt_east, tilt_north = self.tilt
        leaned_e, leaned_n = east + tilt_east * up, north + tilt_north * up
        leaned_u = up - tilt_east * east - tilt_north * north
        angle = np.arctan2(np.hypot(leaned_e, leaned_n), leaned_u) / (math.pi / 2)
        radius = self.radius * (angle + self.cubic * (angle**3 - angle))
        azimuth = np.arctan2(leaned_e, leaned_n) + self.rotation_rad
        return self.centre[0] - radius * np.sin(azimuth), self.centre[1] - radius * np.cos(azimuth)

    def directions(self, column: Array, row: Array) -> Array:
        """Unit directions (..., 3) east, north, up of pixels, for a camera without tilt."""
        right, above = column - self.centre[0], self.centre[1] - row
        radius = np.hypot(right, above) / self.radius
        angle = np.clip(radius, 0, 2)
        for _ in range(8):  # inverts the cubic by fixed-point iteration
            angle = radius - self.cubic * (np.clip(angle, 0, 1.2) ** 3 - angle)
        azimuth = np.arctan2(-right, above) - self.rotation_rad
        zenith = np.clip(angle, 0, 1.5) * (math.pi / 2)
        return np.stack([np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth), np.cos(zenith)], -1)


@dataclass(frozen=True)
class SunTrack:
    """Fitted sun of several days."""

    camera: Fisheye
    position: Array
    """(days, frames, 2) column and row of the sun, visible or not."""
    seen: NDArray[np.bool_]
    """(days, frames) whether a saturated blob stands where the sun must be."""
    frame_s: Array
    """(days,) seconds between frames, from the speed of the sun."""


def find_circle(mean_luminance: Array) -> Fisheye:
    """Circle of the sky in a mean frame (height, width) of 8-bit luminance.

    Raises
    ------
    CaptureError
        If no bright disc on a dark surround is there.
    """
    bright = ndimage.binary_opening(mean_luminance > 0.55 * np.median(mean_luminance), iterations=2)
    height, width = bright.shape
    if not 0.3 < bright.mean() < 0.9:
        raise CaptureError("No fisheye circle was found.", "Give frames that show the whole circle on a dark surround.")
    edge = bright & ~ndimage.binary_erosion(bright)
    edge[:3] = edge[-3:] = False
    edge[:, :3] = edge[:, -3:] = False
    row, column = np.nonzero(edge)
    system = np.stack([2.0 * column, 2.0 * row, np.ones(len(row))], -1)
    x, y, rest = np.linalg.lstsq(system, (column**2 + row**2).astype(np.float64), rcond=None)[0]
    return Fisheye((float(x), float(y)), float(math.sqrt(rest + x * x + y * y)))


def find_blob(frame: NDArray[np.uint8], camera: Fisheye) -> tuple[float, float] | None:
    """Centre (column, row) of the largest saturated blob of a frame (height, width, 3), or None."""
    row, column = np.mgrid[: frame.shape[0], : frame.shape[1]]
    inside = np.hypot(column - camera.centre[0], row - camera.centre[1]) < camera.radius
    labels, count = ndimage.label((frame.min(-1) >= SATURATED) & inside)
    if count == 0:
        return None
    area = np.bincount(labels.ravel())[1:]
    largest = int(area.argmax()) + 1
    if not BLOB_PIXELS[0] <= area[largest - 1] <= BLOB_PIXELS[1]:
        return None
    y, x = ndimage.center_of_mass(labels == largest)
    return float(x), float(y)


def sun_vector(declination: Array, hour_angle: Array, latitude_rad: float) -> tuple[Array, Array, Array]:
    """East, north, up of the sun; hour angle in radians after solar noon (standard spherical astronomy)."""
    sin_lat, cos_lat = math.sin(latitude_rad), math.cos(latitude_rad)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = cos_lat * np.sin(declination) - sin_lat * np.cos(declination) * np.cos(hour_angle)
    up = sin_lat * np.sin(declination) + cos_lat * np.cos(declination) * np.cos(hour_angle)
    return east, north, up


def fit_track(blobs: Array, circle: Fisheye, latitude_rad: float) -> SunTrack:
    """Fit camera and solar paths to blobs (days, frames, 2), NaN where none was found.

    Raises
    ------
    CaptureError
        If no day shows the sun often enough.
    """
    days, frames, _ = blobs.shape
    found = np.isfinite(blobs[..., 0])
    if found.sum(1).max() < MIN_BLOBS:
        raise CaptureError("The sun is hardly seen in any day.", "Add a day with clear sky from the same camera.")
    index = np.arange(frames)[None] - frames / 2

    def path(values: Array) -> tuple[Fisheye, Array, Array, Array]:
        c = [float(v) for v in values[:7]]
        camera = Fisheye((c[0], c[1]), c[2], c[3], (c[4], c[5]), c[6])
        declination, noon, step = values[7:].reshape(3, days, 1)
        vector = sun_vector(declination, noon + step * index * (2 * math.pi / 86400), latitude_rad)
        column, row = camera.project(*vector)
        return camera, column, row, step

    def residual(values: Array) -> Array:
        _, column, row, step = path(values)
        prior = (step[:, 0] - np.median(step)) / 400  # decides only where a day has no blobs
        centre = 0.05 * values[7 : 7 + 2 * days]  # a day without blobs would otherwise drift with rounding errors
        return np.concatenate([(column - blobs[..., 0])[found], (row - blobs[..., 1])[found], prior, centre])

    x, y, r = *circle.centre, circle.radius
    start = np.r_[x, y, 1.03 * r, -0.1, 0, 0, 0, np.zeros(2 * days), np.full(days, 280.0)]
    low = np.r_[x - 8, y - 12, 0.85 * r, -1, -0.2, -0.2, -0.3, np.full(days, -0.41), np.full(days, -1.0)]
    high = np.r_[x + 8, y + 12, 1.2 * r, 1, 0.2, 0.2, 0.3, np.full(days, 0.41), np.full(days, 1.0)]
    scale = np.r_[1, 1, 1, 0.1, 0.05, 0.05, 0.05, np.full(2 * days, 0.1), np.full(days, 10.0)]
    low, high = np.r_[low, np.full(days, 60.0)], np.r_[high, np.full(days, 900.0)]
    fit = least_squares(residual, start, loss="soft_l1", f_scale=2.0, x_scale=scale, bounds=(low, high))
    camera, column, row, step = path(fit.x)

    position = np.stack([column, row], -1)
    rest = blobs - position
    rest[np.hypot(rest[..., 0], rest[..., 1]) > 2 * NEAR_PIXELS] = np.nan
    for day in range(days):
        for frame in range(frames):
            near = rest[day, max(0, frame - 4) : frame + 5]
            near = near[np.isfinite(near[:, 0])]
            if len(near) >= 4:
                position[day, frame] += np.median(near, axis=0)
    distance = np.hypot(*np.moveaxis(blobs - position, -1, 0))
    seen = np.nan_to_num(distance, nan=1e9) < NEAR_PIXELS
    return SunTrack(camera, position, seen, step[:, 0])
