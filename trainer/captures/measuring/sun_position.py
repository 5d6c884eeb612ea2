"""Where the sun is in a panorama, or that none can be seen.

The sun is the one compact region above the horizon that is far brighter than its surroundings. The
direction of a small disc is the centroid of what stands out, weighted with radiance and solid angle;
that of a wide bloom or of a glow behind thin cloud is the centre of symmetry of its flanks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_directions, panorama_pixel, panorama_solid_angles
from trainer.captures.measuring.sampling import shrink_panorama
from trainer.captures.measuring.sun_fit import fit_centre

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

MAX_RADIUS_RAD = np.deg2rad(10.0)
"""Largest radius of a bloom in which the sun can still be located."""

WIDE_RAD = np.deg2rad(0.8)
"""Radius of the bright region from which on its flanks tell more than its centroid."""

RIVAL_LEVEL = 0.1
"""Share of the peak from which on another region competes."""

RIVAL_SHARE = 0.2
"""A second region with this share of the first one's light: lamps come in numbers, the sun is alone."""

RIVAL_RAD = np.deg2rad(12.0)
"""Flare and bright cloud nearer than this belong to the sun."""

MIN_FLAT_PIXELS = 9
"""Fewer pixels do not show whether a region is flat."""

WINDOW_RAD = np.deg2rad(2.0)
"""A flat region wider than this, and by two pixels, must have flanks."""

FLANK_SHARE = 0.15
"""Least share of the log contrast that is left just outside of a wide flat region: a window's edge is sharp."""


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


@dataclass(frozen=True)
class _Region:
    """The connected region above half of the peak that sends most light."""

    centre: NDArray[np.float64]
    """Unit vector (3,) of its middle."""
    radius_rad: float
    """Of the disc of its area."""
    light: float
    """Luminance times solid angle."""
    flat: bool
    """Whether most of it is at the peak: clipped, a window, a lamp's globe."""
    round: bool
    """Whether it is no longer than half a disc is."""


def _label_around(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Numbers of the connected regions of (rows, W), which go on across the wrap also cornerwise; 0 outside."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    left, right = np.pad(labels[:, 0], 1), labels[:, -1]
    rows = len(right)
    pairs = np.stack([np.concatenate([left[k : k + rows] for k in range(3)]), np.tile(right, 3)])
    pairs = pairs[:, (pairs > 0).all(axis=0)]
    links = sparse.coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(count + 1, count + 1))
    _, joined = sparse.csgraph.connected_components(links, directed=False)
    return np.asarray(joined[labels], dtype=np.int32)


def _brightest_region(
    luminance: NDArray[np.float64], solid_angle: NDArray[np.float64], directions: NDArray[np.float32]
) -> _Region:
    peak = float(luminance.max())
    bright = luminance >= 0.5 * peak
    rows, columns = np.nonzero(bright)
    which = _label_around(bright)[rows, columns]
    value, omega = luminance[rows, columns], solid_angle[rows, columns]
    light = np.bincount(which, value * omega)
    own = which == int(light.argmax())
    d, weight = directions[rows[own], columns[own]].astype(np.float64), omega[own]
    centre = (d * weight[:, None]).sum(axis=0)
    centre /= max(float(np.linalg.norm(centre)), 1e-12)
    area = float(weight.sum())
    away = d - (d @ centre)[:, None] * centre
    longest = float(np.linalg.eigvalsh((away * weight[:, None]).T @ away / area)[-1])
    plateau = float(weight[value[own] > 0.95 * peak].sum()) / area
    radius = float(np.sqrt(area / np.pi))
    flat = plateau > 0.5 and int(own.sum()) >= MIN_FLAT_PIXELS
    half_disc = radius**2 / 2  # second moment of half a disc along its edge; a whole disc has half of it
    return _Region(centre, radius, float(light.max()), flat, longest < 1.1 * half_disc)


def _rival_share(
    luminance: NDArray[np.float64],
    solid_angle: NDArray[np.float64],
    away: NDArray[np.bool_],
    region: _Region,
    ring: float,
) -> float:
    """Most light that another region sends that stands out as the sun does, over the light of the sun's region."""
    others = away & (luminance > max(RIVAL_LEVEL * float(luminance.max()), 0.5 * MIN_CONTRAST * ring))
    if not others.any():
        return 0.0
    light = np.bincount(_label_around(others)[others], (luminance * solid_angle)[others])
    return float(light.max()) / region.light


