"""White balance in frames: gains on everything alike, the sun's record with them, and nothing made anew for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import panorama_solid_angles
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.white_balance import white_balance_gains
from skygen_addon.runtime.command.sky_options import SkyOptions
from skygen_addon.runtime.frame import frame as frame_module
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.sun_record import clear_sun_irradiance

BALANCE = (8200.0, -14.0)


@pytest.fixture(scope="module")
def neutral(preset_requests: Callable[..., list[SkyRequest]]) -> SkyRequest:
    """Thin broken clouds, ground and a free sun."""
    asked = {"low": {"cover": 0.5, "density": 0.05}, "exposure_ev": 1.0, "white_balance_k": 6500.0}
    return preset_requests("broken_clouds", [5], 128, **asked)[0]


def balanced(request: SkyRequest) -> SkyRequest:
    return dataclasses.replace(request, white_balance_k=BALANCE[0], white_balance_tint=BALANCE[1])


@pytest.mark.parametrize("draft", [False, True])
def test_sky_ground_and_sun_get_the_gains_and_nothing_is_made_anew(
    shipped_bundle: Path, neutral: SkyRequest, draft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two roundings to 32 bits are 1.2e-7 apart; the mean of a pixel's samples and the disc's addition add some."""
    renderer = FrameRenderer(shipped_bundle, 2)
    render = renderer.render_draft if draft else renderer.render_frame
    before = render(neutral)

    def made(*anything: object, **more: object) -> None:
        raise AssertionError("clouds or light are made again")

    for name in ("clear_sky", "layer_light", "unlit_scene"):
        monkeypatch.setattr(frame_module, name, made)
    after = render(balanced(neutral))
    gains = white_balance_gains(*BALANCE)
    np.testing.assert_allclose(after.radiance, before.radiance * gains, rtol=2e-6)
    assert after.sun.irradiance == pytest.approx((np.array(before.sun.irradiance) * gains).tolist(), rel=1e-6)
    assert after.sun.transmittance == before.sun.transmittance
    assert render(neutral).sun == before.sun


def test_the_disc_the_record_and_the_lamp_are_of_one_colour(sky_renderer: FrameRenderer, neutral: SkyRequest) -> None:
    """As without a balance: the disc's pixels, which are the difference to a frame without it, sum up to the record."""
    request = balanced(neutral)
    frame = sky_renderer.render_frame(request)
    without = sky_renderer.render_frame(dataclasses.replace(request, sun_disc=False))
    disc = frame.radiance.astype(np.float64) - without.radiance
    irradiance = np.einsum("hwc,h->c", disc, panorama_solid_angles(128))
    assert frame.sun.irradiance == pytest.approx(irradiance.tolist(), rel=1e-4, abs=1e-4)
    assert frame.sun.sky_peak == without.radiance.max()
    lamp = np.array(clear_sun_irradiance(request.sun_elevation_rad, request.haze, 1.0, *BALANCE))
    assert frame.sun.irradiance == pytest.approx((lamp * frame.sun.transmittance).tolist(), rel=1e-5)
    plain = np.array(clear_sun_irradiance(request.sun_elevation_rad, request.haze, 1.0))
    assert lamp[0] / lamp[2] > 1.2 * plain[0] / plain[2]  # 8200 K is warm


def test_the_command_line_replaces_a_presets_balance() -> None:
    controls = SkyOptions(preset="clear_noon", temperature=7200.0, tint=3.0).controls()
    assert (controls.white_balance_k, controls.white_balance_tint) == (7200.0, 3.0)
    assert SkyOptions(preset="clear_noon").controls().white_balance_k == 5500.0  # its own
    for options in (SkyOptions(temperature=100.0), SkyOptions(tint=-101.0)):
        with pytest.raises(RequestError, match="white_balance"):
            options.controls()
