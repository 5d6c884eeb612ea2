"""Own presets with Blender's operators: saved, renamed, overwritten, deleted."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from preset_folder import empty_folder, keep, part


@pytest.fixture
def folder(package: Any) -> Path:
    return empty_folder()


def controls_of(world: Any) -> Any:
    return part("blender.settings.controls_from_settings").controls_from_settings(world.skygen)


def stored(name: str, folder: Path) -> Any:
    return part("core.presets").read_preset(folder / f"{name}.json")


def test_saved_settings_come_back_in_another_file(world: Any, folder: Path) -> None:
    settings = world.skygen
    settings.low.cover, settings.haze, settings.sun_azimuth, settings.seed = 0.61, 2.5, math.radians(77.0), 5
    settings.low.second_type, settings.low.second_amount = "stratus", 0.3
    before = controls_of(world)
    assert bpy.ops.skygen.save_preset(preset_name=" Mein  Köln ", about="Grey.") == {"FINISHED"}
    assert settings.preset_gallery == "own/Mein Köln"
    saved = stored("Mein Köln", folder)
    assert (saved.label, saved.description) == ("Mein Köln", "Grey.")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    other = bpy.context.scene.world = bpy.data.worlds.new("Other")
    bpy.ops.skygen.apply_preset(preset="Mein Köln")
    assert controls_of(other) == before and other.skygen.seed == 0
    assert not part("blender.presets.preset_choice").is_changed(other.skygen, saved)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "overcast", "Golden Hour", "NUL", "x" * 100])
def test_impossible_names_are_refused_and_nothing_is_written(world: Any, folder: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="Error: "):
        bpy.ops.skygen.save_preset(preset_name=name)
    assert list(folder.iterdir()) == [] and world.skygen.preset_gallery == "fair_cumulus"


def test_a_preset_is_overwritten_only_when_that_is_said(world: Any, folder: Path) -> None:
    bpy.ops.skygen.save_preset(preset_name="Mine")
    world.skygen.haze = 4.0
    with pytest.raises(RuntimeError, match="'Mine' already"):
        bpy.ops.skygen.save_preset(preset_name="mine")
    assert stored("Mine", folder).controls.haze != 4.0
    bpy.ops.skygen.save_preset(preset_name="mine", overwrite=True)
    assert stored("Mine", folder).controls.haze == 4.0
    assert [path.name for path in folder.iterdir()] == ["Mine.json"]
    assert world.skygen.own_preset == "Mine"


def test_overwriting_and_deleting_ask_first(world: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window, invoking shows a dialog and does nothing yet; the stand-ins note which one."""
    keep("Mine", "overcast", folder)
    asked: list[str] = []
    manager = SimpleNamespace(
        invoke_confirm=lambda operator, event, **words: asked.append(words["message"]) or {"RUNNING_MODAL"},
        invoke_props_dialog=lambda operator, **words: asked.append(words["title"]) or {"RUNNING_MODAL"},
    )
    context, event = SimpleNamespace(window_manager=manager), SimpleNamespace()
    for name, values in (
        ("save_preset", {"preset_name": "Mine", "overwrite": True}),
        ("save_preset", {"preset_name": "", "overwrite": False}),
        ("rename_preset", {"old": "Mine", "new": ""}),
        ("delete_preset", {"preset": "Mine"}),
    ):
        module = part(f"blender.operators.{name}")
        monkeypatch.setattr(module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
        operator = SimpleNamespace(**values)
        assert getattr(module, f"SKYGEN_OT_{name}").invoke(operator, context, event) == {"RUNNING_MODAL"}
    assert asked[0] == "Replace Mine with the present settings?" and asked[1:3] == ["Save Preset", "Rename Preset"]
    assert "cannot be undone" in asked[3]
    assert stored("Mine", folder).controls == part("core.presets").load_preset("overcast").controls


def test_the_dialog_offers_to_overwrite_a_name_that_exists(world: Any, folder: Path) -> None:
    keep("Mine", "overcast", folder)
    shown: list[str] = []
    layout = SimpleNamespace(prop=lambda operator, name, text="", **other: shown.append(f"{name} {text}".strip()))
    layout.row = lambda: layout
    draw = part("blender.operators.save_preset").SKYGEN_OT_save_preset.draw
    for name in ("Other", " MINE "):
        draw(SimpleNamespace(layout=layout, preset_name=name), bpy.context)
    assert shown == ["preset_name", "about", "preset_name", "about", "overwrite Overwrite Mine"]


def test_renaming_carries_the_worlds_of_the_file_along(world: Any, folder: Path) -> None:
    bpy.ops.skygen.save_preset(preset_name="Mine")
    other, third = bpy.data.worlds.new("Other"), bpy.data.worlds.new("Third")
    other.skygen.preset_gallery, third.skygen.preset_gallery = "own/Mine", "overcast"
    assert bpy.ops.skygen.rename_preset(old="Mine", new="Yours") == {"FINISHED"}
    chosen = [w.skygen.preset_gallery for w in (world, other, third)]
    assert chosen == ["own/Yours", "own/Yours", "overcast"]
    assert [path.name for path in folder.iterdir()] == ["Yours.json"]
    keep("Mine", "overcast", folder)
    with pytest.raises(RuntimeError, match="'Mine' already"):
        bpy.ops.skygen.rename_preset(old="Yours", new="MINE")
    with pytest.raises(RuntimeError, match="ships"):
        bpy.ops.skygen.rename_preset(old="Yours", new="Overcast")


def test_deleting_leaves_the_settings(world: Any, folder: Path) -> None:
    world.skygen.haze = 3.0
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert bpy.ops.skygen.delete_preset(preset="Mine") == {"FINISHED"}
    assert list(folder.iterdir()) == [] and world.skygen.haze == 3.0
    assert (world.skygen.preset, world.skygen.own_preset) == ("own", "")
    choice = part("blender.presets.preset_choice")
    assert choice.gallery_items(world.skygen)[-1][1] == "No Preset"
    assert part("blender.panels.panel_presets").title(world.skygen, choice.chosen_entry(world.skygen)) == "No Preset"
    with pytest.raises(RuntimeError, match="no preset 'Mine'"):
        bpy.ops.skygen.delete_preset(preset="Mine")
    with pytest.raises(RuntimeError, match="no preset 'overcast'"):  # shipped ones stay
        bpy.ops.skygen.delete_preset(preset="overcast")


def test_saving_can_be_undone_in_the_file_and_the_preset_stays(world: Any, folder: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.skygen.save_preset("EXEC_DEFAULT", True, preset_name="Mine")
    bpy.ops.ed.undo()
    assert bpy.data.worlds["Artist"].skygen.preset_gallery == "fair_cumulus"
    assert (folder / "Mine.json").is_file()


def test_a_folder_that_cannot_be_written_is_told(world: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RuntimeError, match="a folder that you may write to"):
        bpy.ops.skygen.save_preset(preset_name="Mine")
    assert list(folder.iterdir()) == [] and world.skygen.preset_gallery == "fair_cumulus"


def test_a_sun_by_date_and_place_is_saved_as_its_direction(world: Any, folder: Path) -> None:
    """The sun of Paris at noon of the solstice, an independent almanac's place to a tenth of a degree."""
    sun = world.skygen.sun
    sun.placement, sun.latitude, sun.longitude = "DATE_PLACE", math.radians(48.8566), math.radians(2.3522)
    sun.year, sun.month, sun.day, sun.time_of_day, sun.utc_offset = 2026, 6, 21, 12.0, 0.0
    world.skygen.time_scale = 3600.0 * 24
    bpy.context.scene.render.fps = 24
    bpy.context.scene.frame_set(1)
    bpy.ops.skygen.save_preset(preset_name="Noon")
    bpy.context.scene.frame_set(4)  # three frames are three hours
    bpy.ops.skygen.save_preset(preset_name="Afternoon")
    path = part("core.sun_path").SunPath(datetime(2026, 6, 21, 12, tzinfo=UTC), 48.8566, 2.3522, 0.0)
    for name, time_s in (("Noon", 0.0), ("Afternoon", 3 * 3600.0)):
        controls = stored(name, folder).controls
        azimuth, elevation = (math.degrees(angle) for angle in path.angles_rad(time_s))
        assert controls.sun_azimuth_deg == pytest.approx(azimuth, abs=0.01)
        assert controls.sun_elevation_deg == pytest.approx(elevation, abs=0.01)
    noon = stored("Noon", folder).controls
    assert noon.sun_elevation_deg == pytest.approx(90 - 48.8566 + 23.44, abs=0.2)  # nine minutes after it culminates
    sun.day, sun.month = 31, 2
    with pytest.raises(RuntimeError, match="no day 31"):
        bpy.ops.skygen.save_preset(preset_name="Never")


@pytest.mark.parametrize("sun_in", ["LAMP", "BOTH"])
def test_a_preset_does_not_depend_on_the_lamp(world: Any, folder: Path, sun_in: str) -> None:
    world.skygen.sun.sun_in = sun_in
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert stored("Mine", folder).controls.sun_disc is True
