"""Hashed lattice noise: a standard normal value for every integer cell, without any state.

A value depends on (seed, stream, integer indices) alone, so any cell of an endless lattice can
be had in any order, process or thread. The integer hash is SplitMix64's finaliser (Steele, Lea,
Flood 2014), chained over the indices; 16 of its bits choose a quantile of the normal
distribution from a table. Only integer arithmetic and that table are involved, hence the values
are the same bits everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_VALUES_PER_HASH = 4


@lru_cache(maxsize=1)
def _quantiles() -> NDArray[np.float32]:
    """Normal quantiles of 65536 equal slices, scaled to unit variance, shape (65536,)."""
    half = 2**15
    normal = NormalDist()
    upper = np.array([normal.inv_cdf(0.5 + (i + 0.5) / (2 * half)) for i in range(half)])
    upper /= math.sqrt(float(np.mean(upper**2)))
    table = np.concatenate([-upper[::-1], upper]).astype(np.float32)
    table.flags.writeable = False
    return table


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = state + _GAMMA
    z ^= z >> np.uint64(30)
    z *= _MULTIPLY_1
    z ^= z >> np.uint64(27)
    z *= _MULTIPLY_2
    z ^= z >> np.uint64(31)
    return z


def _key(seed: int, stream: int) -> NDArray[np.uint64]:
    """Hash state (1,) of a seed and a stream."""
    words = np.array([seed, stream], dtype=np.int64).view(np.uint64)
    return _mix(_mix(words[:1]) + words[1:])


def hashed_normal(seed: int, stream: int, indices: ArrayLike) -> NDArray[np.float32]:
    """Standard normal values of integer index tuples.

    Parameters
    ----------
    seed, stream : int
        64-bit signed; different pairs give independent values.
    indices : array_like of int64, shape (..., d)
        Index tuples, any sign.

    Returns
    -------
    ndarray, shape (...), float32
        Zero mean, unit variance, within 4.2 of zero; independent between tuples.
    """
    index = np.ascontiguousarray(indices, dtype=np.int64).view(np.uint64)
    flat = index.reshape(-1, index.shape[-1])
    state = np.broadcast_to(_key(seed, stream), flat.shape[:1])
    for axis in range(flat.shape[1]):
        state = _mix(state + flat[:, axis])
    return _quantiles()[(state >> np.uint64(48)).astype(np.intp)].reshape(index.shape[:-1])


def lattice_noise(
    seed: int, stream: int, slices: Iterable[int], rows: NDArray[np.int64], columns: NDArray[np.int64], channels: int
) -> NDArray[np.float32]:
    """Standard normal values of a block of a lattice.

    Parameters
    ----------
    seed, stream : int
        As in :func:`hashed_normal`.
    slices : iterable of int
        Leading indices shared by all cells, for example the evolution slice.
    rows, columns : ndarray of int64, shapes (R,) and (C,)
        Global cell indices; any order, any sign.
    channels : int
        Independent values per cell.

    Returns
    -------
    ndarray, shape (channels, R, C), float32
        Every fourth channel equals ``hashed_normal`` of (*slices, row, column, channel // 4).
    """
    state = _key(seed, stream)
    for value in slices:
        state = _mix(state + np.array([value], dtype=np.int64).view(np.uint64))
    row_state = _mix(state + np.asarray(rows, dtype=np.int64).view(np.uint64))
    cell_state = _mix(row_state[:, None] + np.asarray(columns, dtype=np.int64).view(np.uint64)[None, :])
    table = _quantiles()
    out = np.empty((channels, len(rows), len(columns)), dtype=np.float32)
    for group in range(-(-channels // _VALUES_PER_HASH)):
        bits = _mix(cell_state + np.uint64(group))
        for part in range(min(_VALUES_PER_HASH, channels - group * _VALUES_PER_HASH)):
            shift = np.uint64(48 - 16 * part)
            np.take(table, ((bits >> shift) & np.uint64(0xFFFF)).astype(np.intp), out=out[group * 4 + part])
    return out
