"""Where the sun stands in the frames of a fixed fisheye camera, also while clouds hide it.

Blobs of saturated pixels are found in each frame; one camera (centre, radius, orientation, tilt,
radial distortion) for all days and one solar path (declination, clock offset, frame spacing) for
each day are fitted to them by robust least squares. Local medians of what is left then follow
small timing gaps. Pixel coordinates are (column, row); row 0 is the top of the frame.

A turn of all days about the celestial pole, and a shift of the pole, look the same as a tilt of the
camera. So a wrong latitude hardly moves the sun's pixels, and :func:`level_camera` finds north from
where the pole falls in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.fisheye import Fisheye, pixel_scale

Array = NDArray[np.float64]

NEAR_PIXELS = 6.0
"""A blob this near to the path is the sun."""
MIN_BLOBS = 12
"""Fewer blobs than this leave a day's path to the camera's prior."""
DAYLIGHT_S = 42000.0
"""What a day's frames span when nothing tells their spacing: the start of the fit."""
GOOD_FIT_PIXELS = 2.0
"""Median distance of blobs from the path above which other turns and a mirror are tried (0.36 in the SKIPP'D days)."""


def sun_vector(declination: Array, hour_angle: Array, latitude_rad: float) -> tuple[Array, Array, Array]:
    """East, north, up of the sun; hour angle in radians after solar noon (standard spherical astronomy)."""
    sin_lat, cos_lat = math.sin(latitude_rad), math.cos(latitude_rad)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = cos_lat * np.sin(declination) - sin_lat * np.cos(declination) * np.cos(hour_angle)
    up = sin_lat * np.sin(declination) + cos_lat * np.cos(declination) * np.cos(hour_angle)
    return east, north, up


def _steps(lengths: Array, known_s: Array) -> tuple[Array, Array, Array]:
    """Start, low and high bound (days,) of the seconds between frames."""
    guess = np.minimum(280.0, DAYLIGHT_S / lengths)
    told = np.isfinite(known_s)
    return (
        np.where(told, known_s, guess),
        np.where(told, 0.98 * known_s, np.minimum(60.0, 9000 / lengths)),
        np.where(told, 1.02 * known_s, 900.0),
    )


def _pixels(camera: Fisheye, paths: Array, offset: Array, latitude_rad: float) -> tuple[Array, Array]:
    """Columns and rows (days, frames) of paths (days, 3): declination, hour angle of the middle, seconds a frame."""
    declination, noon, step = paths.T[..., None]
    return camera.project(*sun_vector(declination, noon + step * offset * (2 * math.pi / 86400), latitude_rad))


def _offsets(lengths: Array, frames: int) -> Array:
    """(days, frames) frames after the middle of each day."""
    return np.asarray(np.arange(frames)[None] - np.asarray(lengths)[:, None] / 2, np.float64)


def fit_camera(
    blobs: Array, circle: Fisheye, latitude_rad: float, lengths: Sequence[int], known_s: Sequence[float]
) -> tuple[Fisheye, Array]:
    """Fit one camera and the solar path of each day.

    Parameters
    ----------
    blobs : ndarray (days, frames, 2)
        Column and row, NaN where none was found or the day is shorter.
    circle : Fisheye
        Of the sky in the picture.
    latitude_rad : float
        Of the site; see the module.
    lengths, known_s : sequence (days,)
        Frames of each day; seconds between its frames, NaN where unknown.

    Returns
    -------
    camera : Fisheye
    paths : ndarray (days, 3)
        Declination and hour angle at the middle of the day in radians, seconds between frames.

    Raises
    ------
    CaptureError
        If no day shows the sun often enough.
    """
    found = np.isfinite(blobs[..., 0])
    if found.sum(1).max() < MIN_BLOBS:
        raise CaptureError("The sun is hardly seen in any day.", "Add a day with clear sky from the same camera.")
    size, steps = np.asarray(lengths, np.float64), np.asarray(known_s, np.float64)
    best, least = _fit_turned(blobs, circle, latitude_rad, size, steps, -0.1), math.inf
    limit = GOOD_FIT_PIXELS * pixel_scale(circle.radius)
    error = _miss(best, blobs, size, latitude_rad)
    if error <= limit:
        return best
    rich = np.argsort(-found.sum(1), kind="stable")[:3]
    rich = rich[found[rich].sum(1) >= MIN_BLOBS]
    start = (-0.1, False)
    for mirrored in (False, True):
        for turn in (-0.1, math.pi / 2, math.pi, -math.pi / 2):
            one = replace(circle, mirrored=mirrored)
            fit = _fit_turned(blobs[rich], one, latitude_rad, size[rich], steps[rich], turn)
            miss = _miss(fit, blobs[rich], size[rich], latitude_rad)
            if miss < least:
                least, start = miss, (turn, mirrored)
    again = _fit_turned(blobs, replace(circle, mirrored=start[1]), latitude_rad, size, steps, start[0])
    return again if _miss(again, blobs, size, latitude_rad) < error else best