def _is_tail_of_glint(luminance: NDArray[np.float32], centre: NDArray[np.float64], peak: float) -> bool:
    """Whether a bright spot at the horizon only ends a brighter streak below it, on water or wet ground."""
    if centre[2] > np.sin(np.deg2rad(0.5)):
        return False
    height, width = luminance.shape
    row, column = (float(v) for v in panorama_pixel(centre, width))
    below = luminance[int(row) + max(2, height // 180) : int(row) + height // 18]
    columns = (int(column) + np.arange(-(width // 120), width // 120 + 1)) % width
    return float(below[:, columns].max(initial=0.0)) > 1.1 * peak


def find_sun(radiance: NDArray[np.float32], covered: NDArray[np.bool_] | None = None) -> SunPosition | None:
    """Measure the sun's direction to a fraction of a pixel.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear panorama, any scale.
    covered : ndarray, shape (H, W), bool, optional
        What the capture saw; the rest tells nothing.

    Returns
    -------
    SunPosition or None
        None when nothing compact, single and bright enough is above the horizon (night, overcast, lamps).
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
    region = _brightest_region(luminance, solid_angle, directions)
    if region.radius_rad > MAX_RADIUS_RAD:
        return None
    cosine = directions @ region.centre.astype(np.float32)
    upper = directions[..., 2] > 0
    inner = max(RING_RAD[0], region.radius_rad + np.deg2rad(2.0))
    around = upper & seen[:rows] & (cosine < np.cos(inner)) & (cosine > np.cos(inner + RING_RAD[1] - RING_RAD[0]))
    if not around.any():
        return None
    ring = float(np.median(luminance[around]))
    coarse = shrink_panorama(whole[..., None], CONTRAST_WIDTH)
    contrast = float(coarse[: coarse.shape[0] * rows // whole.shape[0]].max()) / max(ring, 1e-12)
    core = cosine > np.cos(max(CORE_RAD, region.radius_rad + np.deg2rad(1.5)))
    sky = np.minimum(luminance, np.percentile(luminance, 99.0))
    sky_irradiance = float((sky * solid_angle * directions[..., 2])[upper].sum())
    energy = float(((luminance[core] - ring) * solid_angle[core]).sum()) / max(sky_irradiance, 1e-12)
    least = MIN_CLIPPED_CONTRAST if region.flat and region.round else MIN_CONTRAST
    if contrast < least or energy < MIN_ENERGY_RATIO:
        return None
    if _rival_share(luminance, solid_angle, cosine < np.cos(RIVAL_RAD + region.radius_rad), region, ring) > RIVAL_SHARE:
        return None
    wide = region.radius_rad > WIDE_RAD + 0.7 * np.pi / width
    if region.flat and region.radius_rad > WINDOW_RAD + 4 * np.pi / width:
        flank = (cosine < np.cos(1.25 * region.radius_rad)) & (cosine > np.cos(1.6 * region.radius_rad)) & seen[:rows]
        if flank.any() and np.percentile(luminance[flank], 75) < ring * contrast**FLANK_SHARE:
            return None
    excess = np.maximum(luminance[core] - max(ring, 0.3 * peak), 0.0) * solid_angle[core]
    centre = (directions[core].astype(np.float64) * excess[:, None]).sum(axis=0)
    centre /= np.linalg.norm(centre)
    if wide:
        centre = fit_centre(whole[:rows], centre, region.radius_rad, None if covered is None else seen[:rows])
    if _is_tail_of_glint(whole, centre, peak):
        return None
    azimuth = float(np.arctan2(centre[0], centre[1]) % (2 * np.pi))
    elevation = float(np.arcsin(np.clip(centre[2], -1.0, 1.0)))
    if elevation < MIN_ELEVATION_RAD:
        return None
    return SunPosition(azimuth, elevation, contrast, energy, energy < 1.0, region.radius_rad)
