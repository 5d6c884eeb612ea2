"""The command of ``blender --command skygen``, called as Blender calls it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def run(*arguments: str) -> int:
    return int(importlib.import_module(f"{MODULE}.blender.command").run(list(arguments)))


@pytest.fixture
def file(world: Any, renderer: Any, tmp_path: Path) -> Path:
    """A saved file with a sky that is not baked."""
    bpy.ops.skygen.add_sky()
    world.skygen.width, world.skygen.frame_end = "512", 50
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return tmp_path / "shot.blend"


def test_bakes_binds_and_saves(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bake", "--frames", "1-3") == 0
    assert len(list((file.parent / "skygen" / "Artist").glob("sky_*.exr"))) == 3
    assert "(3/3" in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(file))
    node = bpy.context.scene.world.node_tree.nodes["SkyGen Sky"]
    assert node.image.source == "SEQUENCE" and not node.image_user.use_cyclic
    assert bpy.context.scene.world.skygen.baked_end == 3


def test_width_and_folder_from_the_command_line(file: Path, renderer: Any) -> None:
    stamp = file.read_bytes()
    assert run("bake", "--frames", "5", "--width", "128", "--out", str(file.parent / "out"), "--no-save") == 0
    assert [p.name for p in (file.parent / "out").glob("*.exr")] == ["sky_0005.exr"]
    assert renderer.requests[-1].width == 128
    assert file.read_bytes() == stamp


def test_one_frame_baked_anew_keeps_the_sequence(file: Path, world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bake", "--frames", "1-50", "--width", "64") == 0
    capsys.readouterr()
    assert run("bake", "--frames", "7", "--width", "64") == 0
    assert (world.skygen.baked_start, world.skygen.baked_end) == (1, 50)
    assert "also shows frames 1-6, 8-50 of earlier bakes" in capsys.readouterr().out


def test_frames_of_another_width_are_left_out(file: Path, world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bake", "--frames", "1-50", "--width", "64") == 0
    assert run("bake", "--frames", "7", "--width", "128") == 0
    assert (world.skygen.baked_start, world.skygen.baked_end) == (7, 7)
    assert "does not show frames 1-6, 8-50, which are not 128 pixels wide" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["no_such_verb"], ["bake", "--no-such-option"], ["bake", "--frames", "8-1"], ["bake", "--frames", "x"],
        ["bake", "--frames", "1-9x2"], ["bake", "--frame", "1"], ["bake", "--width", "wide"], ["bake", "--frames"],
        ["bake", "--frames", "1", "--width", "130"], ["bake", "--frames", "1", "--out", "/proc/skygen"],
    ],
)  # fmt: skip
def test_wrong_requests_exit_with_2(file: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("skygen: ") and error.count("\n") == 1, error
    assert error.count(". ") >= 1 and error.endswith(".\n")  # what is wrong, and the remedy
    assert not (file.parent / "skygen").exists()


def test_frames_of_the_command_line_rule_over_a_backwards_range(file: Path, world: Any) -> None:
    world.skygen.frame_start, world.skygen.frame_end = 20, 10
    assert run("bake", "--frames", "1-3", "--width", "64") == 0
    bpy.ops.wm.open_mainfile(filepath=str(file))
    settings = bpy.context.scene.world.skygen
    assert (settings.baked_start, settings.baked_end) == (1, 3)
    assert run("bake") == 2  # without frames of its own the command has nothing to go by


def test_a_file_that_cannot_be_saved_is_refused_before_the_bake(
    file: Path, renderer: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer.forget()
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda path, mode: Path(path) != file)
        assert run("bake", "--frames", "1", "--width", "64") == 2
    assert "shot.blend cannot be written. Make it writable" in capsys.readouterr().err
    assert renderer.requests == []
    assert run("bake", "--frames", "1", "--width", "64") == 0


def test_a_linked_world_is_refused_before_the_bake(file: Path, renderer: Any, tmp_path: Path) -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(file), link=True) as (_, target):
        target.worlds = ["Artist"]
    bpy.context.scene.world = bpy.data.worlds["Artist"]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "user.blend"))
    renderer.forget()
    arguments = ("bake", "--frames", "1", "--width", "64", "--out", str(tmp_path / "sky"))
    assert run(*arguments) == 2 and renderer.requests == []
    assert run(*arguments, "--no-save") == 0 and len(renderer.requests) == 1


def test_help_exits_with_0(package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bake", "--help") == 0
    assert "--frames" in capsys.readouterr().out


def test_a_defect_exits_with_1(file: Path, renderer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    renderer.behave("defect")
    assert run("bake", "--frames", "1") == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_crash_of_the_bake_is_told(file: Path, renderer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    renderer.behave("crash")
    assert run("bake", "--frames", "1") == 2
    assert "ended from outside or crashed" in capsys.readouterr().err
