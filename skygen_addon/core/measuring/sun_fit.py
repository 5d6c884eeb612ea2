"""Centre of the glow around the sun, where its disc alone does not tell it.

A clipped bloom that a building or the horizon cuts, and a veil with structure, have a centroid that
is off. What stays true is that the glow is round: its flanks fall with the angle from the sun alike
in all directions. The centre is the point about which one radial profile explains most of the flanks.

Clouds are not noise of single pixels: neighbours brighten together. So the deviations from the profile
are taken as a Gaussian process over the sky, and the profile and the centre are found by generalised least
squares (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2.7): steep flanks close to the
sun, which cloud hardly moves, then count for what they tell, and the wide glow for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .splines import clamped_knots, spline_basis, spline_slope
from .sun_flanks import (
    Cells,
    average_cells,
    gather_flanks,
    ring_edges,
    tangent_direction,
    tangent_position,
    unobstructed,
)

_CLOUD_RAD = np.deg2rad(2.5)
"""Length over which cloud brightens and darkens together (Matern's, of order 3/2)."""

_CLOUD_LOG = 0.2
"""First guess of the standard deviation of cloud in log radiance, and the guess with which centres are compared."""

_CLIPPED_SHARE = 0.1
"""Variance of a clipped pixel over that of cloud: it tells only that the sun is near."""

_HORIZON_SLOPE = 6.0
"""Standard deviation of the sky's brightening toward the horizon in log radiance per radian, for a sun that is low."""

_HORIZON_RAD = np.deg2rad(8.0)
"""Elevation over which that falls to a third."""

_PIXEL_LOG = 0.02
"""Standard deviation in log radiance of a pixel for itself."""

_BLUR = 0.05
"""Part of a pixel by which a flank may be misplaced through sampling."""

_SMOOTHNESS = 0.3
"""Weight of the profile's second differences."""

_SCHEDULES = ((2.0, 2.0, 1.0), (40.0, 14.0, 6.0, 2.0, 1.0))
"""Factors on the blur in successive rounds. The second one comes from afar, where the first guess is far off."""

_SAME_RAD = np.deg2rad(0.05)
"""Centres that are nearer to each other than this need not be compared."""

_PREFERENCE = 8.0
"""By so much in log probability the second schedule must be better: it wanders where the disc is all there is."""

_MIN_CELLS = 15


@dataclass(frozen=True)
class _Cloud:
    """Deviations from a radial profile as they are expected in cells."""

    factor: NDArray[np.float64]
    """Cholesky factor (C, C) of their covariance, lower."""

    def whiten(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.linalg.solve(self.factor, values))


class _Profile:
    """Log luminance of the glow over the angle from the sun: a quadratic spline, fitted to cells."""

    def __init__(self, radius: NDArray[np.float64], edges: NDArray[np.float64]) -> None:
        self._knots = clamped_knots(edges)
        self._radius = np.clip(radius, edges[0], edges[-1] - 1e-9)
        self.basis = spline_basis(self._radius, self._knots)  # (C, B)
        self.bend = np.diff(np.eye(self.basis.shape[1]), 2, axis=0)  # (B - 2, B)

    def slope(self, coefficients: NDArray[np.floating]) -> NDArray[np.float64]:
        """Derivative (C,) by the angle in rad."""
        return spline_slope(coefficients, self._radius, self._knots)

    def rough_slope(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same from plain least squares."""
        normal = self.basis.T @ self.basis + 0.01 * self.bend.T @ self.bend + 1e-6 * np.eye(self.basis.shape[1])
        return self.slope(np.linalg.solve(normal, self.basis.T @ values))


def _expect_cloud(
    cells: Cells, centre: NDArray[np.float64], slope: NDArray[np.float64], blur_rad: float, cloud_log: float
) -> _Cloud:
    x, y = tangent_position(cells.direction, centre)
    apart = np.hypot(x[:, None] - x, y[:, None] - y) * (np.sqrt(3) / _CLOUD_RAD)
    shared = (1 + apart) * np.exp(-apart)
    clipped = cells.clipped
    shared[clipped] = 0  # how bright cloud is there was lost
    shared[:, clipped] = 0
    shared[clipped, clipped] = _CLIPPED_SHARE
    fall = _HORIZON_SLOPE * np.exp(-np.arcsin(np.clip(centre[2], -1, 1)) / _HORIZON_RAD) * np.where(clipped, 0.0, y)
    own = _PIXEL_LOG**2 + (blur_rad * slope) ** 2
    covariance = cloud_log**2 * shared + np.outer(fall, fall) + np.diag(own)
    return _Cloud(np.linalg.cholesky(covariance))


@dataclass(frozen=True)
class _Fit:
    step: NDArray[np.float64]
    """Where the centre should move, right and up in rad."""
    misfit: float
    """Mean square of the whitened deviations: 1 if cloud is as it was expected."""
    improbability: float
    """Minus the logarithm of the marginal probability of the cells, up to a constant."""


def _fit_profile(cells: Cells, centre: NDArray[np.float64], profile: _Profile, cloud: _Cloud) -> _Fit:
    """Best profile about a centre, and the Gauss-Newton step that improves the centre together with it."""
    white = cloud.whiten(np.column_stack([profile.basis, cells.log_luminance]))
    basis, values = white[:, :-1], white[:, -1]
    normal = basis.T @ basis + _SMOOTHNESS**2 * profile.bend.T @ profile.bend + 1e-6 * np.eye(basis.shape[1])
    root = np.linalg.cholesky(normal)
    coefficients = np.linalg.solve(normal, basis.T @ values)
    left = values - basis @ coefficients
    position = tangent_position(cells.direction, centre)
    outward = position / np.maximum(np.hypot(*position), 1e-9)
    shift = cloud.whiten((-profile.slope(coefficients) * outward).T)  # (C, 2)
    mixed = basis.T @ shift
    information = shift.T @ shift - mixed.T @ np.linalg.solve(normal, mixed)
    step = np.asarray(np.linalg.solve(information + 1e-9 * np.eye(2), shift.T @ left), dtype=np.float64)
    squares = float(left @ left)
    bent = float(((profile.bend @ coefficients) ** 2).sum())
    improbability = 0.5 * (squares + _SMOOTHNESS**2 * bent)
    improbability += float(np.log(np.diag(cloud.factor)).sum() + np.log(np.diag(root)).sum())
    return _Fit(step, squares / left.size, improbability)


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
        Radius of that region; flanks are read to twice that and eight degrees beyond.
    seen : ndarray, shape (R, W), bool, optional
        What the capture covers.

    Returns
    -------
    ndarray, shape (3,)
        Unit vector. ``centre`` itself where the flanks tell nothing.
    """
    flanks = gather_flanks(luminance, centre, radius_rad, seen)
    edges = ring_edges(flanks.reach_rad, flanks.pixel_rad)
    stride = max(np.deg2rad(0.5), 0.25 * radius_rad)

    def prepare(
        at: NDArray[np.float64], clear: NDArray[np.bool_], blur: float, cloud_log: float
    ) -> tuple[Cells, _Cloud] | None:
        cells = average_cells(flanks, at, clear)
        if len(cells.clipped) < _MIN_CELLS:
            return None
        profile = _Profile(np.hypot(*tangent_position(cells.direction, at)), edges)
        slope = profile.rough_slope(cells.log_luminance)
        return cells, _expect_cloud(cells, at, slope, blur * _BLUR * flanks.pixel_rad, cloud_log)

    def fit(at: NDArray[np.float64], cells: Cells, cloud: _Cloud) -> _Fit:
        return _fit_profile(cells, at, _Profile(np.hypot(*tangent_position(cells.direction, at)), edges), cloud)

    def approach(schedule: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
        at, cloud_log = centre, _CLOUD_LOG
        clear = np.ones(flanks.clipped.shape, dtype=np.bool_)
        for blur in schedule:
            clear = unobstructed(flanks, at)
            made = prepare(at, clear, blur, cloud_log)
            if made is None:
                return None
            for _ in range(3):
                found = fit(at, *made)
                length = float(np.hypot(*found.step))
                at = tangent_direction(found.step * min(1.0, stride / max(length, 1e-12)), at)
            cloud_log = float(np.clip(cloud_log * np.sqrt(found.misfit), 0.02, 1.0))
        return at, clear

    candidates = [made for made in map(approach, _SCHEDULES) if made is not None]
    if not candidates:
        return centre
    best = candidates[0][0]
    if len(candidates) == 2 and float(np.linalg.norm(best - candidates[1][0])) > _SAME_RAD:
        clear = candidates[0][1] & candidates[1][1]
        scores = []
        for at, _ in candidates:
            made = prepare(at, clear, 1.0, _CLOUD_LOG)
            scores.append(np.inf if made is None else fit(at, *made).improbability)
        if scores[1] < scores[0] - _PREFERENCE:
            best = candidates[1][0]
    reach = min(2 * radius_rad + np.deg2rad(3.0), flanks.reach_rad)
    return best if float(best @ centre) > np.cos(0.6 * reach) else centre
