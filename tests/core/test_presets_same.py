"""Whether settings still are a preset: rounding does not count, everything that an artist can turn does."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.controls import LayerControls, SkyControls
from skygen_addon.core.presets import load_preset, preset_names, same_sky

STORM = load_preset("storm_front").controls


def test_every_preset_is_itself_and_no_other() -> None:
    skies = [load_preset(name).controls for name in preset_names()]
    assert [[same_sky(a, b) for b in skies] for a in skies] == np.eye(len(skies), dtype=bool).tolist()


def test_the_rounding_of_32_bit_numbers_does_not_count() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        angle, speed = rng.uniform(-3600, 3600), rng.uniform(0, 150)
        sky = dataclasses.replace(STORM, sun_azimuth_deg=angle, low=LayerControls(wind_speed_m_s=speed))
        kept = float(np.rad2deg(np.float64(np.float32(np.deg2rad(angle)))))
        again = dataclasses.replace(
            sky, sun_azimuth_deg=kept, low=LayerControls(wind_speed_m_s=float(np.float32(speed)))
        )
        assert same_sky(sky, again)


def test_weights_of_types_count_by_their_ratio() -> None:
    one = dataclasses.replace(STORM, low=LayerControls(types={"cumulus": 0.3, "stratus": 0.9, "cirrus": 0.0}))
    other = dataclasses.replace(STORM, low=LayerControls(types={"stratus": 0.75, "cumulus": 0.25}))
    third = dataclasses.replace(STORM, low=LayerControls(types={"stratus": 0.7, "cumulus": 0.3}))
    assert same_sky(one, other) and not same_sky(one, third)


def _turned(value: Any) -> Any:
    """A value beside this one, by the smallest step that a panel shows."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (value[0] + 0.001, *value[1:])
    if isinstance(value, dict):
        return {"altocumulus": 1.0}
    return value + (1.0 if value > 1000 else 0.001)  # kelvin are shown whole


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(SkyControls) if f.name not in ("low", "high")])
def test_every_control_counts(field: str) -> None:
    turned = dataclasses.replace(STORM, **{field: _turned(getattr(STORM, field))})
    assert not same_sky(STORM, turned)
    assert same_sky(STORM, turned, with_sun=False) == (field in ("sun_azimuth_deg", "sun_elevation_deg"))


@pytest.mark.parametrize("layer", ["low", "high"])
@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(LayerControls)])
def test_every_control_of_a_layer_counts(layer: str, field: str) -> None:
    values = getattr(STORM, layer)
    turned = dataclasses.replace(values, **{field: _turned(getattr(values, field))})
    assert not same_sky(STORM, dataclasses.replace(STORM, **{layer: turned}))
