"""Figures and plots of a weather network beside measured days and the AR(1) it has to beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skygen_addon.core.signatures import WEATHER_STATE

from ..networks.weather import WeatherStep, free_run
from .weather_series import WeatherSeries, autocovariance, fit_autoregression, spectrum

PERIODS_MIN = (240.0, 120.0, 60.0, 30.0, 15.0)
"""Periods in minutes at which spectra are compared."""


def measure_weather(network: WeatherStep, series: WeatherSeries, warmup_steps: int) -> dict[str, Any]:
    """Figures of the network beside the AR(1) of the training days, against the held-out days.

    Likelihoods are nats per known value. Spectra are compared as root-mean-square log10 ratios over
    PERIODS_MIN and channels, each divided by its own variance. A channel that the held-out days do not know has None.
    """
    with torch.no_grad():
        generator = torch.Generator().manual_seed(12345)
        innovations = torch.randn(2000, 64, 4, generator=generator)
        start = network.start(64)
        run = free_run(network, start, innovations)[warmup_steps:].double().numpy()
        other = tuple(3 * torch.tanh(torch.randn(s.shape, generator=generator)) for s in start)
        twin = free_run(network, (other[0], other[1] / 3, other[2]), innovations[:200]).numpy()
        apart = np.abs(twin - free_run(network, start, innovations[:200]).numpy()).max((1, 2))
    free = list(run.transpose(1, 0, 2)), [np.ones((len(run), 4))] * 64
    groups = {
        "train": [(series.states[i], series.known[i]) for i in series.training],
        "held_out": [(series.states[i], series.known[i]) for i in series.held_out],
    }
    measured = {name: ([x for x, _ in days], [k for _, k in days]) for name, days in groups.items()}
    auto = fit_autoregression(*measured["train"])
    lags = tuple(range(24))
    walk = [(auto.spread**2 / (1 - auto.keep**2)) * auto.keep**lag for lag in lags]
    curves = {name: autocovariance(*pair, lags) for name, pair in {**measured, "lstm": free}.items()}
    curves["ar1"] = np.array(walk)
    relative = {name: c / np.where(c[0] > 0, c[0], np.nan) for name, c in curves.items()}
    shapes = {name: np.log10(spectrum(c, PERIODS_MIN)) for name, c in relative.items()}
    figures: dict[str, Any] = {"channels": list(WEATHER_STATE), "deviation": list(series.deviation)}
    figures["held_out_days"] = [series.names[i] for i in series.held_out]
    for name, curve in curves.items():
        figures[f"std_{name}"] = np.sqrt(curve[0]).round(4).tolist()
        for lag in (1, 6):
            figures[f"lag{lag}_{name}"] = [None if np.isnan(v) else round(float(v), 4) for v in relative[name][lag]]
    for reference in ("train", "held_out"):
        for name in ("lstm", "ar1"):
            error = np.sqrt(np.nanmean((shapes[name] - shapes[reference]) ** 2))
            figures[f"spectrum_error_{name}_{reference}"] = round(float(error), 4)
        figures[f"nll_ar1_{reference}"] = round(auto.likelihood(*measured[reference]), 4)
        figures[f"nll_lstm_{reference}"] = round(_likelihood(network, *measured[reference]), 4)
    figures["kurtosis_lstm"] = ((run**4).mean((0, 1)) / (run**2).mean((0, 1)) ** 2).round(3).tolist()
    figures["twin_distance_after_warmup"] = float(apart[warmup_steps])
    return figures


@torch.no_grad()
def _likelihood(network: WeatherStep, states: list[np.ndarray], known: list[np.ndarray]) -> float:
    total, count = 0.0, 0.0
    for x, k in zip(states, known, strict=True):
        _, hidden, cell = network.start(1)
        series, sure = torch.from_numpy(x).float(), torch.from_numpy(k).float()
        for t in range(len(series) - 1):
            mean, std, hidden, cell = network.predict(series[t : t + 1], hidden, cell)
            both = sure[t] * sure[t + 1]
            total += float(((0.5 * ((series[t + 1] - mean[0]) / std[0]) ** 2 + std[0].log() + 0.919) * both).sum())
            count += float(both.sum())
    return total / max(count, 1.0)


def plot_weather(network: WeatherStep, series: WeatherSeries, warmup_steps: int, out_dir: Path) -> None:
    """losses.png, and runs.png: free runs beside measured days."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3))
    for axis, name in zip(axes, ("likelihood", "moments", "meet"), strict=True):
        axis.plot([r["step"] for r in rows], [r[name] for r in rows])
        axis.set_title(name)
    figure.savefig(out_dir / "losses.png", dpi=70)
    with torch.no_grad():
        innovations = torch.randn(warmup_steps + 150, 4, 4, generator=torch.Generator().manual_seed(7))
        run = free_run(network, network.start(4), innovations)[warmup_steps:].numpy()
    days = sorted(range(len(series.names)), key=lambda i: -float(series.known[i].sum()))[:4]
    figure, axes = pyplot.subplots(len(days), 2, figsize=(12, 9), sharey=True, squeeze=False)
    for row, day in enumerate(days):
        axes[row, 0].plot(np.where(series.known[day] > 0, series.states[day], np.nan))
        axes[row, 0].set_title(f"measured: {series.names[day]}", fontsize=8)
        axes[row, 1].plot(run[:, row])
        axes[row, 1].set_title("free run", fontsize=8)
    axes[0, 1].legend(WEATHER_STATE, fontsize=7)
    figure.savefig(out_dir / "runs.png", dpi=70)
    pyplot.close("all")
