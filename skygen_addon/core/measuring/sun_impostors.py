"""What shines like the sun and is not: lamps, windows, the end of a glint on water.

The moon is not among them. A sky that the full moon lights is the sunlit sky, some 400,000 times darker: the
same colours, the same aureole, the same ratio of the disc to the sky. Without stars or the camera's exposure
nothing in a panorama of unknown scale tells them apart, and the moon is then found as a sun. So is a lamp
whose glare in the lens or in fog looks like an aureole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry import panorama_pixel
from .sun_region import BrightRegion, label_around

RIVAL_LEVEL = 0.1
"""Share of the peak from which on another region competes."""

RIVAL_SHARE = 0.2
"""A second region with this share of the first one's light: lamps come in numbers, the sun is alone."""

RIVAL_RAD = np.deg2rad(12.0)
"""Flare and bright cloud nearer than this belong to the sun."""

WINDOW_RAD = np.deg2rad(2.0)
"""A flat region wider than this, and by two pixels, must have flanks."""

FLANK_SHARE = 0.15
"""Least share of the log contrast that is left just outside of a wide flat region: a window's edge is sharp."""

AUREOLE_RAD = (np.deg2rad(5.0), np.deg2rad(12.0))
"""Ring in which air and thin cloud scatter the sun's light forward, beyond the bright region."""

MIN_AUREOLE = 1.3
"""Least luminance in that ring over that of the sky on the other side at the same height: the sky around a lamp
does not know of it, but clouds may be brighter there by chance."""

MAX_AUREOLE_ELEVATION_RAD = np.deg2rad(60.0)
"""For a higher sun there is no other side."""


def rival_share(
    luminance: NDArray[np.float64],
    solid_angle: NDArray[np.float64],
    away: NDArray[np.bool_],
    region: BrightRegion,
    least: float,
) -> float:
    """Most light that another region brighter than ``least`` sends, over the light of the sun's region."""
    others = away & (luminance > max(RIVAL_LEVEL * float(luminance.max()), least))
    if not others.any():
        return 0.0
    light = np.bincount(label_around(others)[others], (luminance * solid_angle)[others])
    return float(light.max()) / region.light


def is_window(
    luminance: NDArray[np.float64],
    directions: NDArray[np.float32],
    seen: NDArray[np.bool_],
    region: BrightRegion,
    ring: float,
    contrast: float,
) -> bool:
    """Whether a wide flat region ends sharply, as no bloom does.

    ``ring`` is the luminance beside it, ``contrast`` the peak over that.
    """
    if not region.flat or region.radius_rad < WINDOW_RAD + 4 * np.pi / luminance.shape[1]:
        return False
    cosine = directions @ region.centre.astype(np.float32)
    flank = (cosine < np.cos(1.25 * region.radius_rad)) & (cosine > np.cos(1.6 * region.radius_rad)) & seen
    return bool(flank.any()) and float(np.percentile(luminance[flank], 75)) < ring * contrast**FLANK_SHARE


def has_aureole(
    luminance: NDArray[np.float64],
    directions: NDArray[np.float32],
    seen: NDArray[np.bool_],
    region: BrightRegion,
) -> bool:
    """Whether the sky brightens toward the bright region, or does not show the contrary."""
    elevation = float(np.arcsin(np.clip(region.centre[2], -1, 1)))
    if elevation > MAX_AUREOLE_ELEVATION_RAD:
        return True
    near, far = (np.cos(angle + region.radius_rad) for angle in AUREOLE_RAD)
    cosine = directions @ region.centre.astype(np.float32)
    height = directions[..., 2]
    sky = seen & (height > np.sin(np.deg2rad(3.0)))
    ring = sky & (cosine < near) & (cosine > far)
    band = (height > np.sin(elevation - AUREOLE_RAD[1])) & (height < np.sin(elevation + AUREOLE_RAD[1]))
    other = sky & band & (directions[..., :2] @ region.centre[:2].astype(np.float32) < 0)
    rows = np.flatnonzero(ring.any(axis=1) & other.any(axis=1))
    if not rows.size:
        return True
    ratios = [np.median(luminance[row][ring[row]]) / max(np.median(luminance[row][other[row]]), 1e-12) for row in rows]
    return float(np.percentile(ratios, 75)) > MIN_AUREOLE  # something dark may stand in most of the ring


def is_tail_of_glint(luminance: NDArray[np.float32], centre: NDArray[np.float64], peak: float) -> bool:
    """Whether a bright spot at the horizon only ends a brighter streak below it, on water or wet ground."""
    if centre[2] > np.sin(np.deg2rad(0.5)):
        return False
    height, width = luminance.shape
    row, column = (float(v) for v in panorama_pixel(centre, width))
    below = luminance[int(row) + max(2, height // 180) : int(row) + height // 18]
    columns = (int(column) + np.arange(-(width // 120), width // 120 + 1)) % width
    return float(below[:, columns].max(initial=0.0)) > 1.1 * peak
