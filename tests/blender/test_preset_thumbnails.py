"""Thumbnails of own presets: made beside Blender, shown, made anew, and what is left when something goes wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from preset_folder import empty_folder, keep, part


@pytest.fixture
def folder(package: Any) -> Iterator[Path]:
    yield empty_folder()
    part("blender.presets.preset_thumbnails").WORK.stop()


def wait_until(done: Callable[[], bool], seconds: float = 120.0) -> None:
    """Do what the timer of a window would do, until there is nothing left."""
    work, end = part("blender.presets.preset_thumbnails").WORK, time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        work.advance()
        time.sleep(0.05)
    assert done()


@pytest.fixture
def process(renderer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The known renderer in the process that makes thumbnails."""
    module = part("blender.presets.preset_thumbnails")
    monkeypatch.setattr(module, "bake_command", part("blender.bake.bake_process").bake_command)
    return renderer


def test_thumbnails_are_made_and_shown(world: Any, folder: Path, process: Any) -> None:
    work, choice = part("blender.presets.preset_thumbnails").WORK, part("blender.presets.preset_choice")
    bpy.ops.skygen.save_preset(preset_name="Mein Köln")
    keep("Other", "red_sunset", folder)
    icons = {item[1]: item[3] for item in choice.gallery_items(world.skygen)}
    assert icons["Mein Köln"] == icons["Other"] == "IMAGE_DATA"
    assert work.advance() and work.busy_with == "Mein Köln"
    said = " ".join(text for text, _ in part("blender.panels.panel_presets").lines(world.skygen, None))
    assert "Making the thumbnail of Mein Köln" in said
    wait_until(lambda: work.busy_with is None)
    assert sorted(path.name for path in folder.glob("*.png")) == ["Mein Köln.png", "Other.png"]
    assert work.faults == {} and not work.advance()
    assert len(process.requests) == 2
    items = choice.gallery_items(world.skygen)
    assert all(isinstance(item[3], int) for item in items)
    image = bpy.data.images.load(str(folder / "Other.png"))
    assert tuple(image.size) == (192, 192)


def test_a_thumbnail_is_made_anew_when_its_preset_changes(world: Any, folder: Path, process: Any) -> None:
    work = part("blender.presets.preset_thumbnails").WORK
    bpy.ops.skygen.save_preset(preset_name="Mine")
    wait_until(lambda: not work.advance())
    first = (folder / "Mine.png").read_bytes()
    bpy.ops.skygen.rename_preset(old="Mine", new="Yours")
    assert not work.advance() and (folder / "Yours.png").read_bytes() == first
    world.skygen.sun_elevation = math.radians(5.0)
    bpy.ops.skygen.save_preset(preset_name="Yours", overwrite=True)
    wait_until(lambda: not work.advance())
    assert (folder / "Yours.png").read_bytes() != first and len(process.requests) == 2


def test_a_preset_that_is_overwritten_meanwhile_is_drawn_again(world: Any, folder: Path, process: Any) -> None:
    work = part("blender.presets.preset_thumbnails").WORK
    process.behave("slow")
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert work.advance()
    wait_until(lambda: bool(process.requests))
    world.skygen.sun_elevation = math.radians(5.0)
    bpy.ops.skygen.save_preset(preset_name="Mine", overwrite=True)
    wait_until(lambda: work.busy_with is None)
    heights = [request.sun_elevation_rad for request in process.requests]
    assert heights[-1] == pytest.approx(math.radians(5.0)) and len(heights) == 2


def test_a_thumbnail_that_fails_is_told_once_and_not_tried_for_ever(world: Any, folder: Path, process: Any) -> None:
    work, panel = part("blender.presets.preset_thumbnails").WORK, part("blender.panels.panel_presets")
    process.behave("crash")
    bpy.ops.skygen.save_preset(preset_name="Mine")
    wait_until(lambda: not work.advance())
    assert list(work.faults) == ["Mine"] and len(process.requests) == 1
    assert "No thumbnail of Mine: " in " ".join(text for text, _ in panel.lines(world.skygen, None))
    process.behave("")
    assert not work.advance()
    bpy.ops.skygen.save_preset(preset_name="Mine", overwrite=True)
    wait_until(lambda: not work.advance())
    assert work.faults == {} and (folder / "Mine.png").is_file()


def test_no_model_is_told_with_its_remedy(world: Any, folder: Path, models: Path) -> None:
    work = part("blender.presets.preset_thumbnails").WORK
    (models / "test" / "model.json").unlink()
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert not work.advance()
    assert "There is no model bundle" in work.faults["Mine"]


def test_stopping_ends_the_process(world: Any, folder: Path, process: Any) -> None:
    work = part("blender.presets.preset_thumbnails").WORK
    process.behave("slow")
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert work.advance()
    child = work._process._process
    (folder / f".Mine.png.{child.pid}.tmp").write_bytes(b"half a picture")
    work.stop()
    assert not child.is_running() and work.busy_with is None
    assert not [path for path in folder.iterdir() if path.suffix != ".json"]


def test_without_a_window_no_process_is_started(world: Any, folder: Path, process: Any) -> None:
    """A script on a farm saves a preset and ends; the picture is made when somebody looks."""
    work = part("blender.presets.preset_thumbnails").WORK
    bpy.ops.skygen.save_preset(preset_name="Mine")
    work.look_after(part("blender.presets.preset_gallery").GALLERY.entries())
    assert work.busy_with is None and not bpy.app.timers.is_registered(work._timer)


def test_the_engine_draws_an_own_preset(world: Any, folder: Path) -> None:
    """No stand-in: the process finds its Python, libraries and model, and draws a cloudless sky."""
    keep("Blue", "clear_noon", folder)
    wait_until(lambda: (folder / "Blue.png").is_file())
    image = bpy.data.images.load(str(folder / "Blue.png"))
    red, green, blue = (image.pixels[4 * (192 * 120 + 180) + channel] for channel in range(3))
    assert blue > green > red


@pytest.mark.parametrize("how", ["delete", "rename"])
def test_a_preset_that_goes_while_it_is_drawn_leaves_no_picture(
    world: Any, folder: Path, process: Any, how: str
) -> None:
    """Else a preset of that name from another computer, older than the picture, would be shown by it."""
    work = part("blender.presets.preset_thumbnails").WORK
    process.behave("slow")
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert work.advance()
    wait_until(lambda: bool(process.requests))
    if how == "delete":
        bpy.ops.skygen.delete_preset(preset="Mine")
    else:
        bpy.ops.skygen.rename_preset(old="Mine", new="Yours")
    wait_until(lambda: work.busy_with is None)
    kept = [] if how == "delete" else ["Yours.json", "Yours.png"]
    assert sorted(path.name for path in folder.iterdir()) == kept and work.faults == {}


def test_no_room_for_temporary_files_is_told(world: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = part("blender.presets.preset_thumbnails")

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part("blender.engine.child").tempfile, "TemporaryFile", full)
    bpy.ops.skygen.save_preset(preset_name="Mine")
    assert not module.WORK.advance()
    assert "No space left on device. Free some space" in module.WORK.faults["Mine"]
