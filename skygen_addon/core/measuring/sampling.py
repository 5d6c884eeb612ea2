"""Averaged and interpolated reads of a panorama: smaller panoramas, sky discs, any directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import disc_directions, disc_position, panorama_pixel
from .nearest import nearest_inside


def shrink_panorama(image: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Average a panorama (H, W, C) down to (width / 2, width, C) by area; pixels at an edge count in part.

    Memory grows with a few rows of the panorama and with the result. A panorama that is narrower is returned
    as it is.
    """
    rows, columns = image.shape[:2]
    if columns <= width:
        return image
    height = width // 2
    if columns % width == 0 and rows == columns // width * height:
        factor = columns // width
        blocks = image.reshape(height, factor, width, factor, -1)  # (h, f, w, f, C)
        return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)
    down, across = _area_weights(rows, height), _area_weights(columns, width)
    small = np.empty((height, width, image.shape[2]), dtype=np.float32)
    for row in range(height):
        counted = down.weight[row] > 0
        line = np.tensordot(down.weight[row, counted], image[down.index[row, counted]], axes=1)  # (W, C)
        small[row] = sum(w[:, None] * line[i] for i, w in zip(across.index.T, across.weight.T, strict=True))
    return small


@dataclass(frozen=True)
class _AreaWeights:
    """Which values each part takes in, and with what weights; a part with fewer than T has weights 0 at the end."""

    index: NDArray[np.int64]
    """(parts, T)"""
    weight: NDArray[np.float64]
    """(parts, T), of sum 1."""


def _area_weights(count: int, parts: int) -> _AreaWeights:
    """Weights that average so many values into fewer equal parts, by the share of each value in it."""
    edges = np.arange(parts + 1) * count  # in parts of a value: whole numbers have no rounding
    first, last = edges[:-1] // parts, -(-edges[1:] // parts)
    index = first[:, None] + np.arange(int((last - first).max()))
    overlap = np.minimum((index + 1) * parts, edges[1:, None]) - np.maximum(index * parts, edges[:-1, None])
    return _AreaWeights(np.minimum(index, count - 1), np.maximum(overlap, 0) / count)


def disc_weights(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """Solid angles of pixels of a sky disc whose directions have that height z, up to a factor.

    A stereographic map magnifies lengths by 1 / (1 + z) against the zenith's 1 / 2.
    """
    return (1 + z) ** 2


def sample_panorama(image: NDArray[np.float32], directions: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bilinear values of a panorama in given directions, wrapping in azimuth.

    Parameters
    ----------
    image : ndarray, shape (H, W, C), float32
    directions : ndarray, shape (..., 3)

    Returns
    -------
    ndarray, shape (..., C), float32
    """
    height, width = image.shape[:2]
    row, column = panorama_pixel(directions, width)
    row = np.clip(row - 0.5, 0.0, height - 1.0)
    column = (column - 0.5) % width
    row0 = np.minimum(row.astype(np.int64), height - 2)
    column0 = column.astype(np.int64) % width
    column1 = (column0 + 1) % width
    f = (row - row0)[..., None].astype(np.float32)
    g = (column - np.floor(column))[..., None].astype(np.float32)
    top = image[row0, column0] * (1 - g) + image[row0, column1] * g
    bottom = image[row0 + 1, column0] * (1 - g) + image[row0 + 1, column1] * g
    return np.asarray(top * (1 - f) + bottom * f, dtype=np.float32)


def sample_disc(
    image: NDArray[np.float32], size: int, azimuth_rad: float = 0.0, substeps: int = 2
) -> NDArray[np.float32]:
    """Sky disc (size, size, C) of a panorama, averaged over ``substeps`` squared points a pixel.

    ``azimuth_rad`` is turned to north: the disc's top then shows what the panorama has there.
    """
    directions = turn_from_north(disc_directions(size * substeps), azimuth_rad)
    fine = sample_panorama(image, directions)
    return np.asarray(fine.reshape(size, substeps, size, substeps, -1).mean(axis=(1, 3)), dtype=np.float32)


def nearest_on_disc(disc: NDArray[Any], directions: NDArray[np.floating]) -> NDArray[Any]:
    """Values (...) of a disc's (N, N) nearest pixels in directions (..., 3); its rim's beyond it. Row 0 is north."""
    size = disc.shape[0]
    place = disc_position(directions)
    row = np.clip(((1 - place[..., 1]) / 2 * size).astype(int), 0, size - 1)
    column = np.clip(((1 + place[..., 0]) / 2 * size).astype(int), 0, size - 1)
    return np.asarray(disc[row, column])


def fill_unseen(disc: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Disc (N, N, C) on which each pixel outside ``covered`` (N, N) repeats the nearest one inside."""
    if covered.all() or not covered.any():
        return disc
    filled = disc.copy()
    filled[~covered] = disc[nearest_inside(covered)]
    return filled


def turn_from_north(directions: NDArray[np.floating], azimuth_rad: float) -> NDArray[np.float64]:
    """Directions (..., 3) turned clockwise about the zenith, so that north goes to ``azimuth_rad``."""
    d = np.asarray(directions, dtype=np.float64)
    c, s = np.cos(azimuth_rad), np.sin(azimuth_rad)
    return np.stack([d[..., 0] * c + d[..., 1] * s, d[..., 1] * c - d[..., 0] * s, d[..., 2]], axis=-1)
