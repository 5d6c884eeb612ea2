"""One tone curve for a whole picture: what local tone-mapping is compared with, and the sRGB encoding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray

KEY = 0.18
"""Display luminance of a picture's log-average: a middle grey."""

WHITE_PERCENT = 99.0
"""Share of pixels that Reinhard's curve keeps below white."""


def plain_gamma(radiance: FloatArray, key: float = KEY) -> NDArray[np.uint8]:
    """Linear exposure of the log-average to ``key``, clipped at white, then the sRGB curve.

    Parameters
    ----------
    radiance : ndarray, shape (..., 3), float32
        Linear Rec.709, finite, not negative, any scale.
    key : float
        Display luminance of the log-average, 0 to 1.

    Returns
    -------
    ndarray, shape (..., 3), uint8, sRGB
    """
    return to_srgb(radiance * np.float32(key / log_average(radiance)))


def global_reinhard(radiance: FloatArray, key: float = KEY) -> NDArray[np.uint8]:
    """Extended global operator of Reinhard, Stark, Shirley and Ferwerda (2002), equations 1, 2 and 4.

    ``L' = L (1 + L / white^2) / (1 + L)`` of the luminance L whose log-average is ``key``; colours are
    scaled with their luminance. White is the luminance that ``WHITE_PERCENT`` of the pixels stay below:
    the paper's brightest pixel would be the sun, and the curve then equals the one without white.

    Parameters and return value as in :func:`plain_gamma`.
    """
    scaled = radiance * np.float32(key / log_average(radiance))
    luminance = scaled @ REC709_LUMINANCE
    white = max(float(np.percentile(luminance, WHITE_PERCENT)), 1e-6)
    gain = np.asarray((1 + luminance / white**2) / (1 + luminance), dtype=np.float32)
    return to_srgb(scaled * gain[..., None])


def log_average(radiance: FloatArray) -> float:
    """Geometric mean of the luminances above zero; 1 where a picture is black."""
    luminance = radiance @ REC709_LUMINANCE
    lit = luminance[luminance > 0]
    return float(np.exp(np.log(lit).mean(dtype=np.float64))) if lit.size else 1.0


def to_srgb(linear: FloatArray) -> NDArray[np.uint8]:
    """Code values of linear display light 0 to 1 by IEC 61966-2-1; light beyond is clipped."""
    light = np.clip(linear, 0.0, 1.0)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255 + 0.5, dtype=np.uint8)
