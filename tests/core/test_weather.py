"""Weather with random access, checked with a walk whose statistics are known: AR(1) with unit variance."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from skygen_addon.core.bundle import WeatherScale
from skygen_addon.core.errors import RequestError
from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.core.weather import FADE_STEPS, SEGMENT_STEPS, _segment, apply_weather, weather_state

KEEP = 0.9
SCALE = WeatherScale(step_s=300.0, hidden=2, deviation=(1.5, 0.9, 0.6, 0.4), warmup_steps=96)
MONTH_STEPS = 30 * 288


def walk(state, hidden, cell, innovation):
    """AR(1): standard deviation 1, lag-1 autocorrelation KEEP."""
    return KEEP * state + math.sqrt(1 - KEEP**2) * innovation, hidden, cell


def at(time_s: float, seed: int = 3) -> np.ndarray:
    return weather_state(time_s, seed, SCALE, walk)


@pytest.fixture(scope="module")
def month() -> np.ndarray:
    """(steps, 4) of thirty days."""
    return np.array([at(step * SCALE.step_s) for step in range(MONTH_STEPS)])


def test_any_order_gives_the_same_bits():
    times = np.random.default_rng(0).uniform(-1e6, 1e6, 40)
    forwards = [at(t) for t in times]
    _segment.cache_clear()
    backwards = [at(t) for t in times[::-1]][::-1]
    assert np.array_equal(forwards, backwards)


@pytest.mark.parametrize("time_s", [-1e9, -1.0, 0.0, 1e9, 1e12])
def test_every_time_has_a_finite_state(time_s):
    state = at(time_s)
    assert state.shape == (4,) and np.isfinite(state).all() and np.abs(state).max() < 6


@pytest.mark.parametrize("time_s", [math.nan, math.inf, 1e13])
def test_no_time_is_refused(time_s):
    with pytest.raises(RequestError):
        at(time_s)


def test_seeds_are_independent(month):
    other = np.array([at(step * SCALE.step_s, seed=4) for step in range(2000)])
    # 2000 steps of AR(0.9) are about 105 independent ones, so a correlation has deviation 0.1
    assert abs(np.corrcoef(month[:2000, 0], other[:, 0])[0, 1]) < 0.4


def test_a_month_keeps_deviation_and_memory_of_the_walk(month):
    effective = MONTH_STEPS * (1 - KEEP) / (1 + KEEP)
    assert np.abs(month.std(0) - 1).max() < 4 / math.sqrt(effective)
    lag = (month[1:] * month[:-1]).mean(0) / (month**2).mean(0)
    assert np.abs(lag - KEEP).max() < 0.02


def test_a_month_does_not_drift(month):
    week = 7 * 288
    error = math.sqrt(2 * (1 + KEEP) / (1 - KEEP) / week)  # of the difference of two weekly means
    assert np.abs(month[-week:].mean(0) - month[:week].mean(0)).max() < 4 * error


def test_segments_join_like_any_other_step(month):
    moved = np.abs(np.diff(month, axis=0)).mean(1)
    joint = np.arange(1, MONTH_STEPS) % SEGMENT_STEPS
    near = np.isin(joint, [0, *range(SEGMENT_STEPS - FADE_STEPS, SEGMENT_STEPS)])
    ratio = moved[near].mean() / moved[~near].mean()
    assert abs(ratio - 1) < 0.1  # about 1200 steps near joints, each with relative deviation 0.4: error 0.015


def test_fade_keeps_the_walk_itself(month):
    innovation = month[1:] - KEEP * month[:-1]  # of one endless walk: independent of the state and of one another
    joint = np.arange(1, MONTH_STEPS) % SEGMENT_STEPS == 0
    assert abs(innovation[joint].std() / innovation[~joint].std() - 1) < 0.12  # 720 values: error 0.026


def test_time_between_steps_is_smooth():
    fine = np.array([at(t) for t in np.arange(0, 3600 * 6, 2.5)])
    steps = np.array([at(t) for t in np.arange(0, 3600 * 6, 300.0)])
    assert np.array_equal(fine[::120], steps)
    # the steepest cubic between two steps rises at most 2.25 times its mean plus half a neighbour's slope
    assert np.abs(np.diff(fine, axis=0)).max() < 3 * np.abs(np.diff(steps, axis=0)).max() / 120
    bend = np.abs(np.diff(fine, n=2, axis=0)).max()
    assert bend < 12 * np.abs(np.diff(steps, axis=0)).max() / 120**2  # no kink at the steps


REQUEST = SkyRequest(low=LayerRequest(cover=0.4), weather_strength=1.0)
STATE = np.array([1.0, -0.5, 0.8, 0.5])


def test_strength_zero_is_the_request_itself():
    request = dataclasses.replace(REQUEST, weather_strength=0.0)
    moved, grain = apply_weather(request, STATE, SCALE)
    assert moved is request and grain == 0


def test_no_deviation_changes_nothing():
    moved, grain = apply_weather(REQUEST, np.zeros(4), SCALE)
    assert grain == 0 and moved.haze == REQUEST.haze and moved.low.density == REQUEST.low.density
    assert moved.low.cover == pytest.approx(REQUEST.low.cover, rel=1e-12)


def test_deviations_act_in_their_units():
    moved, grain = apply_weather(REQUEST, STATE, SCALE)
    assert math.log(moved.low.cover / (1 - moved.low.cover)) == pytest.approx(math.log(0.4 / 0.6) + 1.5)
    assert moved.low.density == pytest.approx(2 ** (-0.5 * 0.9))
    assert moved.haze == pytest.approx(2 ** (0.5 * 0.4))
    assert 0 < grain < 0.8
    half, _ = apply_weather(dataclasses.replace(REQUEST, weather_strength=0.5), STATE, SCALE)
    assert half.haze == pytest.approx(2 ** (0.25 * 0.4))


@pytest.mark.parametrize("cover", [0.0, 1.0])
def test_empty_and_full_layers_stay(cover):
    request = dataclasses.replace(REQUEST, low=LayerRequest(cover=cover))
    moved, _ = apply_weather(request, STATE, SCALE)
    assert moved.low.cover == cover and moved.high.cover == 0


def test_extremes_stay_in_range():
    request = dataclasses.replace(REQUEST, low=LayerRequest(cover=0.999, density=10.0), haze=20.0, weather_strength=2.0)
    for sign in (-1, 1):
        moved, grain = apply_weather(request, sign * np.full(4, 6.0), SCALE)  # SkyRequest checks its own ranges
        assert -1 <= grain <= 1 and 0 <= moved.low.cover <= 1


def test_high_layer_follows_more_weakly():
    high = dataclasses.replace(REQUEST.high, cover=0.4)
    moved, _ = apply_weather(dataclasses.replace(REQUEST, high=high), np.array([1.0, 0, 0, 0]), SCALE)
    assert 0.4 < moved.high.cover < moved.low.cover
