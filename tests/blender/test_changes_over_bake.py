"""Presets and matches over a bound bake: the new sky is seen, the bake is neither lost nor passed over in silence."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import live_world
import pytest
from conftest import add_camera, rendered
from live_world import Clock, image_of, part

live = live_world.live
RESTS = "Renders show the old bake in {} until you press Bake Sky"


@pytest.fixture
def baked(world: Any, live: Clock, tmp_path: Path) -> Any:
    """A world that shows three baked frames."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 3, "512"
    settings.output_folder = str(tmp_path / "sky")
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


def look(live: Clock) -> None:
    live.tick()
    live.until(lambda: live.state().icon not in ("RENDER_STILL", "SORTTIME"), step=0.1)


def in_a_window(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> SimpleNamespace:
    """The modules believe that there is a window; returns the context of an operator in it."""
    stand_in = SimpleNamespace(app=SimpleNamespace(background=False), context=bpy.context, types=bpy.types)
    for module in modules:
        monkeypatch.setattr(module, "bpy", stand_in)
    return SimpleNamespace(window=object(), scene=bpy.context.scene)


def states(world: Any) -> list[str]:
    return [state.text for state in part("bake.sequence_state").sky_states(bpy.context, world)]


@pytest.mark.parametrize("live_before", [True, False])
def test_a_picked_preset_is_seen_over_the_bake(
    baked: Any, live: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live_before: bool
) -> None:
    add_camera(0.0, 0.5)
    sequence, before = image_of(baked), rendered(tmp_path / "r.exr", 2)
    baked.skygen_live.enabled = live_before
    in_a_window(monkeypatch, part("presets.preset_choice"))
    baked.skygen.preset_gallery = "red_sunset"
    look(live)
    assert image_of(baked).source == "FILE" and baked.skygen_live.over_bake and baked.skygen_live.enabled
    assert "renders use the bake" in live.state().text and live.pushed == []
    assert states(baked) == ["The settings have changed since the bake, which renders show"]
    assert (rendered(tmp_path / "r.exr", 2) == before).all()  # by the bake
    baked.skygen_live.over_bake = False  # the one click
    look(live)
    assert image_of(baked) == sequence and len(list((tmp_path / "sky").glob("*.exr"))) == 3
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert states(baked) == ["Baked: frames 1-3"]


def test_an_operator_says_what_has_become_of_the_bake(
    baked: Any, live: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = in_a_window(monkeypatch, part("bake.changes_over_bake"))
    reports: list[tuple[str, str]] = []
    operator = SimpleNamespace(report=lambda kind, text: reports.append((*kind, text)))
    for enabled, first in ((True, ""), (False, "Live Preview is on now. ")):
        baked.skygen_live.enabled = enabled
        reports.clear()
        part("operators.outcome").show_changed_sky(operator, context, baked, "The sky is matched")
        words = f"{first}{RESTS.format(tmp_path / 'sky')}; switch Changes over Bake off to see it."
        assert reports == [("INFO", words)]
        assert baked.skygen_live.over_bake and baked.skygen_live.enabled
    look(live)
    assert part("live.live_bake").is_covered(baked)


def test_without_a_bake_the_picture_is_asked_for_as_before(world: Any, live: Clock, monkeypatch: Any) -> None:
    module = part("bake.changes_over_bake")
    context, asked = in_a_window(monkeypatch, module), list[str]()
    monkeypatch.setattr(module, "ask", lambda context, world: asked.append(world.name))
    assert module.show_changes(context, world) == "" and asked == ["Artist"]
    assert not world.skygen_live.over_bake


def test_without_a_window_a_script_keeps_its_bake(
    baked: Any, renderer: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sequence = image_of(baked)
    renderer.forget()
    baked.skygen.match.controls = json.dumps(
        importlib.import_module("bl_ext.user_default.skygen.core.presets").load_preset("overcast").controls.to_dict()
    )
    for run in (lambda: bpy.ops.skygen.apply_preset(preset="overcast", show=True), bpy.ops.skygen.apply_match):
        assert run() == {"FINISHED"}
        assert f"Info: {RESTS.format(tmp_path / 'sky')}." in capfd.readouterr().out
    assert image_of(baked) == sequence and renderer.requests == [] and baked.skygen.baked_end == 3
    assert states(baked) == ["The settings have changed since the bake, which renders show"]


def test_update_preview_says_how_to_get_the_bake_back(
    baked: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bpy.ops.skygen.show_preview() == {"FINISHED"}
    words = f"The preview takes the place of the bake in {tmp_path / 'sky'}; Bind Baked Sky shows it again."
    assert words in capfd.readouterr().out
    assert image_of(baked).source == "FILE"
    assert bpy.ops.skygen.bind_sequence() == {"FINISHED"} and image_of(baked).source == "SEQUENCE"
    assert bpy.ops.skygen.show_preview() == {"FINISHED"} and "Bind Baked Sky" in capfd.readouterr().out
    assert bpy.ops.skygen.show_preview() == {"FINISHED"} and "Bind Baked Sky" not in capfd.readouterr().out
