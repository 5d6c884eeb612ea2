"""Where the sun is in a panorama, or that none can be seen.

The sun is the one compact region above the horizon that is far brighter than its surroundings. The
direction of a small disc is the centroid of what stands out, weighted with radiance and solid angle;
that of a wide bloom or of a glow behind thin cloud is the centre of symmetry of its flanks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, panorama_directions, panorama_solid_angles
from .sampling import shrink_panorama
from .sun_fit import fit_centre
from .sun_impostors import (
    RIVAL_RAD,
    RIVAL_SHARE,
    has_aureole,
    is_tail_of_glint,
    is_window,
    rival_share,
)
from .sun_region import BrightRegion, brightest_region

SEARCH_WIDTH = 1024
"""Width in pixels to which larger panoramas are averaged first: 0.35 degrees a pixel, the sun's disc 0.53."""

CONTRAST_WIDTH = 512
"""Width in pixels at which the peak is compared with the ring, so that finer captures read alike."""

CORE_RAD = np.deg2rad(2.5)
"""Radius within which the light of an unclipped sun is counted."""

RING_RAD = (np.deg2rad(4.0), np.deg2rad(8.0))
"""Inner and outer radius of the ring that tells the sky's radiance beside the sun."""

MIN_ELEVATION_RAD = np.deg2rad(-1.0)
"""Lowest sun that is seen: refraction, its own radius and a camera that is not quite level. Below is a glint."""

MIN_CONTRAST = 10.0
"""Least ratio of peak to ring: overcast glow and lit cloud read below 6, a veiled sun above 15."""

MIN_CLIPPED_CONTRAST = 3.0
"""The same for a round, flat, single region: clipping took the peak away."""

MIN_ENERGY_RATIO = 0.004
"""Least irradiance of the sun over that of the sky: lamps and planets read below 0.003."""

SKY_LOST = 1000.0
"""Ratio of irradiances beyond which the exposure shows the sun alone, and no sky to be compared."""

MAX_RADIUS_RAD = np.deg2rad(10.0)
"""Largest radius of a bloom in which the sun can still be located."""

WIDE_RAD = np.deg2rad(0.8)
"""Radius of the bright region from which on its flanks tell more than its centroid."""

VEIL_SHARE = 0.1
"""Share of the peak that the glow around an unclipped disc may have for the disc's centroid to tell the centre."""

CUT_RADII = 3.0
"""A disc whose centre is nearer to the horizon than so many radii may be cut by it, whole though it looks."""

GLOW_RAD = (np.deg2rad(8.0), np.deg2rad(12.0))
"""Distance beyond the ring's inner radius of a farther ring, for a glow that reaches past the ring."""

