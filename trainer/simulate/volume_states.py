"""Random sky states for simulated skies, and the cloud volumes that belong to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.geometry import direction_from_angles, plane_matrix, stretch_axis
from skygen_addon.core.request import CLOUD_TYPES, LayerRequest, SkyRequest
from skygen_addon.core.signatures import layer_shells
from trainer.networks.procedural_field import ProceduralField
from trainer.networks.vertical_profile import TEXEL_KM

from .cloud_volume import CloudVolume, make_volume


@dataclass(frozen=True)
class LayerHabit:
    """Where a cloud type is found, as ranges that states are drawn from."""

    type_name: str
    """One of CLOUD_TYPES."""
    weight: float
    """How often the layer is of this type."""
    base_km: tuple[float, float]
    """Range of the base."""
    thickness_km: tuple[float, float]
    """Range of the thickness."""
    texture_scale: tuple[float, float]
    """Range of the texture scale."""


LOW_HABITS = (
    LayerHabit("cumulus", 3.0, (0.6, 2.2), (0.5, 2.0), (0.6, 1.6)),
    LayerHabit("stratocumulus", 2.0, (0.5, 2.0), (0.3, 0.8), (0.7, 2.0)),
    LayerHabit("altocumulus", 1.0, (2.2, 4.0), (0.2, 0.6), (0.4, 1.2)),
    LayerHabit("stratus", 1.0, (0.2, 1.2), (0.3, 0.9), (0.8, 2.5)),
    LayerHabit("towering_cumulus", 1.0, (0.6, 1.8), (2.0, 5.0), (0.8, 2.2)),
)
HIGH_HABITS = (
    LayerHabit("cirrus", 3.0, (7.0, 10.0), (0.4, 1.5), (1.5, 4.0)),
    LayerHabit("altocumulus", 1.5, (4.5, 6.5), (0.2, 0.7), (0.5, 2.0)),
    LayerHabit("stratus", 0.5, (4.5, 7.0), (0.4, 1.2), (1.0, 4.0)),
)


@dataclass(frozen=True)
class SkyState:
    """One simulated sky."""

    request: SkyRequest
    """What an artist would ask for."""
    grain: float
    """Condition channel ``grain``, -1 to 1."""


def draw_state(seed: int, index: int) -> SkyState:
    """State number ``index`` of the series ``seed``; independent of all others."""
    rng = np.random.default_rng([seed, index])
    elevation_deg = rng.uniform(60, 90) if rng.random() < 0.12 else -2 + 66 * rng.random() ** 1.4
    has_low = rng.random() < 0.88
    has_high = rng.random() < 0.35 or not has_low
    low = _draw_layer(rng, LOW_HABITS, has_low)
    high = _draw_layer(rng, HIGH_HABITS, has_high)
    top_km = low.base_km + low.thickness_km
    if high.base_km < top_km:
        high = _raised(high, top_km + 0.3)
    red, green, blue = (float(a) for a in rng.uniform(0.05, 0.4) * rng.uniform(0.8, 1.2, 3))
    request = SkyRequest(
        seed=int(rng.integers(2**31)),
        sun_azimuth_rad=float(rng.uniform(0, 2 * math.pi)),
        sun_elevation_rad=math.radians(float(elevation_deg)),
        low=low,
        high=high,
        haze=float(np.exp(rng.uniform(math.log(0.3), math.log(5.0)))),
        ground_albedo=(red, green, blue),
    )
    return SkyState(request, float(np.clip(0.5 * rng.standard_normal(), -1, 1)))


def _draw_layer(rng: np.random.Generator, habits: tuple[LayerHabit, ...], present: bool) -> LayerRequest:
    weights = np.array([habit.weight for habit in habits])
    habit = habits[int(rng.choice(len(habits), p=weights / weights.sum()))]
    other = habits[int(rng.choice(len(habits), p=weights / weights.sum()))]
    share = float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0
    mix = [0.0] * len(CLOUD_TYPES)
    mix[CLOUD_TYPES.index(habit.type_name)] += 1 - share
    mix[CLOUD_TYPES.index(other.type_name)] += share
    cover = float(rng.uniform(0.85, 1.0)) if rng.random() < 0.2 else float(rng.uniform(0.1, 0.85))
    return LayerRequest(
        cover=cover if present else 0.0,
        type_mix=tuple(mix),
        density=float(np.exp(rng.uniform(math.log(0.4), math.log(2.5)))),
        base_km=float(rng.uniform(*habit.base_km)),
        thickness_km=float(rng.uniform(*habit.thickness_km)),
        texture_scale=float(rng.uniform(*habit.texture_scale)),
        stretch=float(rng.uniform(1, 4)) if rng.random() < 0.3 else 1.0,
        stretch_azimuth_rad=float(rng.uniform(0, math.pi)),
    )


def _raised(layer: LayerRequest, base_km: float) -> LayerRequest:
    values = dict(vars(layer))
    values["base_km"] = min(base_km, 15.0)
    return LayerRequest(**values)


class VolumeMaker:
    """Builds volumes of states with the procedural field.

    Parameters
    ----------
    window : int
        Texels along the side of each nested window.
    """

    def __init__(self, window: int) -> None:
        self.field = ProceduralField(window).eval()

    def layer(self, state: SkyState, index: int) -> CloudVolume | None:
        """Volume of the low (0) or high (1) layer; None without cover."""
        request = state.request
        layer = (request.low, request.high)[index]
        if layer.cover <= 0:
            return None
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
        shells = layer_shells(index, layer.thickness_km)
        depth = self._field_volume(layer, 2 * request.seed + index, shells, state.grain)
        extinction = depth * (layer.density / layer.thickness_km)
        height = torch.linspace(0.0, 1.0, shells)
        matrix = torch.tensor(plane_matrix(layer.stretch, layer.stretch_azimuth_rad), dtype=torch.float32)
        return make_volume(
            extinction,
            layer.base_km + layer.thickness_km * height,
            TEXEL_KM * layer.texture_scale,
            torch.tensor(sun, dtype=torch.float32),
            matrix,
        )

    def _field_volume(self, layer: LayerRequest, seed: int, shells: int, grain: float) -> Tensor:
        """Optical depth per layer thickness (L, k, N, N) of a uniform condition."""
        lattice = self.field.lattice
        generator = torch.Generator().manual_seed(seed)
        noise = [torch.randn(1, n.channels, n.size, n.size, generator=generator) for n in lattice.noise]
        weights = np.array(layer.type_mix) / sum(layer.type_mix)
        along = stretch_axis(layer.stretch, layer.stretch_azimuth_rad)
        channels = torch.tensor([layer.cover, *weights, grain, *along], dtype=torch.float32)
        cells = lattice.condition_size
        condition = channels[None, :, None, None].expand(1, -1, cells, cells)
        with torch.no_grad():
            volume: Tensor = self.field(*noise, condition, torch.linspace(0.0, 1.0, shells))
        return volume
