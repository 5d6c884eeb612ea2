"""White balance of a match: found again where it is known, only what sky and clouds agree on, and never far."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.geometry import FloatArray, direction_from_angles, disc_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.cloud_opacity import CloudEstimate
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.presets import load_preset
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.core.white_balance import white_balance_gains
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.match.match import MATCH_WIDTH, match
from skygen_addon.runtime.match.match_balance import TEMPERATURES_K, TINTS, colour_shifts
from skygen_addon.runtime.match.match_report import difference_lines, found_lines
from skygen_addon.runtime.match.match_sun import SunPlace
from skygen_addon.runtime.match.match_view import View

SIZE = 64
CONTROLS = SkyControls(haze=1.4, ground_albedo=(0.3, 0.2, 0.1))
PLACE = SunPlace(2.0, 0.6, "disc")
GREY = np.array([0.8, 0.8, 0.8], dtype=np.float32)


def half_clouded(cloud: FloatArray, cover: bool = True) -> tuple[FloatArray, CloudEstimate]:
    """A disc of clear sky whose western half is cloud of one colour, and what is known of its clouds."""
    directions = disc_directions(SIZE)
    sun = direction_from_angles(PLACE.azimuth_rad, PLACE.elevation_rad)
    disc = model_radiance(directions, sun, CONTROLS.haze, CONTROLS.ground_albedo)
    alpha = np.where(cover & (directions[..., 0] < 0), 1.0, 0.0).astype(np.float32)
    disc = np.where(alpha[..., None] > 0, cloud, disc).astype(np.float32)
    return disc, CloudEstimate(alpha, 10 * alpha, directions[..., 2] > 0.1, False, alpha, 0.0)


def balance_of(
    sky: FloatArray, cloud: FloatArray, *, overcast: bool = False, cover: bool = True
) -> tuple[float, float]:
    """Of a panorama whose clear sky has gains and whose clouds another colour than a try's grey ones."""
    tried, clouds = half_clouded(GREY, cover)
    directions = disc_directions(SIZE)
    panorama = np.where(clouds.alpha[..., None] > 0, cloud, tried * sky).astype(np.float32) * np.float32(7.0)
    view = View(directions[..., 2] > 0, PLACE)
    return colour_shifts(panorama, tried, view, (clouds, clouds), CONTROLS, overcast=overcast).balance()


@pytest.mark.parametrize(("kelvin", "tint"), [(6500.0, 0.0), (5400.0, 8.0), (8800.0, -11.0)])
@pytest.mark.parametrize("cover", [True, False])
def test_a_cameras_balance_is_found(kelvin: float, tint: float, cover: bool) -> None:
    gains = white_balance_gains(kelvin, tint).astype(np.float32)
    found = balance_of(gains, GREY * gains, cover=cover)
    assert found == (pytest.approx(kelvin, rel=5e-3), pytest.approx(tint, abs=0.3))


def test_an_overcast_tells_it_too() -> None:
    gains = white_balance_gains(7500.0, -5.0).astype(np.float32)
    found = balance_of(gains, GREY * gains, overcast=True)
    assert found == (pytest.approx(7500.0, rel=5e-3), pytest.approx(-5.0, abs=0.3))


def test_a_sunsets_clouds_are_no_white_balance() -> None:
    """Orange clouds below a clear sky as ours, and clouds warmer than the sky is bluer: nothing in common."""
    orange = np.array([1.5, 0.7, 0.3], dtype=np.float32)
    assert balance_of(np.ones(3, dtype=np.float32), orange)[0] == pytest.approx(6500.0, rel=5e-3)
    bluer = white_balance_gains(5500.0, 0.0).astype(np.float32)
    kelvin, _ = balance_of(bluer, orange)
    assert kelvin == pytest.approx(6500.0, rel=5e-3)


def test_both_warm_is_as_warm_as_the_less_warm_of_them() -> None:
    warm, warmer = (white_balance_gains(kelvin, 0.0).astype(np.float32) for kelvin in (7500.0, 9500.0))
    assert balance_of(warm, GREY * warmer)[0] == pytest.approx(7500.0, rel=0.02)
    assert balance_of(warmer, GREY * warm)[0] == pytest.approx(7500.0, rel=0.02)


@pytest.mark.parametrize("graded", [(1.0, 2.5, 1.0), (2.0, 0.6, 2.5), (3.0, 1.0, 0.2), (0.2, 1.0, 4.0)])
def test_graded_skies_move_it_no_farther_than_its_range(graded: tuple[float, float, float]) -> None:
    colour = np.array(graded, dtype=np.float32)
    kelvin, tint = balance_of(colour, GREY * colour)
    assert TEMPERATURES_K[0] <= kelvin <= TEMPERATURES_K[1] and TINTS[0] <= tint <= TINTS[1]
    assert np.log2(white_balance_gains(kelvin, tint)[1]) == pytest.approx(0.0, abs=0.2)  # neither green nor purple


def test_nothing_to_compare_leaves_it_neutral() -> None:
    tried, clouds = half_clouded(GREY)
    neither = replace(clouds, alpha=np.full_like(clouds.alpha, 0.3))
    view = View(disc_directions(SIZE)[..., 2] > 0, PLACE)
    found = colour_shifts(tried * GREY, tried, view, (neither, neither), CONTROLS, overcast=False).balance()
    assert found == (6500.0, 0.0)


@pytest.mark.parametrize("preset", ["clear_noon", "fair_cumulus"])
def test_a_sky_with_a_balance_is_found_again(sky_renderer: FrameRenderer, preset: str) -> None:
    """The matched controls, rendered, are the sky that is shown; its light has the panorama's colour.

    Within 0.25 EV of red to blue, which a tenth more cover of grey cloud changes by as much.
    """
    true = (5600.0, -7.0)
    controls = replace(
        load_preset(preset).controls, sun_elevation_deg=35.0, white_balance_k=true[0], white_balance_tint=true[1]
    )
    (request,) = requests_for_frames(lambda frame: controls, [1], fps=24.0, seed=12, width=1024)
    sky = match(Panorama(sky_renderer.render(request), ()), sky_renderer)
    found = sky.controls
    assert found.white_balance_k == pytest.approx(true[0], rel=0.06)
    assert found.white_balance_tint == pytest.approx(true[1], abs=6.0)
    assert found.haze == pytest.approx(controls.haze, rel=0.35)
    assert abs(math.log2(sky.differences.red_to_blue)) < 0.25 and abs(math.log2(sky.differences.green)) < 0.1
    np.testing.assert_allclose(found.ground_albedo, controls.ground_albedo, rtol=0.25)
    assert any(line.startswith(f"White balance {found.white_balance_k:.0f} K") for line in found_lines(sky))
    assert not any("redder" in line or "bluer" in line or "green" in line for line in difference_lines(sky))
    (again,) = requests_for_frames(lambda frame: found, [1], fps=24.0, seed=sky.seed, width=MATCH_WIDTH)
    np.testing.assert_allclose(sky_renderer.render(again), sky.sky, rtol=1e-5)
