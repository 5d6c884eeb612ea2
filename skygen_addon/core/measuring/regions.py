"""Connected regions of masks: numbered in the order in which rows meet them, from 1; 0 is outside.

Runs of set pixels in each row are found at once; a run and one that it touches in the row below are joined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def join(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of ``count`` things the lowest number in its group, where pairs (first, second) are in one group."""
    lowest = np.arange(count)
    while True:
        a, b = lowest[first], lowest[second]
        apart = a != b
        if not apart.any():
            return lowest
        first, second, a, b = first[apart], second[apart], a[apart], b[apart]
        np.minimum.at(lowest, np.maximum(a, b), np.minimum(a, b))
        while True:  # what points to something that points lower points there
            further = lowest[lowest]
            if np.array_equal(further, lowest):
                break
            lowest = further


def label_regions(mask: NDArray[np.bool_], corners: bool = False) -> tuple[NDArray[np.int32], int]:
    """Numbers (N, M) of the connected regions of a mask, and how many there are.

    Parameters
    ----------
    mask : ndarray, shape (N, M), bool
    corners : bool
        Whether pixels that touch at a corner alone are connected.
    """
    rows, columns = mask.shape
    stride = columns + 2  # runs of two rows never touch in the flat order
    padded = np.zeros((rows, stride), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded.ravel(), prepend=np.int8(0))
    start, stop = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    reach = int(corners)
    low = np.searchsorted(stop, start + stride - reach, side="right")
    high = np.searchsorted(start, stop + stride + reach, side="left")
    touching = np.maximum(high - low, 0)
    above = np.repeat(np.arange(start.size), touching)
    below = np.arange(above.size) - np.repeat(np.cumsum(touching) - touching, touching) + low[above]
    lowest = join(start.size, above, below)
    roots, number = np.unique(lowest, return_inverse=True)
    flat = np.zeros(rows * stride, dtype=np.int32)
    flat[padded.ravel() > 0] = np.repeat(number + 1, stop - start)
    return np.ascontiguousarray(flat.reshape(rows, stride)[:, 1:-1]), int(roots.size)


def region_sums(values: NDArray[np.generic], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Sums (count,) of values (N, M) over regions 1 to ``count``."""
    return np.asarray(np.bincount(labels.ravel(), values.ravel(), count + 1)[1 : count + 1], dtype=np.float64)
