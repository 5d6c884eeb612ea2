"""Measured days as training series: even steps, deviations from a slow mean, statistics and the AR(1) to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.signatures import WEATHER_STATE

Array = NDArray[np.float64]

STEP_S = 300.0
"""Sky time of one step."""
TARGET_SIGMA_S = 2 * 3600.0
"""Gaussian width of the slow mean that stands for the artist's target in training."""
COVER_FLOOR = 0.02
"""Covers are kept this far from 0 and 1 before their logit."""
ACTIVE_COVER = (0.04, 0.99)
"""Slow mean cover between which a frame tells about changing weather."""
ACTIVE_STEPS = 60
"""Steps of changing weather that make a day one to judge by."""


@dataclass(frozen=True)
class WeatherSeries:
    """Days on a common step in units of ``deviation``."""

    names: tuple[str, ...]
    """Name of each day."""
    states: tuple[Array, ...]
    """(n, 4) WEATHER_STATE deviations from the slow mean of each day, 0 where not known."""
    known: tuple[Array, ...]
    """(n, 4) 1 where measured in active weather, else 0."""
    deviation: tuple[float, ...]
    """Standard deviation of each channel over the training days, before scaling."""
    held_out: tuple[int, ...]
    """Indices of the days that training never sees."""
    active: tuple[int, ...]
    """Indices of the days with ACTIVE_STEPS and more of changing weather."""

    @property
    def training(self) -> tuple[int, ...]:
        """Indices of the training days."""
        return tuple(i for i in range(len(self.names)) if i not in self.held_out)


def load_series(data_path: Path, held_out: Sequence[str] | None = None) -> WeatherSeries:
    """Read a table of measured days.

    Parameters
    ----------
    data_path : Path
        ``timelapse.npz`` of :func:`trainer.captures.days.timelapse.write_table`.
    held_out : sequence of str, optional
        Names of the days that training never sees; by default every second day with active weather, up to three.

    Raises
    ------
    CaptureError
        If the file is missing, holds fewer than three active days, or lacks a day that is to be held out, or none is
        held out, or no active one is left to train on.
    """
    try:
        with np.load(data_path) as table:
            names, channels = [str(n) for n in table["names"]], [str(c) for c in table["channels"]]
            values, mask, frame_s = table["values"].astype(np.float64), table["mask"], table["frame_s"]
    except (OSError, KeyError, ValueError) as error:
        raise CaptureError(f"{data_path} cannot be read: {error}.", "Run ingest on time-lapse days.") from error
    order = [channels.index(name) for name in WEATHER_STATE]
    cover = values[..., order[0]].clip(COVER_FLOOR, 1 - COVER_FLOOR)
    values[..., order[0]] = np.log(cover / (1 - cover))
    days = [_resample(values[d][:, order], mask[d][:, order], float(frame_s[d])) for d in range(len(names))]
    active = [d for d in range(len(names)) if days[d][1][:, 0].sum() >= ACTIVE_STEPS]
    if len(active) < 3:
        raise CaptureError(f"{data_path} has {len(active)} days with changing weather.", "Ingest three or more.")
    unknown = sorted(set(held_out or ()) - set(names))
    if unknown:
        raise CaptureError(f"{data_path} has no day {', '.join(unknown)}.", f"Its days are {', '.join(names)}.")
    apart = tuple(active[1::2][:3]) if held_out is None else tuple(sorted({names.index(name) for name in held_out}))
    if not apart or not set(active) - set(apart):
        raise CaptureError("Of the days with changing weather all or none are held out.", "Hold out some of them.")
    training = [days[d] for d in range(len(names)) if d not in apart]
    square = sum((x**2 * k).sum(0) for x, k in training) / np.maximum(sum(k.sum(0) for _, k in training), 1)
    deviation = np.sqrt(np.maximum(square, 1e-6))
    states = tuple(x * k / deviation for x, k in days)
    known = tuple(k for _, k in days)
    return WeatherSeries(tuple(names), states, known, tuple(float(v) for v in deviation), apart, tuple(active))


