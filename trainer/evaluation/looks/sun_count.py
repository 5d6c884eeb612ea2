"""How many suns a viewer would count in a sky.

`measuring.sun_position.find_sun` refuses a picture in which two regions compete; here every compact
region that by itself passes as a sun counts, within the bounds of that module. What passes is judged
against the sky, not against the brightest region: on a display a second sun is as white as the first
one, however much weaker it is.
Panorama rows run from the zenith down, as in ``core.geometry``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_directions, panorama_solid_angles
from skygen_addon.core.measuring.sampling import shrink_panorama
from skygen_addon.core.measuring.sun_position import (
    CORE_RAD,
    MAX_RADIUS_RAD,
    MIN_CLIPPED_CONTRAST,
    MIN_CONTRAST,
    MIN_ENERGY_RATIO,
    RING_RAD,
)
from skygen_addon.core.measuring.sun_region import BrightRegion, label_around, shape_of

COUNT_WIDTH = 512
"""Width in pixels to which larger panoramas are averaged first, so that the same bounds fit all of them."""

MIN_BRIGHTNESS = 8.0
"""Least ratio of peak to what 97 percent of the hemisphere stay below: lit clouds stand out from a dark blue sky
too, and gaps from leaves, but not from everything else."""

OWN_RAD = np.deg2rad(12.0)
"""Flare, aureole and lit cloud that reach less far beyond a sun's rim belong to it."""

MOST_SPOTS = 60
"""Brightest spots that are looked at: where none of so many is a sun, the picture is noise."""

_BRIGHT_SHARE = 0.97
_HALF_PEAK = 0.5
_PLATEAU = 0.95
_REJECTED_RAD = np.deg2rad(3.0)


@dataclass(frozen=True)
class _Upper:
    """The hemisphere above the horizon, pixel by pixel."""

    luminance: NDArray[np.float64]
    """(rows, W)."""
    solid_angle: NDArray[np.float64]
    """(rows, W) sr."""
    direction: NDArray[np.float64]
    """(rows, W, 3)."""
    sky_irradiance: float
    """On level ground, of everything but its brightest hundredth."""
    bright: float
    """Luminance below which 97 percent of the hemisphere stay."""
    peak: float
    """Largest luminance."""


def _upper(panorama: NDArray[np.float32]) -> _Upper:
    small = shrink_panorama(panorama, COUNT_WIDTH)
    width = small.shape[1]
    rows = small.shape[0] // 2
    luminance = (small[:rows] @ REC709_LUMINANCE).astype(np.float64)
    solid_angle = np.broadcast_to(panorama_solid_angles(width)[:rows, None], luminance.shape)
    direction = panorama_directions(width, 0, rows).astype(np.float64)
    sky = np.minimum(luminance, np.percentile(luminance, 99.0))
    irradiance = float((sky * solid_angle * direction[..., 2]).sum())
    order = np.argsort(luminance, axis=None)
    below = np.cumsum(solid_angle.ravel()[order])
    bright = float(luminance.ravel()[order[np.searchsorted(below, _BRIGHT_SHARE * below[-1])]])
    return _Upper(luminance, solid_angle, direction, irradiance, bright, float(luminance.max()))


def _spot(sky: _Upper, luminance: NDArray[np.float64], row: int, column: int) -> tuple[BrightRegion, NDArray[np.bool_]]:
    """The connected region around a peak that is brighter than half of it, and its pixels (rows, W)."""
    peak = float(luminance[row, column])
    labels = label_around(luminance >= _HALF_PEAK * peak)
    own = labels == labels[row, column]
    return shape_of(sky.direction[own], sky.solid_angle[own], luminance[own], peak), own


def _is_sun(sky: _Upper, spot: BrightRegion, peak: float, free: NDArray[np.bool_]) -> bool:
    """Whether a spot stands out as a sun does from what around it no other sun claims."""
    if spot.radius_rad > MAX_RADIUS_RAD:
        return False
    cosine = sky.direction @ spot.centre
    inner = max(RING_RAD[0], spot.radius_rad + np.deg2rad(2.0))
    around = free & (cosine < np.cos(inner)) & (cosine > np.cos(inner + RING_RAD[1] - RING_RAD[0]))
    if not around.any():
        return False
    ring = float(np.median(sky.luminance[around]))
    core = cosine > np.cos(max(CORE_RAD, spot.radius_rad + np.deg2rad(1.5)))
    light = float(((sky.luminance[core] - ring) * sky.solid_angle[core]).sum())
    if light < MIN_ENERGY_RATIO * sky.sky_irradiance:
        return False
    if spot.flat and spot.round and peak > _PLATEAU * sky.peak:
        return peak >= MIN_CLIPPED_CONTRAST * ring
    return peak >= MIN_CONTRAST * ring and peak >= MIN_BRIGHTNESS * sky.bright


def sun_count(panorama: NDArray[np.float32]) -> int:
    """Number of suns that a viewer would count above the horizon.

    A sun is a region brighter than half of its own peak that is no wider than 20 degrees across,
    sends at least 0.4 percent of the sky's irradiance, and is ten times as bright as the ring around
    it and eight times as bright as 97 percent of the hemisphere; where values are cut off, a round
    white spot that is three times as bright as its ring. What lies less than 12 degrees beyond a sun's
    rim belongs to that sun. Where a sun stands behind thick cloud the count is 0.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32
        Linear Rec.709 radiance, any scale.

    Returns
    -------
    int
        0 to `MOST_SPOTS`.
    """
    sky = _upper(panorama)
    luminance = sky.luminance.copy()
    free = np.ones(luminance.shape, dtype=np.bool_)
    least = MIN_CLIPPED_CONTRAST * float(np.percentile(luminance, 5.0))
    count = 0
    for _ in range(MOST_SPOTS):
        row, column = (int(n) for n in np.unravel_index(int(luminance.argmax()), luminance.shape))
        peak = float(luminance[row, column])
        if peak <= least:  # no ring in this sky is dark enough for it
            break
        spot, pixels = _spot(sky, luminance, row, column)
        if _is_sun(sky, spot, peak, free):
            count += 1
            own = sky.direction @ spot.centre > np.cos(spot.radius_rad + OWN_RAD)
        else:
            own = sky.direction @ sky.direction[row, column] > np.cos(_REJECTED_RAD)
            own |= pixels
        free &= ~own
        luminance[own] = 0.0
    return count
