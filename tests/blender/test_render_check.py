"""Frames without a baked sky are told before they are rendered, in the console and by the bake itself."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from conftest import add_camera, rendered

MODULE = "bl_ext.user_default.skygen"


def words() -> str | None:
    return importlib.import_module(f"{MODULE}.blender.bake.render_check").unbaked_in_words(bpy.context.scene)


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Frames 10 to 13 are baked, and the scene has no others."""
    settings, scene = world.skygen, bpy.context.scene
    settings.frame_start, settings.frame_end, settings.width = 10, 13, "512"
    settings.output_folder, settings.sun_elevation = str(tmp_path / "sky"), -1.0
    scene.frame_start, scene.frame_end = 10, 13
    scene.frame_set(10)
    add_camera(0.0, 0.5)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


def remove(tmp_path: Path, *frames: int) -> None:
    for frame in frames:
        (tmp_path / "sky" / f"sky_{frame:04d}.exr").unlink()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith(MODULE) and r.levelno >= logging.WARNING]


def test_a_whole_sky_needs_no_words(sky: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rendered(tmp_path / "frame.exr", 11)
    assert words() is None and warnings(caplog) == []


def test_missing_frames_are_told_once_before_an_animation(
    sky: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remove(tmp_path, 11, 13)
    bpy.context.scene.render.filepath = str(tmp_path / "film_####")
    assert bpy.ops.render.render(animation=True) == {"FINISHED"}
    assert warnings(caplog) == [
        "SkyGen: The baked sky lacks the file of frames 11, 13 of the scene: magenta in the render. "
        "Press Bake Sky in the SkyGen panel, or render only 10, 12."
    ]


def test_what_is_called_magenta_renders_magenta(sky: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remove(tmp_path, 13)
    for frame, magenta in ((12, False), (13, True), (14, True)):
        colour = rendered(tmp_path / "frame.exr", frame).mean(axis=(0, 1))
        assert (colour[1] < 0.01) == magenta, (frame, colour)
        assert ("14" in str(words())) == (frame == 14)
    assert len(warnings(caplog)) == 3


def test_frames_outside_of_the_bake_are_told(sky: Any) -> None:
    scene, settings = bpy.context.scene, sky.skygen
    scene.frame_end = 20
    lacks = (
        "The sky is baked for frames 10-13 only: in frames 14-20 of the scene the nearest one is seen, and clouds "
        "stand still. "
    )
    remedy, otherwise = "then press Bake Sky", ", or render only 10-13."
    assert words() == f"{lacks}Switch Use Scene Range on in the SkyGen panel, {remedy}{otherwise}"
    settings.frame_end = 20
    assert words() == f"{lacks}Press Bake Sky in the SkyGen panel{otherwise}"
    settings.use_scene_range = True
    assert words() == f"{lacks}Press Bake Sky in the SkyGen panel{otherwise}"
    scene.frame_end = 13
    assert words() is None
    scene.frame_set(15)  # a still of a frame that the scene's range does not hold
    assert str(words()).endswith(
        "in frame 15 of the scene the nearest one is seen, and clouds stand still. In the SkyGen panel let Start "
        f"and End hold 15 (Use Scene Range off), {remedy}{otherwise}"
    )


def test_a_render_in_a_window_is_told_of_its_own_frames(sky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A still of a baked frame needs no word about others, a film none about the frame that is shown before it."""
    module = importlib.import_module(f"{MODULE}.blender.bake.render_check")
    scene, film = bpy.context.scene, [False]
    monkeypatch.setattr(module, "is_running", lambda context, operator: operator == "RENDER_OT_render")
    monkeypatch.setattr(module, "is_film_rendered", lambda context: film[0])
    scene.frame_end = 20
    assert words() is None
    film[0] = True
    assert "in frames 14-20 of the scene" in str(words())
    scene.frame_end = 13
    scene.frame_set(15)
    assert words() is None
    film[0] = False
    assert "in frame 15 of the scene" in str(words())


def test_a_loop_has_no_outside(sky: Any, tmp_path: Path) -> None:
    sky.skygen.loop, sky.skygen.loop_frames = True, 4
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    bpy.context.scene.frame_end = 21
    assert words() is None
    remove(tmp_path, 11)
    assert "lacks the file of frames 11, 15, 19 of the scene: magenta" in str(words())


def test_a_preview_without_a_window_is_told_to_stand_still(world: Any, renderer: Any) -> None:
    assert words() is None
    scene = bpy.context.scene
    scene.frame_set(3)
    bpy.ops.skygen.add_sky()
    still = "The sky is not baked: frames 1-250 all render the same still picture"
    assert words() == (
        f"{still} (the preview, 512 pixels wide instead of 2048), and clouds do not move. "
        "Press Bake Sky in the SkyGen panel, or run: blender -b FILE.blend --command skygen bake."
    )
    world.skygen.sun.shown_frame = 3  # the double does not tell of its sun, and so not of its frame
    assert f"{still} (the preview of frame 3, 512 " in str(words())
    world.skygen.frame_end = 6
    assert str(words()).endswith(
        "Switch Use Scene Range on in the SkyGen panel, then press Bake Sky, or run: blender -b FILE.blend --command "
        "skygen bake --frames 1-250."
    )
    scene.frame_start = scene.frame_end = 3
    assert words() is None
    scene.frame_start = scene.frame_end = 5
    scene.frame_set(5)
    world.skygen.width = "512"
    assert "frame 5 renders a still picture (the preview of frame 3, 512 pixels wide), and" in str(words())
    bpy.context.scene.world = None
    assert words() is None


def test_the_remedy_without_a_window_is_a_command_for_this_file(world: Any, renderer: Any, tmp_path: Path) -> None:
    bpy.ops.skygen.add_sky()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "my shot.blend"))
    assert str(words()).endswith(', or run: blender -b "my shot.blend" --command skygen bake.')


def test_a_still_preview_is_told_of_in_a_window_too_unless_the_live_preview_follows(
    world: Any, renderer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bpy.ops.skygen.add_sky()
    module = importlib.import_module(f"{MODULE}.blender.bake.render_check")
    monkeypatch.setattr(
        module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False), data=bpy.data, context=bpy.context)
    )
    world.skygen_live.enabled = True
    assert words() is None
    world.skygen_live.enabled = False
    assert "frames 1-250 all render the same still picture" in str(words())


def test_the_remedy_for_a_linked_world_lies_in_its_file(sky: Any, tmp_path: Path) -> None:
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {sky}, fake_user=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.worlds = ["Artist"]
    bpy.context.scene.world = wanted.worlds[0]
    bpy.context.scene.frame_end = 20
    assert str(words()).endswith("clouds stand still. Bake in the world's own file.")


def test_a_failing_check_does_not_stop_the_render(
    sky: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"{MODULE}.blender.bake.render_check")
    monkeypatch.setattr(module, "missing_frames", lambda folder, frames: 1 / 0)
    rendered(tmp_path / "frame.exr", 10)
    assert (tmp_path / "frame.exr").is_file()
    assert [text for text in warnings(caplog) if "could not be checked" in text]


def test_the_bake_tells_what_it_does_not_cover(sky: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert "Info: Baked 4 frames into" in capfd.readouterr().out
    bpy.context.scene.frame_start = 1
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert "baked for frames 10-13 only: in frames 1-9 of the scene" in capfd.readouterr().out


def test_a_bake_of_the_whole_scene_has_no_gaps_wherever_the_scene_stands(
    sky: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A render of that frame is another matter."""
    bpy.context.scene.frame_set(91)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    told = capfd.readouterr().out
    assert "Baked 4 frames" in told and "91" not in told
    assert "in frame 91 of the scene the nearest one is seen" in str(words())


def test_the_console_of_a_background_render_shows_it(sky: Any, tmp_path: Path) -> None:
    remove(tmp_path, 12)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    script = (
        "import os, sys, bpy, addon_utils\n"
        f"addon_utils.enable({MODULE!r})\n"
        f"bpy.ops.wm.open_mainfile(filepath={str(tmp_path / 'shot.blend')!r})\n"
        f"bpy.context.scene.render.filepath = {str(tmp_path / 'frame.exr')!r}\n"
        "bpy.ops.render.render(write_still=True)\n"
        "sys.stdout.flush(); sys.stderr.flush(); os._exit(0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("SkyGen: ")]
    assert len(lines) == 1 and "lacks the file of frame 12 of the scene: magenta" in lines[0], result.stderr
    assert os.path.isfile(tmp_path / "frame.exr")
