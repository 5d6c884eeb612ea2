"""Which part of a sky disc is sky: trees, buildings and ground are told by edges and colour.

All pictures here are sky discs (N, N): stereographic about the zenith, row 0 north.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .cloud_opacity import colour_ratio
from .morphology import closing, dilate, opening, within_reach
from .regions import label_regions, region_sums
from .resampling import resize
from .smoothing import gaussian_blur, median_filter, percentile_filter

MIN_ELEVATION_RAD = np.deg2rad(1.0)
"""Nothing below this counts as sky: haze, hills and the horizon's own blur."""

DEEP_BLUE = (0.3, 0.45)
"""Colour ratio (B - R) / (B + R) that only clear sky has, least and most: shadows stay below 0.4 in a right balance."""

BAR_PIXELS = 14
"""Widest bar that sky is looked for behind, pixels of a disc of 640: 5 degrees overhead, 2.5 at the horizon."""

MAX_JOINED = 12
"""Regions behind bars that are looked at, largest first."""


def _double(half: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return half.repeat(2, axis=0).repeat(2, axis=1)[:size, :size]


def _disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius)


def green_excess(radiance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where (..., 3) is green as leaves are: above the mean of red and blue, and above each of them.

    A low sun turns the sky from blue over pale green to yellow: there green exceeds the mean alone.
    """
    total = radiance.sum(axis=-1) + 1e-12
    above_mean = 2 * radiance[..., 1] - radiance[..., 0] - radiance[..., 2] > 0.09 * total
    above_each = radiance[..., 1] - np.maximum(radiance[..., 0], radiance[..., 2]) > 0.03 * total
    return np.asarray(above_mean & above_each)


def _join_sky_behind_bars(
    in_core: NDArray[np.bool_],
    labels: NDArray[np.int32],
    log_l: NDArray[np.float32],
    ratio: NDArray[np.float32],
    least: float,
) -> None:
    """Mark in ``in_core``, by label, large regions that a thin dark bar parts from the sky.

    Both sides of a cable or an arch look alike and the bar is darker than both; a wall looks unlike.
    """
    areas = np.bincount(labels.ravel(), minlength=in_core.size)
    candidates = np.flatnonzero((areas > least) & ~in_core)
    candidates = candidates[candidates > 0]
    if candidates.size == 0 or not in_core.any():
        return
    reach = BAR_PIXELS * labels.shape[0] // 640
    at_core, near_core = (within_reach(in_core[labels], distance) for distance in (reach - 1, reach))
    for label in candidates[np.argsort(-areas[candidates])][:MAX_JOINED]:
        region = labels == label
        if not near_core[region].any():
            continue
        at_region, near_region = (within_reach(region, distance) for distance in (reach - 1, reach))
        own, other = region & near_core, in_core[labels] & near_region
        bar = at_core & at_region & ~region & ~in_core[labels]
        if min(own.sum(), other.sum(), bar.sum()) < 30:
            continue
        level, beyond = float(np.median(log_l[own])), float(np.median(log_l[other]))
        tint = abs(float(np.median(ratio[own])) - float(np.median(ratio[other])))
        darkest = float(np.percentile(log_l[bar], 10))
        if abs(level - beyond) < 0.5 and tint < 0.08 and darkest < min(level, beyond) - 0.5:
            in_core[label] = True


def find_sky(
    radiance: NDArray[np.float32],
    sun_direction: NDArray[np.float64] | None,
    covered: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Mask of the sky in a sky disc.

    Sky is what can be reached from the open area around the zenith without crossing a hard edge,
    a green or a dark pixel. Small holes (birds, stars, wires' gaps) are filled, the rim of obstacles
    is widened by two pixels, and the sun's glow is never an obstacle.

    Parameters
    ----------
    radiance : ndarray, shape (N, N, 3), float32
        Linear sky disc.
    sun_direction : ndarray, shape (3,), or None
    covered : ndarray, shape (N, N), bool, optional
        What the capture saw; the rest is neither sky nor obstacle. ``radiance`` must go on smoothly there.

    Returns
    -------
    ndarray, shape (N, N), bool
    """
    size = radiance.shape[0]
    directions = disc_directions(size)
    above = directions[..., 2] > np.sin(MIN_ELEVATION_RAD)
    if covered is not None:
        above &= covered
    if not above.any():
        return np.zeros(above.shape, dtype=np.bool_)
    luminance = radiance @ REC709_LUMINANCE
    floor = max(float(np.percentile(luminance[above], 1)), 1e-9) * 0.1 + 1e-12
    log_l = np.log(luminance + floor)
    smooth = gaussian_blur(log_l, size / 640 * 0.6)
    edge = np.hypot(*np.gradient(smooth))  # per pixel of the disc
    total = radiance.sum(axis=-1) + 1e-12
    green = green_excess(radiance)
    yellow = (radiance[..., 0] - radiance[..., 2]) / total
    bright = percentile_filter(resize(log_l, 0.125), 80, 21)
    around = resize(bright, size / bright.shape[0])[:size, :size]
    thin = log_l < _double(median_filter(log_l[::2, ::2], 7), size) - 0.3
    ratio = colour_ratio(radiance)
    bluest = 0.75 * float(np.percentile(ratio[above], 95))
    blue = ratio > np.clip(bluest, *DEEP_BLUE)  # a clear sky is many times darker than the clouds beside it
    dark = (log_l < around - 1.6) & ~blue | thin
    near_sun = np.zeros_like(above)
    warm_allowed = np.zeros_like(above)
    if sun_direction is not None:
        cosine = directions @ sun_direction.astype(np.float32)
        near_sun = cosine > np.cos(np.deg2rad(6.0))
        warm_allowed = cosine > np.cos(np.deg2rad(40.0))
    low = directions[..., 2] < np.sin(np.deg2rad(15.0))
    # the glow of a low sun is yellow, even green, but smooth and brighter than what is around it
    textured = gaussian_blur(edge, size / 640 * 3) > 0.03
    green &= textured | ~warm_allowed
    earthy = (yellow > 0.22) & ~warm_allowed & ~low | (yellow > 0.45) & ~warm_allowed & (textured | (log_l < around))
    barrier = (edge > 0.22) | green | dark | earthy
    barrier &= ~near_sun
    barrier = closing(barrier, iterations=2)
    open_sky = above & ~barrier
    wide = opening(open_sky, _disk(4))  # cuts leaks through soft edges
    labels, count = label_regions(wide)
    if count == 0:
        return np.zeros_like(above)
    zenith = directions[..., 2] > np.sin(np.deg2rad(45.0))
    overhead = region_sums(wide & zenith, labels, count)
    in_core = np.zeros(count + 1, dtype=np.bool_)
    in_core[1:] = overhead > 0.003 * zenith.sum()
    _join_sky_behind_bars(in_core, labels, log_l, ratio, 0.002 * float(above.sum()))
    core = in_core[labels]
    sky = dilate(core, _disk(1), 6, within=open_sky)
    holes = above & ~sky
    near_horizon = directions[..., 2] < np.sin(np.deg2rad(6.0))
    hole_labels, hole_count = label_regions(holes)
    if hole_count:
        hole_areas = region_sums(holes, hole_labels, hole_count)
        green_share = region_sums(green, hole_labels, hole_count) / hole_areas
        rooted = region_sums(near_horizon, hole_labels, hole_count) > 0
        small = hole_areas < 0.0008 * above.sum()
        cloud_edge = ~rooted & (hole_areas < 0.05 * above.sum())
        sky |= np.isin(hole_labels, np.flatnonzero((small | cloud_edge) & (green_share < 0.2)) + 1)
    obstacle = dilate(above & ~sky, iterations=2)
    return np.asarray((above & ~obstacle) | (near_sun & sky), dtype=np.bool_)
