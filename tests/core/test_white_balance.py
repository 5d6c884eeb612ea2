"""White balance: published chromaticities and adaptation matrices, what neutral means, and which way is warm."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from skygen_addon.core.controls import SkyControls, controls_from_dict
from skygen_addon.core.errors import RequestError
from skygen_addon.core.presets import load_preset, preset_names, same_sky
from skygen_addon.core.request import NEUTRAL_WHITE_K, SkyRequest, request_from_dict
from skygen_addon.core.spectrum import D65_XYZ, bradford_adaptation
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.core.white_balance import (
    daylight_xy,
    nearest_balance,
    output_gains,
    white_balance_gains,
    white_xyz,
)

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
D50_XYZ = np.array([0.96422, 1.0, 0.82521])  # ASTM E308
BRADFORD_D50_TO_D65 = np.array([
    [0.9555766, -0.0230393, 0.0631636],
    [-0.0282895, 1.0099416, 0.0210077],
    [0.0122982, -0.0204830, 1.3299098],
])  # fmt: skip
"""As B. Lindbloom publishes it (brucelindbloom.com, Chromatic Adaptation)."""
XYZ_TO_SRGB = np.array([
    [3.2404542, -1.5371385, -0.4985314],
    [-0.9692660, 1.8760108, 0.0415560],
    [0.0556434, -0.2040259, 1.0572252],
])  # fmt: skip
"""From the same site."""


@pytest.mark.parametrize(
    ("kelvin", "xy"),
    [(5000, (0.34567, 0.35850)), (5500, (0.33242, 0.34743)), (6500, (0.31271, 0.32902)), (7500, (0.29902, 0.31485))],
)
def test_daylight_is_d50_d55_d65_and_d75(kelvin: float, xy: tuple[float, float]) -> None:
    """CIE 15:2018, table 1, whose values come from spectra: the locus is a fit, 1.2e-4 off at D50."""
    assert daylight_xy(kelvin) == pytest.approx(xy, abs=1.5e-4)


def test_the_adaptation_is_the_published_one() -> None:
    np.testing.assert_allclose(bradford_adaptation(D50_XYZ, D65_XYZ), BRADFORD_D50_TO_D65, atol=2e-7)


def test_gains_at_5000_k_are_those_of_the_published_matrices() -> None:
    """The locus' fit of D50 moves a gain by 4e-4 of it."""
    card = XYZ_TO_SRGB @ BRADFORD_D50_TO_D65 @ D65_XYZ
    np.testing.assert_allclose(white_balance_gains(5000.0, 0.0), card / (LUMINANCE @ card), rtol=1e-3)


def test_neutral_is_the_identity_to_the_bit() -> None:
    assert white_balance_gains(6500.0, 0.0).tolist() == [1.0, 1.0, 1.0]
    assert output_gains(-3.0, 6500.0, 0.0).tolist() == [0.125, 0.125, 0.125]


@pytest.mark.parametrize("tint", [-100.0, -30.0, 0.0, 30.0, 100.0])
@pytest.mark.parametrize("kelvin", [4000.0, 5200.0, 6500.0, 7001.0, 9000.0, 25000.0])
def test_gains_are_positive_and_keep_the_luminance_of_grey(kelvin: float, tint: float) -> None:
    gains = white_balance_gains(kelvin, tint)
    assert gains.min() > 0.05
    assert LUMINANCE @ gains == pytest.approx(1.0, abs=1e-12)


def test_higher_temperature_is_warmer_and_higher_tint_more_magenta() -> None:
    warmth = [gains[0] / gains[2] for gains in (white_balance_gains(k, 0.0) for k in np.linspace(4000, 25000, 60))]
    assert np.all(np.diff(warmth) > 0)
    for kelvin in (4500.0, 6500.0, 12000.0):
        green = [white_balance_gains(kelvin, tint)[1] for tint in np.linspace(-100, 100, 21)]
        assert np.all(np.diff(green) < 0)


