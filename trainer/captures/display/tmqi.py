"""How well a tone-mapped picture keeps what its radiance shows: the tone-mapped image quality index.

H. Yeganeh and Z. Wang, "Objective Quality Assessment of Tone Mapped Images", IEEE Transactions on
Image Processing 22 (2), 2013. Constants and borders follow the authors' published program.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE

Plane = NDArray[np.float64]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales from fine to coarse, each half the one before (multi-scale SSIM's)."""

FINEST_CYCLES_PER_DEGREE = 16.0
"""Spatial frequency that the finest scale stands for; it halves with the scale."""

WINDOW, WINDOW_SIGMA = 11, 1.5
"""Edge and spread in pixels of the Gaussian window of local statistics."""

MIN_EDGE = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
"""Shortest edge in pixels for which the coarsest scale still holds one window."""

FIDELITY_SHARE, FIDELITY_POWER, NATURALNESS_POWER = 0.8012, 0.3046, 0.7088
"""``Q = a S^alpha + (1 - a) N^beta``."""

_RADIANCE_CODES = 2.0**32 - 1
_BRIGHTNESS_MEAN, _BRIGHTNESS_SIGMA = 115.94, 27.99
_CONTRAST_ALPHA, _CONTRAST_BETA, _CONTRAST_RANGE = 4.4, 10.1, 64.29
_C1, _C2 = 0.01, 10.0


@dataclass(frozen=True)
class Quality:
    """The index and its two parts, each from 0 to 1, higher is better."""

    quality: float
    """Q: the index."""
    fidelity: float
    """S: how much of the radiance's local structure is visible, over five scales."""
    naturalness: float
    """N: how usual brightness and local contrast are among photographs."""


def tone_mapped_quality(radiance: NDArray[np.floating], display: NDArray[np.uint8]) -> Quality:
    """TMQI of a display picture against the radiance that it shows.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3)
        Linear Rec.709, finite, any scale.
    display : ndarray, shape (H, W, 3), uint8, sRGB

    Raises
    ------
    CaptureError
        If the shapes differ or an edge is shorter than ``MIN_EDGE``.
    """
    if radiance.shape != display.shape or radiance.ndim != 3 or min(radiance.shape[:2]) < MIN_EDGE:
        raise CaptureError(
            f"Pictures of {radiance.shape} and {display.shape} cannot be compared.",
            f"Give two (H, W, 3) pictures of one size, {MIN_EDGE} pixels or more along each edge.",
        )
    weights = REC709_LUMINANCE.astype(np.float64)
    luma = display.astype(np.float64) @ weights
    fidelity = structural_fidelity(radiance.astype(np.float64) @ weights, luma)
    natural = naturalness(luma)
    quality = FIDELITY_SHARE * fidelity**FIDELITY_POWER + (1 - FIDELITY_SHARE) * natural**NATURALNESS_POWER
    return Quality(quality, fidelity, natural)


def structural_fidelity(luminance: Plane, luma: Plane) -> float:
    """S of luminance (H, W) in any unit and luma (H, W) in 0 to 255.

    A scale on which structures are inverted on the whole has a negative mean, which the paper's
    fractional exponents cannot take: it counts as 0, and with it S.
    """
    span = float(luminance.max() - luminance.min())
    codes = (luminance - luminance.min()) * (_RADIANCE_CODES / span) if span > 0 else np.zeros_like(luminance)
    fidelity, cycles = 1.0, FINEST_CYCLES_PER_DEGREE
    for weight in SCALE_WEIGHTS:
        fidelity *= max(float(fidelity_map(codes, luma, cycles).mean()), 0.0) ** weight
        codes, luma, cycles = _half(codes), _half(luma), cycles / 2
    return fidelity


def fidelity_map(codes: Plane, luma: Plane, cycles_per_degree: float) -> Plane:
    """Local structural fidelity (H - 10, W - 10) of one scale, from -1 to 1.

    The first factor compares how visible the contrasts are, each standard deviation passed through
    the probability of seeing it (a normal distribution about the threshold of Mannos and Sakrison's
    contrast sensitivity); the second is the correlation of the two pictures.
    """
    covariance, deviation, luma_deviation = local_statistics(codes, luma)
    f = 0.114 * cycles_per_degree
    threshold = 128.0 / (1.4 * 100.0 * 2.6 * (0.0192 + f) * math.exp(-(f**1.1)))
    seen = ndtr((deviation - threshold) / (threshold / 3))
    luma_seen = ndtr((luma_deviation - threshold) / (threshold / 3))
    visibility = (2 * seen * luma_seen + _C1) / (seen**2 + luma_seen**2 + _C1)
    correlation = (covariance + _C2) / (deviation * luma_deviation + _C2)
    return np.asarray(visibility * correlation)


def local_statistics(a: Plane, b: Plane) -> tuple[Plane, Plane, Plane]:
    """Covariance and both standard deviations in each whole window, (H - 10, W - 10)."""
    mean_a, mean_b = _windowed(a), _windowed(b)
    deviation_a = np.sqrt(np.maximum(_windowed(a * a) - mean_a**2, 0))
    deviation_b = np.sqrt(np.maximum(_windowed(b * b) - mean_b**2, 0))
    bound = deviation_a * deviation_b  # rounding may pass it where pictures are flat
    return np.clip(_windowed(a * b) - mean_a * mean_b, -bound, bound), deviation_a, deviation_b


def naturalness(luma: Plane) -> float:
    """N of luma (H, W) in 0 to 255: likelihoods of its mean and of its mean local contrast, each over its mode's.

    Contrast is the standard deviation in blocks of 11 x 11 pixels; what is left at two edges makes
    smaller blocks, each weighted by its pixels.
    """
    brightness = math.exp(-0.5 * ((float(luma.mean()) - _BRIGHTNESS_MEAN) / _BRIGHTNESS_SIGMA) ** 2)
    contrast = _block_deviation(luma) / _CONTRAST_RANGE
    if not 0 < contrast < 1:
        return 0.0
    a, b = _CONTRAST_ALPHA - 1, _CONTRAST_BETA - 1
    mode = a / (a + b)
    return float(brightness * (contrast / mode) ** a * ((1 - contrast) / (1 - mode)) ** b)


def _block_deviation(luma: Plane) -> float:
    rows, columns = (np.arange(0, edge, WINDOW) for edge in luma.shape)
    count = _block_sums(np.ones_like(luma), rows, columns)
    mean = _block_sums(luma, rows, columns) / count
    each = np.repeat(np.repeat(mean, WINDOW, axis=0), WINDOW, axis=1)[: luma.shape[0], : luma.shape[1]]
    squares = _block_sums((luma - each) ** 2, rows, columns)
    return float((np.sqrt(squares / np.maximum(count - 1, 1)) * count).sum() / luma.size)


def _block_sums(values: Plane, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Plane:
    return np.asarray(np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1))


def _windowed(values: Plane) -> Plane:
    """Gaussian mean in each whole window."""
    blurred = cv2.GaussianBlur(values, (WINDOW, WINDOW), WINDOW_SIGMA, borderType=cv2.BORDER_REFLECT)
    inset = WINDOW // 2
    return np.asarray(blurred[inset:-inset, inset:-inset])


def _half(values: Plane) -> Plane:
    """Means of 2 x 2 pixels; an odd last row or column is repeated."""
    values = np.pad(values, [(0, edge % 2) for edge in values.shape], mode="edge")
    return np.asarray((values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4)
