"""Our path tracer against stored means of Blender's Cycles on the same cloud volume (tests/comparison)."""

from __future__ import annotations

import pytest
import torch

from tests.comparison.cloud_volume_scene import VIEWS, heaps, trace_views

CYCLES_SUN = {60.0: (0.1268, 0.0896, 0.0478), 20.0: (0.0486, 0.0522, 0.0264), 5.0: (0.0266, 0.0294, 0.0116)}
"""Radiance per unit of sun irradiance in 1/sr by sun elevation in degrees, per view; Cycles 4.5.15, within 1 to 3 %."""
CYCLES_SKY, CYCLES_GROUND = (0.3863, 0.1776, 0.3159), (0.2442, 0.0848, 0.2652)
"""Radiance per unit of uniform radiance from above and below the horizon; within 0.3 %."""
CYCLES_TRANSMITTANCE = (0.3695, 0.7376, 0.4189)
PER_SIDE, MAX_FLIGHTS = 3, 120
"""Nine paths a pixel; 0.6 % of them, which bring no more than 0.05 % of the sun's light, are still under way then."""


@pytest.mark.parametrize("sun", list(CYCLES_SUN))
def test_the_path_tracer_gives_the_light_of_cycles(sun: float) -> None:
    torch.set_num_threads(1)
    options = {"exact_sun": True, "max_flights": MAX_FLIGHTS}
    light = trace_views(heaps(sun), list(VIEWS), PER_SIDE, seed=int(sun), **options).mean((2, 3))  # v 4
    scatter, sky, ground, transmittance = light.T
    # Few paths meet the forward peak: over five seeds standard errors are 3 % for all views, 2 to 10 % for one. With 24
    # times the paths the means are 0.6 % above, 0.3 % above and 2.7 % below those of Cycles, by falling sun.
    assert float(scatter.mean()) == pytest.approx(sum(CYCLES_SUN[sun]) / len(VIEWS), rel=0.07)
    assert scatter.tolist() == pytest.approx(CYCLES_SUN[sun], rel=0.2)
    # Standard errors are 0.6 % of the sky, 0.8 % of the ground.
    assert float(sky.mean()) == pytest.approx(sum(CYCLES_SKY) / len(VIEWS), rel=0.02)
    assert float(ground.mean()) == pytest.approx(sum(CYCLES_GROUND) / len(VIEWS), rel=0.03)
    # Ours has no noise, Cycles' is 0.001; and the grid for Cycles blurs outlines.
    assert transmittance.tolist() == pytest.approx(CYCLES_TRANSMITTANCE, abs=0.003)
