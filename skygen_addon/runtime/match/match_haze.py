"""Haze of a match: read from the clear sky, and raised where clouds shade it.

The reading compares how a sky brightens toward the horizon with a cloudless model. Between clouds the haze is shaded
and brightens less, so that a cloudy sky reads clearer than it is. Then the clear sky looks too warm for the white
balance that its clouds tell of; the haze is raised until both agree, and never lowered, as graded colours would want.
"""

from __future__ import annotations

import math

from ...core.controls import SkyControls
from ...core.geometry import FloatArray
from ...core.measuring.calibration import calibrate
from ...core.measuring.cloud_opacity import CloudEstimate
from .match_balance import Shifts
from .match_view import View

HAZE_RANGE = (0.3, 8.0)
"""Haze that is set: beyond it the model and captures no longer agree."""

HAZE_UNTOLD, HAZE_OVERCAST = 1.2, 2.5
"""Haze where no clear sky tells it."""

GREATEST_SHADE = 2.5
"""How many times hazier than it reads a cloudy sky may be."""

LEAST_READING = 0.5
"""A reading below counts as this much where it bounds the haze: shade alone makes a sky read so clear."""

_WARMTH_OF_DOUBLE = 0.25
"""Stops of red over blue by which twice the haze makes the model's clear sky warmer beside its clouds, about."""

_SETTLED = math.log(1.15)
"""Change of haze, in its log, that is not worth another try."""


def read_haze(disc: FloatArray, view: View, clouds: CloudEstimate, kind: str) -> float | None:
    """What a disc's clear sky tells of its haze; None where there is too little, or its sun is only guessed."""
    if kind == "stratus" or view.sun.told_by == "glow":
        return None
    return calibrate(disc, view.sky, clouds, view.sun.direction).haze


def first_haze(reading: float | None, kind: str) -> float:
    """Haze to set out from."""
    if reading is None:
        return HAZE_OVERCAST if kind == "stratus" else HAZE_UNTOLD
    return _set(reading)


def corrected_haze(controls: SkyControls, reading: float | None, shifts: Shifts) -> float:
    """Haze to try next: up to GREATEST_SHADE times the reading, where clear sky and clouds agree on the white balance.

    Parameters
    ----------
    controls : SkyControls
        Of a try.
    reading : float or None
        What the panorama's clear sky told.
    shifts : Shifts
        Of its colours, against the try's.
    """
    if reading is None or shifts.clear is None or shifts.clouds is None:
        return controls.haze
    warmer = float(shifts.clear[0] - shifts.clouds[0])
    haze = controls.haze * 2.0 ** min(max(warmer / _WARMTH_OF_DOUBLE, -1.0), 1.0)
    return _set(min(max(haze, reading), GREATEST_SHADE * max(reading, LEAST_READING)))


def haze_astray(before: float, after: float) -> float:
    """How far off a try's haze is, 0 to 0.3; it tells tries apart whose clouds are alike."""
    return min(0.1 * abs(math.log2(after / before)), 0.3)


def is_same_haze(before: float, after: float) -> bool:
    """Whether a change of haze is too small to show."""
    return abs(math.log(after / before)) < _SETTLED


def _set(haze: float) -> float:
    return round(min(max(haze, HAZE_RANGE[0]), HAZE_RANGE[1]), 2)