def _resample(values: Array, mask: NDArray[np.bool_], frame_s: float) -> tuple[Array, Array]:
    """Deviations (n, 4) from the slow mean at STEP_S, and where they are known (n, 4)."""
    time_s = np.arange(len(values)) * frame_s
    grid = np.arange(0, time_s[-1], STEP_S)
    kernel = np.exp(-0.5 * ((grid[:, None] - grid[None]) / TARGET_SIGMA_S) ** 2)
    state, known = np.zeros((len(grid), 4)), np.zeros((len(grid), 4))
    active = np.zeros(len(grid))
    for c in range(4):
        inside = mask[:, c]
        if inside.sum() < 12:
            continue
        near = np.interp(grid, time_s, inside.astype(np.float64)) > 0.7
        sample = np.interp(grid, time_s[inside], values[inside, c])
        slow = (kernel * near) @ sample / np.maximum((kernel * near).sum(1), 1e-9)
        if c == 0:
            mean_cover = 1 / (1 + np.exp(-slow))
            active = ((mean_cover > ACTIVE_COVER[0]) & (mean_cover < ACTIVE_COVER[1])).astype(np.float64)
        state[:, c] = sample - slow
        known[:, c] = near * active
    return state, known


def autocovariance(states: list[Array], known: list[Array], lags: tuple[int, ...]) -> Array:
    """(lags, 4) mean product of values ``lag`` steps apart, over pairs that are both known."""
    result = []
    for lag in lags:
        products, pairs = np.zeros(4), np.zeros(4)
        for x, k in zip(states, known, strict=True):
            n = len(x) - lag
            if n > 0:
                both = k[:n] * k[lag:]
                products += (x[:n] * x[lag:] * both).sum(0)
                pairs += both.sum(0)
        result.append(products / np.maximum(pairs, 1))
    return np.array(result)


def cross_covariance(states: list[Array], known: list[Array]) -> Array:
    """(4, 4) covariance of the channels where both are known."""
    products = sum((x * k).T @ (x * k) for x, k in zip(states, known, strict=True))
    pairs = sum(k.T @ k for k in known)
    return np.asarray(products / np.maximum(pairs, 1))


def spectrum(covariance: Array, periods_min: tuple[float, ...]) -> Array:
    """Power (periods, 4) by Blackman and Tukey (1958) from autocovariances (24 lags, 4), Parzen window."""
    lag = np.arange(len(covariance))
    u = lag / len(covariance)
    window = np.where(u < 0.5, 1 - 6 * u**2 + 6 * u**3, 2 * (1 - u) ** 3)
    weight = np.where(lag == 0, 1, 2) * window
    phase = np.cos(2 * np.pi * lag[None] * (STEP_S / 60) / np.array(periods_min)[:, None])
    return np.asarray(np.maximum((phase * weight) @ covariance, 1e-4))


@dataclass(frozen=True)
class AutoRegression:
    """AR(1) per channel: next = keep * state + spread * innovation."""

    keep: Array
    """(4,)"""
    spread: Array
    """(4,)"""

    def likelihood(self, states: list[Array], known: list[Array]) -> float:
        """Mean negative log likelihood per known value."""
        total, count = 0.0, 0.0
        for x, k in zip(states, known, strict=True):
            both = k[1:] * k[:-1]
            scaled = (x[1:] - self.keep * x[:-1]) / self.spread
            total += float(((0.5 * scaled**2 + np.log(self.spread) + 0.5 * np.log(2 * np.pi)) * both).sum())
            count += float(both.sum())
        return total / max(count, 1.0)


def fit_autoregression(states: list[Array], known: list[Array]) -> AutoRegression:
    """Least squares over known neighbours."""
    covariance = autocovariance(states, known, (0, 1))
    keep = np.clip(covariance[1] / np.maximum(covariance[0], 1e-9), 0, 0.999)
    square, count = np.zeros(4), np.zeros(4)
    for x, k in zip(states, known, strict=True):
        both = k[1:] * k[:-1]
        square += ((x[1:] - keep * x[:-1]) ** 2 * both).sum(0)
        count += both.sum(0)
    return AutoRegression(keep, np.sqrt(square / np.maximum(count, 1)))
