"""White balance of the sky as a raw developer has it: *Temperature* and *Tint* to gains of red, green and blue.

The temperature is that of the daylight which the picture shows white, so a higher one makes it warmer; 6500 K (D65)
leaves it as it is. Its chromaticity lies on the CIE daylight locus (CIE 15:2018, 4000 to 25000 K; as in D50 and D65
a nominal kelvin stands for 1.4388 / 1.4380). Tint moves it off the locus in CIE 1960 uv, 3000 units to 1 of Duv as
in Adobe's DNG SDK: positive makes the picture more magenta, negative greener.

A grey card becomes what the Bradford adaptation from that white to D65 makes of it, at its own luminance. All other
colours get the same gains, one for each linear Rec.709 channel: Bradford's whole matrix would take saturated light
below zero.
"""

from __future__ import annotations

import numpy as np

from .request import NEUTRAL_WHITE_K, SKY_RANGES
from .spectrum import D65_XYZ, XYZ_TO_REC709, Array, bradford_adaptation

TINT_UNITS = 3000.0
"""Tint for a distance of 1 from the locus in CIE 1960 uv."""

_STEPS, _ROUNDS = 7, 12
"""The search for a balance: places on a side of its raster, and rasters of which each is half as wide."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_NOMINAL = 1.4388 / 1.4380
"""Second radiation constant of today over that of 1931, after which D65 is called 6500 K."""


def daylight_xy(temperature_k: float) -> tuple[float, float]:
    """CIE 1931 chromaticity of daylight of a nominal temperature, 4000 to 25000 K (CIE 15:2018, eq. 4.1 to 4.3)."""
    t = temperature_k * _NOMINAL
    if t <= 7000.0:
        x = -4.6070e9 / t**3 + 2.9678e6 / t**2 + 0.09911e3 / t + 0.244063
    else:
        x = -2.0064e9 / t**3 + 1.9018e6 / t**2 + 0.24748e3 / t + 0.237040
    return x, -3.0 * x * x + 2.870 * x - 0.275


def white_xyz(temperature_k: float, tint: float) -> Array:
    """XYZ (3,) of the white that a balance assumes, Y = 1."""
    before, middle, after = (_daylight_uv(temperature_k + step) for step in (-1.0, 0.0, 1.0))
    along = (after - before) / np.hypot(*(after - before))  # toward blue, so that the green side is to its right
    u, v = middle + tint / TINT_UNITS * np.array([along[1], -along[0]])
    x, y = np.array([3 * u, 2 * v]) / (2 * u - 8 * v + 4)
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _daylight_uv(temperature_k: float) -> Array:
    """CIE 1960 chromaticity (2,) of daylight."""
    x, y = daylight_xy(temperature_k)
    return np.array([4 * x, 6 * y]) / (-2 * x + 12 * y + 3)


def white_balance_gains(temperature_k: float, tint: float) -> Array:
    """Factors of linear red, green and blue that a balance comes to.

    Parameters
    ----------
    temperature_k : float
        Daylight that is shown white, 4000 to 25000 K.
    tint : float
        -100 (green) to 100 (magenta).

    Returns
    -------
    ndarray, shape (3,), float64
        Positive, luminance 1; exactly 1, 1, 1 at 6500 K without tint.
    """
    gains = _adapted_card(temperature_k, tint) / _adapted_card(NEUTRAL_WHITE_K, 0.0)
    return np.asarray(gains * (_LUMINANCE.sum() / (_LUMINANCE * gains).sum()))


def _adapted_card(temperature_k: float, tint: float) -> Array:
    """Linear Rec.709 (3,) of a grey card under D65 after the adaptation from a white to D65."""
    return np.asarray(XYZ_TO_REC709 @ bradford_adaptation(white_xyz(temperature_k, tint), D65_XYZ) @ D65_XYZ)


def output_gains(exposure_ev: float, temperature_k: float, tint: float) -> Array:
    """Factors (3,), float64, by which a frame's radiance is multiplied last: exposure and white balance."""
    return np.asarray(2.0**exposure_ev * white_balance_gains(temperature_k, tint))


def nearest_balance(
    gains: Array,
    temperatures_k: tuple[float, float] = SKY_RANGES["white_balance_k"],
    tints: tuple[float, float] = SKY_RANGES["white_balance_tint"],
) -> tuple[float, float]:
    """Temperature and tint within ranges whose gains come nearest to the given ones, but for a common factor.

    Parameters
    ----------
    gains : array_like, shape (3,)
        Positive factors of red, green and blue.
    temperatures_k, tints : (float, float)
        Lowest and highest that may be returned.

    Returns
    -------
    temperature_k, tint : float
        Their gains' squared differences in stops, each channel from the mean of the three, add up to least.
    """
    wanted = _stops_from_mean(np.asarray(gains, dtype=np.float64))
    lowest = np.array([1e6 / max(temperatures_k), min(tints)])  # even steps of reciprocal temperature look alike
    highest = np.array([1e6 / min(temperatures_k), max(tints)])
    steps = np.linspace(-0.5, 0.5, _STEPS)
    place, reach = 0.5 * (lowest + highest), highest - lowest
    for _ in range(_ROUNDS):
        tried = [np.clip(place + reach * (i, j), lowest, highest) for i in steps for j in steps]
        errors = [np.square(_stops_from_mean(white_balance_gains(1e6 / a, b)) - wanted).sum() for a, b in tried]
        place, reach = tried[int(np.argmin(errors))], reach / 2
    kelvin = float(1e6 / place[0])  # the reciprocal of a reciprocal may be a rounding off the range's end
    return min(max(kelvin, min(temperatures_k)), max(temperatures_k)), float(place[1])


def _stops_from_mean(gains: Array) -> Array:
    """Base-2 logarithms of gains (3,) less their mean."""
    stops = np.log2(np.maximum(gains, 1e-12))
    return np.asarray(stops - stops.mean())