def _miss(fit: tuple[Fisheye, Array], blobs: Array, lengths: Array, latitude_rad: float) -> float:
    """Median distance of blobs from their paths."""
    column, row = _pixels(*fit, _offsets(lengths, blobs.shape[1]), latitude_rad)
    return float(np.nanmedian(np.hypot(column - blobs[..., 0], row - blobs[..., 1])))


def _fit_turned(
    blobs: Array, circle: Fisheye, latitude_rad: float, lengths: Array, known_s: Array, turn: float
) -> tuple[Fisheye, Array]:
    """One start of the fit, with the camera's rotation within about a radian of ``turn``."""
    days, frames, _ = blobs.shape
    found = np.isfinite(blobs[..., 0])
    owner = np.nonzero(found)[0]
    offset = _offsets(lengths, frames)

    def camera_of(c: Array) -> Fisheye:
        v = [float(x) for x in c[:7]]
        return Fisheye((v[0], v[1]), v[2], v[3], (v[4], v[5]), v[6], circle.mirrored)

    def distance(values: Array) -> tuple[Array, Array]:
        column, row = _pixels(camera_of(values), values[7:].reshape(3, days).T, offset, latitude_rad)
        return (column - blobs[..., 0])[found], (row - blobs[..., 1])[found]

    def residual(values: Array) -> Array:
        step = values[7 + 2 * days :]
        prior = (step - np.median(step)) / 400  # decides only where a day has no blobs
        centre = 0.05 * values[7 : 7 + 2 * days]  # a day without blobs would otherwise drift with rounding errors
        return np.concatenate([*distance(values), prior, centre])

    def jacobian(values: Array) -> Array:
        """Forward differences; a path moves its own day only, so one step serves a parameter of all days."""
        base = np.concatenate(distance(values))
        matrix = np.zeros((len(base) + 3 * days, len(values)))
        lines, column = np.arange(len(base)), np.r_[owner, owner]
        for k in range(10):
            moved = slice(k, k + 1) if k < 7 else slice(7 + (k - 7) * days, 7 + (k - 6) * days)
            step = 1.5e-8 * np.maximum(np.abs(values[moved]), 1.0)
            step = np.where(values[moved] + step > high[moved], -step, step)
            shifted = values.copy()
            shifted[moved] += step
            slope = np.concatenate(distance(shifted)) - base
            if k < 7:
                matrix[lines, k] = slope / step
            else:
                matrix[lines, 7 + (k - 7) * days + column] = slope / step[column]
        each = np.arange(days)
        matrix[len(base) + each, 7 + 2 * days + each] = 1 / 400
        both = np.arange(2 * days)
        matrix[len(base) + days + both, 7 + both] = 0.05
        return matrix

    x, y, r = *circle.centre, circle.radius
    scale = pixel_scale(r)
    first, shortest, longest = _steps(lengths, known_s)
    start = np.r_[x, y, 1.03 * r, turn, 0, 0, 0, np.zeros(2 * days), first]
    low = np.r_[x - 8 * scale, y - 12 * scale, 0.85 * r, turn - 0.9, -0.2, -0.2, -0.3, np.full(days, -0.41)]
    high = np.r_[x + 8 * scale, y + 12 * scale, 1.2 * r, turn + 1.1, 0.2, 0.2, 0.3, np.full(days, 0.41)]
    low, high = np.r_[low, np.full(days, -1.0), shortest], np.r_[high, np.full(days, 1.0), longest]
    sizes = np.r_[scale, scale, scale, 0.1, 0.05, 0.05, 0.05, np.full(2 * days, 0.1), np.full(days, 10.0)]
    fit = least_squares(
        residual, start, jac=jacobian, loss="soft_l1", f_scale=2.0 * scale, x_scale=sizes, bounds=(low, high)
    )
    return camera_of(fit.x), fit.x[7:].reshape(3, days).T


