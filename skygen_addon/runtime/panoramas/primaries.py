"""Colours of other primaries to linear Rec.709.

RGB to XYZ by the chromaticities of primaries and white (SMPTE RP 177, 1993), from one white to the other by
the Bradford transform (Lindbloom, "Chromatic Adaptation"; ICC.1:2022, annex E): grey stays grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Chromaticities x, y of red, green, blue and white (ITU-R BT.709)."""

ALIKE = 2e-3
"""Chromaticities that differ by no more are the same: files round them to two or three decimals."""

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

_BLOCK_ROWS = 256


def _xyz(chromaticity: Array) -> Array:
    """X, Y, Z (..., 3) of Y = 1."""
    x, y = chromaticity[..., 0], chromaticity[..., 1]
    return np.stack([x / y, np.ones_like(y), (1 - x - y) / y], axis=-1)


def _to_xyz(chromaticities: Sequence[float]) -> Array:
    """Matrix (3, 3) from RGB to XYZ, white at Y = 1."""
    points = _xyz(np.asarray(chromaticities, dtype=np.float64).reshape(4, 2))
    columns = points[:3].T
    return np.asarray(columns * np.linalg.solve(columns, points[3]))


def rec709_matrix(chromaticities: Sequence[float]) -> Array | None:
    """Matrix (3, 3) that takes a column of linear RGB to linear Rec.709.

    Parameters
    ----------
    chromaticities : sequence of 8 floats
        x, y of red, green, blue and white, in the order of OpenEXR and Radiance.

    Returns
    -------
    ndarray or None
        None where they are Rec.709's, or tell no colours at all (zeros, as some writers leave them).
    """
    given = np.asarray(chromaticities, dtype=np.float64)
    if given.shape != (8,) or not np.isfinite(given).all() or np.abs(given - REC709).max() < ALIKE:
        return None
    triangle = given[:6].reshape(3, 2)
    (a, b), (c, d) = triangle[1:] - triangle[0]
    if np.any(given[1::2] <= -0.5) or np.any(np.abs(given[1::2]) < 1e-3) or abs(a * d - b * c) < 1e-3:
        return None
    source, target = _to_xyz(chromaticities), _to_xyz(REC709)
    cones = (_BRADFORD @ target.sum(axis=1)) / (_BRADFORD @ source.sum(axis=1))
    adapt = np.linalg.solve(_BRADFORD, cones[:, None] * _BRADFORD)
    return np.asarray(np.linalg.solve(target, adapt @ source))


def convert_rows(radiance: NDArray[np.float32], matrix: Array) -> None:
    """Take linear RGB (H, W, 3) to other primaries in place; pixels that are not finite are left as they are."""
    for start in range(0, radiance.shape[0], _BLOCK_ROWS):
        block = radiance[start : start + _BLOCK_ROWS]
        finite = np.isfinite(block).all(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", over="ignore"):
            block[...] = np.where(finite, block @ matrix.T.astype(np.float32), block)
