"""Bilinear reads of tables and pictures at fractional places, and enlarging by them.

Definitions are those of `scipy.ndimage` (`map_coordinates` and `zoom` of order 1), against which the tests hold them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bilinear_at(
    table: NDArray[np.floating], row: NDArray[np.floating], column: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Values (...) of a table (N, M) at rows and columns (...), 0 at the first one; beyond an edge the edge's."""
    rows, columns = table.shape
    r = np.clip(np.asarray(row, dtype=np.float64), 0, rows - 1)
    c = np.clip(np.asarray(column, dtype=np.float64), 0, columns - 1)
    top, left = np.floor(r).astype(np.int64), np.floor(c).astype(np.int64)
    down, right = r - top, c - left
    below, beside = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    total = table[top, left] * (1 - down) * (1 - right)
    total += table[top, beside] * (1 - down) * right
    total += table[below, left] * down * (1 - right)
    total += table[below, beside] * down * right
    return total.astype(table.dtype)


def resize(picture: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Picture (N, M) read bilinearly at ``factor`` times as many rows and columns, corners on corners."""
    count = [int(round(n * factor)) for n in picture.shape]
    steps = [(n - 1) / max(k - 1, 1) for n, k in zip(picture.shape, count, strict=True)]
    row, column = (np.arange(k) * step for k, step in zip(count, steps, strict=True))
    return np.asarray(bilinear_at(picture, row[:, None], column[None, :]), dtype=np.float32)
