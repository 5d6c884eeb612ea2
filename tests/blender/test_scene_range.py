"""Which frames are baked: the scene's until others are set, in the panel, by a script or in an older file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import bpy
import pytest
from recording_layout import RecordingLayout, drawn

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.blender.{name}")


def asked(world: Any) -> tuple[int, int]:
    """First and last frame that a bake would write."""
    frames = part("bake.bake_plan").plan_of_settings(world, bpy.context.scene, folder=Path("/")).frames
    assert frames == tuple(range(frames[0], frames[-1] + 1))
    return frames[0], frames[-1]


def states(world: Any) -> list[str]:
    return [state.text for state in part("bake.sequence_state").sky_states(bpy.context, world)]


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """A sky as Add Sky makes it, in a scene of frames 3 to 5."""
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 3, 5
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}
    world.skygen.width, world.skygen.output_folder = "512", str(tmp_path / "sky")
    return world


def test_a_new_sky_bakes_the_frames_that_the_scene_has_then(sky: Any, tmp_path: Path) -> None:
    scene = bpy.context.scene
    assert sky.skygen.use_scene_range and asked(sky) == (3, 5)
    scene.frame_start, scene.frame_end = 4, 6
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    assert sorted(path.name for path in (tmp_path / "sky").glob("*.exr")) == [f"sky_{n:04d}.exr" for n in (4, 5, 6)]
    assert states(sky) == ["Baked: frames 4-6"]
    scene.frame_start, scene.frame_end = 2, 8
    assert states(sky) == ["Not baked yet: 2-3, 7-8"]
    scene.frame_start, scene.frame_end = 5, 5  # a part of it alone
    assert states(sky) == ["Baked: frames 4-6"]


def test_frames_that_are_set_stay_whatever_the_scene_does(sky: Any, tmp_path: Path) -> None:
    scene, settings = bpy.context.scene, sky.skygen
    settings.use_scene_range = False
    assert (settings.frame_start, settings.frame_end) == (3, 5)  # from where the artist goes on
    scene.frame_end = 90
    assert asked(sky) == (3, 5) and not settings.use_scene_range
    settings.frame_end = 7
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sky.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"))
    world = bpy.context.scene.world
    assert asked(world) == (3, 7) and asked(world.copy()) == (3, 7)
    world.skygen.use_scene_range = True
    assert asked(world) == (3, 90)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"))
    bpy.context.scene.frame_end = 4
    assert asked(bpy.context.scene.world) == (3, 4)


@pytest.mark.parametrize("name, frames", [("frame_start", (2, 250)), ("frame_end", (1, 6))])
def test_a_script_that_sets_start_or_end_gets_them(world: Any, name: str, frames: tuple[int, int]) -> None:
    """As in files from before there was a choice, which hold these two and nothing else."""
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 10, 20
    setattr(world.skygen, name, frames[name == "frame_end"])
    assert not world.skygen.use_scene_range and asked(world) == frames


def test_undo_gives_the_scenes_range_back(sky: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.world.skygen.frame_end = 100
    bpy.ops.ed.undo_push(message="set")
    assert asked(bpy.context.scene.world) == (1, 100)
    bpy.ops.ed.undo()
    assert asked(bpy.context.scene.world) == (3, 5)


def test_a_choice_of_frames_alone_counts_as_touched(world: Any) -> None:
    properties = part("settings.properties")
    assert properties.is_untouched(world.skygen)
    world.skygen.use_scene_range = False
    assert not properties.is_untouched(world.skygen)
    properties.reset(world.skygen)
    assert world.skygen.use_scene_range and properties.is_untouched(world.skygen)


def test_a_loop_starts_where_the_scene_does(sky: Any) -> None:
    sky.skygen.loop, sky.skygen.loop_frames = True, 40
    assert asked(sky) == (3, 42)
    bpy.context.scene.frame_start = 1
    assert asked(sky) == (1, 40)


def test_a_frame_map_is_followed(sky: Any) -> None:
    """100 to 200 plays at half the speed: the scene's frames 4 to 20 show the sky's 2 to 10."""
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 4, 20
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    assert asked(sky) == (2, 10)
    sky.skygen.use_scene_range = False
    scene.render.frame_map_new = 100
    assert asked(sky) == (2, 10)


def test_binding_shows_what_is_there_of_the_scenes_range(sky: Any, tmp_path: Path) -> None:
    scene = bpy.context.scene
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    scene.frame_start, scene.frame_end = 1, 9
    assert bpy.ops.skygen.show_preview() == {"FINISHED"} and bpy.ops.skygen.bind_sequence() == {"FINISHED"}
    assert states(sky) == ["Not baked yet: 1-2, 6-9"]
    (tmp_path / "sky" / "sky_0004.exr").unlink()
    (tmp_path / "sky" / "sky_0005.exr").rename(tmp_path / "sky" / "sky_0008.exr")
    (tmp_path / "sky" / "sky_0003.exr").rename(tmp_path / "sky" / "sky_0007.exr")
    assert bpy.ops.skygen.bind_sequence() == {"FINISHED"}
    assert (sky.skygen.baked_start, sky.skygen.baked_end) == (7, 8)
    sky.skygen.use_scene_range = False  # whoever names frames gets these or none
    with pytest.raises(RuntimeError, match="lacks frames 1-6, 9"):
        bpy.ops.skygen.bind_sequence()
    scene.frame_end = 3
    sky.skygen.use_scene_range = True
    with pytest.raises(RuntimeError, match="lacks frames 1-3"):
        bpy.ops.skygen.bind_sequence()


def test_another_scene_with_this_world_has_its_own_range(sky: Any) -> None:
    other = bpy.data.scenes.new("Other")
    other.world, other.frame_start, other.frame_end = sky, 30, 40
    frames = part("bake.bake_plan").frames_of_settings
    assert frames(sky, other) == tuple(range(30, 41)) and frames(sky, bpy.context.scene) == (3, 4, 5)


def test_the_command_bakes_the_scenes_frames(sky: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert part("command").run(["bake"]) == 0
    assert len(list((tmp_path / "sky").glob("*.exr"))) == 3
    settings = bpy.context.scene.world.skygen
    assert (settings.baked_start, settings.baked_end) == (3, 5) and settings.use_scene_range


def test_the_panel_shows_the_frames_that_are_baked(sky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the scene, whose names they have; switched off its own."""
    shown: list[tuple[str, str]] = []
    monkeypatch.setattr(RecordingLayout, "prop", lambda _, data, name, **__: shown.append((type(data).__name__, name)))
    for follows, owner in ((True, "Scene"), (False, "SkyGenSettings")):
        sky.skygen.use_scene_range = follows
        shown.clear()
        drawn(bpy.types.SKYGEN_PT_world_bake)
        at = shown.index(("SkyGenSettings", "use_scene_range"))
        assert shown[at + 1 : at + 3] == [(owner, "frame_start"), (owner, "frame_end")]
        assert [name for _, name in shown].count("frame_end") == 1


def test_a_bake_from_before_is_not_stale_for_its_first_frame(sky: Any) -> None:
    """Its fingerprint counted Start in; one that is of other settings is stale as before."""
    state, settings = part("bake.sequence_state"), sky.skygen
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    makers = settings.baked_settings.partition(" ")[2]
    settings.baked_settings = f"{state.settings_fingerprint(sky, 24.0, with_start=3)} {makers}"
    assert states(sky) == ["Baked: frames 3-5"]
    settings.baked_settings = f"{state.settings_fingerprint(sky, 24.0, with_start=99)} {makers}"
    assert states(sky)[0].startswith("The settings have changed since the bake")