def test_tint_is_a_distance_from_the_locus() -> None:
    """30 units are 0.01 in CIE 1960 uv, at right angles to the locus: its temperature stays."""

    def uv(xyz: np.ndarray) -> np.ndarray:
        x, y, z = xyz
        return np.array([4 * x, 6 * y]) / (x + 15 * y + 3 * z)

    on, off = uv(white_xyz(7000.0, 0.0)), uv(white_xyz(7000.0, 30.0))
    along = uv(white_xyz(7001.0, 0.0)) - on
    assert math.hypot(*(off - on)) == pytest.approx(0.01, rel=1e-9)
    assert abs((off - on) @ along) < 1e-3 * math.hypot(*along) * 0.01
    assert off[1] > on[1]  # a greener white, which the picture makes up for


@pytest.mark.parametrize(("kelvin", "tint"), [(4000.0, 0.0), (5100.0, 14.0), (6500.0, 0.0), (9700.0, -33.0)])
def test_the_balance_of_gains_is_found_again(kelvin: float, tint: float) -> None:
    found = nearest_balance(5.0 * white_balance_gains(kelvin, tint))
    assert found == (pytest.approx(kelvin, rel=2e-3), pytest.approx(tint, abs=0.1))


def test_a_balance_beyond_the_range_ends_on_it() -> None:
    kelvin, tint = nearest_balance(white_balance_gains(20000.0, 5.0), (5000.0, 10000.0), (-10.0, 10.0))
    assert kelvin == pytest.approx(10000.0) and -10.0 <= tint <= 10.0
    assert nearest_balance(np.array([1.0, 9.0, 1.0]), (5000.0, 10000.0), (-10.0, 10.0))[1] == -10.0


def test_bundled_presets_of_day_show_its_light_white() -> None:
    white = {name: load_preset(name).controls.white_balance_k for name in preset_names()}
    warm = {name for name, kelvin in white.items() if kelvin == NEUTRAL_WHITE_K}
    assert warm == {"blue_hour", "golden_hour", "misty_dawn", "red_sunset"}
    assert all(5000.0 <= kelvin <= 6000.0 for name, kelvin in white.items() if name not in warm)


def test_presets_from_before_are_neutral() -> None:
    old = SkyControls().to_dict()
    del old["white_balance_k"], old["white_balance_tint"]
    assert controls_from_dict(old) == SkyControls()


def test_a_preset_keeps_its_balance_and_differs_by_it() -> None:
    warm = dataclasses.replace(SkyControls(), white_balance_k=8000.0, white_balance_tint=-4.0)
    assert controls_from_dict(json.loads(json.dumps(warm.to_dict()))) == warm
    assert not same_sky(warm, SkyControls())


def test_requests_from_before_are_neutral_and_others_hold_it() -> None:
    request = dataclasses.replace(SkyRequest(), white_balance_k=8000.0, white_balance_tint=-4.0)
    data = json.loads(json.dumps(request.to_dict()))
    assert request_from_dict(data) == request
    del data["white_balance_k"], data["white_balance_tint"]
    assert request_from_dict(data) == SkyRequest()


def test_keyframed_balance_reaches_the_frames() -> None:
    made = requests_for_frames(
        lambda frame: dataclasses.replace(SkyControls(), white_balance_k=5000.0 + frame, white_balance_tint=-frame),
        [1, 7],
        fps=24.0,
        seed=0,
        width=64,
    )
    assert [(r.white_balance_k, r.white_balance_tint) for r in made] == [(5001.0, -1), (5007.0, -7)]


@pytest.mark.parametrize("name", ["white_balance_k", "white_balance_tint"])
@pytest.mark.parametrize("value", [3999.0, 25001.0, -101.0, math.nan, "warm", True])
def test_other_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(RequestError, match=name):
        dataclasses.replace(SkyRequest(), **{name: value})
    with pytest.raises(RequestError, match=name):
        dataclasses.replace(SkyControls(), **{name: value})
