"""What clear sky looks like to one camera: its blueness, its luminance, its aureole, fitted over many days.

Days come one at a time, so memory does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.cloud_map import CLOUD_BLUENESS, GLARE_RAD, blueness, clear_basis
from trainer.captures.days.day_reading import MEASURED, DayReading
from trainer.captures.days.sky_view import SUN_LIMIT_RAD, SkyView

Array = NDArray[np.float64]

EVERY = 6
"""One frame in so many tells about clear sky."""
CLEAR_RATIO = 0.85
"""Blueness over that of the clear reference from which a pixel counts as clear."""


@dataclass(frozen=True)
class SunnyDay:
    """A day's frames with the sun."""

    reading: DayReading
    """What was read."""
    sun: Array
    """(frames, 3) unit vectors toward the sun, by frame of the reading."""
    seen: NDArray[np.bool_]
    """(frames,) whether it is visible."""


DaySource = Callable[[], Iterator[SunnyDay]]
"""Gives the days anew at each call."""


def luminance(encoded: Array) -> Array:
    """Relative linear luminance of 8-bit values (..., 3), for a display's gamma of 2.2."""
    return np.asarray((np.asarray(encoded, np.float64).mean(-1) / 255) ** 2.2)


def bright_luminance(days: DaySource) -> Array:
    """8-bit luminance (h, w) that a pixel exceeds in a tenth of the frames; every seventh good frame counts."""
    rows, count = [], 0
    for day in days():
        for index in np.flatnonzero(day.reading.mark == MEASURED):
            if count % 7 == 0:
                rows.append(day.reading.encoded[index].mean(-1, dtype=np.float32))
            count += 1
    return np.asarray(np.quantile(np.stack(rows), 0.9, axis=0), np.float64)


@dataclass(frozen=True)
class ClearSky:
    """Coefficients of the references."""

    blueness: Array
    """(13,) of `clear_basis`."""
    log_luminance: Array
    """(13,) of `clear_basis`, natural logarithm up to a constant of each frame (its exposure)."""
    aureole: Array
    """(3,) parabola in the sine of the sun's height: luminance around the sun over that of the far sky."""


def fit_clear_sky(days: DaySource, view: SkyView) -> ClearSky:
    """References of all days for one camera.

    Raises
    ------
    CaptureError
        If no frame has the sun high enough.
    """
    rows, values, lights, frame = [], [], [], []
    keep = view.sky.copy()
    keep[::2] = keep[:, ::2] = False
    direction, count = view.direction[keep][::3], 0
    zenith = np.arccos(np.clip(direction[:, 2], -1, 1))
    height, ratio = [], []
    for day in days():
        for index in np.flatnonzero(day.reading.mark == MEASURED):
            sun, encoded = day.sun[index], day.reading.encoded[index]
            if day.seen[index]:
                value = aureole(encoded, view.sky, np.arccos(np.clip(view.direction @ sun, -1, 1)))
                if math.isfinite(value) and sun[2] > math.sin(SUN_LIMIT_RAD):
                    height.append(sun[2])
                    ratio.append(value)
            if day.reading.slot[index] % EVERY or sun[2] < math.sin(SUN_LIMIT_RAD):
                continue
            pixels = encoded[keep][::3].astype(np.float64)
            sun_angle = np.arccos(np.clip(direction @ sun, -1, 1))
            rows.append(clear_basis(sun_angle, zenith, math.acos(min(sun[2], 1.0))))
            values.append(blueness(pixels))
            lights.append(np.log(np.maximum(luminance(pixels), 1e-4)))
            frame.append(np.where(sun_angle > GLARE_RAD, count, -1))
            count += 1
    if not rows:
        raise CaptureError("The sun stands too low in all frames.", "Add frames of full daylight.")
    system, target = np.concatenate(rows), np.concatenate(values)
    coefficients = _upper_envelope(system, target)
    excess = (target - CLOUD_BLUENESS) / np.maximum(np.maximum(system @ coefficients, 0.03) - CLOUD_BLUENESS, 0.02)
    owner = np.concatenate(frame)
    clear = (excess > CLEAR_RATIO) & (owner >= 0)
    light = _within_frames(system[clear], np.concatenate(lights)[clear], owner[clear])
    return ClearSky(coefficients, light, _fit_aureole(np.array(height), np.array(ratio)))


def _upper_envelope(system: Array, target: Array, rounds: int = 12) -> Array:
    """Expectile 0.9 (about): more than a tenth of what a pixel sees must be clear in some of the days."""
    coefficients = np.linalg.lstsq(system, target, rcond=None)[0]
    for _ in range(rounds):
        rest = target - system @ coefficients
        weight = np.where(rest > 0, 0.85, 0.15) / np.maximum(np.abs(rest), 0.05)  # asymmetric, robust to outliers
        coefficients = np.linalg.lstsq(system * np.sqrt(weight)[:, None], target * np.sqrt(weight), rcond=None)[0]
    return np.asarray(coefficients)


def _within_frames(system: Array, target: Array, owner: NDArray[np.int64]) -> Array:
    """Least squares up to a constant of each frame, with outliers down-weighted."""
    weight = np.ones(len(target))
    size = int(owner.max(initial=0)) + 1
    coefficients: Array = np.zeros(system.shape[1])
    for _ in range(6):
        total = np.maximum(np.bincount(owner, weight, size), 1e-9)
        middle = np.stack([np.bincount(owner, weight * c, size) / total for c in system.T], -1)[owner]
        level = (np.bincount(owner, weight * target, size) / total)[owner]
        root = np.sqrt(weight)
        # frames share the terms of the sun's height: what a frame's constant explains has no coefficient
        solved = np.linalg.lstsq((system - middle) * root[:, None], (target - level) * root, rcond=1e-6)
        coefficients = np.asarray(solved[0], np.float64)
        rest = target - level - (system - middle) @ coefficients
        weight = 1 / np.maximum(np.abs(rest), 0.05)
        weight /= weight.max(initial=1e-9)
    return np.asarray(coefficients)


def aureole(encoded: NDArray[np.generic], sky: NDArray[np.bool_], sun_angle: Array) -> float:
    """Linear luminance around the sun (5 to 20 degrees) over that of the sky beyond 45 degrees; NaN if out of sight."""
    light = luminance(np.asarray(encoded, np.float64))
    near = sky & (sun_angle > math.radians(5)) & (sun_angle < math.radians(20))
    far = sky & (sun_angle > math.radians(45))
    if near.sum() < 20 or far.sum() < 100:
        return math.nan
    return float(light[near].mean() / light[far].mean())


def _fit_aureole(height: Array, ratio: Array) -> Array:
    """Parabola (3,) for `aureole` of clear frames: expectile 0.8 where the sun is seen."""
    if len(height) < 12:
        return np.array([0.0, 0.0, float(np.quantile(ratio, 0.8)) if len(ratio) else 2.0])
    system = np.vander(height, 3)
    weight = np.ones_like(ratio)
    fit: Array = np.zeros(3)
    for _ in range(12):
        root = np.sqrt(weight)
        fit = np.asarray(np.linalg.lstsq(system * root[:, None], ratio * root, rcond=None)[0], np.float64)
        weight = np.where(ratio > system @ fit, 0.8, 0.2)
    return np.asarray(fit)
