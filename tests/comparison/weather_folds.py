"""The weather network beside an AR(1) and a shuffled series, each day judged by networks that have not seen it.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.weather_folds data/captures/timelapse.npz build/comparison/weather

Every day with changing weather is left out once: a network and an AR(1) per channel are fitted to the other days and
walk freely. Prints, for each channel, distances of what they give to what was left out: of the distribution
(Wasserstein, in deviations of the measured; a shuffled day keeps its own), of the autocorrelation (root mean square
over lags to two hours) and of the spectrum (root mean square of log10 over the periods of
:mod:`trainer.training.weather_figures`). Once day by day, the mean weighted by what was measured, and once of the
statistics of all days together beside those of all models together, where what days have of their own drops out. With
each stands the share of bootstrap resamples of days in which the network is nearer. Measured days are without their
slow mean, as the network learns them; an AR(1) has no such mean, and its correlation cannot fall below 0.
Draws weather.png. Two to five minutes a day; what is trained is kept in the folder and found there again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from skygen_addon.core.signatures import WEATHER_STATE
from trainer.networks.weather import free_run
from trainer.training.weather import CHECKPOINT, WeatherConfig, load_weather, train_weather
from trainer.training.weather_figures import PERIODS_MIN
from trainer.training.weather_series import STEP_S, autocovariance, fit_autoregression, load_series, spectrum

LAGS = tuple(range(24))
"""Steps of the autocovariances, as many as the spectrum takes."""
RUNS, STEPS = 16, 1200
"""Free walks of each model, and their steps after the warm-up."""
SHUFFLES = 200
RESAMPLES = 1000
QUANTILES = (np.arange(200) + 0.5) / 200
MODELS = ("lstm", "ar1", "shuffled")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Walk:
    """Series of one day or model, in units before scaling."""

    states: list[Array]
    """(n, 4) each."""
    known: list[Array]
    """(n, 4) 1 where measured."""

    @cached_property
    def covariance(self) -> Array:
        """(24, 4) autocovariances."""
        return autocovariance(self.states, self.known, LAGS)

    @cached_property
    def quantiles(self) -> Array:
        """(200, 4) of the known values; 0 for a channel that was never measured."""
        found = np.zeros((len(QUANTILES), len(WEATHER_STATE)))
        for channel in range(len(WEATHER_STATE)):
            values = [x[k[:, channel] > 0, channel] for x, k in zip(self.states, self.known, strict=True)]
            if sum(map(len, values)):
                found[:, channel] = np.quantile(np.concatenate(values), QUANTILES)
        return found


@dataclass(frozen=True)
class Fold:
    """One day, and what models that have not seen it make instead."""

    name: str
    measured: Walk
    models: dict[str, Walk]
    likelihood: dict[str, float]
    """Mean negative log likelihood of the day, nats a known value."""


def fold(data: Path, folder: Path, day: str) -> Fold:
    """Fit to all days but one."""
    series = load_series(data, [day])
    config, scale = WeatherConfig(), np.array(series.deviation)
    figures = train_weather(data, folder / day, minutes=60, held_out=[day])
    network, _ = load_weather(folder / day / CHECKPOINT)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        innovations = torch.randn(config.warmup_steps + STEPS, RUNS, 4, generator=generator)
        lstm = free_run(network, network.start(RUNS), innovations)[config.warmup_steps :].double().numpy()
    seen = [series.states[i] for i in series.training], [series.known[i] for i in series.training]
    auto, rng = fit_autoregression(*seen), np.random.default_rng(1)
    ar1 = np.empty((STEPS, RUNS, 4))
    ar1[0] = rng.normal(size=(RUNS, 4)) * auto.spread / np.sqrt(1 - auto.keep**2)
    for step in range(1, STEPS):
        ar1[step] = auto.keep * ar1[step - 1] + auto.spread * rng.normal(size=(RUNS, 4))
    (index,) = series.held_out
    own, known = series.states[index] * scale, series.known[index]
    models = {name: _walk(run * scale) for name, run in (("lstm", lstm), ("ar1", ar1))}
    models["shuffled"] = Walk([_shuffled(own, known, rng) for _ in range(SHUFFLES)], [known] * SHUFFLES)
    likelihood = {"lstm": figures["nll_lstm_held_out"], "ar1": figures["nll_ar1_held_out"]}
    return Fold(day, Walk([own], [known]), models, likelihood)


def _walk(run: Array) -> Walk:
    return Walk(list(run.transpose(1, 0, 2)), [np.ones(run[:, 0].shape)] * run.shape[1])


def _shuffled(states: Array, known: Array, rng: np.random.Generator) -> Array:
    """The known values of each channel in another order."""
    found = states.copy()
    for channel in range(states.shape[1]):
        places = known[:, channel] > 0
        found[places, channel] = rng.permutation(states[places, channel])
    return found


def curves(walks: list[Walk], weights: Array) -> tuple[Array, Array, Array]:
    """Quantiles (200, 4), autocorrelations (24, 4) and log10 spectra (periods, 4) of weighted series.

    Parameters
    ----------
    walks : list of Walk
        One a day.
    weights : ndarray, shape (days, 4)
        How much each of them counts.
    """
    covariance = (np.stack([walk.covariance for walk in walks]) * weights[:, None]).sum(0) / weights.sum(0)
    values = np.concatenate([walk.quantiles for walk in walks])  # days x 200, 4
    shares = np.repeat(weights, len(QUANTILES), axis=0)
    quantiles = np.empty((len(QUANTILES), values.shape[1]))
    for channel in range(values.shape[1]):
        order = np.argsort(values[:, channel])
        share = shares[order, channel]
        place = (np.cumsum(share) - 0.5 * share) / share.sum()
        quantiles[:, channel] = np.interp(QUANTILES, place, values[order, channel])
    relative = covariance / np.where(covariance[0] > 0, covariance[0], np.nan)
    return quantiles, relative, np.log10(spectrum(relative, PERIODS_MIN))


def known_steps(folds: list[Fold]) -> Array:
    """How many steps of each day are known (days, 4)."""
    return np.stack([one.measured.known[0].sum(0) for one in folds])


def distances(folds: list[Fold], chosen: NDArray[np.int64]) -> dict[str, Array]:
    """For each model distances (3, 4) of distribution, autocorrelation and spectrum over the chosen days."""
    weights = known_steps(folds)[chosen]
    wanted = curves([folds[k].measured for k in chosen], weights)
    deviation = wanted[0].std(0)
    found = {}
    for name in MODELS:
        quantiles, relative, spectra = curves([folds[k].models[name] for k in chosen], weights)
        distribution = np.abs(quantiles - wanted[0]).mean(0) / deviation
        correlation = np.sqrt(((relative - wanted[1]) ** 2).mean(0))
        found[name] = np.stack([distribution, correlation, np.sqrt(((spectra - wanted[2]) ** 2).mean(0))])
    return found


def _weighted(values: Array, weights: Array) -> Array:
    """Mean (3, 4) of values (days, 3, 4) by weights (days, 4); a channel that a day does not know counts nothing."""
    shares = np.where(np.isfinite(values), weights[:, None], 0.0)
    return (np.nan_to_num(values) * shares).sum(0) / shares.sum(0)


def draw(folds: list[Fold], out: Path) -> None:
    """Cover: distribution, autocorrelation, spectrum, and a day beside walks of the same length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    weights = known_steps(folds)
    shown = {"measured": curves([one.measured for one in folds], weights)}
    shown |= {name: curves([one.models[name] for one in folds], weights) for name in MODELS}
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7), layout="constrained")
    hours = np.array(LAGS) * STEP_S / 3600
    colours = dict(zip(shown, ("black", "tab:blue", "tab:orange", "0.6"), strict=True))
    for name, (quantiles, relative, spectra) in shown.items():
        style = {"color": colours[name], "label": name, "lw": 2.5 if name == "measured" else 1.5}
        axes[0, 0].plot(quantiles[:, 0], QUANTILES, **style)
        axes[0, 1].plot(hours, relative[:, 0], **style)
        axes[1, 0].plot(PERIODS_MIN, spectra[:, 0], marker="o", **style)
    day = max(folds, key=lambda one: float(one.measured.known[0][:, 0].sum()))
    length = len(day.measured.states[0])
    time_h = np.arange(length) * STEP_S / 3600
    rows = {"measured": day.measured, **day.models}
    for shift, (name, walk) in enumerate(rows.items()):
        line = np.where(walk.known[0][:length, 0] > 0, walk.states[0][:length, 0], np.nan)
        axes[1, 1].plot(time_h, line - 5 * shift, color=colours[name], lw=1)
    titles = (
        ("distribution of cover (logit about the slow mean)", "logit", "share below"),
        ("autocorrelation of cover", "hours", ""),
        ("spectrum of cover, over its variance", "period, minutes", "log10"),
        (f"{day.name} and walks, one below the other", "hours", "logit"),
    )
    for axis, (title, across, up) in zip(axes.ravel(), titles, strict=True):
        axis.set(title=title, xlabel=across, ylabel=up)
    axes[1, 0].set_xscale("log")
    axes[1, 0].set_xticks(PERIODS_MIN, [f"{period:.0f}" for period in PERIODS_MIN])
    axes[1, 0].minorticks_off()
    axes[0, 1].legend()
    figure.savefig(out, dpi=80)
    pyplot.close(figure)


