"""Slope of the clouds' power spectrum: how much fine structure a sky has beside its coarse structure.

The sky is seen on the plane, as from below: a square around the zenith whose sides are at 34 and
corners at 25 degrees of elevation. On it a layer of clouds has one scale everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE
from skygen_addon.core.measuring.sampling import sample_panorama, shrink_panorama
from skygen_addon.core.measuring.sun_position import find_sun

SLOPE_WIDTH = 256
"""Width in pixels to which all larger panoramas are averaged, so that they resolve alike."""

HALF_SIDE = 1.5
"""Half of the square's side in heights of the plane."""

SAMPLES = 128
"""Samples along the square's side."""

CYCLES = (2.0, 9.0)
"""Range of frequencies to which the slope is fitted, cycles per side: from what the window lets through to what
256 columns resolve at the side's middle."""

SUN_RAD = np.deg2rad(8.0)
"""Distance from the sun's rim from which on the sky counts fully; half as near it does not count."""

GLOW_RAD = (0.2, 0.7)
"""Angles from the sun over which its glow falls."""

MIN_CONTRAST = 0.025
"""Least standard deviation of log luminance from `CLOUD_CYCLES` on: below is a sky without clouds."""

CLOUD_CYCLES = 4.0
"""Frequency that the glow of a clear sky hardly reaches, cycles per side."""

_LEAST_SHARE = 0.3
"""Least share of the window's weight that has to be left beside the sun and what is not sky."""


def spectral_slope(
    panorama: NDArray[np.float32],
    seen: NDArray[np.bool_] | None = None,
    sun_direction: NDArray[np.floating] | None = None,
) -> float | None:
    """Exponent b of the power spectral density k^b of the clouds' log luminance.

    A quadratic in the plane's coordinates and the sun's glow are taken away, the square is
    weighted with a Hann window that fades out within 8 degrees of the sun, and a line is fitted to the
    logarithm of the azimuthal mean of the two-dimensional power spectral density.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32
        Linear, any scale. Narrower than 256, what it cannot hold counts as missing structure.
    seen : ndarray, shape (H, W), bool, optional
        What is sky; trees and buildings else count as structure.
    sun_direction : ndarray, shape (3,), optional
        Of a sun whose glow is there but whose disc was not drawn; by default the sun is looked for.

    Returns
    -------
    float or None
        About -2.7 for a plane of clouds whose one-dimensional spectrum falls with the power 5/3;
        None without structure: a clear or a featureless overcast sky. One sky scatters by about a
        quarter; where the sun is in the square, the fitted glow takes coarse structure along, which
        makes the slope about 0.15 flatter.
    """
    axis = ((np.arange(SAMPLES) + 0.5) / SAMPLES * 2 - 1) * HALF_SIDE
    east, north = np.meshgrid(axis, -axis)
    direction = np.stack([east, north, np.ones_like(east)], axis=-1)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    luminance = sample_panorama(shrink_panorama(panorama, SLOPE_WIDTH), direction) @ REC709_LUMINANCE
    hann = np.hanning(SAMPLES + 2)[1:-1]
    window = np.outer(hann, hann)
    weight = window.copy()
    if seen is not None:
        mask = shrink_panorama(seen[..., None].astype(np.float32), SLOPE_WIDTH)
        weight *= sample_panorama(mask, direction)[..., 0] > 0.99
    terms = [np.ones_like(east), east, north, east * east, east * north, north * north]
    radius_rad = 0.0
    if sun_direction is None and (sun := find_sun(panorama, seen)) is not None:
        sun_direction, radius_rad = sun.direction, sun.radius_rad
    if sun_direction is not None:
        angle = np.arccos(np.clip(direction @ sun_direction, -1, 1))
        weight *= np.clip(2 * (angle - radius_rad) / SUN_RAD - 1, 0, 1)
        terms += [np.exp(-angle / reach_rad) for reach_rad in GLOW_RAD]
    if weight.sum() < _LEAST_SHARE * window.sum():
        return None
    middle = float(np.median(luminance[weight > 0]))
    log = np.log(np.maximum(luminance.astype(np.float64), max(1e-4 * middle, 1e-12)))
    residual = log - _smooth_part(log, weight, np.stack(terms, axis=-1))
    power = np.abs(np.fft.fft2(residual * weight)) ** 2
    cycles = np.fft.fftfreq(SAMPLES, 1 / SAMPLES)
    k = np.hypot(cycles[:, None], cycles[None])
    ring = np.rint(k).astype(np.int64)
    rings = np.arange(int(CYCLES[0]), int(CYCLES[1]) + 1)
    variance = power[(ring >= CLOUD_CYCLES) & (ring <= CYCLES[1])].sum() / (weight.size * (weight**2).sum())
    if variance < MIN_CONTRAST**2:
        return None
    density = np.array([power[ring == n].mean() for n in rings])
    frequency = np.array([k[ring == n].mean() for n in rings])
    count = np.array([(ring == n).sum() for n in rings])
    return float(np.polyfit(np.log(frequency), np.log(np.maximum(density, 1e-30)), 1, w=np.sqrt(count))[0])


def _smooth_part(
    log: NDArray[np.float64], weight: NDArray[np.float64], terms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The sum of terms (n, n, t) that comes closest where it counts."""
    root = np.sqrt(weight)[..., None]
    fit = np.linalg.lstsq((terms * root).reshape(-1, terms.shape[-1]), (log * root[..., 0]).ravel(), rcond=None)[0]
    return np.asarray(terms @ fit)
