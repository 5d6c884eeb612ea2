"""Whatever a request may hold, its picture is finite and nowhere negative."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.request import CLOUD_TYPES, LAYER_RANGES, LayerRequest, SkyRequest

Sky = Callable[[SkyRequest], FloatArray]


def _number(chance: random.Random, low: float, high: float) -> float:
    """Either end with a quarter of the chance, otherwise anything between."""
    return chance.choice((low, high, chance.uniform(low, high), chance.uniform(low, high)))


def _layer(chance: random.Random, lowest_km: float) -> LayerRequest:
    values = {name: _number(chance, low, high) for name, (low, high) in LAYER_RANGES.items()}
    values["base_km"] = max(values["base_km"], lowest_km)
    types = [0.0] * len(CLOUD_TYPES)
    for _ in range(2):
        types[chance.randrange(len(types))] = chance.uniform(0.01, 1)
    return LayerRequest(
        **values,
        type_mix=tuple(types),
        stretch_azimuth_rad=_number(chance, -100, 100),
        displacement_km=(_number(chance, -1e9, 1e9), _number(chance, -1000, 1000)),
        evolution_phase=_number(chance, -1e9, 1e9),
    )


def random_request(seed: int) -> SkyRequest:
    """A request of 64 pixels anywhere in the ranges of its fields."""
    chance = random.Random(seed)
    low = _layer(chance, 0.0)
    top_km = low.base_km + low.thickness_km
    if top_km > LAYER_RANGES["base_km"][1]:  # there must be room for the high layer
        low = LayerRequest(cover=low.cover, density=low.density, base_km=0.1, thickness_km=12.0)
        top_km = 12.1
    return SkyRequest(
        seed=chance.randrange(2**31),
        time_s=_number(chance, -1e6, 1e6),
        sun_azimuth_rad=_number(chance, -100, 100),
        sun_elevation_rad=_number(chance, -math.pi / 2, math.pi / 2),
        low=low,
        high=_layer(chance, top_km),
        haze=_number(chance, 0, 20),
        exposure_ev=_number(chance, -20, 20),
        ground_albedo=tuple(_number(chance, 0, 1) for _ in range(3)),  # type: ignore[arg-type]
        sun_disc=chance.random() < 0.5,
        width=64,
        weather_strength=_number(chance, 0, 2),
        white_balance_k=_number(chance, 4000, 25000),
        white_balance_tint=_number(chance, -100, 100),
    )


@pytest.mark.parametrize("seed", range(10))
def test_random_requests_give_finite_pictures(seed: int, sky: Sky) -> None:
    request = random_request(seed)
    panorama = sky(request)
    assert panorama.shape == (32, 64, 3)
    assert np.isfinite(panorama).all() and panorama.min() >= 0, request