def main(data: Path, folder: Path) -> None:
    """Train, print and draw."""
    series = load_series(data)
    folds = [fold(data, folder, series.names[i]) for i in series.active]
    print(f"{len(folds)} days, each left out once: {', '.join(one.name for one in folds)}")
    rng = np.random.default_rng(0)
    resamples = [rng.integers(0, len(folds), len(folds)) for _ in range(RESAMPLES)]
    single = [distances(folds, np.array([k])) for k in range(len(folds))]
    weights = known_steps(folds)

    def by_day(chosen: NDArray[np.int64]) -> dict[str, Array]:
        return {m: _weighted(np.stack([single[k][m] for k in chosen]), weights[chosen]) for m in MODELS}

    for title, measure in (("day by day", by_day), ("all days together", lambda chosen: distances(folds, chosen))):
        print(title)
        found, resampled = measure(np.arange(len(folds))), [measure(chosen) for chosen in resamples]
        for row, what in enumerate(("distribution", "autocorrelation", "spectrum")):
            for channel, name in enumerate(WEATHER_STATE):
                texts = [f"{model} {found[model][row, channel]:.3f}" for model in MODELS]
                nearer = [
                    np.mean([one["lstm"][row, channel] < one[other][row, channel] for one in resampled])
                    for other in ("ar1", "shuffled")
                ]
                shares = f"nearer than ar1 in {nearer[0]:.0%}, than shuffled in {nearer[1]:.0%}"
                print(f"  {what:16s} {name:8s} {'  '.join(texts)}   network {shares}")
    for model in ("lstm", "ar1"):
        mean = float(np.average([one.likelihood[model] for one in folds], weights=weights.sum(1)))
        print(f"negative log likelihood of a step, {model}: {mean:.4f} nats")
    print("days the network tells better:", sum(one.likelihood["lstm"] < one.likelihood["ar1"] for one in folds))
    draw(folds, folder / "weather.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
