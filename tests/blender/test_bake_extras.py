"""Before a bake: how large it gets and whether that fits; after a crash: what is there; how frames are packed."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import threading
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"
Usage = namedtuple("Usage", "total used free")


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Four frames of 512 pixels to bake."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 4, "512"
    bpy.context.scene.frame_end = 4
    settings.output_folder = str(tmp_path / "sky")
    return world


def free(monkeypatch: pytest.MonkeyPatch, size_bytes: float) -> None:
    """Let every disk have so much left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**13, 0, int(size_bytes)))


def space(folder: Path, frames: range, **storage: str) -> Any:
    wanted = {"pixel_format": "auto", "compression": "zip"} | storage
    return part("blender.bake.bake_space").bake_space(folder, frames, 512, **wanted)


def outlook(world: Any) -> list[Any]:
    return list(part("blender.bake.bake_outlook").bake_outlook(bpy.context, world))


def test_the_estimate_is_measured_on_frames_that_are_there(sky: Any, tmp_path: Path) -> None:
    folder = tmp_path / "sky"
    typical = space(folder, range(1, 5))
    assert (typical.frames, typical.measured) == (4, False)
    assert typical.bytes == round(1.6 * 512 * 256 * 4)
    bpy.ops.skygen.bake_sequence()
    sizes = [(folder / f"sky_{frame:04d}.exr").stat().st_size for frame in (1, 2, 3, 4)]
    more = space(folder, range(1, 105))
    assert more.frames == 100 and more.measured
    assert more.bytes == pytest.approx(100 * sum(sizes) / 4, rel=0.02)  # three of four were looked at
    assert space(folder, range(1, 5)).bytes == 0
    gained = part("blender.bake.bake_space").bake_space(
        folder, range(1, 5), 2048, pixel_format="auto", compression="zip"
    )  # the same frames, sixteen times as large: the small ones make room
    assert gained.frames == 0 and not gained.measured
    assert gained.bytes == pytest.approx(4 * 1.6 * 2048 * 1024 - sum(sizes), rel=0.01)
    for storage in ({"pixel_format": "float"}, {"compression": "dwaa"}):  # these frames tell nothing of others
        assert not space(folder, range(1, 105), **storage).measured


def test_a_panel_lists_a_folder_only_when_it_has_changed(
    sky: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = part("blender.bake.sequence")
    folder, listed = tmp_path / "sky", list[str]()
    listdir = os.listdir

    def noted(path: Any) -> list[str]:
        listed.append(str(path))
        return listdir(path)

    monkeypatch.setattr(sequence.os, "listdir", noted)
    assert sequence.known_missing_frames(folder, range(1, 3)) == [1, 2] and listed == []  # no folder, nothing to list
    folder.mkdir()
    (folder / "sky_0001.exr").touch()
    for _ in range(2):  # changed a moment ago: the next change may have the same time stamp
        assert sequence.known_missing_frames(folder, range(1, 3)) == [2]
    assert len(listed) == 2
    os.utime(folder, (1000.0, 1000.0))
    for _ in range(3):
        assert sequence.known_missing_frames(folder, range(1, 3)) == [2]
        assert sequence.known_missing_frames(folder, (1, 2, 3)) == [2, 3]
    assert len(listed) == 4  # once for each range
    (folder / "sky_0002.exr").touch()  # changes the folder's time stamp
    assert sequence.known_missing_frames(folder, range(1, 3)) == []


def test_a_preview_tells_how_the_sky_compresses(sky: Any, tmp_path: Path) -> None:
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}
    sky.skygen.width = "2048"
    image = sky.node_tree.nodes["SkyGen Sky"].image
    expected = 4 * image.packed_file.size * 0.65 * 16  # four frames with sixteen times the pixels
    words = part("blender.bake.bake_space").size_in_words(expected)
    assert outlook(sky)[0].text == f"4 frames to bake: about {words} more on disk"
    image["skygen_live"] = ""  # as of a live picture, which is packed in full floats
    typical = part("blender.bake.bake_space").size_in_words(4 * 1.6 * 2048 * 1024)
    assert outlook(sky)[0].text == f"4 frames to bake: about {typical} more on disk"
    bpy.ops.skygen.bake_sequence()
    sizes = [path.stat().st_size for path in (tmp_path / "sky").glob("*.exr")]
    assert expected / 3 < sum(sizes) < expected * 3  # a smooth sky made for tests


