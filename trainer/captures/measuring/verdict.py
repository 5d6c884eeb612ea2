"""Keep or reject: what disqualifies a panorama from training, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions
from trainer.captures.measuring.cloud_opacity import OVERCAST_BLUENESS, colour_ratio
from trainer.captures.measuring.sun_position import SunPosition

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

MIN_STARS = 100
"""Points of light in an open sky that make a night; half a sky shows half as many."""


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
    """Larger bright spots in the sky: cloud edges make many of both, stars only points."""
    foliage: float
    """Share of the obstacles above 30 degrees that is rough or green as leaves are; roofs and walls stay below 0.6."""
    ground_ratio: float
    """Median luminance of the ground over that of the sky."""
    blueness: float
    """95th percentile of (B - R) / (B + R) over the sky."""
    black_share: float
    """Share of the sky's pixels that hold no light at all next to the peak."""
    peak_share: float
    """Share of the sky's pixels that sit exactly at the panorama's maximum."""


def gather_evidence(
    disc: NDArray[np.float32],
    sky: NDArray[np.bool_],
    sun: SunPosition | None,
    ground_luminance: float,
) -> SkyEvidence:
    """Measure what the verdict needs on a sky disc (N, N, 3) with its sky mask (N, N).

    ``ground_luminance`` is the median luminance between 10 and 50 degrees below the horizon.
    """
    directions = disc_directions(disc.shape[0])
    luminance = disc @ REC709_LUMINANCE
    up = directions[..., 2] > np.sin(np.deg2rad(5.0))
    overhead = directions[..., 2] > np.sin(np.deg2rad(60.0))
    weight = (1 + directions[..., 2]) ** 2  # solid angle of a stereographic pixel
    inner = ndimage.binary_erosion(sky, iterations=8)
    if sun is not None:
        inner &= directions @ sun.direction.astype(np.float32) < np.cos(0.2)
    points = inner & (luminance > 1.08 * ndimage.median_filter(luminance, 7))
    labels, count = ndimage.label(points)
    areas = ndimage.sum_labels(points, labels, np.arange(1, count + 1)) if count else np.zeros(0)
    obstacle = (directions[..., 2] > np.sin(np.deg2rad(30.0))) & ~sky
    floor = 1e-4 * float(np.median(luminance)) + 1e-12
    rough = np.hypot(*np.gradient(np.log(luminance + floor))) > 0.15
    green = 2 * disc[..., 1] - disc[..., 0] - disc[..., 2] > 0.09 * (disc.sum(axis=-1) + 1e-12)
    seen = luminance[sky] if sky.any() else luminance[up]
    return SkyEvidence(
        sky_share=float((weight * sky)[up].sum() / weight[up].sum()),
        overhead_share=float((weight * sky)[overhead].sum() / weight[overhead].sum()),
        stars=int((areas <= 9).sum()),
        patches=int((areas > 9).sum()),
        foliage=float((rough | green)[obstacle].mean()) if obstacle.any() else 0.0,
        ground_ratio=ground_luminance / max(float(np.median(seen)), 1e-12),
        blueness=float(np.percentile(colour_ratio(disc)[sky], 95)) if sky.any() else 0.0,
        black_share=float((luminance[up] <= 1e-8 * luminance.max()).mean()),
        peak_share=float((luminance[up] >= luminance.max() * (1 - 1e-6)).mean()),
    )


def judge(evidence: SkyEvidence, flags: tuple[str, ...]) -> str | None:
    """Reason for which a readable panorama is rejected, or None to keep it."""
    if evidence.black_share > 0.5:
        return "sun_only"
    if "single_channel" in flags or evidence.peak_share > 0.05:
        return "graded"
    closed = evidence.overhead_share < MIN_OVERHEAD_SHARE
    if evidence.sky_share < MIN_SKY_SHARE or closed:
        return "indoor" if closed and evidence.foliage < MIN_FOLIAGE else "obstructed"
    if evidence.stars > MIN_STARS * evidence.sky_share and evidence.stars > 20 * evidence.patches:
        return "night"
    if evidence.ground_ratio > 3.0 and evidence.blueness < OVERCAST_BLUENESS + 0.05:
        return "night"
    return None
