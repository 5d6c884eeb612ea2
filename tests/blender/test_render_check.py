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
        "SkyGen: Of the scene's 4 frames there are 2 without a baked sky, which render magenta (11, 13). "
        "Press Bake Sky in the SkyGen panel."
    ]


def test_what_is_called_magenta_renders_magenta(sky: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remove(tmp_path, 13)
    for frame, magenta in ((12, False), (13, True), (14, True)):
        colour = rendered(tmp_path / "frame.exr", frame).mean(axis=(0, 1))
        assert (colour[1] < 0.01) == magenta, (frame, colour)
        assert ("14" in str(words())) == (frame == 14)
    assert len(warnings(caplog)) == 3


def test_frames_outside_of_the_bake_are_told(sky: Any) -> None:
    bpy.context.scene.frame_end = 20
    assert words() == (
        "Of the scene's 11 frames there are 7 outside of the baked 10-13, where it stands still. "
        "Set Start and End in the SkyGen panel and press Bake Sky."
    )


def test_a_loop_has_no_outside(sky: Any, tmp_path: Path) -> None:
    sky.skygen.loop, sky.skygen.loop_frames = True, 4
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    bpy.context.scene.frame_end = 21
    assert words() is None
    remove(tmp_path, 11)
    assert "3 without a baked sky, which render magenta (11, 15, 19)." in str(words())


def test_a_preview_without_a_window_is_told_to_stand_still(world: Any, renderer: Any) -> None:
    assert words() is None
    scene = bpy.context.scene
    scene.frame_set(3)
    bpy.ops.skygen.add_sky()
    assert words() == (
        "The sky is not baked: all 250 frames render one preview, 512 pixels wide, and clouds stand still. "
        "First run: blender -b FILE.blend --command skygen bake, or press Bake Sky in the SkyGen panel."
    )
    world.skygen.sun.shown_frame = 3  # the double does not tell of its sun, and so not of its frame
    assert "render one preview of frame 3, 512" in str(words())
    scene.frame_start = scene.frame_end = 3
    assert words() is None
    bpy.context.scene.world = None
    assert words() is None


def test_the_remedy_without_a_window_is_a_command_for_this_file(world: Any, renderer: Any, tmp_path: Path) -> None:
    bpy.ops.skygen.add_sky()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "my shot.blend"))
    assert 'First run: blender -b "my shot.blend" --command skygen bake,' in str(words())


def test_a_still_preview_is_told_of_in_a_window_too_unless_the_live_preview_follows(
    world: Any, renderer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bpy.ops.skygen.add_sky()
    module = importlib.import_module(f"{MODULE}.blender.bake.render_check")
    monkeypatch.setattr(module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False), data=bpy.data))
    world.skygen_live.enabled = True
    assert words() is None
    world.skygen_live.enabled = False
    assert "all 250 frames render one preview" in str(words())


def test_the_remedy_for_a_linked_world_lies_in_its_file(sky: Any, tmp_path: Path) -> None:
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {sky}, fake_user=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.worlds = ["Artist"]
    bpy.context.scene.world = wanted.worlds[0]
    bpy.context.scene.frame_end = 20
    assert str(words()).endswith("where it stands still. Bake in the world's own file.")


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
    assert "9 outside of the baked 10-13" in capfd.readouterr().out


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
    assert len(lines) == 1 and "1 without a baked sky, which render magenta (12)" in lines[0], result.stderr
    assert os.path.isfile(tmp_path / "frame.exr")
