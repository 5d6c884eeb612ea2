"""The light that the sky's disc counts for the ground, where what it sees is narrower than its pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import clear_sky
from skygen_addon.core.field_lattice import DRAFT_SHARE
from skygen_addon.core.geometry import FloatArray, direction_from_angles
from skygen_addon.core.phase_functions import DROPLET_PEAK_SHARE
from skygen_addon.core.request import HIGH_LAYER, LOW_LAYER, SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.scene import unlit_scene

DEPTH = 1.0


def veiled(direction: FloatArray, *_: Any) -> tuple[FloatArray, FloatArray]:
    """In place of the domes of both layers: one cloud of an optical depth everywhere, which only diffracts."""
    low = np.zeros((6, *direction.shape[:2]), dtype=np.float32)
    low[0] = np.where(direction[..., 2] > 0, DEPTH, 0.0)
    return low, np.zeros_like(low)


@pytest.mark.parametrize("elevation_deg", [12.0, 88.0])
def test_light_through_a_thin_veil_is_the_same_wherever_the_sun_stands_between_pixels(
    elevation_deg: float, sky_renderer: FrameRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the disc of frames and that of drafts, whose pixels are two and four times as wide as what droplets diffract.

    Diffracted: depth x exp(-depth) of the sun's light. Of it up to 5 % lie below the horizon or beyond it in other
    weight; the rest of the bound is pixels. As the pixel of the horizon sees it, drafts missed it by up to 60 %.
    """
    monkeypatch.setattr(sky_renderer, "domes", veiled)
    monkeypatch.setattr(sky_renderer._shading, "_graph", None)
    elevation_rad, air = math.radians(elevation_deg), Air(haze=0.0, ground_albedo=(0.2, 0.2, 0.2))
    sky, size = clear_sky(elevation_rad, air), sky_renderer.bundle.disc_size
    beam = sky.sun_irradiance * math.sin(elevation_rad)
    for disc in (size, size // DRAFT_SHARE):
        for azimuth_rad in np.linspace(0.1, 0.2, 3).tolist():
            request = SkyRequest(
                low=LOW_LAYER, high=HIGH_LAYER, sun_elevation_rad=elevation_rad, sun_azimuth_rad=azimuth_rad,
                haze=0.0, ground_albedo=(0.2, 0.2, 0.2),
            )  # fmt: skip
            sun = direction_from_angles(azimuth_rad, elevation_rad).astype(np.float32)
            scene = unlit_scene(request, sky, sun, (None, None), size)
            ground = sky_renderer._shading.lit(sky_renderer, request, sky, scene, disc).ground_radiance
            received = ground * (math.pi / 0.2)
            diffracted = received - beam - math.exp(-DEPTH) * sky.sky_irradiance
            expected = DROPLET_PEAK_SHARE * DEPTH * math.exp(-DEPTH) * beam
            np.testing.assert_allclose(diffracted, expected, rtol=0.06)
