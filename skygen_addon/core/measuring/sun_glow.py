"""How well a place explains the glow around the sun as round, and what would improve it.

Flanks of a round glow fall with the angle from the sun alike in all directions. A place is judged by how much of them
radial profiles about it explain, one of brightness and one of colour: cloud of uneven thickness moves brightness more
than colour, so that aureole and corona show a circle in ln(B / R) where the glow is a blot.

Clouds are not noise of single pixels: neighbours brighten together. So the deviations from a profile
are taken as a Gaussian process over the sky, and the profiles and the centre are found by generalised least
squares (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2.7): steep flanks close to the
sun, which cloud hardly moves, then count for what they tell, and the wide glow for the rest. How strong
the process is, and with it how much brightness counts beside colour, the flanks tell themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .splines import clamped_knots, spline_basis, spline_slope
from .sun_flanks import (
    SQUARES,
    Cells,
    Flanks,
    average_cells,
    even_cells,
    ring_edges,
    tangent_direction,
    tangent_position,
)

_CLOUD_RAD = np.deg2rad(2.5)
"""Length over which cloud brightens and darkens together (Matern's, of order 3/2)."""

_CLOUD_LOGS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Standard deviations of cloud in log radiance of which the likeliest one counts where centres are compared."""

_COLOUR_LOGS = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
"""The same of ln(B / R)."""

_CLIPPED_SHARE = 0.1
"""Variance of a clipped pixel over that of cloud: it tells only that the sun is near."""

_HORIZON_SLOPE = 6.0
"""Standard deviation of the sky's brightening toward the horizon in log radiance per radian, for a sun that is low."""

_HORIZON_RAD = np.deg2rad(8.0)
"""Elevation over which that falls to a third."""

_EXTINCTION_LOG = 1.0
"""Standard deviation of what the air takes from log radiance at the horizon."""

_EXTINCTION_RAD = np.deg2rad(3.0)
"""Elevation over which that falls to a third."""

_COLOUR_SLOPE = 1.0
"""Standard deviation of the sky's reddening downward, in ln(B / R) per radian, beside the horizon's share of
:data:`_HORIZON_SLOPE`."""

_PIXEL_LOG = 0.02
"""Standard deviation of a pixel for itself in log radiance and in ln(B / R)."""

_BLUR = 0.05
"""Part of a pixel by which a flank may be misplaced through sampling."""

_SMOOTHNESS = 0.3
"""Weight of the profile's second differences."""

_MIN_CELLS = 15

_LEAST_MISFIT = 1e-6
"""Of a signal that is the same everywhere, as the colour of a grey picture."""

_LATTICE = ((0.0, 1), (0.25, 3), (0.5, 5), (0.75, 8), (1.0, 10))
"""Places that a search tries: distance from the middle over the radius, and how many there."""


@dataclass(frozen=True)
class Cloud:
    """Deviations from a radial profile as they are expected in cells."""

    factor: NDArray[np.float64]
    """Cholesky factor (C, C) of their covariance, lower."""

    def whiten(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (C, ...) of cells with the covariance taken out: independent, of unit variance."""
        return np.asarray(np.linalg.solve(self.factor, values))


class Profile:
    """A signal of the glow, in logarithms, over the angle from the sun: a quadratic spline, fitted to cells."""

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


@dataclass(frozen=True)
class Signal:
    """What is read of the flanks' pixels (P): brightness or colour."""

    values: NDArray[np.float64]
    """(P,)"""
    use: NDArray[np.bool_]
    """Whether a pixel (P,) tells it."""
    cloud_logs: tuple[float, ...]
    """Standard deviations of cloud to choose from; the middle one is the first guess."""
    slope: float
    """Standard deviation of a gradient toward the horizon, per radian, at any height."""

    @property
    def first_guess(self) -> float:
        return self.cloud_logs[len(self.cloud_logs) // 2]


def _expect_cloud(
    cells: Cells,
    centre: NDArray[np.float64],
    slope: NDArray[np.float64],
    blur_rad: float,
    cloud_log: float,
    signal: Signal,
) -> Cloud:
    x, y = tangent_position(cells.direction, centre)
    apart = np.hypot(x[:, None] - x, y[:, None] - y) * (np.sqrt(3) / _CLOUD_RAD)
    shared = (1 + apart) * np.exp(-apart)
    clipped = cells.clipped
    shared[clipped] = 0  # how bright cloud is there was lost
    shared[:, clipped] = 0
    shared[clipped, clipped] = _CLIPPED_SHARE
    height = np.where(clipped, 0.0, y)
    low = float(np.exp(-np.arcsin(np.clip(centre[2], -1, 1)) / _HORIZON_RAD))
    downward = (signal.slope + _HORIZON_SLOPE * low) * height
    elevation = np.arcsin(np.clip(cells.direction[:, 2], 0, 1))
    dimmed = np.where(clipped, 0.0, _EXTINCTION_LOG * np.exp(-elevation / _EXTINCTION_RAD))
    own = _PIXEL_LOG**2 + (blur_rad * slope) ** 2
    covariance = cloud_log**2 * shared + np.outer(downward, downward) + np.outer(dimmed, dimmed) + np.diag(own)
    return Cloud(np.linalg.cholesky(covariance))


@dataclass(frozen=True)
class Fit:
    """The best profile about a centre, and what would improve the centre."""

    pull: NDArray[np.float64]
    """Gradient (2,) of the log probability by the centre's place, right and up, per rad."""
    information: NDArray[np.float64]
    """Gauss-Newton matrix (2, 2) that belongs to it: a step is its inverse times the pull."""
    misfit: float
    """Mean square of the whitened deviations: 1 if cloud is as it was expected."""
    improbability: float
    """Minus the logarithm of the marginal probability of the cells, up to a constant."""


def _fit_profile(cells: Cells, centre: NDArray[np.float64], profile: Profile, cloud: Cloud) -> Fit:
    """Best profile about a centre, and what improves the centre together with it."""
    white = cloud.whiten(np.column_stack([profile.basis, cells.value]))
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
    squares = float(left @ left)
    bent = float(((profile.bend @ coefficients) ** 2).sum())
    improbability = 0.5 * (squares + _SMOOTHNESS**2 * bent)
    improbability += float(np.log(np.diag(cloud.factor)).sum() + np.log(np.diag(root)).sum())
    return Fit(shift.T @ left, information, squares / left.size, improbability)


class Glow:
    """The flanks of one glow, and how well a centre explains them."""

    def __init__(self, flanks: Flanks, with_colour: bool) -> None:
        self.flanks = flanks
        self._edges = ring_edges(flanks.reach_rad, flanks.pixel_rad)
        everywhere = np.ones(flanks.clipped.shape, dtype=np.bool_)
        self.signals = [Signal(flanks.log_luminance, everywhere, _CLOUD_LOGS, 0.0)]
        if with_colour:
            self.signals.append(Signal(flanks.log_ratio, flanks.coloured, _COLOUR_LOGS, _COLOUR_SLOPE))

    def cells(self, signal: Signal, around: NDArray[np.float64], clear: NDArray[np.bool_]) -> Cells | None:
        """Cells of one signal around a unit vector (3,), of clear pixels (P,); None where they are too few to tell."""
        cells = average_cells(self.flanks, signal.values, around, clear & signal.use)
        return cells if len(cells.clipped) >= _MIN_CELLS else None

    def profile(self, cells: Cells, at: NDArray[np.float64]) -> Profile:
        """Radial profile about a unit vector (3,), over cells."""
        return Profile(np.hypot(*tangent_position(cells.direction, at)), self._edges)

    def cloud(self, signal: Signal, cells: Cells, at: NDArray[np.float64], blur: float, cloud_log: float) -> Cloud:
        """Cloud of a standard deviation ``cloud_log`` before cells about a unit vector (3,), with a factor on blur."""
        slope = self.profile(cells, at).rough_slope(cells.value)
        return _expect_cloud(cells, at, slope, blur * _BLUR * self.flanks.pixel_rad, cloud_log, signal)

    def fit(self, cells: Cells, at: NDArray[np.float64], cloud: Cloud) -> Fit:
        """The best profile of cells about a unit vector (3,) before the cloud that is expected."""
        return _fit_profile(cells, at, self.profile(cells, at), cloud)

    def improbability(self, at: NDArray[np.float64], around: NDArray[np.float64], clear: NDArray[np.bool_]) -> float:
        """Minus the log probability, up to a constant, of a centre ``at`` (3,) with the cells ``around`` (3,).

        Each signal's cloud is as strong as makes it likeliest.
        """
        total = 0.0
        for signal in self.signals:
            cells = self.cells(signal, around, clear)
            if cells is None:
                continue
            total += min(
                self.fit(cells, at, self.cloud(signal, cells, at, 1.0, cloud_log)).improbability
                for cloud_log in signal.cloud_logs
            )
        return total

    def search(self, around: NDArray[np.float64], radius_rad: float, clear: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The likeliest (3,) of a lattice of places in the bright region of a middle and a radius.

        All are judged on the same squares, and each with deviations of the scale that is likeliest, by formula: the
        whole covariance is scaled for it, cloud and pixels alike, which is near enough to choose a start.
        """
        made = [
            (signal, even_cells(self.flanks, signal.values, around, clear & signal.use, radius_rad))
            for signal in self.signals
        ]
        told = [(signal, cells) for signal, cells in made if len(cells.clipped) >= _MIN_CELLS]
        blur = 2 * max(1.0, radius_rad / SQUARES / self.flanks.pixel_rad)

        def improbability(at: NDArray[np.float64]) -> float:
            total = 0.0
            for signal, cells in told:
                found = self.fit(cells, at, self.cloud(signal, cells, at, blur, signal.first_guess))
                misfit = max(found.misfit, _LEAST_MISFIT)
                total += found.improbability + 0.5 * len(cells.clipped) * (np.log(misfit) - misfit)
            return total

        turns = [(share, 2 * np.pi * k / count) for share, count in _LATTICE for k in range(count)]
        steps = [share * radius_rad * np.array([np.cos(turn), np.sin(turn)]) for share, turn in turns]
        return min((tangent_direction(step, around) for step in steps), key=improbability)
