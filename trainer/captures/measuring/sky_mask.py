"""Which part of a sky disc is sky: trees, buildings and ground are told by edges and colour.

All pictures here are sky discs (N, N): stereographic about the zenith, row 0 north.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions

MIN_ELEVATION_RAD = np.deg2rad(1.0)
"""Nothing below this counts as sky: haze, hills and the horizon's own blur."""


def _double(half: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return half.repeat(2, axis=0).repeat(2, axis=1)[:size, :size]


def _disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius)


def find_sky(radiance: NDArray[np.float32], sun_direction: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Mask of the sky in a sky disc.

    Sky is what can be reached from the open area around the zenith without crossing a hard edge,
    a green or a dark pixel. Small holes (birds, stars, wires' gaps) are filled, the rim of obstacles
    is widened by two pixels, and the sun's glow is never an obstacle.

    Parameters
    ----------
    radiance : ndarray, shape (N, N, 3), float32
        Linear sky disc.
    sun_direction : ndarray, shape (3,), or None

    Returns
    -------
    ndarray, shape (N, N), bool
    """
    size = radiance.shape[0]
    directions = disc_directions(size)
    above = directions[..., 2] > np.sin(MIN_ELEVATION_RAD)
    luminance = radiance @ REC709_LUMINANCE
    floor = max(float(np.percentile(luminance[above], 1)), 1e-9) * 0.1 + 1e-12
    log_l = np.log(luminance + floor)
    smooth = ndimage.gaussian_filter(log_l, size / 640 * 0.6)
    edge = np.hypot(*np.gradient(smooth))  # per pixel of the disc
    total = radiance.sum(axis=-1) + 1e-12
    green = (2 * radiance[..., 1] - radiance[..., 0] - radiance[..., 2]) / total
    yellow = (radiance[..., 0] - radiance[..., 2]) / total
    bright = ndimage.percentile_filter(ndimage.zoom(log_l, 0.125, order=1), 80, size=21, mode="nearest")
    around = ndimage.zoom(bright, size / bright.shape[0], order=1)[:size, :size]
    thin = log_l < _double(ndimage.median_filter(log_l[::2, ::2], 7), size) - 0.25
    dark = (log_l < around - 1.6) | thin
    near_sun = np.zeros_like(above)
    warm_allowed = np.zeros_like(above)
    if sun_direction is not None:
        cosine = directions @ sun_direction.astype(np.float32)
        near_sun = cosine > np.cos(np.deg2rad(6.0))
        warm_allowed = cosine > np.cos(np.deg2rad(40.0))
    low = directions[..., 2] < np.sin(np.deg2rad(15.0))
    earthy = (yellow > 0.22) & ~warm_allowed & ~low | (yellow > 0.45) & ~warm_allowed
    barrier = (edge > 0.22) | (green > 0.09) | dark | earthy
    barrier &= ~near_sun
    barrier = ndimage.binary_closing(barrier, iterations=2)
    open_sky = above & ~barrier
    wide = ndimage.binary_opening(open_sky, _disk(4))  # cuts leaks through soft edges
    labels, count = ndimage.label(wide)
    if count == 0:
        return np.zeros_like(above)
    zenith = directions[..., 2] > np.sin(np.deg2rad(45.0))
    overhead = ndimage.sum_labels(wide & zenith, labels, np.arange(1, count + 1))
    core = np.isin(labels, np.flatnonzero(overhead > 0.003 * zenith.sum()) + 1)
    sky = ndimage.binary_dilation(core, _disk(1), iterations=6, mask=open_sky)
    holes = above & ~sky
    near_horizon = directions[..., 2] < np.sin(np.deg2rad(6.0))
    hole_labels, hole_count = ndimage.label(holes)
    if hole_count:
        hole_areas = ndimage.sum_labels(holes, hole_labels, np.arange(1, hole_count + 1))
        green_share = ndimage.mean(green > 0.09, hole_labels, np.arange(1, hole_count + 1))
        rooted = ndimage.maximum(near_horizon, hole_labels, np.arange(1, hole_count + 1)) > 0
        small = hole_areas < 0.0008 * above.sum()
        cloud_edge = ~rooted & (hole_areas < 0.02 * above.sum())
        sky |= np.isin(hole_labels, np.flatnonzero((small | cloud_edge) & (green_share < 0.2)) + 1)
    obstacle = ndimage.binary_dilation(above & ~sky, iterations=2)
    return np.asarray((above & ~obstacle) | (near_sun & sky), dtype=np.bool_)
