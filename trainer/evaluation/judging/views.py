"""What the judge looks at: perspective views of the sky alone, alike in exposure, from any panorama.

Panoramas are averaged to 256 rows and scaled so that the median luminance of the upper hemisphere is
0.18; eight views of 75 degrees look up by 58 degrees, over most buildings (`obstructed_share` tells
those that still stand in a view); a logarithmic tone curve shows seven stops about that median.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_solid_angles
from skygen_addon.core.measuring.sampling import nearest_on_disc, sample_panorama, shrink_panorama

PANORAMA_ROWS = 256
"""Rows to which panoramas are averaged: 0.7 degrees each, a little more than a view's pixel."""

MIDDLE_LUMINANCE = 0.18
"""Median luminance of the upper hemisphere after scaling."""

HALF_RANGE_STOPS = 3.5
"""Stops about MIDDLE_LUMINANCE at which the tone curve reaches 0 and 1."""

VIEW_COUNT, VIEW_PIXELS = 8, 128
VIEW_FIELD_RAD, VIEW_PITCH_RAD = np.deg2rad(75.0), np.deg2rad(58.0)
"""Full angle of a view, and how far its centre stands above the horizon."""


def view_directions() -> NDArray[np.float64]:
    """Unit vectors (8, 128, 128, 3) of all views' pixels; view k looks 45 k degrees clockwise from north."""
    tangent = np.tan(VIEW_FIELD_RAD / 2)
    axis = ((np.arange(VIEW_PIXELS) + 0.5) * 2 / VIEW_PIXELS - 1) * tangent
    across, up = np.meshgrid(axis, -axis)  # row 0 is the top
    cosine, sine = np.cos(VIEW_PITCH_RAD), np.sin(VIEW_PITCH_RAD)
    forward = cosine - up * sine
    d = np.stack([across, forward, sine + up * cosine], axis=-1)
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    azimuth = 2 * np.pi * np.arange(VIEW_COUNT)[:, None, None] / VIEW_COUNT
    c, s = np.cos(azimuth), np.sin(azimuth)
    return np.stack([d[..., 0] * c + d[..., 1] * s, d[..., 1] * c - d[..., 0] * s, d[..., 2] + 0 * c], axis=-1)


def median_luminance(panorama: NDArray[np.float32]) -> float:
    """Median luminance of a panorama's (H, W, 3) upper hemisphere, by solid angle."""
    height, width = panorama.shape[:2]
    upper = (panorama[: height // 2] @ REC709_LUMINANCE).ravel()
    weight = np.repeat(panorama_solid_angles(width)[: height // 2], width)
    order = np.argsort(upper)
    return float(upper[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])


def tone_curve(radiance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Display values 0 to 1 of radiance whose middle is MIDDLE_LUMINANCE: linear in its logarithm."""
    least = MIDDLE_LUMINANCE * 2.0 ** -(HALF_RANGE_STOPS + 1)
    stops = np.log2(np.maximum(radiance, least) / MIDDLE_LUMINANCE)
    return np.asarray(np.clip(0.5 + stops / (2 * HALF_RANGE_STOPS), 0.0, 1.0), dtype=np.float32)


def scaled(panorama: NDArray[np.float32]) -> NDArray[np.float32]:
    """Panorama of at most 256 rows whose median luminance is MIDDLE_LUMINANCE.

    Raises
    ------
    ValueError
        If it is black above the horizon.
    """
    small = shrink_panorama(panorama, 2 * PANORAMA_ROWS)
    middle = median_luminance(small)
    if not middle > 0:
        raise ValueError("the panorama is black above the horizon")
    return np.asarray(small * np.float32(MIDDLE_LUMINANCE / middle), dtype=np.float32)


def sky_views(panorama: NDArray[np.float32]) -> NDArray[np.float32]:
    """All views of a panorama.

    Parameters
    ----------
    panorama : ndarray, shape (H, 2 H, 3), float32
        Linear radiance in any scale.

    Returns
    -------
    ndarray, shape (8, 128, 128, 3), float32
        Display values 0 to 1.
    """
    return tone_curve(sample_panorama(scaled(panorama), view_directions()))


def obstructed_share(sky: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share (8,) of each view that is no sky, by the mask (N, N) of a sky disc with row 0 north."""
    return np.asarray(1 - nearest_on_disc(sky, view_directions()).mean(axis=(1, 2)))


def thumbnail(panorama: NDArray[np.float32], width: int) -> NDArray[np.uint8]:
    """Upper part of a panorama, from the zenith to 10 degrees below the horizon, as the judge's tone curve shows it."""
    small = shrink_panorama(scaled(panorama), width)
    shown = small[: small.shape[0] * 100 // 180]
    return np.asarray(np.round(tone_curve(shown) * 255), dtype=np.uint8)