GLOW_FACTOR = 2.5
"""Least contrast with the farther ring over the least contrast with the ring: the ring then shines itself."""


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
    """Whether light is missing, by clipping or by a veil: an unclouded sun is at least as strong as the sky."""
    radius_rad: float = 0.0
    """Radius of the region brighter than half of the peak: large for a clipped bloom or behind thin cloud."""

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector (3,)."""
        c = np.cos(self.elevation_rad)
        return np.array([c * np.sin(self.azimuth_rad), c * np.cos(self.azimuth_rad), np.sin(self.elevation_rad)])


def _ring(
    cosine: NDArray[np.float32], where: NDArray[np.bool_], inner_rad: float, outer_rad: float
) -> NDArray[np.bool_]:
    """Pixels between two angles from a direction, from the cosines of theirs."""
    return np.asarray(where & (cosine < np.cos(inner_rad)) & (cosine > np.cos(outer_rad)))


def _stands_out(
    region: BrightRegion,
    contrast: float,
    far_contrast: float,
) -> bool:
    """Whether the peak is bright enough beside the ring, or beside a farther ring if the ring itself glows."""
    if contrast >= (MIN_CLIPPED_CONTRAST if region.flat and region.round else MIN_CONTRAST):
        return True
    least = MIN_CLIPPED_CONTRAST if region.flat or region.clipped else MIN_CONTRAST
    return region.round and far_contrast >= GLOW_FACTOR * least


def _needs_flanks(
    luminance: NDArray[np.float64],
    cosine: NDArray[np.float32],
    sky: NDArray[np.bool_],
    region: BrightRegion,
    elevation_rad: float,
) -> bool:
    """Whether the centroid is not the centre: a wide bloom, a disc that the horizon may cut, or a bright veil."""
    pixel = 2 * np.pi / luminance.shape[1]
    if region.radius_rad > WIDE_RAD + 0.35 * pixel:
        return True
    if elevation_rad < CUT_RADII * max(region.radius_rad, pixel / 2):
        return True
    beside = _ring(cosine, sky, 2.5 * region.radius_rad, 2.5 * region.radius_rad + pixel)
    return bool(beside.any()) and float(np.median(luminance[beside])) > VEIL_SHARE * float(luminance.max())


def find_sun(radiance: NDArray[np.float32], covered: NDArray[np.bool_] | None = None) -> SunPosition | None:
    """Measure the sun's direction to a fraction of a pixel.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear panorama, finite, in any scale whose brightest pixels are above 1e-9.
    covered : ndarray, shape (H, W), bool, optional
        What the capture saw; the rest tells nothing.

    Returns
    -------
    SunPosition or None
        None when nothing compact, single and bright enough is above the horizon (night, overcast, lamps).

    Notes
    -----
    A full moon without stars and a lone lamp with glare pass for a sun (`sun_impostors`). Where a veil is thick and the
    glow clipped, the cloud itself limits how well the direction can be told.
    """
    small = shrink_panorama(radiance, SEARCH_WIDTH)
    width = small.shape[1]
    seen = np.ones(small.shape[:2], dtype=np.bool_)
    if covered is not None:
        seen = shrink_panorama(covered[..., None].astype(np.float32), SEARCH_WIDTH)[..., 0] > 0.999
    whole = np.where(seen, small @ REC709_LUMINANCE, 0).astype(np.float32)
    rows = width // 4 + int(np.ceil(-MIN_ELEVATION_RAD / np.pi * (width // 2)))
    directions = panorama_directions(width, 0, rows)
    luminance = whole[:rows].astype(np.float64)
    solid_angle = np.broadcast_to(panorama_solid_angles(width)[:rows, None], luminance.shape)
    peak = float(luminance.max())
    if peak <= 0:
        return None
    region = brightest_region(luminance, solid_angle, directions)
    if region.radius_rad > MAX_RADIUS_RAD:
        return None
    cosine = directions @ region.centre.astype(np.float32)
    upper = directions[..., 2] > 0
    sky = upper & seen[:rows]
    inner = max(RING_RAD[0], region.radius_rad + np.deg2rad(2.0))
    around = _ring(cosine, sky, inner, inner + RING_RAD[1] - RING_RAD[0])
    if not around.any():
        return None
    ring = float(np.median(luminance[around]))
    coarse = shrink_panorama(whole[..., None], CONTRAST_WIDTH)
    coarse_peak = float(coarse[: coarse.shape[0] * rows // whole.shape[0]].max())
    contrast = coarse_peak / max(ring, 1e-12)
    beyond = _ring(cosine, sky, inner + GLOW_RAD[0], inner + GLOW_RAD[1])
    far_contrast = coarse_peak / max(float(np.median(luminance[beyond])), 1e-12) if beyond.any() else 0.0
    if not _stands_out(region, contrast, far_contrast):
        return None
    core = cosine > np.cos(max(CORE_RAD, region.radius_rad + np.deg2rad(1.5)))
    capped = np.minimum(luminance, np.percentile(luminance, 99.0))
    sky_irradiance = float((capped * solid_angle * directions[..., 2])[upper].sum())
    energy = float(((luminance[core] - ring) * solid_angle[core]).sum()) / max(sky_irradiance, 1e-12)
    if energy < MIN_ENERGY_RATIO:
        return None
    elsewhere = cosine < np.cos(RIVAL_RAD + region.radius_rad)
    if rival_share(luminance, solid_angle, elsewhere, region, 0.5 * MIN_CONTRAST * ring) > RIVAL_SHARE:
        return None
    if energy < SKY_LOST and not has_aureole(luminance, directions, seen[:rows], region):
        return None
    if is_window(luminance, directions, seen[:rows], region, ring, contrast):
        return None
    excess = np.maximum(luminance[core] - max(ring, 0.3 * peak), 0.0) * solid_angle[core]
    centre = (directions[core].astype(np.float64) * excess[:, None]).sum(axis=0)
    centre /= np.linalg.norm(centre)
    if _needs_flanks(luminance, cosine, sky, region, float(np.arcsin(np.clip(centre[2], -1.0, 1.0)))):
        centre = fit_centre(small[:rows], region.centre, region.radius_rad, None if covered is None else seen[:rows])
    if is_tail_of_glint(whole, centre, peak):
        return None
    azimuth = float(np.arctan2(centre[0], centre[1]) % (2 * np.pi))
    elevation = float(np.arcsin(np.clip(centre[2], -1.0, 1.0)))
    if elevation < MIN_ELEVATION_RAD:
        return None
    return SunPosition(azimuth, elevation, contrast, energy, energy < 1.0, region.radius_rad)