def test_a_bake_that_does_not_fit_is_refused_and_leaves_nothing(
    sky: Any, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typical frames are an estimate only: a fifth of it must be free."""
    needed = 4 * 1.6 * 512 * 256
    free(monkeypatch, 0.19 * needed)
    (line,) = [state for state in outlook(sky) if state.alert]
    assert "4 frames to bake: about 839 kB more on disk, but only 159 kB are free" in line.text
    with pytest.raises(RuntimeError, match="about 839 kB, but the disk of .* has 159 kB left.*DWAA"):
        bpy.ops.skygen.bake_sequence()
    assert not (tmp_path / "sky").exists() and renderer.requests == []
    free(monkeypatch, 0.21 * needed)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    free(monkeypatch, 0)  # all is there: nothing more is needed
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert outlook(sky) == []


def test_the_time_is_that_of_the_last_bake(sky: Any) -> None:
    bake = part("blender.operators.bake_sequence")
    latest = SimpleNamespace(frames_per_second=0.5)
    job = SimpleNamespace(requests=[SimpleNamespace(width=1024)])
    assert "about 4 frames" not in outlook(sky)[0].text and " s" not in outlook(sky)[0].text.partition("disk")[2]
    bake._note_speed(sky, SimpleNamespace(latest=latest, job=job))
    assert outlook(sky)[0].text.endswith("about 2 s")  # 4 frames of a quarter of the pixels, 2 s each
    sky.skygen.width = "16384"
    assert outlook(sky)[0].text.endswith("about 34 min")  # 256 times 2 s, 4 frames
    bake._note_speed(sky, SimpleNamespace(latest=None, job=job))
    assert sky.skygen.measured_width == 1024


def test_a_crash_is_told_of_on_the_next_open(sky: Any, renderer: Any, tmp_path: Path) -> None:
    """Blender ends with the bake running: its child ends too, and the saved file tells what is there."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "crash.blend"))
    operator, process = part("blender.operators.bake_sequence"), part("blender.bake.bake_process")
    plan = part("blender.bake.bake_plan")
    job = plan.job_of_plan(bpy.context, sky, plan.plan_of_settings(sky, bpy.context.scene))
    fingerprint = part("blender.bake.sequence_state").bake_fingerprint(sky, 24.0)
    renderer.behave("slow")
    running = process.BakeProcess(job)
    thread = operator.BakeThread(running, fingerprint)
    thread.start()
    end = time.monotonic() + 60
    while not (tmp_path / "sky" / "unfinished_bake.json").is_file() and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    thread.join(60)
    there = len(list((tmp_path / "sky").glob("sky_*.exr")))
    assert 1 <= there < 4
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "crash.blend"))
    world = bpy.context.scene.world
    words = f"The bake stopped: {there} of 4 frames are there, Bake goes on"
    assert outlook(world)[0].text == words
    assert words in " ".join(drawn(bpy.types.SKYGEN_PT_world_bake).texts)
    renderer.behave("")
    before = len(renderer.requests)
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert len(renderer.requests) - before == 4 - there
    assert outlook(world) == [] and not (tmp_path / "sky" / "unfinished_bake.json").exists()


def test_a_damaged_or_foreign_mark_says_nothing(sky: Any, tmp_path: Path) -> None:
    marker = part("blender.bake.bake_marker")
    folder = tmp_path / "sky"
    folder.mkdir()
    for text in ("", "{}", "[1]", '{"fingerprint": "a", "first": 3, "last": 1}', '{"fingerprint": 1, "first": "x"}'):
        (folder / marker.MARKER_FILE).write_text(text)
        assert marker.read_marker(folder) is None
    (folder / marker.MARKER_FILE).write_text('{"fingerprint": "other", "first": 1, "last": 9}')
    assert outlook(sky)[0].text == "The bake stopped: 0 of 9 frames are there, of other settings than now"


def test_pausing_by_lines_on_standard_input(sky: Any, renderer: Any) -> None:
    """The child itself: it rests between two frames, and a stop reaches it there."""
    plan, process = part("blender.bake.bake_plan"), part("blender.bake.bake_process")
    renderer.behave("slow")
    running = process.BakeProcess(plan.job_of_plan(bpy.context, sky, plan.plan_of_settings(sky, bpy.context.scene)))
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(running.follow(lambda p: running.pause(True))))
    thread.start()
    end = time.monotonic() + 60
    while running.latest is None and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(2.5)
    assert len(renderer.requests) in (1, 2)  # the frame at hand is finished
    running.stop()
    thread.join(20)
    assert results[0].cancelled and len(renderer.requests) in (1, 2)


def test_dwaa_frames_show_and_are_told_from_zip_frames(sky: Any, renderer: Any, tmp_path: Path) -> None:
    """Another compression is baked anew; the sky shown is the same within what DWAA loses."""
    from conftest import add_camera, rendered

    add_camera(0.3, 0.2)
    sequence = part("blender.bake.sequence")
    first = tmp_path / "sky" / "sky_0001.exr"
    bpy.ops.skygen.bake_sequence()
    plain, size = rendered(tmp_path / "zip.exr", 2), first.stat().st_size
    assert sequence.frame_storage(first) == (512, "zip", True)
    sky.skygen.compression = "dwaa"
    states = part("blender.bake.sequence_state").sky_states(bpy.context, sky)
    assert not any("changed" in state.text for state in states)  # how a frame is packed is no other sky
    renderer.forget()
    bpy.ops.skygen.bake_sequence(skip_existing=True)
    assert len(renderer.requests) == 4
    assert sequence.frame_storage(first) == (512, "dwaa", True) and first.stat().st_size < size
    assert rendered(tmp_path / "dwaa.exr", 2) == pytest.approx(plain, rel=0.02, abs=0.005)
    renderer.forget()
    bpy.ops.skygen.bake_sequence(skip_existing=True)
    assert renderer.requests == []
    sky.skygen.format = "float"
    assert [state.text for state in outlook(sky)] == [
        "DWAA compression keeps half floats only. Use the format auto or half, or ZIP."
    ]
    with pytest.raises(RuntimeError, match="half floats only"):
        bpy.ops.skygen.bake_sequence()


def test_the_panel_offers_pause_only_while_it_bakes(sky: Any) -> None:
    layout = drawn(bpy.types.SKYGEN_PT_world_bake)
    assert {"width", "format", "compression", "output_folder"} <= set(layout.props)
    assert layout.operators == ["skygen.bake_sequence", "skygen.bind_sequence", "skygen.restore_world"]
    assert not bpy.ops.skygen.pause_bake.poll()
