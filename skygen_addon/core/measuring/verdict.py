"""Keep or reject: what disqualifies a panorama from training, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .cloud_opacity import colour_ratio
from .morphology import erode
from .regions import label_regions
from .sampling import disc_weights
from .sky_mask import green_excess
from .smoothing import median_filter
from .sun_position import SunPosition

REASONS = (
    "night",
    "sun_only",
    "obstructed",
    "indoor",
    "graded",
    "duplicate",
    "low_resolution",
    "not_panorama",
    "unreadable",
)
"""Every reason for which a capture can be rejected."""

MIN_SKY_SHARE = 0.3
"""Least share of the sky above 5 degrees that must be open."""

MIN_OVERHEAD_SHARE = 0.4
"""Least share of the sky above 60 degrees that must be open."""

MIN_FOLIAGE = 0.65
"""Foliage from which what closes the sky are trees, not a roof."""

MIN_STARS = 60
"""Points of light in an open sky that make a night; half a sky shows half as many."""

STARS_TO_DARK = 4.0
"""Points of light to dark points from which on they are stars: clouds and leaves make about as many of both."""

STARS_TO_PATCHES = 6.0
"""Points of light to larger bright spots from which on they are stars: cloud edges make many of both."""

LIT_GROUND = 3.0
"""Ratio of the ground's luminance to the sky's from which on lamps light it, unless the sky is deep blue."""

WINDOW_RATIO = 25.0
"""Brightest part over the supposed sky from which on that is a ceiling, seen beside a window or a lamp: dawns
read below 13, days below 8."""

POINT_PIXELS = 9
"""Largest area of a point on the disc of 640 pixels."""

BRIGHT_PERCENTILE = 99.0
"""Where in the sky's luminance the level lies beside which black is told: above the share of a sun or hot pixels."""

DEEP_BLUE = 0.45
"""A sky bluer than this is no night, whatever lies below it: sunlit snow is many times brighter."""


SUN_ALONE = (2e3, 1e7)
"""Ratios of the sun's irradiance to the sky's between which only the sun was exposed. Below clear skies it reaches 30,
through a forest's gaps some hundreds; above stands a hot pixel."""


@dataclass(frozen=True)
class SkyEvidence:
    """The figures on which a verdict rests."""

    sky_share: float
    """Share of the solid angle above 5 degrees that is open sky, 0 to 1."""
    overhead_share: float
    """The same above 60 degrees."""
    stars: int
    """Isolated points of light in the sky."""
    patches: int
    """Larger bright spots in the sky."""
    foliage: float
    """Share of the obstacles above 30 degrees that is rough or green as leaves are; roofs and walls stay below 0.6."""
    ground_ratio: float | None
    """Median luminance of the ground over that of the sky; None where no ground was seen."""
    blueness: float
    """95th percentile of (B - R) / (B + R) over the sky."""
    black_share: float
    """Share of the sky's pixels that hold no light at all next to the brighter ones."""
    peak_share: float
    """Share of the sky's pixels that sit exactly at the panorama's maximum."""
    covered_share: float = 1.0
    """Share of the solid angle above 5 degrees that the capture saw at all."""
    covered_overhead: float = 1.0
    """The same above 60 degrees."""
    dark_points: int = 0
    """Isolated dark points in the sky."""
    sun_ratio: float = 0.0
    """Irradiance of what may be the sun, across its beam, over the sky's on level ground; 0 without any."""
    bright_ratio: float = 1.0
    """99.5th percentile of luminance above 10 degrees and away from the sun over the sky's median."""


