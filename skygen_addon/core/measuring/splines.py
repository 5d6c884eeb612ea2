"""Quadratic B-splines: the basis at given places, and a spline's slope (de Boor, "A Practical Guide to Splines")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEGREE = 2


def clamped_knots(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Knots (E + 4,) of splines that end at the first and the last of increasing edges (E,)."""
    return np.concatenate([[edges[0]] * DEGREE, edges, [edges[-1]] * DEGREE])


def spline_basis(at: NDArray[np.float64], knots: NDArray[np.float64], degree: int = DEGREE) -> NDArray[np.float64]:
    """Values (P, K - degree - 1) of every B-spline at places (P,) between the first and the last edge."""
    count = knots.size - degree - 1
    interval = np.clip(np.searchsorted(knots, at, side="right") - 1, degree, count - 1)
    values = np.zeros((at.size, degree + 1))
    values[:, 0] = 1.0
    for order in range(1, degree + 1):
        lower = values[:, :order].copy()
        values[:, 0] = 0.0
        for n in range(1, order + 1):
            right, left = knots[interval + n], knots[interval + n - order]
            width = right - left
            share = np.where(width > 0, lower[:, n - 1] / np.where(width > 0, width, 1.0), 0.0)
            values[:, n - 1] += share * (right - at)
            values[:, n] = share * (at - left)
    basis = np.zeros((at.size, count))
    columns = interval[:, None] - degree + np.arange(degree + 1)
    np.put_along_axis(basis, columns, values, axis=1)
    return basis


def spline_slope(
    coefficients: NDArray[np.floating], at: NDArray[np.float64], knots: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Derivative (P,) at places (P,) of the spline with coefficients (K - 3,)."""
    inner = knots[1:-1]
    rise = np.diff(coefficients) * DEGREE / (inner[DEGREE:] - inner[:-DEGREE])
    return np.asarray(spline_basis(at, inner, DEGREE - 1) @ rise)
