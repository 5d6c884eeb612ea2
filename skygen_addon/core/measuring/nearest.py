"""The nearest pixel that holds something, for every pixel that holds nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest_inside(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column (P,) of the nearest pixel inside, for each pixel outside in row-major order.

    Parameters
    ----------
    inside : ndarray, shape (N, M), bool
        Somewhere true.

    Notes
    -----
    First the nearest one in each column, then columns are looked at from near to far, for as long as any of them
    can hold a nearer one (Maurer, Qi and Raghavan 2003 take the same two steps).
    """
    rows, columns = inside.shape
    far = rows + columns
    above = np.maximum.accumulate(np.where(inside, np.arange(rows)[:, None], -far), axis=0)
    below = np.minimum.accumulate(np.where(inside, np.arange(rows)[:, None], rows + far)[::-1], axis=0)[::-1]
    at = np.arange(rows)[:, None]
    in_column = np.where(at - above <= below - at, above, below)  # (N, M): the row of the nearest in that column
    row, column = np.nonzero(~inside)
    best_row, best_column = in_column[row, column], column.copy()
    best = (best_row - row) ** 2
    active = np.arange(row.size)
    for offset in range(1, columns):
        active = active[best[active] > offset**2]
        if not active.size:
            break
        for sign in (-1, 1):
            other = column[active] + sign * offset
            there = (other >= 0) & (other < columns)
            which, other = active[there], other[there]
            candidate = in_column[row[which], other]
            distance = (candidate - row[which]) ** 2 + offset**2
            nearer = distance < best[which]
            best[which[nearer]] = distance[nearer]
            best_row[which[nearer]], best_column[which[nearer]] = candidate[nearer], other[nearer]
    return best_row, best_column
