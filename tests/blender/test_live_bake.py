"""Live pictures beside a bound bake: what is shown when, and that renders and files keep to the bake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import live_world
import numpy as np
import pytest
from conftest import add_camera, rendered
from live_world import Clock, ask, image_of, part, red_of
from sunny_sky import shown_by, use_lamp

live = live_world.live


@pytest.fixture
def baked(world: Any, live: Clock, tmp_path: Path) -> Any:
    """A world that shows three baked frames, a sky minute apart."""
    settings, scene = world.skygen, bpy.context.scene
    scene.render.fps, settings.time_scale = 24, 24 * 60
    settings.frame_start, settings.frame_end, settings.width = 1, 3, "512"
    settings.output_folder = str(tmp_path / "sky")
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


def source(world: Any) -> str:
    return str(image_of(world).source)


def look(live: Clock) -> None:
    """Let the preview do all that it wants to."""
    live.tick()
    live.until(lambda: live.state().icon != "RENDER_STILL" and live.state().icon != "SORTTIME", step=0.1)


def test_a_bake_that_covers_the_frame_stays(baked: Any, live: Clock, renderer: Any) -> None:
    renderer.forget()
    for frame in (1, 2, 3):
        bpy.context.scene.frame_set(frame)
        look(live)
        assert source(baked) == "SEQUENCE"
    baked.skygen.haze = 3.0  # stale, but nobody has chosen to see the change
    look(live)
    assert source(baked) == "SEQUENCE" and renderer.requests == []
    assert live.state().text == "The baked sky is shown"


def test_frames_beside_the_bake_are_live(baked: Any, live: Clock) -> None:
    sequence = image_of(baked)
    bpy.context.scene.frame_set(5)
    look(live)
    assert source(baked) == "FILE" and red_of(baked) == pytest.approx(4.1, rel=1e-3)
    assert "renders use the bake" in live.state().text
    bpy.context.scene.frame_set(2)
    look(live)
    assert image_of(baked) == sequence and baked.skygen_live.bound_image is None


def test_a_frame_whose_file_is_gone_is_live(baked: Any, live: Clock, tmp_path: Path) -> None:
    (tmp_path / "sky" / "sky_0002.exr").unlink()
    bpy.context.scene.frame_set(2)
    look(live)
    assert source(baked) == "FILE" and red_of(baked) == pytest.approx(1.1, rel=1e-3)


def test_a_loop_covers_all_frames(baked: Any, live: Clock) -> None:
    part("world.world_nodes").environment_node(baked).image_user.use_cyclic = True
    bpy.context.scene.frame_set(50)
    look(live)
    assert source(baked) == "SEQUENCE"


def test_changes_over_the_bake_are_the_artists_choice_and_renders_keep_to_the_bake(
    baked: Any, live: Clock, tmp_path: Path
) -> None:
    add_camera(baked.skygen.sun_azimuth + np.pi, 0.5)
    sequence, settings = (
        image_of(baked),
        (baked.skygen.baked_start, baked.skygen.baked_end, baked.skygen.baked_settings),
    )
    baked.skygen.time_offset = 600.0
    baked.skygen_live.over_bake = True
    bpy.context.scene.frame_set(2)
    look(live)
    assert source(baked) == "FILE" and red_of(baked) == pytest.approx(11.1, rel=1e-3)
    assert part("live.live_bake").bound_sequence(baked) == sequence
    states = [state.text for state in part("bake.sequence_state").sky_states(bpy.context, baked)]
    assert "The settings have changed since the bake, which renders show" in states
    for frame in (2, 3):
        seen = float(np.median(rendered(tmp_path / "r.exr", frame)[..., 0]))
        assert seen == pytest.approx(0.1 + frame - 1, rel=0.02)  # as baked
        look(live)
        assert source(baked) == "FILE"  # and after the render it is live again
    assert settings == (baked.skygen.baked_start, baked.skygen.baked_end, baked.skygen.baked_settings)
    baked.skygen_live.over_bake = False
    look(live)
    assert image_of(baked) == sequence


def test_switched_off_the_bake_is_back(baked: Any, live: Clock) -> None:
    baked.skygen_live.over_bake = True
    look(live)
    assert source(baked) == "FILE"
    baked.skygen_live.enabled = False
    live.tick()
    assert source(baked) == "SEQUENCE"


def test_a_saved_file_keeps_to_the_bake(baked: Any, live: Clock, tmp_path: Path) -> None:
    baked.skygen_live.over_bake = True
    look(live)
    part("live.live_handlers").put_bakes_back()  # the handler of save_pre, which is only there with a window
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sky.blend"), copy=True)
    look(live)
    assert source(baked) == "FILE"
    live.preview.forget()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"))
    world = bpy.context.scene.world
    assert source(world) == "SEQUENCE" and world.skygen_live.bound_image is None
    assert [i for i in bpy.data.images if "skygen_live" in i.keys()] == []


def test_a_new_bake_ends_the_view_over_the_old_one(baked: Any, live: Clock) -> None:
    bpy.context.scene.frame_set(9)
    look(live)
    baked.skygen.frame_end = 9
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    look(live)
    assert source(baked) == "SEQUENCE" and baked.skygen_live.bound_image is None
    assert len([i for i in bpy.data.images if i.source == "SEQUENCE"]) == 1


def test_restoring_the_world_leaves_nothing(baked: Any, live: Clock) -> None:
    bpy.context.scene.frame_set(9)
    look(live)
    assert bpy.ops.skygen.restore_world() == {"FINISHED"}
    look(live)
    assert image_of(baked) is None and baked.skygen_live.bound_image is None
    assert [i for i in bpy.data.images if i.source == "SEQUENCE"] == []


def test_a_preview_that_is_asked_for_lets_the_bake_go_when_it_comes(baked: Any, live: Clock) -> None:
    ask(baked)
    assert source(baked) == "SEQUENCE"  # nothing is lost if no picture ever comes
    look(live)
    assert source(baked) == "FILE" and baked.skygen.baked_end < baked.skygen.baked_start
    assert live.pushed == ["Show Preview"]
    assert bpy.ops.skygen.bind_sequence() == {"FINISHED"}
    look(live)
    assert source(baked) == "SEQUENCE"


def test_a_bake_that_is_bound_after_somebody_asked_stays(baked: Any, live: Clock, tmp_path: Path) -> None:
    """A script that adds a sky and bakes at once gets its bake, though the picture comes later."""
    for shown_before in (True, False):
        if not shown_before:
            part("world.world_nodes").environment_node(baked).image = None
        ask(baked)
        assert bpy.ops.skygen.bind_sequence() == {"FINISHED"}
        sequence = image_of(baked)
        look(live)
        assert image_of(baked) == sequence and baked.skygen.baked_end == 3 and live.pushed == []
    ask(baked)  # and who asks then gets the picture
    look(live)
    assert source(baked) == "FILE"


def test_undoing_the_question_keeps_the_bake(baked: Any, live: Clock) -> None:
    ask(baked)
    live.preview.distrust()  # as the handler of undo_post does
    look(live)
    assert source(baked) == "SEQUENCE" and baked.skygen.baked_end == 3 and live.pushed == []


def test_textures_are_baked_with_the_bake(baked: Any, live: Clock) -> None:
    handlers = part("live.live_handlers")
    assert ("object_bake_pre", handlers.put_bakes_back) in handlers._IN_WINDOWS
    assert all(hasattr(bpy.app.handlers, name) for name, _ in handlers._IN_WINDOWS)
    baked.skygen_live.over_bake = True
    look(live)
    assert source(baked) == "FILE"
    handlers.put_bakes_back(None)
    assert source(baked) == "SEQUENCE"


def test_undo_over_the_bake(baked: Any, live: Clock) -> None:
    bpy.ops.ed.undo_push(message="baked")
    bpy.context.scene.world.skygen_live.over_bake = True
    bpy.ops.ed.undo_push(message="over")
    look(live)
    bpy.context.scene.world.skygen.time_offset = 300.0
    look(live)
    bpy.ops.ed.undo_push(message="offset")
    assert red_of(bpy.context.scene.world) == pytest.approx(5.1, rel=1e-3)
    bpy.ops.ed.undo()
    live.preview.distrust()
    look(live)
    assert red_of(bpy.context.scene.world) == pytest.approx(0.1, rel=1e-3)
    bpy.ops.ed.undo()
    live.preview.distrust()
    look(live)
    assert source(bpy.context.scene.world) == "SEQUENCE"


def test_a_sun_lamp_keeps_to_the_bake(world: Any, live: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = str(Path(__file__).with_name("sunny_bake.py"))
    for process in (part("live.live_process"), part("bake.bake_process")):
        command = process.bake_command()
        monkeypatch.setattr(process, "bake_command", lambda head=command[:-2]: [*head, script, "skygen"])
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 3, "512"
    settings.output_folder = str(tmp_path / "sky")
    lamp = use_lamp(world)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    before = shown_by(lamp)
    settings.sun_elevation = 0.2
    world.skygen_live.over_bake = True
    look(live)
    assert source(world) == "FILE" and shown_by(lamp) == before
    settings.sun.sun_in = "BOTH"  # brings nodes and lamp to what is shown, which is no bake at the moment
    look(live)
    world.skygen_live.over_bake = False
    look(live)
    assert source(world) == "SEQUENCE" and shown_by(lamp) == before


def test_a_render_waits_for_no_picture_over_a_bake_and_a_playblast_does(baked: Any, live: Clock, renderer: Any) -> None:
    finish, scene = part("live.live_render").finish, bpy.context.scene
    baked.skygen_live.over_bake = True
    baked.skygen.time_offset = 600.0
    scene.frame_set(2)
    renderer.forget()
    finish(live.preview, scene, None)
    assert source(baked) == "SEQUENCE" and renderer.requests == []
    finish(live.preview, scene, None, over_bake=True)
    assert source(baked) == "FILE" and red_of(baked) == pytest.approx(11.1, rel=1e-3)
    part("live.live_handlers").prepare_render(scene)
    assert source(baked) == "SEQUENCE"  # the bake itself is what a render shows
