"""Controls refuse values of another kind with a remedy instead of a traceback."""

from __future__ import annotations

from typing import Any

import pytest

from skygen_addon.core.controls import controls_from_dict
from skygen_addon.core.errors import RequestError


@pytest.mark.parametrize(
    "values",
    [
        {"low": {"types": ["cumulus"]}},
        {"low": {"types": {"cumulonimbus": 1.0}}},
        {"low": {"types": {"cumulus": "a"}}},
        {"low": {"types": {"cumulus": -0.1}}},
        {"low": {"types": {"cumulus": 10**400}}},
        {"high": {"cover": 40}},
        {"high": {"stretch": 0}},
        {"low": {"texture_scale": 0}},
        {"low": 3},
        {"sun_azimuth_deg": "north"},
        {"sun_elevation_deg": float("nan")},
        {"ground_albedo": 0.2},
        {"ground_albedo": [0.2, 0.2]},
        {"ground_albedo": ["a", 0.2, 0.2]},
        {"ground_albedo": [0.2, 0.2, 5]},
        {"haze": "thick"},
        {"haze": 50},
        {"exposure_ev": 10**400},
        {"weather_strength": [1]},
        {"sun_disc": "no"},
        {"fog": 1.0},
    ],
)
def test_controls_of_another_kind_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        controls_from_dict(values)
    assert caught.value.remedy
