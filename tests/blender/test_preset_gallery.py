"""The gallery: what it offers, what a pick does, and files whose preset is old, missing or damaged."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from preset_folder import MODULE, empty_folder, keep, part
from recording_layout import RecordingLayout

IN_ORDER = [
    "clear_noon", "fair_cumulus", "broken_clouds", "mackerel_sky", "high_cirrus", "overcast", "storm_front",
    "golden_hour", "red_sunset", "misty_dawn", "blue_hour", "endless_day",
]  # fmt: skip


@pytest.fixture
def folder(package: Any) -> Path:
    return empty_folder()


def items(settings: Any) -> list[tuple[Any, ...]]:
    return list(part("blender.presets.preset_choice").gallery_items(settings))


def drawn(world: Any) -> tuple[str, set[str]]:
    """All words that the panel shows, and the operators that it offers."""
    layout = RecordingLayout()
    part("blender.panels.panel_presets").draw_presets(layout, bpy.context, world)
    assert layout.props == ["preset_gallery"]
    words = " ".join(layout.texts)
    assert words.encode()  # Blender takes no halves of characters
    return words, set(layout.operators)


def test_all_shipped_presets_are_offered_with_thumbnails_of_their_own(world: Any, folder: Path) -> None:
    offered = items(world.skygen)
    assert [item[0] for item in offered] == IN_ORDER
    assert all(label and description.endswith(".") for _, label, description, _, _ in offered)
    icons = [item[3] for item in offered]
    assert all(isinstance(icon, int) for icon in icons)  # all 0 without a window
    shown = part("blender.presets.preset_gallery").GALLERY._icons
    sizes = {tuple(shown[key].image_size) for key in shown}  # reading a size loads the picture
    assert sizes == {(192, 192)}


def test_a_pick_applies_the_preset_and_shows_it_as_chosen(world: Any, folder: Path) -> None:
    settings, presets = world.skygen, part("core.presets")
    settings.seed, settings.frame_end = 7, 12
    assert settings.preset_gallery == "fair_cumulus"
    for name in IN_ORDER:
        settings.preset_gallery = name
        assert (settings.preset_gallery, settings.preset, settings.own_preset) == (name, name, "")
        controls = part("blender.settings.controls_from_settings").controls_from_settings(settings)
        assert controls == presets.load_preset(name).controls
    assert (settings.seed, settings.frame_end) == (7, 12)


def test_a_pick_is_one_worlds_and_can_be_undone(world: Any, folder: Path) -> None:
    other = bpy.data.worlds.new("Other")
    bpy.ops.ed.undo_push(message="before")
    world.skygen.preset_gallery = "overcast"
    bpy.ops.ed.undo_push(message="pick")
    assert (other.skygen.preset, other.skygen.low.cover) == ("fair_cumulus", pytest.approx(0.32))
    bpy.ops.ed.undo()
    again = bpy.data.worlds["Artist"].skygen
    assert (again.preset_gallery, again.low.cover) == ("fair_cumulus", pytest.approx(0.32))
    bpy.ops.ed.redo()
    assert bpy.data.worlds["Artist"].skygen.preset_gallery == "overcast"


def test_own_presets_come_after_the_shipped_ones(world: Any, folder: Path) -> None:
    settings = world.skygen
    assert len(items(settings)) == len(IN_ORDER)
    keep("zinc", "overcast", folder)
    keep("Abend über Köln", "red_sunset", folder, "Rot.")
    offered = items(settings)
    assert [item[0] for item in offered[len(IN_ORDER) :]] == ["own/Abend über Köln", "own/zinc"]
    assert offered[len(IN_ORDER)][1:3] == ("Abend über Köln", "Rot.")
    settings.preset_gallery = "own/Abend über Köln"
    assert (settings.preset, settings.own_preset) == ("own", "Abend über Köln")
    assert settings.sun_azimuth == pytest.approx(4.974188)  # 285 degrees, as red_sunset has it
    settings.preset_gallery = "clear_noon"
    assert (settings.preset, settings.own_preset) == ("clear_noon", "")


def test_numbers_stay_with_their_presets(world: Any, folder: Path) -> None:
    """A menu that is open while a preset comes or goes must not pick a neighbour."""
    keep("Middle", "overcast", folder)
    before = {item[0]: item[4] for item in items(world.skygen)}
    keep("Aardvark", "storm_front", folder)
    after = {item[0]: item[4] for item in items(world.skygen)}
    assert all(after[name] == number for name, number in before.items())
    assert len(set(after.values())) == len(after)
    (folder / "Middle.json").unlink()
    world.skygen.preset_gallery = "storm_front"
    part("blender.presets.preset_choice").pick(world.skygen, before["own/Middle"])
    assert world.skygen.preset_gallery == "storm_front"


def test_texts_of_items_outlive_the_list(world: Any, folder: Path) -> None:
    """Blender keeps no copy of them: lists come and go, what they named is still read back."""
    for number in range(30):
        keep(f"Preset {number} {'long ' * 8}", "overcast", folder, f"Description {number} " * 5)
        world.skygen.preset_gallery = f"own/Preset {number} {'long ' * 8}".strip()
        gc.collect()
        assert world.skygen.preset_gallery.startswith(f"own/Preset {number} long")


def test_files_keep_the_numbers_that_older_versions_wrote(world: Any, folder: Path, tmp_path: Path) -> None:
    """They numbered the twelve presets in the order of the alphabet."""
    values = {item.identifier: item.value for item in world.skygen.bl_rna.properties["preset"].enum_items}
    assert {name: values[name] for name in IN_ORDER} == {name: i for i, name in enumerate(sorted(IN_ORDER))}
    assert set(values) == {*part("core.presets").preset_names(), "own"} and values["own"] == 1000
    if bpy.app.version < (5, 0, 0):  # later ones keep properties where scripts do not reach them
        world.skygen.preset = "storm_front"
        world["skygen"]["preset"] = 9
        assert world.skygen.preset == "overcast"
    else:
        world.skygen.preset = "overcast"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    assert bpy.data.worlds["Artist"].skygen.preset_gallery == "overcast"


def test_a_file_whose_preset_is_elsewhere_opens_and_says_so(world: Any, folder: Path, tmp_path: Path) -> None:
    keep("Mine", "storm_front", folder)
    world.skygen.preset_gallery = "own/Mine"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    (folder / "Mine.json").unlink()  # another computer
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    world = bpy.data.worlds["Artist"]
    settings = world.skygen
    assert settings.preset_gallery == "own/Mine" and items(settings)[-1][1] == "Mine (not on this computer)"
    cover = settings.low.cover
    assert cover == pytest.approx(part("core.presets").load_preset("storm_front").controls.low.cover)
    settings.preset_gallery = "own/Mine"  # nothing to apply
    assert settings.low.cover == cover
    words, operators = drawn(world)
    assert "Mine: not on this computer" in words and "save them here" in words
    assert not {"skygen.rename_preset", "skygen.delete_preset"} & operators
    with pytest.raises(RuntimeError, match="no preset 'Mine' on this computer"):
        bpy.ops.skygen.apply_preset(preset="Mine")
    settings.preset_gallery = "overcast"
    assert [item[0] for item in items(settings)] == IN_ORDER


def test_damaged_presets_are_named_and_hide_nothing(world: Any, folder: Path) -> None:
    keep("Good", "overcast", folder)
    for number in range(5):
        content = ("{", '{"haze": "thick"}', '{"hase\\ud800": 1}')[min(number, 2)]
        (folder / f"Bad {number}.json").write_text(content)
    assert [item[0] for item in items(world.skygen)[len(IN_ORDER) :]] == ["own/Good"]
    words, operators = drawn(world)
    assert "Bad 0" in words and "Mend or delete the file" in words and "2 more presets cannot be read" in words
    assert "wm.path_open" in operators
    for path in folder.glob("Bad*"):
        path.unlink()
    assert "Bad" not in drawn(world)[0]


def test_a_link_to_nothing_hides_no_preset(world: Any, folder: Path) -> None:
    (folder / "Gone.json").symlink_to(folder / "nowhere.json")
    assert len(items(world.skygen)) == len(IN_ORDER)
    keep("Good", "overcast", folder)
    assert items(world.skygen)[-1][0] == "own/Good"
    assert "Gone" in drawn(world)[0]


def test_a_preset_that_the_panel_cannot_hold_changes_nothing(world: Any, folder: Path) -> None:
    controls = part("core.controls")
    three = controls.LayerControls(types={"cumulus": 0.4, "stratus": 0.3, "cirrus": 0.3})
    part("core.own_presets").save_preset("Three", "", controls.SkyControls(low=three), folder)
    world.skygen.preset_gallery = "own/Three"
    assert world.skygen.preset_gallery == "fair_cumulus"
    assert "The last pick: The low layer mixes 3 cloud types" in drawn(world)[0]
    world.skygen.preset_gallery = "overcast"
    assert "The last pick" not in drawn(world)[0]


def test_a_folder_in_the_way_leaves_the_shipped_presets(world: Any, folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")
    try:
        assert [item[0] for item in items(world.skygen)] == IN_ORDER
        assert "cannot be read" in drawn(world)[0]
        with pytest.raises(RuntimeError, match="cannot be made"):
            bpy.ops.skygen.save_preset(preset_name="Mine")
    finally:
        folder.unlink()


def test_the_panel_says_whether_the_settings_have_left_the_preset(world: Any, folder: Path) -> None:
    settings = world.skygen
    words, operators = drawn(world)
    assert "Fair Cumulus" in words and "drifting over a blue sky" in words and "(changed)" not in words
    assert "skygen.apply_preset" not in operators
    for group, name, value in ((settings, "haze", 1.3), (settings.high, "cover", 0.01), (settings, "sun_disc", False)):
        settings.preset_gallery = "fair_cumulus"
        assert "(changed)" not in drawn(world)[0], name
        setattr(group, name, value)
        words, operators = drawn(world)
        assert "Fair Cumulus (changed)" in words and "skygen.apply_preset" in operators, name
    settings.preset_gallery = "fair_cumulus"
    settings.seed, settings.time_offset = 9, 100.0  # no part of a preset
    assert "(changed)" not in drawn(world)[0]


@pytest.mark.parametrize("sun_in", ["TEXTURE", "LAMP", "BOTH"])
def test_a_sun_lamp_is_no_change(world: Any, folder: Path, sun_in: str) -> None:
    world.skygen.sun.sun_in = sun_in
    assert "(changed)" not in drawn(world)[0]


def test_a_sun_by_date_and_place_is_no_change_but_is_told(world: Any, folder: Path) -> None:
    world.skygen.sun.placement = "DATE_PLACE"
    world.skygen.sun_azimuth += 1
    words, _ = drawn(world)
    assert "(changed)" not in words and "Date and Place keep the sun" in words
    world.skygen.haze += 1
    assert "(changed)" in drawn(world)[0]


def test_presets_are_applied_by_name_from_scripts(world: Any, folder: Path) -> None:
    keep("Mein Himmel", "mackerel_sky", folder)
    for name in ("Mein Himmel", "own/Mein Himmel"):
        assert bpy.ops.skygen.apply_preset(preset="overcast") == {"FINISHED"}
        assert bpy.ops.skygen.apply_preset(preset=name) == {"FINISHED"}
        assert world.skygen.preset_gallery == "own/Mein Himmel"
    (folder / "overcast.json").write_text("{}")  # put there by hand: the shipped one keeps its name
    bpy.ops.skygen.apply_preset(preset="overcast")
    assert world.skygen.preset == "overcast"
    bpy.ops.skygen.apply_preset(preset="own/overcast")
    assert (world.skygen.preset, world.skygen.own_preset) == ("own", "overcast")


def test_a_new_world_is_untouched(world: Any, folder: Path) -> None:
    """The gallery only shows: it must not count as something that the artist has set."""
    drawn(world)
    assert part("blender.settings.properties").is_untouched(world.skygen)
    world.skygen.preset_gallery = "overcast"
    assert not part("blender.settings.properties").is_untouched(world.skygen)


def test_the_choice_alone_makes_no_bake_stale(world: Any, folder: Path) -> None:
    fingerprint = part("blender.bake.sequence_state").settings_fingerprint
    before = fingerprint(world, 24.0)
    keep("Twin", "fair_cumulus", folder)
    world.skygen.preset_gallery = "own/Twin"
    assert world.skygen.own_preset == "Twin" and fingerprint(world, 24.0) == before


def test_a_pick_asks_for_a_preview_where_a_sky_is_shown(
    world: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only asked for: the callback of a property must not wait. What hinders it is told in the panel."""
    choice, error, asked = (
        part("blender.presets.preset_choice"),
        part("core.errors").BundleError("No model.", "Reinstall."),
        [],
    )
    monkeypatch.setattr(choice, "ask_live", lambda world, scene: asked.append((world.name, scene.name)))
    world.skygen.preset_gallery = "overcast"
    monkeypatch.setattr(choice, "environment_node", lambda world: object())
    world.skygen.preset_gallery = "red_sunset"
    assert asked == []  # without a window
    window = SimpleNamespace(app=SimpleNamespace(background=False), context=bpy.context, types=bpy.types)
    monkeypatch.setattr(choice, "bpy", window)
    world.skygen.preset_gallery = "storm_front"
    assert asked == [("Artist", "Scene")]

    def refuse(world: Any, scene: Any) -> None:
        raise error

    monkeypatch.setattr(choice, "ask_live", refuse)
    world.skygen.preset_gallery = "clear_noon"
    assert world.skygen.preset_gallery == "clear_noon" and world.skygen.low.cover == 0.0
    assert "The last pick: No model. Reinstall." in drawn(world)[0]


def test_disabling_gives_icons_and_timers_back(world: Any, folder: Path) -> None:
    items(world.skygen)
    gallery, work = part("blender.presets.preset_gallery").GALLERY, part("blender.presets.preset_thumbnails").WORK
    assert gallery._icons is not None and len(gallery._icons) >= len(IN_ORDER)
    icons = gallery._icons
    bpy.ops.preferences.addon_disable(module=MODULE)
    try:
        assert gallery._icons is None and len(icons) == 0
        assert work.busy_with is None and not bpy.app.timers.is_registered(work._timer)
    finally:
        bpy.ops.preferences.addon_enable(module=MODULE)
    assert [item[0] for item in items(bpy.data.worlds["Artist"].skygen)] == IN_ORDER