def _spot_areas(spots: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Areas in pixels of connected spots."""
    labels, _ = label_regions(spots)
    return np.bincount(labels.ravel())[1:].astype(np.int64)


def gather_evidence(
    disc: NDArray[np.float32],
    sky: NDArray[np.bool_],
    sun: SunPosition | None,
    ground_luminance: float | None,
    covered: NDArray[np.bool_] | None = None,
) -> SkyEvidence:
    """Measure what the verdict needs on a sky disc.

    Parameters
    ----------
    disc : ndarray, shape (N, N, 3), float32
        Linear sky disc in any scale.
    sky : ndarray, shape (N, N), bool
        Where sky is seen (`sky_mask.find_sky`).
    sun : SunPosition or None
    ground_luminance : float or None
        Median luminance between 10 and 50 degrees below the horizon; None where that was not seen.
    covered : ndarray, shape (N, N), bool, optional
        What the capture saw: the rest is no evidence of anything.

    Returns
    -------
    SkyEvidence
        Shares are of what was covered.
    """
    directions = disc_directions(disc.shape[0])
    luminance = disc @ REC709_LUMINANCE
    seen = np.ones_like(sky) if covered is None else covered
    above = directions[..., 2] > np.sin(np.deg2rad(5.0))
    top = directions[..., 2] > np.sin(np.deg2rad(60.0))
    up, overhead = above & seen, top & seen
    weight = disc_weights(directions[..., 2])

    def share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
        return float(weight[part & whole].sum() / max(float(weight[whole].sum()), 1e-9))

    inner = erode(sky, iterations=8)
    if sun is not None:
        inner &= directions @ sun.direction.astype(np.float32) < np.cos(0.2)
    median = median_filter(luminance, 7)
    areas, dark_areas = (
        _spot_areas(inner & (luminance > 1.08 * median)),
        _spot_areas(inner & (1.08 * luminance < median)),
    )
    obstacle = (directions[..., 2] > np.sin(np.deg2rad(30.0))) & ~sky & seen
    floor = 1e-4 * float(np.median(luminance)) + 1e-12
    rough = np.hypot(*np.gradient(np.log(luminance + floor))) > 0.15
    green = green_excess(disc)
    lit = luminance[sky] if sky.any() else luminance[up] if up.any() else luminance
    beside = seen & (directions[..., 2] > np.sin(np.deg2rad(10.0)))
    if sun is not None:
        beside &= directions @ sun.direction.astype(np.float32) < np.cos(np.deg2rad(25.0))
    high = float(np.percentile(luminance[beside], 99.5)) if beside.any() else 0.0
    brightest = float(luminance[seen].max()) if seen.any() else 0.0
    bright = float(np.percentile(luminance[up], BRIGHT_PERCENTILE)) if up.any() else 0.0
    return SkyEvidence(
        sky_share=share(sky, up),
        overhead_share=share(sky, overhead),
        stars=int((areas <= POINT_PIXELS).sum()),
        patches=int((areas > POINT_PIXELS).sum()),
        dark_points=int((dark_areas <= POINT_PIXELS).sum()),
        bright_ratio=high / max(float(np.median(lit)), 1e-12),
        foliage=float((rough | green)[obstacle].mean()) if obstacle.any() else 0.0,
        ground_ratio=None if ground_luminance is None else ground_luminance / max(float(np.median(lit)), 1e-12),
        blueness=float(np.percentile(colour_ratio(disc)[sky], 95)) if sky.any() else 0.0,
        black_share=float((luminance[up] <= 1e-8 * bright).mean()) if up.any() else 0.0,
        peak_share=float((luminance[up] >= brightest * (1 - 1e-6)).mean()) if up.any() else 0.0,
        covered_share=share(seen, above),
        covered_overhead=share(seen, top),
    )


def judge(evidence: SkyEvidence, flags: tuple[str, ...]) -> str | None:
    """Reason for which a readable panorama is rejected, or None to keep it."""
    if evidence.covered_share < MIN_SKY_SHARE or evidence.covered_overhead < MIN_OVERHEAD_SHARE:
        return "not_panorama"
    if evidence.black_share > 0.5 or SUN_ALONE[0] < evidence.sun_ratio < SUN_ALONE[1]:
        return "sun_only"
    if {"single_channel", "display_referred"} & set(flags) or evidence.peak_share > 0.05:
        return "graded"
    closed = evidence.overhead_share < MIN_OVERHEAD_SHARE
    if evidence.sky_share < MIN_SKY_SHARE or closed:
        return "indoor" if closed and evidence.foliage < MIN_FOLIAGE else "obstructed"
    rivals = max(STARS_TO_PATCHES * evidence.patches, STARS_TO_DARK * evidence.dark_points)
    if evidence.stars > MIN_STARS * evidence.sky_share and evidence.stars > rivals:
        return "night"
    ratio = evidence.ground_ratio
    if evidence.blueness < DEEP_BLUE:
        if ratio is not None and ratio > LIT_GROUND:
            return "night"
        if evidence.bright_ratio > WINDOW_RATIO:
            return "indoor"
    return None
