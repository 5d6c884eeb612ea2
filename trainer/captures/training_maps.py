"""What training reads of a measured sky: a sky disc turned to its sun, and maps on the cloud plane."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions, disc_position
from skygen_addon.core.measuring.cloud_plane import BASE_KM, PLANE_SCALES, PlaneScale, plane_directions
from skygen_addon.core.measuring.measure import ANALYSIS_WIDTH, MAX_RADIANCE, Measurement, remove_sun
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.sampling import nearest_on_disc, sample_disc, shrink_panorama, turn_from_north

TRAINING_DISC = 512
"""Size of the sky disc that training reads."""

PLANE_CHANNELS = ("depth", "valid", "log_luminance", "alpha")
"""Channels of a cloud plane map."""


def training_disc(panorama: Panorama, measured: Measurement) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Calibrated sky disc (512, 512, 3) with the sun taken out and turned to north, and its mask (512, 512)."""
    assert measured.calibration is not None
    azimuth = 0.0 if measured.sun is None else measured.sun.azimuth_rad
    small = np.minimum(shrink_panorama(panorama.radiance, 2 * ANALYSIS_WIDTH), np.float32(MAX_RADIANCE))
    disc = sample_disc(small, TRAINING_DISC, azimuth)
    turned = None
    if measured.sun is not None:
        turned = replace(measured.sun, azimuth_rad=0.0)
    disc = measured.calibration.apply(remove_sun(disc, turned))
    seen = nearest_on_disc(measured.sky, turn_from_north(disc_directions(TRAINING_DISC), azimuth))
    return disc, seen.astype(np.uint8)


def plane_maps(measured: Measurement) -> dict[int, NDArray[np.float32]]:
    """Cloud plane maps of a kept sky: texel in metres -> (4, size, size) float32, `PLANE_CHANNELS`."""
    assert measured.clouds is not None
    clouds = measured.clouds
    luminance = measured.disc @ REC709_LUMINANCE
    median = max(float(np.median(luminance[measured.sky])), 1e-12)
    log_luminance = np.log(np.maximum(luminance, 1e-4 * median) / median)
    stacked = np.stack([clouds.tau_vertical, log_luminance, clouds.alpha], axis=-1)
    maps = {}
    for scale in PLANE_SCALES:
        mean, share = unproject(stacked, clouds.valid.astype(np.float32), scale)
        valid = share > 0.9
        mean[~valid] = 0.0
        maps[scale.texel_m] = np.stack([mean[..., 0], valid.astype(np.float32), mean[..., 1], mean[..., 2]])
    return maps


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
