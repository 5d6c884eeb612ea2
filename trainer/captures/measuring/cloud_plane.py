"""A sky disc unprojected onto the cloud plane: maps in kilometres, as the field network makes them.

The plane is the spherical shell of `core.geometry` at an assumed base height. Maps are centred on
the camera, row 0 north, column 0 west. A texel is the mean over its area: it is filled by
super-sampling that follows the size of the source's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from skygen_addon.core.geometry import EARTH_RADIUS_KM, disc_position

BASE_KM = 1.5
"""Assumed height of the cloud base, km: a capture does not tell it; all distances scale with it."""


@dataclass(frozen=True)
class PlaneScale:
    """One size of map."""

    texel_m: int
    """Edge of a texel, m."""
    size: int
    """Texels along an edge."""
    min_elevation_deg: float
    """Texels seen lower than this are invalid."""


PLANE_SCALES = (PlaneScale(25, 144, 32.0), PlaneScale(100, 128, 12.0), PlaneScale(400, 80, 6.0))
"""The three sizes of map, fine to coarse."""


def plane_directions(size: int, texel_km: float, base_km: float = BASE_KM) -> NDArray[np.float64]:
    """Unit view directions (size, size, 3) of the texel centres of a map on the shell.

    A texel's place is its ground distance, measured along the Earth's surface, from the camera.
    """
    axis = (np.arange(size) + 0.5 - size / 2) * texel_km
    east, north = np.meshgrid(axis, -axis)
    distance = np.hypot(east, north)
    angle = distance / EARTH_RADIUS_KM
    across = (EARTH_RADIUS_KM + base_km) * np.sin(angle)
    up = (EARTH_RADIUS_KM + base_km) * np.cos(angle) - EARTH_RADIUS_KM
    far = np.maximum(distance, 1e-9)
    d = np.stack([east / far * across, north / far * across, up], axis=-1)
    return np.asarray(d / np.linalg.norm(d, axis=-1, keepdims=True), dtype=np.float64)


def unproject(
    disc: NDArray[np.float32], weight: NDArray[np.float32], scale: PlaneScale, base_km: float = BASE_KM
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Area means of a disc's channels on the cloud plane.

    Parameters
    ----------
    disc : ndarray, shape (N, N, C), float32
        Sky disc.
    weight : ndarray, shape (N, N), float32
        0 to 1; what does not count has 0.
    scale : PlaneScale

    Returns
    -------
    mean : ndarray, shape (size, size, C), float32
        Weighted mean over each texel; 0 where nothing counts.
    share : ndarray, shape (size, size), float32
        Share of the texel's area that counts and is high enough above the horizon.
    """
    n = disc.shape[0]
    _, spacing = _samples(n, scale, base_km)
    stacked = np.concatenate([disc * weight[..., None], weight[..., None]], axis=-1)
    if spacing > 1:
        stacked = ndimage.gaussian_filter(stacked, (0.5 * spacing, 0.5 * spacing, 0))
    texels = _area_means(n, scale, base_km) @ stacked.reshape(n * n, -1)
    total, counted = texels[:, :-1], texels[:, -1]
    mean = np.where(counted[:, None] > 1e-3, total / np.maximum(counted, 1e-3)[:, None], 0.0)
    shape = (scale.size, scale.size)
    return mean.reshape(*shape, -1).astype(np.float32), counted.reshape(shape).astype(np.float32)


def _samples(n: int, scale: PlaneScale, base_km: float) -> tuple[int, float]:
    """Samples along a texel's edge, and the disc's pixels between two of them overhead."""
    texel_rad = scale.texel_m * 1e-3 / base_km  # overhead, where texels look largest
    steps = int(np.clip(np.ceil(texel_rad * n / 4), 2, 12))
    return steps, texel_rad * n / 4 / steps


@lru_cache(maxsize=len(PLANE_SCALES))
def _area_means(n: int, scale: PlaneScale, base_km: float) -> sparse.csr_array:
    """Matrix (size^2, n^2) of the mean over each texel of bilinear reads of a disc; what is too low counts as 0."""
    steps, _ = _samples(n, scale, base_km)
    fine = plane_directions(scale.size * steps, scale.texel_m * 1e-3 / steps, base_km)
    position = disc_position(fine)
    row = np.clip((1 - position[..., 1]) / 2 * n - 0.5, 0, n - 1)
    column = np.clip((1 + position[..., 0]) / 2 * n - 0.5, 0, n - 1)
    high = fine[..., 2] > np.sin(np.deg2rad(scale.min_elevation_deg))
    texel = np.arange(scale.size * steps) // steps
    texel = (texel[:, None] * scale.size + texel)[high]
    row, column = row[high], column[high]
    top, left = (np.minimum(place.astype(np.int64), n - 2) for place in (row, column))
    down, right = row - top, column - left
    result = sparse.csr_array((scale.size**2, n * n))
    for j, down_share in ((0, 1 - down), (1, down)):
        for i, share in ((0, down_share * (1 - right)), (1, down_share * right)):
            taps = ((share / steps**2).astype(np.float32), (texel, (top + j) * n + left + i))
            result = result + sparse.coo_array(taps, shape=result.shape).tocsr()
    return result
