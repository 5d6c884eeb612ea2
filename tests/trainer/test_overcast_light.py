"""An overcast as seen from beneath: where the path tracer sees it bright and dark, the formula does too."""

from __future__ import annotations

import math

import numpy as np
import torch

from skygen_addon.core.request import CLOUD_TYPES, LayerRequest, SkyRequest
from trainer.networks.cloud_light import ABOVE_FACTOR, settled_slant
from trainer.simulate.reference import TraceOptions, trace_reference
from trainer.simulate.simulated_sky import disc_dome
from trainer.simulate.volume_states import SkyState, VolumeMaker

SUN_SLOPE = 0.67
RAYS, PATHS = 30, 6000
"""Of a line across the sky, and of each of its rays."""


def test_structure_of_an_overcast_is_the_path_tracers() -> None:
    mix = tuple({"stratus": 0.55, "stratocumulus": 0.45}.get(name, 0.0) for name in CLOUD_TYPES)
    layer = LayerRequest(
        cover=1.0, type_mix=mix, density=1.2, base_km=0.7, thickness_km=0.6, texture_scale=1.2, stretch=1.0
    )
    request = SkyRequest(seed=5, sun_azimuth_rad=3.0, sun_elevation_rad=math.asin(SUN_SLOPE), low=layer)
    volume = VolumeMaker(256).layer(SkyState(request, 0.0), 0)
    assert volume is not None
    elevation, azimuth = math.radians(40), np.linspace(0, 2 * math.pi, RAYS, endpoint=False)
    line = np.stack(
        [
            math.cos(elevation) * np.sin(azimuth),
            math.cos(elevation) * np.cos(azimuth),
            np.full(RAYS, math.sin(elevation)),
        ],
        -1,
    )
    view = torch.from_numpy(line.astype(np.float32))
    traced = trace_reference(volume, view, TraceOptions(paths_per_ray=PATHS, sharp_orders=1), 3)
    dome = disc_dome(volume, view[None], 6)[:, 0]
    for want, have in ((traced.sun_scatter, dome[1]), (traced.sky_scatter, dome[2])):
        want, have = torch.log(want), torch.log(have)
        # The tracer's own noise, nearly half of the deviation between the rays, leaves 0.9 at best.
        assert float(torch.corrcoef(torch.stack([want, have]))[0, 1]) > 0.7
        assert 0.4 < float(have.std() / want.std()) < 1.5


def test_deep_inside_a_wide_layer_the_way_to_the_sun_is_forgotten() -> None:
    slope, layer = torch.tensor(SUN_SLOPE), ABOVE_FACTOR * SUN_SLOPE
    own = torch.tensor([0.7, 1.0, 1.3]) * layer
    deep = settled_slant(own.clamp(max=1.0), slope, torch.tensor(10.0))
    assert float((deep / layer - 1).abs().max()) < 0.02
    shallow = settled_slant(own, slope, torch.tensor(0.0))
    torch.testing.assert_close(shallow, own)
    side = torch.tensor(1.0)  # a cloud's side under a low sun is no layer
    assert float(settled_slant(side, torch.tensor(0.09), torch.tensor(10.0))) > 0.8
