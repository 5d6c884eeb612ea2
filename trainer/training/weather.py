"""Trains the weather network on measured days and exports it.

The loss is the likelihood of each measured step given the steps before it, plus two terms on free
runs: their variances, autocovariances and channel correlations must be those of the measured
series, and two runs with the same innovations from different states must meet within the warm-up.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.bundle import WeatherScale
from skygen_addon.core.errors import BundleError
from skygen_addon.core.signatures import WEATHER
from skygen_addon.core.whole_file import whole_file

from ..networks.weather import WeatherStep, free_run
from .checkpoint import read_checkpoint, write_checkpoint
from .sitting import Sitting, drawn
from .weather_figures import measure_weather, plot_weather
from .weather_series import STEP_S, WeatherSeries, autocovariance, cross_covariance, load_series

LOG = logging.getLogger(__name__)
CHECKPOINT = "weather.pt"
LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16)


@dataclass(frozen=True)
class WeatherConfig:
    """Settings of one training run."""

    hidden: int = 24
    """Width of the LSTM."""
    steps: int = 500
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
    data_path: Path,
    out_dir: Path,
    minutes: float = 5.0,
    config: WeatherConfig | None = None,
    resume: bool = True,
    held_out: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Train on ``timelapse.npz``.

    Parameters
    ----------
    data_path : Path
        Table written by :func:`trainer.captures.days.timelapse.write_table`.
    out_dir : Path
        Receives weather.pt, metrics.json, two plots and what a Sitting writes.
    minutes : float
        Stops early (with what it has) after this time.
    config : WeatherConfig, optional
        Settings.
    resume : bool
        Continue the checkpoint in ``out_dir``, if there is one.
    held_out : sequence of str, optional
        Days to leave out, as :func:`.weather_series.load_series` has it.

    Returns
    -------
    dict
        Measured figures, also in metrics.json.

    Raises
    ------
    CaptureError
        If the table is missing or has too little weather.
    BundleError
        If the checkpoint is damaged or has other settings or other days held out by name.
    SkyGenError
        If a loss or a weight is no number; the last good checkpoint stays.
    """
    config = config or WeatherConfig()
    series = load_series(data_path, held_out)
    torch.manual_seed(config.seed)
    network = WeatherStep(config.hidden)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    fall = lambda s: 0.55 + 0.45 * float(np.cos(np.pi * s / config.steps))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, fall)
    step, checkpoint = 0, out_dir / CHECKPOINT
    settings = asdict(config) | ({} if held_out is None else {"held_out": sorted(set(held_out))})
    saved = read_checkpoint(checkpoint, settings, ()) if resume else None
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        step = int(saved["step"])

    def save() -> None:
        state = {
            "network": network.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
            "step": step, "config": settings, "deviation": list(series.deviation),
        }  # fmt: skip
        write_checkpoint(checkpoint, "weather", state)

    states, known = _padded(series, config.window)
    measured = [series.states[i] for i in series.training], [series.known[i] for i in series.training]
    wanted = torch.tensor(autocovariance(*measured, LAGS), dtype=torch.float32)
    wanted_cross = torch.tensor(cross_covariance(*measured), dtype=torch.float32)
    with Sitting(out_dir, "weather", config, step=step, steps=config.steps, max_minutes=minutes) as sitting:
        while sitting.goes_on(step):
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            losses = _losses(network, config, states, known, wanted, wanted_cross, generator)
            total = losses["likelihood"] + config.moment_weight * losses["moments"]
            total = total + config.meet_weight * losses["meet"]
            optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            sitting.note(step, {name: float(value.detach()) for name, value in losses.items()})
            if sitting.is_time_to_save():
                save()
        save()
    if step < config.steps:
        LOG.info("weather: %d of %d steps; --resume goes on.", step, config.steps)
    figures = measure_weather(network, series, config.warmup_steps)
    figures["steps"] = step
    with whole_file(out_dir / "metrics.json") as partial:
        partial.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    drawn("the plot of the series", lambda: plot_weather(network, series, config.warmup_steps, out_dir))
    return figures


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


def load_weather(checkpoint: Path) -> tuple[WeatherStep, dict[str, Any]]:
    """The trained network of a checkpoint, and the checkpoint.

    Raises
    ------
    BundleError
        If it cannot be read.
    """
    try:
        saved = torch.load(checkpoint, weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise BundleError(f"{checkpoint} cannot be read: {error}.", "Train the weather network again.") from error
    network = WeatherStep(int(saved["config"]["hidden"])).eval()
    network.load_state_dict(saved["network"])
    return network, saved


def export_weather(checkpoint: Path, path: Path) -> WeatherScale:
    """Write the graph of signature WEATHER to ``path`` (opset 20, static shapes) and return its scale.

    Raises
    ------
    BundleError
        If the checkpoint cannot be read or ONNX Runtime and torch differ by 1e-5 or more.
    """
    import onnxruntime

    network, saved = load_weather(checkpoint)
    generator = torch.Generator().manual_seed(1)
    example = tuple(torch.randn(1, size, generator=generator) for size in (4, network.hidden, network.hidden, 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        torch.onnx.export(
            network, example, str(partial), opset_version=20, dynamo=False,
            input_names=[t.name for t in WEATHER.inputs], output_names=[t.name for t in WEATHER.outputs],
        )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {t.name: v.numpy() for t, v in zip(WEATHER.inputs, example, strict=True)})
    with torch.no_grad():
        wanted = network(*example)
    difference = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, wanted, strict=True))
    if difference >= 1e-5:
        path.unlink()
        raise BundleError(f"The exported weather graph differs from torch by {difference:.1e}.", "Report this defect.")
    return WeatherScale(STEP_S, network.hidden, tuple(saved["deviation"]), int(saved["config"]["warmup_steps"]))
