"""Weather at any moment: a small state that walks about the artist's target, endlessly, with random access.

The walk is a recurrent network driven by innovations that are hashed from (seed, step). It forgets:
two walks with the same innovations agree to 1e-3 of a deviation after ``warmup_steps``, wherever
they began. So time is cut into segments; each starts from zero a warm-up before it is needed, and
neighbours are cross-faded where they already agree. Nothing depends on the frames asked before.

States are in the order of WEATHER_STATE and in units of ``WeatherScale.deviation``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .bundle import WeatherScale
from .errors import RequestError
from .lattice import hashed_normal
from .request import LayerRequest, SkyRequest
from .signatures import WEATHER_STATE

StateArray = NDArray[np.float32]
WeatherStep = Callable[[StateArray, StateArray, StateArray, StateArray], tuple[StateArray, StateArray, StateArray]]
"""(state (1, 4), hidden (1, H), cell (1, H), innovation (1, 4)) to next state, hidden and cell: the graph WEATHER."""

STREAM = 0x57454154
"""Stream of the hash that belongs to the weather."""
SEGMENT_STEPS = 48
"""Steps of a segment."""
FADE_STEPS = 6
"""Steps over which a segment takes over from the one before it."""
HIGH_LAYER_COVER = (0.5, 0.0, -0.3, 0.0)
"""How much of each deviation moves the high layer's cover: less than the low layer's, more in smooth weather."""
HIGH_LAYER_DENSITY = 0.5
"""Share of the density deviation that the high layer follows."""
GRAIN_PER_DEVIATION = 0.5
"""Slope of the condition ``grain`` at no deviation."""


def weather_state(time_s: float, seed: int, scale: WeatherScale, step: WeatherStep) -> NDArray[np.float64]:
    """Weather at one moment.

    Parameters
    ----------
    time_s : float
        Sky time in seconds, any sign, up to 1e12 in size.
    seed : int
        Chooses the walk.
    scale : WeatherScale
        Of the bundle to which ``step`` belongs.
    step : callable
        The network; the same object each time lets finished segments be kept.

    Returns
    -------
    ndarray, shape (4,), float64
        WEATHER_STATE deviations from the target in training deviations; continuous with a
        continuous first derivative in time except where segments join, where both hold to 1e-3.

    Raises
    ------
    RequestError
        If ``time_s`` is not finite or larger than 1e12.
    """
    if not (math.isfinite(time_s) and abs(time_s) <= 1e12):
        raise RequestError(f"The sky time is {time_s!r} s.", "Give a time between -1e12 and 1e12 seconds.")
    position = time_s / scale.step_s
    whole = math.floor(position)
    t = position - whole
    before, here, after, later = (_state_at_step(whole + k, seed, scale, step) for k in (-1, 0, 1, 2))
    # Catmull and Rom 1974: through every step, with the slope of its neighbours
    slope_here, slope_after = (after - before) / 2, (later - here) / 2
    rise = after - here
    cubic = slope_here + slope_after - 2 * rise
    square = 3 * rise - 2 * slope_here - slope_after
    return np.asarray(here + t * (slope_here + t * (square + t * cubic)), dtype=np.float64)


def _state_at_step(index: int, seed: int, scale: WeatherScale, step: WeatherStep) -> NDArray[np.float64]:
    segment, inside = divmod(index, SEGMENT_STEPS)
    state: NDArray[np.float64] = _segment(segment, seed, scale, step)[FADE_STEPS + inside]
    ahead = SEGMENT_STEPS - inside  # steps until the next segment begins
    if ahead <= FADE_STEPS:
        weight = 1 - ahead / (FADE_STEPS + 1)
        following = _segment(segment + 1, seed, scale, step)[FADE_STEPS - ahead]
        state = np.asarray(state * (1 - weight) + following * weight, dtype=np.float64)
    return state


@lru_cache(maxsize=64)
def _segment(segment: int, seed: int, scale: WeatherScale, step: WeatherStep) -> NDArray[np.float64]:
    """States (FADE_STEPS + SEGMENT_STEPS, 4) that begin FADE_STEPS before the segment does."""
    count = FADE_STEPS + SEGMENT_STEPS
    first = segment * SEGMENT_STEPS - FADE_STEPS - scale.warmup_steps
    indices = first + np.arange(scale.warmup_steps + count, dtype=np.int64)
    channels = np.arange(len(WEATHER_STATE), dtype=np.int64)
    innovations = hashed_normal(seed, STREAM, np.stack(np.broadcast_arrays(indices[:, None], channels[None]), axis=-1))
    state: StateArray = np.zeros((1, len(WEATHER_STATE)), dtype=np.float32)
    hidden: StateArray = np.zeros((1, scale.hidden), dtype=np.float32)
    cell: StateArray = np.zeros((1, scale.hidden), dtype=np.float32)
    states = np.empty((len(indices), len(WEATHER_STATE)), dtype=np.float64)
    for row, innovation in enumerate(innovations):
        state, hidden, cell = step(state, hidden, cell, innovation[None])
        states[row] = state[0]
    states = states[scale.warmup_steps :]
    states.flags.writeable = False
    return states


def apply_weather(request: SkyRequest, state: NDArray[np.float64], scale: WeatherScale) -> tuple[SkyRequest, float]:
    """The request as the weather has it, and the grain that it gives to the clouds.

    Parameters
    ----------
    request : SkyRequest
        The artist's targets; ``weather_strength`` scales every deviation.
    state : ndarray, shape (4,)
        From :func:`weather_state`.
    scale : WeatherScale
        Units of the state.

    Returns
    -------
    request : SkyRequest
        Same object at strength 0; else with cover, density and haze moved within their ranges. A
        cover of exactly 0 or 1 and a haze of 0 stay.
    grain : float
        Condition channel ``grain``, -1 (smooth) to 1 (fine).
    """
    strength = request.weather_strength
    if strength == 0:
        return request, 0.0
    deviation = np.asarray(scale.deviation, dtype=np.float64)
    cover, density, grain, haze = (float(v) for v in strength * np.asarray(state, dtype=np.float64))
    high_cover = float(np.dot(HIGH_LAYER_COVER, (cover, density, grain, haze)))
    low = _moved_layer(request.low, deviation[0] * cover, deviation[1] * density)
    high = _moved_layer(request.high, deviation[0] * high_cover, HIGH_LAYER_DENSITY * deviation[1] * density)
    moved_haze = min(request.haze * 2.0 ** float(deviation[3] * haze), 20.0)
    return dataclasses.replace(request, low=low, high=high, haze=moved_haze), math.tanh(GRAIN_PER_DEVIATION * grain)


def _moved_layer(layer: LayerRequest, cover_logit: float, density_log2: float) -> LayerRequest:
    """The layer with its cover moved by a logit and its density by powers of two."""
    cover = layer.cover
    if 0 < cover < 1:
        cover = 1 / (1 + math.exp(-(math.log(cover / (1 - cover)) + cover_logit)))
    density = min(max(layer.density * 2.0 ** float(density_log2), 0.05), 10.0)
    return dataclasses.replace(layer, cover=cover, density=density)
