"""States that move: wind and evolution for a drawn state, integrated as the engine does it.

States are turned so that the sun stands in the north, as on all training discs; nothing else on
the disc knows north. The sun stands still, so the discs of a sequence share one orientation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skygen_addon.core.controls import LayerControls, SkyControls
from skygen_addon.core.request import CLOUD_TYPES, WIDTH_RANGE, LayerRequest
from skygen_addon.core.timeline import requests_for_frames

from .volume_states import SkyState

LOW_WIND_M_S, HIGH_WIND_M_S = (2.0, 20.0), (8.0, 45.0)
"""Ranges of wind speed, drawn evenly in the logarithm."""
EVOLUTION_PER_HOUR = (0.5, 6.0)
"""Range of the rate at which features are replaced, drawn the same way."""
_MOTION_STREAM = 77


def draw_motion(state: SkyState, seed: int, index: int) -> SkyControls:
    """Controls of a state, sun in the north, with wind and evolution number ``index`` of the series ``seed``.

    Clouds move along their stretch, toward either end of it.
    """
    rng = np.random.default_rng([seed, index, _MOTION_STREAM])
    request = state.request

    def layer(values: LayerRequest, wind_m_s: tuple[float, float]) -> LayerControls:
        along_rad = values.stretch_azimuth_rad - request.sun_azimuth_rad + math.pi * float(rng.integers(2))
        return LayerControls(
            cover=values.cover,
            types=dict(zip(CLOUD_TYPES, values.type_mix, strict=True)),
            density=values.density,
            base_km=values.base_km,
            thickness_km=values.thickness_km,
            texture_scale=values.texture_scale,
            stretch=values.stretch,
            wind_speed_m_s=_log_uniform(rng, wind_m_s),
            wind_toward_deg=math.degrees(along_rad) % 360,
            evolution_per_hour=_log_uniform(rng, EVOLUTION_PER_HOUR),
        )

    return SkyControls(
        sun_azimuth_deg=0.0,
        sun_elevation_deg=math.degrees(request.sun_elevation_rad),
        low=layer(request.low, LOW_WIND_M_S),
        high=layer(request.high, HIGH_WIND_M_S),
        haze=request.haze,
        ground_albedo=request.ground_albedo,
        sun_disc=False,
    )


def states_at(state: SkyState, controls: SkyControls, frames: Sequence[int], step_s: float) -> list[SkyState]:
    """The state after each number of steps in ``frames``, of ``step_s`` sky seconds; each is what it is alone."""
    moving = replace(controls, time_scale=step_s)
    requests = requests_for_frames(
        lambda _: moving, frames, fps=1.0, first_frame=0, seed=state.request.seed, width=WIDTH_RANGE[0]
    )
    return [SkyState(request, state.grain) for request in requests]


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))
