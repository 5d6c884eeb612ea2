"""Light that counts as a mean: what the sky's disc sends to the ground, and what clouds around let through."""

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
from skygen_addon.core.request import CLOUD_TYPES, HIGH_LAYER, LOW_LAYER, LayerRequest, SkyRequest
from skygen_addon.runtime.clouds.layers import READ_SHARE, around_camera_weights, layer_light
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


@pytest.mark.parametrize("elevation_deg", [3.0, 10.0, 60.0])
def test_mean_light_does_not_jump_when_the_windows_move_on(elevation_deg: float, sky_renderer: FrameRenderer) -> None:
    """The same moment through windows that lie a lattice step apart both ways: around a step the camera moves by 2 mm.

    A mean over the window jumped by up to 1 % of the light, one with the sun's slope at the window's middle by 6 %
    at 3 degrees. What is left is what the finest tables show otherwise than the next ones far away.
    """
    lattice = sky_renderer.bundle.lattice
    step_km = lattice.snap_texels * lattice.texel_km
    sun = direction_from_angles(1.0, math.radians(elevation_deg)).astype(np.float32)
    cumulus = tuple(float(name == "cumulus") for name in CLOUD_TYPES)
    before, after = (
        layer_light(
            sky_renderer._field,
            sky_renderer._sunlight,
            LayerRequest(cover=0.4, type_mix=cumulus, displacement_km=(place_km, place_km)),
            index=0,
            seed=3,
            grain=0.0,
            loop_angle_rad=0.0,
            sun_direction=sun,
        )
        for place_km in (0.5 * step_km - 1e-6, 0.5 * step_km + 1e-6)
    )
    assert before is not None and after is not None
    moved_km = after.plane_offset_km - before.plane_offset_km
    np.testing.assert_allclose(np.abs(moved_km), step_km, atol=1e-5)  # else both have the same windows
    assert after.sun_transmittance() == pytest.approx(before.sun_transmittance(), rel=5e-4)
    assert after.vertical_transmittance() == pytest.approx(before.vertical_transmittance(), rel=5e-4)


@pytest.mark.parametrize("cloud_type", ["cumulus", "altocumulus", "stratus"])
def test_drafts_have_the_mean_light_of_frames(cloud_type: str, sky_renderer: FrameRenderer) -> None:
    """Their windows are half as wide, and hold the clouds around the camera of which the mean is taken."""
    sun = direction_from_angles(1.0, math.radians(40.0)).astype(np.float32)
    mix = tuple(float(name == cloud_type) for name in CLOUD_TYPES)
    whole, draft = (
        layer_light(
            sky_renderer._field,
            sky_renderer._sunlight,
            LayerRequest(cover=0.5, type_mix=mix, displacement_km=(0.3, -0.7)),
            index=0,
            seed=3,
            grain=0.0,
            loop_angle_rad=0.0,
            sun_direction=sun,
            window_share=share,
        )
        for share in (1, DRAFT_SHARE)
    )
    assert whole is not None and draft is not None
    assert draft.vertical_transmittance() == pytest.approx(whole.vertical_transmittance(), rel=2e-3)
    assert draft.sun_transmittance() == pytest.approx(whole.sun_transmittance(), rel=2e-3)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (6.4, -3.2), (-8.0, 8.0)])
def test_weights_of_the_mean_keep_to_the_camera_and_stay_inside(offset: tuple[float, float]) -> None:
    weights = around_camera_weights(128, np.array(offset), READ_SHARE)
    axis = np.arange(128) + 0.5 - 64
    assert weights.sum() == pytest.approx(1)
    assert (weights * axis).sum() == pytest.approx(offset[0], abs=1e-3)
    assert (weights * -axis[:, None]).sum() == pytest.approx(offset[1], abs=1e-3)  # row 0 is north
    rim = np.concatenate([weights[0], weights[-1], weights[:, 0], weights[:, -1]])
    assert rim.max() < 1e-3 * weights.max()
