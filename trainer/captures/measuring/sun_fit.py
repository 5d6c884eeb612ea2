"""Centre of the glow around the sun, where its disc alone does not tell it.

A clipped bloom that a building or the horizon cuts, and a veil with structure, have a centroid that
is off. What stays true is that the glow is round: its flanks fall with the angle from the sun alike
in all directions. The centre is the point about which one radial profile explains most of the flanks;
what is much darker than that profile is an obstacle and does not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.optimize import minimize

from skygen_addon.core.geometry import panorama_directions, panorama_solid_angles

_MAX_PIXELS = 4000
"""Pixels that are fitted, at most; near the zenith rows hold many of the same place."""

_KNOTS = 13
"""Knots of the radial profile."""

_MAX_SLOPE = 6.0
"""Steepest brightening toward the horizon in log radiance per radian that is told apart from the glow."""

_OBSTACLE_LOG = 0.5
"""Darker than the profile by this in log radiance: something stands before the sky."""

_BRIGHT_LOG = 0.4
"""Brighter than the profile by this: a lit cloud, which counts no more than so."""


def _tangent_frame(centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors (3,) that span the plane across a direction; the second points up but at the zenith."""
    other = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    right = np.cross(centre, other)
    right /= np.linalg.norm(right)
    return right, np.cross(right, centre)


def _profile(
    radius: NDArray[np.float64], values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (P,) of the piecewise linear function of radius (P,), in knots, that fits best by least squares."""
    low = np.minimum(radius.astype(np.int64), _KNOTS - 2)
    share = np.minimum(radius - low, 1.0)
    left, right = weight * (1 - share), weight * share

    def total(index: NDArray[np.int64], amount: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(index, amount, _KNOTS), dtype=np.float64)

    bands = np.zeros((2, _KNOTS))
    bands[1] = total(low, left * (1 - share)) + total(low + 1, right * share) + 1e-6
    bands[0, 1:] = total(low, left * share)[:-1]
    knots = solveh_banded(bands, total(low, left * values) + total(low + 1, right * values))
    return np.asarray(knots[low] * (1 - share) + knots[low + 1] * share, dtype=np.float64)


def fit_centre(
    luminance: NDArray[np.float32],
    centre: NDArray[np.float64],
    radius_rad: float,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Direction about which the glow around ``centre`` is rotationally symmetric.

    Parameters
    ----------
    luminance : ndarray, shape (R, W), float32
        Rows of a linear panorama from the zenith down.
    centre : ndarray, shape (3,)
        First guess: unit vector of the brightest region's middle.
    radius_rad : float
        Radius of that region; flanks are fitted to twice that and three degrees beyond.
    seen : ndarray, shape (R, W), bool, optional
        What the capture covers.

    Returns
    -------
    ndarray, shape (3,)
        Unit vector. ``centre`` itself where the flanks tell nothing.
    """
    width = luminance.shape[1]
    reach = min(2 * radius_rad + np.deg2rad(3.0), np.deg2rad(20.0))
    rows = luminance.shape[0]
    directions = panorama_directions(width, 0, rows).astype(np.float64)
    cosine = directions @ centre
    inside = (cosine > np.cos(reach)) & (directions[..., 2] > 0)
    if seen is not None:
        inside &= seen[:rows]
    row, column = np.nonzero(inside)
    area = panorama_solid_angles(width)[row]
    kept = np.arange(0, row.size, max(1, row.size // _MAX_PIXELS))
    if kept.size < 30:
        return centre
    row, column, area = row[kept], column[kept], area[kept] / area.max()
    right, up = _tangent_frame(centre)
    d = directions[row, column]
    across = np.stack([d @ right, d @ up])
    angle = np.arccos(np.clip(d @ centre, -1, 1))
    x, y = across * (angle / np.maximum(np.hypot(*across), 1e-12))
    brightness = luminance[row, column].astype(np.float64)
    values = np.log(np.maximum(brightness, 1e-6 * brightness.max() + 1e-30))
    scale = (_KNOTS - 1) / (1.5 * reach)

    def residual(offset: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        radius = np.minimum(np.hypot(x - offset[0], y - offset[1]) * scale, _KNOTS - 1.0)
        left = values - _profile(radius, values, weight)
        tilt = y - _profile(radius, y, weight)
        slope = float((weight * tilt * left).sum() / max(float((weight * tilt * tilt).sum()), 1e-12))
        return np.asarray(left - np.clip(slope, -_MAX_SLOPE, _MAX_SLOPE) * tilt, dtype=np.float64)

    def unobstructed(offset: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 for sky, 0 for what lies far below the profile, found by letting the profile rise step by step."""
        weight = area
        for _ in range(8):
            left = residual(offset, weight)
            weight = area * np.where(left < -_OBSTACLE_LOG, 0.02, 1.0) / np.maximum(1.0, np.abs(left) / _BRIGHT_LOG)
        return np.asarray(np.where(left < -_OBSTACLE_LOG, 0.0, area / np.maximum(1.0, np.abs(left) / _BRIGHT_LOG)))

    offset = np.zeros(2)
    for _ in range(4):
        weight = unobstructed(offset)
        if (weight > 0).sum() < 20:
            return centre

        def cost(at: NDArray[np.float64], weight: NDArray[np.float64] = weight) -> float:
            return float((weight * residual(at, weight) ** 2).sum())

        start = offset + 0.25 * reach * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        found = minimize(
            cost, offset, method="Nelder-Mead", options={"initial_simplex": start, "xatol": 2e-4, "maxiter": 80}
        )
        moved = float(np.hypot(*(found.x - offset)))
        offset = found.x
        if moved < 3e-4:
            break
    if np.hypot(*offset) > 0.6 * reach:
        return centre
    distance_off = max(float(np.hypot(*offset)), 1e-12)
    direction = np.cos(distance_off) * centre + np.sin(distance_off) / distance_off * (
        offset[0] * right + offset[1] * up
    )
    return np.asarray(direction / np.linalg.norm(direction), dtype=np.float64)
