"""Where a fisheye frame shows cloud: blueness against a clear-sky reference that knows glare and lens.

The *blueness* (B - R) / (B + R) of a clear pixel is learned from all days as a function of the
angle from the sun, the zenith angle and the sun's height. Maps are (h, w) of binned frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trainer.captures.days.sky_view import SkyView

Array = NDArray[np.float64]

GLARE_RAD = math.radians(14)
"""Around a visible sun nothing is measured."""
CLOUD_BLUENESS = 0.02
"""Blueness of thick cloud with the camera's constant white balance."""
LOWEST_CLEAR = 0.08
"""Where clear sky is no bluer than this (glare), colour says nothing."""
RING_SUN = 0.5
"""Sine of the sun's height above which reflections in the dome draw rings."""


def blueness(encoded: Array) -> Array:
    """(B - R) / (B + R) of 8-bit values (..., 3)."""
    red, blue = encoded[..., 0], encoded[..., 2]
    return np.asarray((blue - red) / np.maximum(blue + red, 8.0), np.float64)


def clear_basis(sun_angle: Array, zenith: Array, sun_zenith: Array | float) -> Array:
    """Smooth terms (..., 13) of a clear sky: angle from the sun, zenith angle of a pixel and of the sun in radians."""
    sun_zenith = np.broadcast_to(np.asarray(sun_zenith, np.float64), zenith.shape)
    near, wide = np.exp(-sun_angle / 0.15), np.exp(-sun_angle / 0.5)
    up, cos = np.cos(zenith), np.cos(sun_angle)
    terms = [np.ones_like(up), near, wide, cos, cos**2, up, up**2, sun_zenith, sun_zenith**2]
    terms += [wide * sun_zenith, up * sun_zenith, cos * sun_zenith, wide * up]
    return np.stack(terms, -1)


def smoothstep(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, cubic between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _lower_quartile(values: Array) -> float:
    """Quantile 0.25 with linear interpolation; numpy's own is slow on a few dozen values."""
    ordered = np.sort(values)
    place = 0.25 * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def find_rings(deficit: Array, sky: NDArray[np.bool_], middle: tuple[float, float]) -> Array:
    """Rings (h, w) that reflections in the camera's dome add to a map while a high sun shines.

    A ring is what three quarters of an annulus show and neighbouring annuli do not; its centre (row,
    column) lies within a few pixels of ``middle``.
    """
    row, column = np.mgrid[: deficit.shape[0], : deficit.shape[1]]
    best, strength = np.zeros_like(deficit), 0.0
    for down in (0, 1.5, 3, 4.5, 6):
        for right in (-1, 0.5, 2):
            radius = np.hypot(row - middle[0] - down, column - middle[1] - right).astype(int)
            bins = int(radius[sky].max()) + 1
            annuli = [deficit[sky & (radius == k)] for k in range(bins)]
            whole = [k for k in range(8, bins) if annuli[k].size > math.pi * k]  # at least half of it is sky
            if len(whole) < 14:
                continue
            profile = np.interp(np.arange(bins), whole, [_lower_quartile(annuli[k]) for k in whole])
            ring = profile - ndimage.grey_opening(profile, size=13, mode="nearest")
            found = np.where(sky, ring[np.minimum(radius, bins - 1)], 0)
            if found.sum() > strength:
                best, strength = found, float(found.sum())
    return ndimage.grey_dilation(best, size=3) if strength > 0 else best


@dataclass(frozen=True)
class FrameMaps:
    """One frame in terms of cloud; all maps (h, w)."""

    cloud: Array
    """0 clear to 1 cloud."""
    valid: NDArray[np.bool_]
    """Where colour says something."""
    sun_angle: Array
    """Radians from the sun."""


def blueness_ratio(
    encoded: Array, view: SkyView, clear: Array, sun: Array, *, seen: bool, scale: float = 1.0
) -> tuple[Array, NDArray[np.bool_], Array]:
    """Blueness of a binned frame (h, w, 3) over that of clear sky, both above thick cloud's.

    Returns the ratio, where it says something, and the angle from the sun, all (h, w). ``clear`` is from
    `sky_reference.fit_clear_blueness`, ``scale`` the blueness of the day's air relative to it.
    """
    sun_angle = np.arccos(np.clip(view.direction @ sun, -1, 1))
    reference = np.maximum(clear_basis(sun_angle, view.zenith, math.acos(min(sun[2], 1.0))) @ clear, 0.03)
    ratio = (blueness(encoded) - CLOUD_BLUENESS) / np.maximum(reference * scale - CLOUD_BLUENESS, 0.02)
    valid = view.sky & (reference > LOWEST_CLEAR)
    if seen:
        valid &= sun_angle > GLARE_RAD
    return ratio, valid, sun_angle


def map_frame(encoded: Array, view: SkyView, clear: Array, sun: Array, *, seen: bool, scale: float) -> FrameMaps:
    """Cloud map of one frame; arguments as for :func:`blueness_ratio`."""
    ratio, valid, sun_angle = blueness_ratio(encoded, view, clear, sun, seen=seen, scale=scale)
    deficit = 1 - ratio
    if seen and sun[2] > RING_SUN:
        overhead = np.unravel_index(view.direction[..., 2].argmax(), deficit.shape)
        deficit = deficit - find_rings(deficit, valid, (float(overhead[0]), float(overhead[1])))
    return FrameMaps(smoothstep(deficit, 0.3, 0.8), valid, sun_angle)


def contrast_ratio(encoded: Array, inside: NDArray[np.bool_]) -> float:
    """log2 of fine (1 to 2 pixels) over coarse (4 to 8 pixels) contrast of log luminance inside a mask; NaN if flat."""
    luminance = np.log(np.maximum(encoded.mean(-1), 8.0))
    weight = ndimage.gaussian_filter(inside.astype(np.float64), 1.0)

    def blurred(sigma: float) -> Array:
        norm = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
        return np.asarray(ndimage.gaussian_filter(luminance * inside, sigma) / np.maximum(norm, 1e-3))

    fine, coarse = (luminance - blurred(1.5))[weight > 0.9], (blurred(4) - blurred(8))[weight > 0.9]
    if fine.size < 200 or fine.std() < 0.008 or coarse.std() < 0.008:
        return math.nan
    return float(np.log2(fine.std() / coarse.std()))