def fit_day(
    blobs: Array, camera: Fisheye, latitude_rad: float, *, known_s: float, usual_s: float, length: int
) -> Array:
    """Path (3,) of one more day (frames, 2) of a camera that is known; ``usual_s``: frame spacing of its other days."""
    found = np.isfinite(blobs[:, 0])
    offset = _offsets(np.array([length]), len(blobs))
    first, shortest, longest = (float(v[0]) for v in _steps(np.array([float(length)]), np.array([known_s])))

    def residual(path: Array) -> Array:
        column, row = _pixels(camera, path[None], offset, latitude_rad)
        distance = [(column[0] - blobs[:, 0])[found], (row[0] - blobs[:, 1])[found]]
        return np.concatenate([*distance, [(path[2] - usual_s) / 400], 0.05 * path[:2]])

    bounds = ([-0.41, -1.0, shortest], [0.41, 1.0, longest])
    scale = pixel_scale(camera.radius)
    starts = {first, float(np.clip(usual_s, 1.001 * shortest, 0.999 * longest))}
    fits = [
        least_squares(residual, [0, 0, s], loss="soft_l1", f_scale=2.0 * scale, x_scale=[0.1, 0.1, 10.0], bounds=bounds)
        for s in sorted(starts)
    ]
    return np.asarray(min(fits, key=lambda fit: float(fit.cost)).x)


def follow_sun(
    blobs: Array, camera: Fisheye, path: Array, latitude_rad: float, length: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Position (frames, 2) of the sun on a day and whether it is seen (frames,); blobs (frames, 2)."""
    column, row = _pixels(camera, path[None], _offsets(np.array([length]), len(blobs)), latitude_rad)
    position = np.stack([column[0], row[0]], -1)
    near_pixels = NEAR_PIXELS * pixel_scale(camera.radius)
    rest = blobs - position
    rest[np.hypot(rest[:, 0], rest[:, 1]) > 2 * near_pixels] = np.nan
    for frame in range(len(blobs)):
        near = rest[max(0, frame - 4) : frame + 5]
        near = near[np.isfinite(near[:, 0])]
        if len(near) >= 4:
            position[frame] += np.median(near, axis=0)
    distance = np.hypot(*(blobs - position).T)
    return position, np.nan_to_num(distance, nan=1e9) < near_pixels


def level_camera(camera: Fisheye, circle: Fisheye, latitude_rad: float) -> Fisheye:
    """The camera taken as level about its circle, turned so that the celestial pole stands over north (or south).

    The circle tells the zenith; the pole's place in the picture comes from the curvature of the sun's
    paths and hardly depends on the latitude that they were fitted with.
    """
    side = math.copysign(1.0, latitude_rad)
    pole = camera.project(*(np.array(v) for v in (0.0, side * math.cos(latitude_rad), abs(math.sin(latitude_rad)))))
    level = Fisheye(circle.centre, circle.radius * 1.03, mirrored=camera.mirrored)
    east, north, _ = level.directions(*pole)
    return replace(level, rotation_rad=math.atan2(side * east, side * north))
