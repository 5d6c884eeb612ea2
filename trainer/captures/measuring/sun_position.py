"""Where the sun is in a panorama, or that none can be seen.

The sun is the brightest compact region above the horizon. Its direction is the centroid, weighted
with radiance and solid angle, of what stands out from the ring around it, so a clipped disc and a
glow behind thin cloud still give their middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_directions, panorama_solid_angles

CORE_RAD = np.deg2rad(2.5)
"""Radius within which the sun's own light is counted."""

RING_RAD = (np.deg2rad(4.0), np.deg2rad(8.0))
"""Inner and outer radius of the ring that tells the sky's radiance beside the sun."""

MIN_CONTRAST = 18.0
"""Least ratio of peak to ring: overcast glow reads below 5, a veiled sun above 20."""

MIN_ENERGY_RATIO = 0.004
"""Least irradiance of the sun over that of the sky: lamps and planets read below 0.003."""


@dataclass(frozen=True)
class SunPosition:
    """The sun as it was measured."""

    azimuth_rad: float
    """Clockwise from north, 0 to 2 pi."""
    elevation_rad: float
    """Above the horizon."""
    contrast: float
    """Peak luminance over the ring's median."""
    energy_ratio: float
    """Irradiance of the sun across its beam over the sky's on level ground."""
    clipped: bool
    """Whether the disc is cut off: an unclouded sun is at least as strong as the sky."""

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector (3,)."""
        c = np.cos(self.elevation_rad)
        return np.array([c * np.sin(self.azimuth_rad), c * np.cos(self.azimuth_rad), np.sin(self.elevation_rad)])


def find_sun(radiance: NDArray[np.float32]) -> SunPosition | None:
    """Measure the sun's direction to a fraction of a pixel.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear panorama, any scale.

    Returns
    -------
    SunPosition or None
        None when nothing compact and bright enough is above the horizon (night, overcast).
    """
    width = radiance.shape[1]
    rows = width // 4 + max(1, width // 180)  # down to two degrees below the horizon
    directions = panorama_directions(width, 0, rows)
    luminance = (radiance[:rows] @ REC709_LUMINANCE).astype(np.float64)
    solid_angle = np.broadcast_to(panorama_solid_angles(width)[:rows, None], luminance.shape)
    peak = np.unravel_index(int(luminance.argmax()), luminance.shape)
    if luminance[peak] <= 0:
        return None
    cosine = directions @ directions[peak]
    ring = float(np.median(luminance[(cosine < np.cos(RING_RAD[0])) & (cosine > np.cos(RING_RAD[1]))]))
    core = cosine > np.cos(CORE_RAD)
    contrast = float(luminance[peak]) / max(ring, 1e-12)
    excess = np.maximum(luminance[core] - max(ring, 0.3 * float(luminance[peak])), 0.0) * solid_angle[core]
    upper = directions[..., 2] > 0
    sky = np.minimum(luminance, np.percentile(luminance, 99.0))
    sky_irradiance = float((sky * solid_angle * directions[..., 2])[upper].sum())
    energy = float(((luminance[core] - ring) * solid_angle[core]).sum()) / max(sky_irradiance, 1e-12)
    if contrast < MIN_CONTRAST or energy < MIN_ENERGY_RATIO:
        return None
    centre = (directions[core].astype(np.float64) * excess[:, None]).sum(axis=0)
    centre /= np.linalg.norm(centre)
    azimuth = float(np.arctan2(centre[0], centre[1]) % (2 * np.pi))
    elevation = float(np.arcsin(np.clip(centre[2], -1.0, 1.0)))
    return SunPosition(azimuth, elevation, contrast, energy, clipped=energy < 1.0)
