"""Typical horizontal size of the clouds, or of the gaps between them, from a sky disc's opacity.

The opacity is unprojected onto the cloud plane, where near and far clouds have one scale. Its size is
read off the autocorrelation over what was seen: discs strewn at random keep half of it at 0.404 of
their diameter, and the size of a sky is the diameter of the discs that would keep as much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry import disc_position
from .cloud_plane import BASE_KM, PlaneScale, plane_directions
from .resampling import bilinear_at
from .smoothing import gaussian_blur

TEXTURE_SCALES = (PlaneScale(50, 128, 15.0), PlaneScale(200, 160, 10.0))
"""Maps on which the size is read, fine to coarse: the first on which it is small beside the map."""

HALF_CORRELATION = 0.404
"""Distance at which two discs of diameter 1 share half of their area."""

MIN_CONTRAST = 0.1
"""Least standard deviation of opacity: below it there is no pattern whose size could be told."""

_MAX_LAG = 0.125
"""Longest distance that is read, over the map's edge."""


def autocorrelation(values: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Azimuthal mean of the autocorrelation of a map at distances 0, 1, 2, ... texels, 1 at distance 0.

    Parameters
    ----------
    values : ndarray, shape (N, N), float32
    seen : ndarray, shape (N, N), bool
        Texels that count; products are averaged over the pairs that were both seen.

    Returns
    -------
    ndarray, shape (N / 2,), float64
        0 where fewer than fifty pairs were seen.
    """
    size = values.shape[0]
    shape = (2 * size, 2 * size)
    weight = seen.astype(np.float64)
    mean = float((values * weight).sum() / max(weight.sum(), 1.0))
    spectrum = np.fft.rfft2((values - mean) * weight, shape)
    products = np.fft.irfft2(np.abs(spectrum) ** 2, shape)
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(weight, shape)) ** 2, shape)
    lag = np.fft.fftfreq(2 * size, 1 / (2 * size))
    distance = np.rint(np.hypot(lag[:, None], lag[None])).astype(np.int64).ravel()
    near = distance < size // 2
    total = np.bincount(distance[near], products.ravel()[near], size // 2)
    count = np.bincount(distance[near], pairs.ravel()[near], size // 2)
    curve = np.where(count > 50, total / np.maximum(count, 1.0), 0.0)
    return np.asarray(curve / max(curve[0], 1e-12), dtype=np.float64)


def _half_distance(curve: NDArray[np.float64]) -> float | None:
    """Distance at which a curve first falls to one half, in texels; None if it does not."""
    below = np.flatnonzero(curve <= 0.5)
    if below.size == 0:
        return None
    stop = int(below[0])
    return stop - 1 + float((curve[stop - 1] - 0.5) / (curve[stop - 1] - curve[stop]))


def texture_size_km(alpha: NDArray[np.float32], valid: NDArray[np.bool_]) -> float | None:
    """Typical horizontal size of clouds and gaps, km at the assumed base height (`cloud_plane.BASE_KM`).

    Parameters
    ----------
    alpha : ndarray, shape (N, N), float32
        Opacity on a sky disc.
    valid : ndarray, shape (N, N), bool
        Where it holds.

    Returns
    -------
    float or None
        None where the opacity hardly varies: a clear or an overcast sky.
    """
    n = alpha.shape[0]
    size_km = None
    for scale in TEXTURE_SCALES:
        texel_km = scale.texel_m * 1e-3
        d = plane_directions(scale.size, texel_km)
        position = disc_position(d)
        row, column = (1 - position[..., 1]) / 2 * n - 0.5, (1 + position[..., 0]) / 2 * n - 0.5
        overhead_px = texel_km / BASE_KM * n / 4
        blur = 0.4 * max(overhead_px - 1, 0.0)  # half a texel, where texels look largest
        weight = valid.astype(np.float32)
        weight_blurred = gaussian_blur(weight, blur)
        smooth = gaussian_blur(alpha * weight, blur) / np.maximum(weight_blurred, 1e-3)
        values = bilinear_at(smooth, row, column)
        seen = bilinear_at(weight_blurred, row, column) > 0.9
        seen &= d[..., 2] > np.sin(np.deg2rad(scale.min_elevation_deg))
        if seen.sum() < 0.05 * seen.size or float(values[seen].std()) < MIN_CONTRAST:
            continue
        half = _half_distance(autocorrelation(values.astype(np.float32), seen))
        if half is None:
            continue
        size_km = half * texel_km / HALF_CORRELATION
        if half <= _MAX_LAG * scale.size:
            break
    return size_km
