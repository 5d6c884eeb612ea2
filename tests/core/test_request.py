"""Requests and controls: exact through JSON, and everything impossible refused with a remedy."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skygen_addon.core.controls import LayerControls, SkyControls, controls_from_dict
from skygen_addon.core.errors import RequestError, SkyGenError
from skygen_addon.core.request import LayerRequest, SkyRequest, request_from_dict

number = st.floats(-1e6, 1e6, allow_nan=False)


@given(east=number, north=number, time_s=number, azimuth=st.floats(-6, 6), cover=st.floats(0, 1))
def test_a_request_survives_json_bit_for_bit(
    east: float, north: float, time_s: float, azimuth: float, cover: float
) -> None:
    low = LayerRequest(cover=cover, displacement_km=(east, north), evolution_phase=time_s / 7)
    request = SkyRequest(time_s=time_s, sun_azimuth_rad=azimuth, low=low)
    assert request_from_dict(json.loads(json.dumps(request.to_dict()))) == request


@pytest.mark.parametrize(
    "change",
    [
        {"width": 2047}, {"width": 2046}, {"width": 0}, {"width": 65536}, {"width": 1024.0}, {"seed": -1},
        {"seed": 2**31}, {"seed": 1.5}, {"seed": True}, {"haze": True}, {"haze": math.nan},
        {"haze": -1}, {"exposure_ev": math.inf},
        {"sun_elevation_rad": 1.6},
        {"loop_angle_rad": 1.6}, {"ground_albedo": (0.1, 0.1)}, {"ground_albedo": (0.1, 0.1, 2.0)}, {"sun_disc": "yes"},
        {"low": None}, {"low": {"cover": 0.5}}, {"time_s": "soon"}, {"weather_strength": 3},
    ],
)  # fmt: skip
def test_impossible_requests_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        SkyRequest(**change)
    assert caught.value.message and caught.value.remedy.endswith(".")


@pytest.mark.parametrize(
    "change",
    [
        {"cover": 1.01}, {"cover": -0.1}, {"density": 0}, {"base_km": 0}, {"thickness_km": 20}, {"texture_scale": 5},
        {"stretch": 0.5}, {"type_mix": (1.0,)}, {"type_mix": (0.0,) * 6}, {"type_mix": (-1.0, 1.0, 0.0, 0.0, 0.0, 0.0)},
        {"displacement_km": (math.nan, 0.0)}, {"displacement_km": (1.0, 2.0, 3.0)}, {"evolution_phase": math.inf},
    ],
)  # fmt: skip
def test_impossible_layers_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        LayerRequest(**change)


def test_layers_that_overlap_are_refused_with_the_height_to_use() -> None:
    with pytest.raises(RequestError, match="6 km or more"):
        SkyRequest(low=LayerRequest(base_km=1, thickness_km=5), high=LayerRequest(base_km=5))


@pytest.mark.parametrize("data", [None, 3, [], {"sky": 1}, {"low": {"clouds": 1}}, {"low": 5}, {"seed": None}])
def test_foreign_dictionaries_are_refused(data: Any) -> None:
    with pytest.raises(RequestError):
        request_from_dict(data)


@pytest.mark.parametrize("layer", [None, "low", "high"])
def test_missing_keys_are_named_and_take_no_default(layer: str | None) -> None:
    part = SkyRequest().to_dict() if layer is None else SkyRequest().to_dict()[layer]
    for key in part.keys() - {"white_balance_k", "white_balance_tint"}:  # which jobs did not always have
        data = SkyRequest().to_dict()
        del (data if layer is None else data[layer])[key]
        with pytest.raises(RequestError, match=f"lacks {key}\\."):
            request_from_dict(data)
    data = SkyRequest().to_dict()
    del data["haze"], data["width"]
    with pytest.raises(RequestError, match="lacks haze, width"):
        request_from_dict(data)


def test_velocity_points_where_the_wind_blows_to() -> None:
    east = LayerControls(wind_speed_m_s=10, wind_toward_deg=90).velocity_km_s()
    south_west = LayerControls(wind_speed_m_s=10, wind_toward_deg=225).velocity_km_s()
    assert east == pytest.approx((0.01, 0), abs=1e-12)
    assert south_west == pytest.approx((-0.01 / math.sqrt(2), -0.01 / math.sqrt(2)))


def test_controls_survive_json_and_unknown_keys_are_named() -> None:
    controls = dataclasses.replace(SkyControls(), low=LayerControls(types={"stratus": 0.3, "cumulus": 0.7}), haze=2.5)
    assert controls_from_dict(json.loads(json.dumps(controls.to_dict()))) == controls
    with pytest.raises(SkyGenError, match="turbidity"):
        controls_from_dict({"turbidity": 2})
    with pytest.raises(SkyGenError, match="nimbus"):
        controls_from_dict({"low": {"types": {"nimbus": 1}}})
