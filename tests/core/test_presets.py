"""Presets: every shipped one makes a sky, and their clouds differ in kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skygen_addon.core.errors import OutputError, RequestError
from skygen_addon.core.presets import Preset, load_preset, preset_names, read_preset, write_preset
from skygen_addon.core.timeline import requests_for_frames

FIXED_NAMES = {
    "clear_noon", "fair_cumulus", "broken_clouds", "mackerel_sky", "high_cirrus", "overcast", "storm_front",
    "golden_hour", "red_sunset", "misty_dawn", "blue_hour", "endless_day",
}  # fmt: skip


def test_the_promised_presets_are_there() -> None:
    assert set(preset_names()) >= FIXED_NAMES


@pytest.mark.parametrize("name", sorted(FIXED_NAMES))
def test_a_preset_makes_requests_and_tells_what_it_is(name: str) -> None:
    preset = load_preset(name)
    assert preset.label and preset.description.endswith(".")
    controls = preset.controls
    assert len(requests_for_frames(lambda _: controls, [1, 48], fps=24.0, seed=0, width=512)) == 2


def test_at_least_six_presets_differ_in_kind() -> None:
    """The kind is the heaviest type of the layer that covers more, or none."""
    kinds = set()
    for name in FIXED_NAMES:
        controls = load_preset(name).controls
        main = controls.high if controls.high.cover > controls.low.cover else controls.low
        kinds.add(max(main.types, key=lambda kind: main.types[kind]) if main.cover > 0 else "clear")
    assert kinds == {"clear", "cumulus", "stratocumulus", "altocumulus", "stratus", "cirrus", "towering_cumulus"}
    assert load_preset("endless_day").controls.weather_strength == 1


def test_a_saved_preset_loads_the_same(tmp_path: Path) -> None:
    saved = Preset("mine", "Mine", "My sky.", load_preset("storm_front").controls)
    path = write_preset(saved, tmp_path / "presets")
    assert read_preset(path) == saved
    assert preset_names(tmp_path / "presets") == ("mine",)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RequestError) as caught:
        load_preset("sunny")
    assert "fair_cumulus" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"turbidity": 2}', '{"low": 3}', '{"label": 3}', '{"low": {"types": {"fog": 1}}}', '{"haze": }']
    + ["[" * 100_000, '{"low": ' * 100_000, '{"haze": 1' + "0" * 5000 + "}"],
)
def test_damaged_presets_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(RequestError):
        load_preset("bad", tmp_path)


@pytest.mark.parametrize("value", ["a", "", 10**400, -(10**400), float("nan"), -1, True, None, [1.0], {"x": 1}])
@pytest.mark.parametrize(
    "path", [("haze",), ("low", "texture_scale"), ("high", "stretch"), ("low", "types", "cumulus")]
)
def test_values_of_another_kind_are_refused_before_a_request_is_made(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    data: Any = value
    for key in reversed(path):
        data = {key: data}
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(RequestError) as caught:
        controls = load_preset("bad", tmp_path).controls
        requests_for_frames(lambda _: controls, [1], fps=24.0, seed=0, width=512)
    assert caught.value.remedy and len(str(caught.value)) < 300


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "presets").write_text(json.dumps({}))
    with pytest.raises(OutputError):
        write_preset(load_preset("overcast"), tmp_path / "presets")
