"""Gaussian blur and rank filters of pictures (N, M), as Blender's Python, which has numpy alone, can compute them.

Definitions and edges are those of `scipy.ndimage`, against which the tests hold them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_REACH = 4.0
"""Standard deviations beyond which the Gaussian is cut off."""

_BLOCK_COLUMNS = 64
"""Columns that are blurred at once, so that they stay in the processor's cache."""

_BLOCK_VALUES = 1 << 22
"""Values under all windows of a block of rows."""


def gaussian_blur(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Picture (N, M) blurred along both axes; beyond an edge it is mirrored, the edge's own pixel included.

    ``sigma`` is the standard deviation in pixels; 0 changes nothing.
    """
    if sigma <= 1e-15:
        return values.copy()
    radius = int(GAUSSIAN_REACH * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / sigma**2 * offsets**2)
    half = (weights / weights.sum())[: radius + 1]
    return np.ascontiguousarray(_blur_down(_blur_down(values, half).T, half).T)


def _blur_down(values: NDArray[np.float32], half: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns of (N, M) blurred with symmetric weights, of which the first (radius + 1) are given."""
    rows, radius = values.shape[0], half.size - 1
    result = np.empty(values.shape, dtype=np.float32)
    for start in range(0, values.shape[1], _BLOCK_COLUMNS):
        block = values[:, start : start + _BLOCK_COLUMNS].astype(np.float64)
        padded = np.pad(block, ((radius, radius), (0, 0)), mode="symmetric")
        total = block * half[radius]
        pair = np.empty_like(total)
        for k in range(radius):
            mirrored = 2 * radius - k
            np.add(padded[k : k + rows], padded[mirrored : mirrored + rows], out=pair)
            pair *= half[k]
            total += pair
        result[:, start : start + _BLOCK_COLUMNS] = total
    return result


def median_filter(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Median of the ``size`` by ``size`` pixels (odd) around each pixel of (N, M); edges are mirrored."""
    return _rank_filter(np.pad(values, size // 2, mode="symmetric"), size, size * size // 2)


def percentile_filter(values: NDArray[np.float32], percentile: float, size: int) -> NDArray[np.float32]:
    """Percentile of the ``size`` by ``size`` pixels (odd) around each pixel of (N, M); edges are repeated."""
    return _rank_filter(np.pad(values, size // 2, mode="edge"), size, int(size * size * percentile / 100.0))


def _rank_filter(padded: NDArray[np.float32], size: int, rank: int) -> NDArray[np.float32]:
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    rows, columns = windows.shape[:2]
    step = max(1, _BLOCK_VALUES // (columns * size * size))
    result = np.empty((rows, columns), dtype=padded.dtype)
    for start in range(0, rows, step):
        block = windows[start : start + step].reshape(-1, size * size)
        result[start : start + step] = np.partition(block, rank, axis=1)[:, rank].reshape(-1, columns)
    return result
