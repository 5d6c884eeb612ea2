"""Trains the weather network on measured days and exports it.

The loss is the likelihood of each measured step given the steps before it, plus two terms on free
runs: their variances, autocovariances and channel correlations must be those of the measured
series, and two runs with the same innovations from different states must meet within the warm-up.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.bundle import WeatherScale
from skygen_addon.core.errors import BundleError
from skygen_addon.core.signatures import WEATHER, WEATHER_STATE

from ..networks.weather import WeatherStep, free_run
from .weather_series import (
    STEP_S,
    WeatherSeries,
    autocovariance,
    cross_covariance,
    fit_autoregression,
    load_series,
    spectrum,
)

LOG = logging.getLogger(__name__)
CHECKPOINT = "weather.pt"
LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16)
PERIODS_MIN = (240.0, 120.0, 60.0, 30.0, 15.0)


@dataclass(frozen=True)
class WeatherConfig:
    """Settings of one training run."""

    hidden: int = 24
    """Width of the LSTM."""
    steps: int = 700
    """Optimiser steps."""
    learning_rate: float = 4e-3
    """Of Adam, falling to a tenth along a cosine."""
    batch: int = 32
    """Windows per likelihood term, and pairs of free runs."""
    window: int = 64
    """Steps of a likelihood window."""
    moment_weight: float = 6.0
    """Weight of the free-run statistics."""
    meet_weight: float = 0.05
    """Weight of the logarithm by which twin runs miss MEET."""
    noise: float = 0.03
    """Deviation of the noise added to what the network sees."""
    warmup_steps: int = 96
    """Steps after which twin runs must agree."""
    meet: float = 1e-4
    """Wanted distance of twin runs after the warm-up; the contract is 1e-3."""
    seed: int = 0
    """Of weights, windows and innovations."""


def train_weather(
    data_path: Path, out_dir: Path, minutes: float = 5.0, config: WeatherConfig | None = None
) -> dict[str, Any]:
    """Train on ``timelapse.npz``; continues a checkpoint of the same settings in ``out_dir``.

    Parameters
    ----------
    data_path : Path
        Table written by :func:`trainer.captures.timelapse.measure_days`.
    out_dir : Path
        Receives weather.pt, config.json, metrics.jsonl, metrics.json and two plots.
    minutes : float
        Stops early (with what it has) after this time.
    config : WeatherConfig, optional
        Settings.

    Returns
    -------
    dict
        Measured figures, also in metrics.json.

    Raises
    ------
    CaptureError
        If the table is missing or has too little weather.
    """
    config = config or WeatherConfig()
    series = load_series(data_path)
    torch.manual_seed(config.seed)
    network = WeatherStep(config.hidden)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    fall = lambda s: 0.55 + 0.45 * float(np.cos(np.pi * s / config.steps))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, fall)
    out_dir.mkdir(parents=True, exist_ok=True)
    first = 0
    if (out_dir / CHECKPOINT).is_file():
        saved = torch.load(out_dir / CHECKPOINT, weights_only=True)
        if saved["config"] == asdict(config):
            network.load_state_dict(saved["network"])
            optimiser.load_state_dict(saved["optimiser"])
            schedule.load_state_dict(saved["schedule"])
            first = int(saved["step"])
    (out_dir / "config.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")

    states, known = _padded(series, config.window)
    measured = [series.states[i] for i in series.training], [series.known[i] for i in series.training]
    wanted = torch.tensor(autocovariance(*measured, LAGS), dtype=torch.float32)
    wanted_cross = torch.tensor(cross_covariance(*measured), dtype=torch.float32)
    began = time.monotonic()
    step = first
    with (out_dir / "metrics.jsonl").open("a" if first else "w", encoding="utf-8") as log:
        for step in range(first, config.steps):
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            losses = _losses(network, config, states, known, wanted, wanted_cross, generator)
            total = losses["likelihood"] + config.moment_weight * losses["moments"]
            total = total + config.meet_weight * losses["meet"]
            optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 10 == 0:
                log.write(json.dumps({"step": step, **{k: float(v.detach()) for k, v in losses.items()}}) + "\n")
            if step % 100 == 0:
                LOG.info("weather step %d: %s", step, {k: round(float(v.detach()), 4) for k, v in losses.items()})
            if time.monotonic() - began > minutes * 60:
                break
    done = min(step + 1, config.steps)
    _write(out_dir / CHECKPOINT, lambda path: torch.save(
        {
            "network": network.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
            "step": done, "config": asdict(config), "deviation": list(series.deviation),
        },
        path,
    ))  # fmt: skip
    figures = measure_weather(network, series, config)
    figures["steps"] = done
    _write(out_dir / "metrics.json", lambda path: path.write_text(json.dumps(figures, indent=2), encoding="utf-8"))
    _plot(network, series, config, out_dir)
    return figures


def _write(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_suffix(".tmp")
    write(partial)
    os.replace(partial, path)


def _padded(series: WeatherSeries, window: int) -> tuple[Tensor, Tensor]:
    """Training days as (days, T, 4), padded with unknown steps; days without weather are left out."""
    chosen = [i for i in series.training if series.known[i].sum() > 0]
    length = max(len(series.states[i]) for i in chosen) + window
    states, known = (torch.zeros(len(chosen), length, 4) for _ in range(2))
    for row, i in enumerate(chosen):
        states[row, : len(series.states[i])] = torch.from_numpy(series.states[i])
        known[row, : len(series.known[i])] = torch.from_numpy(series.known[i])
    return states, known


def _losses(
    network: WeatherStep, config: WeatherConfig, states: Tensor, known: Tensor,
    wanted: Tensor, wanted_cross: Tensor, generator: torch.Generator,
) -> dict[str, Tensor]:  # fmt: skip
    """The three terms of the loss at one step."""
    days, length, _ = states.shape
    day = torch.multinomial(known.sum((1, 2)), config.batch, replacement=True, generator=generator)
    begin = torch.randint(0, length - config.window, (config.batch,), generator=generator)
    index = begin[:, None] + torch.arange(config.window)
    real, sure = states[day[:, None], index], known[day[:, None], index]  # (B, T, 4)
    seen = real + config.noise * torch.randn(real.shape, generator=generator)
    negative_log, count = torch.zeros(()), torch.zeros(())
    _, hidden, cell = network.start(config.batch)
    for t in range(config.window - 1):
        mean, std, hidden, cell = network.predict(seen[:, t], hidden, cell)
        both = sure[:, t] * sure[:, t + 1]
        scaled = ((real[:, t + 1] - mean) / std).clamp(-6, 6)
        negative_log = negative_log + ((0.5 * scaled**2 + std.log() + 0.919) * both).sum()
        count = count + both.sum()

    runs = config.batch
    innovations = torch.randn(config.warmup_steps + 64, runs, 4, generator=generator)
    state, hidden, cell = network.start(runs)
    far = 1.5 * torch.randn(runs, 4, generator=generator), torch.tanh(torch.randn(hidden.shape, generator=generator))
    start = torch.cat([state, far[0]]), torch.cat([hidden, far[1]]), torch.cat([cell, 3 * far[1]])
    run = free_run(network, start, torch.cat([innovations, innovations], 1))
    apart = (run[config.warmup_steps, :runs] - run[config.warmup_steps, runs:]).abs().amax(1)
    meet = torch.relu(torch.log((apart + 1e-9) / config.meet)).mean()
    late = run[32:, :runs]
    steps = len(late)
    found = torch.stack([(late[: steps - lag] * late[lag:]).mean((0, 1)) for lag in LAGS])
    cross = torch.einsum("tbi,tbj->ij", late, late) / (steps * runs)
    centre = late.mean((0, 1))
    moments = ((found - wanted) ** 2).mean() + 0.3 * ((cross - wanted_cross) ** 2).mean() + (centre**2).mean()
    return {"likelihood": negative_log / count.clamp(min=1), "moments": moments, "meet": meet}


def measure_weather(network: WeatherStep, series: WeatherSeries, config: WeatherConfig) -> dict[str, Any]:
    """Figures of the network beside the AR(1) of the training days, against the held-out days.

    Likelihoods are nats per known value. Spectra are compared as root-mean-square log10 ratios over
    PERIODS_MIN and channels, each divided by its own variance.
    """
    with torch.no_grad():
        generator = torch.Generator().manual_seed(12345)
        innovations = torch.randn(2000, 64, 4, generator=generator)
        start = network.start(64)
        run = free_run(network, start, innovations)[config.warmup_steps :].double().numpy()
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
    shapes = {name: np.log10(spectrum(c / c[0], PERIODS_MIN)) for name, c in curves.items()}
    figures: dict[str, Any] = {"channels": list(WEATHER_STATE), "deviation": list(series.deviation)}
    figures["held_out_days"] = [series.names[i] for i in series.held_out]
    for name, curve in curves.items():
        figures[f"std_{name}"] = np.sqrt(curve[0]).round(4).tolist()
        figures[f"lag1_{name}"] = (curve[1] / curve[0]).round(4).tolist()
        figures[f"lag6_{name}"] = (curve[6] / curve[0]).round(4).tolist()
    for reference in ("train", "held_out"):
        for name in ("lstm", "ar1"):
            error = np.sqrt(((shapes[name] - shapes[reference]) ** 2).mean())
            figures[f"spectrum_error_{name}_{reference}"] = round(float(error), 4)
        figures[f"nll_ar1_{reference}"] = round(auto.likelihood(*measured[reference]), 4)
        figures[f"nll_lstm_{reference}"] = round(_likelihood(network, *measured[reference]), 4)
    figures["kurtosis_lstm"] = ((run**4).mean((0, 1)) / (run**2).mean((0, 1)) ** 2).round(3).tolist()
    figures["twin_distance_after_warmup"] = float(apart[config.warmup_steps])
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


def _plot(network: WeatherStep, series: WeatherSeries, config: WeatherConfig, out_dir: Path) -> None:
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
        innovations = torch.randn(config.warmup_steps + 150, 4, 4, generator=torch.Generator().manual_seed(7))
        run = free_run(network, network.start(4), innovations)[config.warmup_steps :].numpy()
    days = sorted(range(len(series.names)), key=lambda i: -float(series.known[i].sum()))[:4]
    figure, axes = pyplot.subplots(4, 2, figsize=(12, 9), sharey=True)
    for row in range(4):
        day = days[row]
        axes[row, 0].plot(np.where(series.known[day] > 0, series.states[day], np.nan))
        axes[row, 0].set_title(f"measured: {series.names[day]}", fontsize=8)
        axes[row, 1].plot(run[:, row])
        axes[row, 1].set_title("free run", fontsize=8)
    axes[0, 1].legend(WEATHER_STATE, fontsize=7)
    figure.savefig(out_dir / "runs.png", dpi=70)
    pyplot.close("all")


def export_weather(checkpoint: Path, path: Path) -> WeatherScale:
    """Write the graph of signature WEATHER to ``path`` (opset 20, static shapes) and return its scale.

    Raises
    ------
    BundleError
        If the checkpoint cannot be read or ONNX Runtime and torch differ by 1e-5 or more.
    """
    import onnxruntime

    try:
        saved = torch.load(checkpoint, weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise BundleError(f"{checkpoint} cannot be read: {error}.", "Train the weather network again.") from error
    network = WeatherStep(int(saved["config"]["hidden"])).eval()
    network.load_state_dict(saved["network"])
    generator = torch.Generator().manual_seed(1)
    example = tuple(torch.randn(1, size, generator=generator) for size in (4, network.hidden, network.hidden, 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, lambda partial: torch.onnx.export(
        network, example, str(partial), opset_version=20, dynamo=False,
        input_names=[t.name for t in WEATHER.inputs], output_names=[t.name for t in WEATHER.outputs],
    ))  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {t.name: v.numpy() for t, v in zip(WEATHER.inputs, example, strict=True)})
    with torch.no_grad():
        wanted = network(*example)
    error = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, wanted, strict=True))
    if error >= 1e-5:
        path.unlink()
        raise BundleError(f"The exported weather graph differs from torch by {error:.1e}.", "Report this defect.")
    return WeatherScale(STEP_S, network.hidden, tuple(saved["deviation"]), int(saved["config"]["warmup_steps"]))
