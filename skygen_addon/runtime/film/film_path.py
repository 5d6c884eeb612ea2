"""The path of a sky that moves: how far two of its moments are apart, and where it goes on to.

A moment is a point with a coordinate for all that changes slowly while a film plays: wind, evolution, sun, place in a
loop, weather. Each is measured in units of what a carried picture bridges well. Where the next still is under way a
picture is carried farther, for one whose clouds go on is nearer to the truth than one that stands; but not its light.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.geometry import direction_from_angles
from ...core.request import LayerRequest, SkyRequest, uncomposed

SEEN_DEG = 30.0
"""Clouds are carried as far as those are away that stand so high: from there to overhead."""
EVOLUTION_LIMIT = 0.15
"""Of what replaces a cloud."""
SUN_LIMIT_DEG = 3.0
LIGHT_LIMIT = 1.5
"""Ratio of daylight: a carried picture has that of its stills, and about sunset some degrees of sun are a tenfold."""
DARK_DEG = -18.0
"""Below it the sun changes nothing any more."""
LOOP_LIMIT_RAD = 0.15
UNSTEADY = 6.0
"""Ratio of two steps from which on a sky is turned by hand; frames that are left out make steps longer too."""
_LEAST_TIME_S = 1e-3
WEATHER_LIMIT_S = 600.0
"""Sky time in which evolving weather changes clouds little."""
REACH = 4.0
"""How far the clouds of a sky that plays are carried: to 4 units nearer to the truth than a picture that stands."""
_LIGHT = slice(6, 10)
"""Coordinates of sun and daylight: a sun farther on would leave its glow."""


def same_sky(one: SkyRequest, other: SkyRequest) -> bool:
    """Whether two requests are moments of one film: nothing differs but what moves, and what composing decides."""
    return _settings(one) == _settings(other)


def _settings(request: SkyRequest) -> SkyRequest:
    return replace(
        uncomposed(request),
        time_s=0.0,
        sun_azimuth_rad=0.0,
        sun_elevation_rad=0.0,
        low=_still_layer(request.low),
        high=_still_layer(request.high),
        loop_angle_rad=0.0,
        loop_weather_time_s=0.0,
    )


def _still_layer(layer: LayerRequest) -> LayerRequest:
    return replace(
        layer,
        displacement_km=(0.0, 0.0),
        evolution_phase=0.0,
        loop_displacement_km=(0.0, 0.0),
        loop_evolution_phase=0.0,
    )


def place(request: SkyRequest) -> NDArray[np.float64]:
    """Where a moment lies on its film's path, shape (12,), in units of what may be bridged."""
    coordinates: list[float] = []
    for layer in (request.low, request.high):
        limit_km = layer.base_km / math.tan(math.radians(SEEN_DEG))
        east, north = layer.displacement_km
        there = (east / limit_km, north / limit_km, layer.evolution_phase / EVOLUTION_LIMIT)
        coordinates += there if layer.cover > 0 else (0.0, 0.0, 0.0)
    sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad) / math.radians(SUN_LIMIT_DEG)
    light = math.log(_daylight(request.sun_elevation_rad)) / math.log(LIGHT_LIMIT)
    weather = request.time_s / WEATHER_LIMIT_S if request.weather_strength > 0 else 0.0
    return np.array([*coordinates, *sun, light, request.loop_angle_rad / LOOP_LIMIT_RAD, weather])


def _daylight(sun_elevation_rad: float) -> float:
    """About how bright a sky is: by day as the sun's elevation, in twilight by a factor of e for each degree."""
    return math.log1p(math.exp(max(math.degrees(sun_elevation_rad), DARK_DEG)))


def apart(one: NDArray[np.float64], other: NDArray[np.float64], reach: float = 1.0) -> float:
    """Distance of two places; up to 1 clouds are carried from one to the other.

    ``reach`` is by how much farther they are carried under the same light.
    """
    step = (one - other) / reach
    step[_LIGHT] *= reach
    return float(np.linalg.norm(step))


def is_steady(moments: Sequence[SkyRequest], times_s: Sequence[float]) -> bool:
    """Whether moments, three or more, lead on one way: no step turns back, or is much longer and faster than another.

    ``times_s`` are those at which they were asked for: a machine that was busy for a while has left out many, and one
    that answers them all at once asks for many in no time.
    """
    steps = np.diff([place(moment) for moment in moments], axis=0)
    if len(steps) < 2:
        return False
    lengths = np.linalg.norm(steps, axis=1)
    speeds = lengths / np.maximum(np.diff(times_s), _LEAST_TIME_S)
    forward = (steps[1:] * steps[:-1]).sum(1) > 0
    even = any(bool(sizes.max() <= UNSTEADY * sizes.min()) for sizes in (lengths, speeds))
    return bool(forward.all()) and even


def gone_on(before: SkyRequest, now: SkyRequest, times: float) -> SkyRequest:
    """The moment that comes when the path goes on from ``now`` so many times as far as it came since ``before``."""

    def further(name: str) -> float:
        last = float(getattr(now, name))
        return last + (last - float(getattr(before, name))) * times

    def layer(name: str) -> LayerRequest:
        one: LayerRequest = getattr(before, name)
        other: LayerRequest = getattr(now, name)

        def moved(key: str) -> tuple[float, float]:
            last = np.asarray(getattr(other, key))
            east, north = (last + (last - np.asarray(getattr(one, key))) * times).tolist()
            return east, north

        def evolved(key: str) -> float:
            return float(getattr(other, key) + (getattr(other, key) - getattr(one, key)) * times)

        return replace(
            other,
            displacement_km=moved("displacement_km"),
            evolution_phase=evolved("evolution_phase"),
            loop_displacement_km=moved("loop_displacement_km"),
            loop_evolution_phase=evolved("loop_evolution_phase"),
        )

    turn = math.remainder(now.sun_azimuth_rad - before.sun_azimuth_rad, math.tau)
    return replace(
        now,
        time_s=further("time_s"),
        sun_azimuth_rad=math.remainder(now.sun_azimuth_rad + turn * times, math.tau),
        sun_elevation_rad=min(max(further("sun_elevation_rad"), -math.pi / 2), math.pi / 2),
        low=layer("low"),
        high=layer("high"),
        loop_angle_rad=min(max(further("loop_angle_rad"), 0.0), math.pi / 2),
        loop_weather_time_s=further("loop_weather_time_s"),
    )
