"""The Bake button with a window: started, followed and concluded on a stand-in for the operator and its context.

Blender without a window has no events; the stand-in has the operator's own methods and real worlds.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"
METHODS = ("invoke", "modal", "cancel", "_prepare", "_conclude", "_report_baked", "_show_progress", "_words", "_end")


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


def window(*operators: str) -> SimpleNamespace:
    """A window in which these operators run."""
    areas = [SimpleNamespace(type="PROPERTIES", redrawn=0)]
    areas[0].tag_redraw = lambda: setattr(areas[0], "redrawn", areas[0].redrawn + 1)
    running = [SimpleNamespace(bl_idname=name) for name in operators]
    return SimpleNamespace(modal_operators=running, screen=SimpleNamespace(areas=areas))


class Interface(SimpleNamespace):
    """A context; undo replaces the scene."""

    scene = property(lambda self: bpy.context.scene)


def interface(*windows: SimpleNamespace) -> Interface:
    """A context in the first of these windows."""
    manager = SimpleNamespace(
        windows=list(windows),
        event_timer_add=lambda seconds, window: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: True,
    )
    return Interface(window_manager=manager, window=windows[0], workspace=None)


def progress_of(world: Any) -> Any:
    """What is noted of a world's running bake."""
    return part("blender.bake.bake_progress").progress_of(world)


@pytest.fixture
def bake(world: Any, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator, ready for two frames of 512 pixels."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 2, "512"
    bpy.context.scene.frame_end = 2
    settings.output_folder = str(tmp_path / "{world}")
    module = part("blender.operators.bake_sequence")
    with_window = SimpleNamespace(app=SimpleNamespace(background=False), data=bpy.data, ops=bpy.ops)
    monkeypatch.setattr(module, "bpy", with_window)
    operator = type("Operator", (), {name: vars(module.SKYGEN_OT_bake_sequence)[name] for name in METHODS})()
    operator.skip_existing, operator.reports = False, []
    operator.report = lambda kind, text: operator.reports.append((*kind, text))
    return operator


def run(operator: Any, context: Any, meanwhile: Callable[[], None]) -> set[str]:
    """Result of the operator, which is called by a timer until it ends."""
    timer = SimpleNamespace(type="TIMER", value="NOTHING")
    assert operator.invoke(context, timer) == {"RUNNING_MODAL"}
    meanwhile()
    end = time.monotonic() + 60
    while (result := operator.modal(context, timer)) == {"PASS_THROUGH"} and time.monotonic() < end:
        time.sleep(0.05)
    return set(result)


def test_a_world_renamed_during_the_bake_shows_it(bake: Any, world: Any, tmp_path: Path) -> None:
    def rename() -> None:
        world.name = "Renamed"
        bpy.data.worlds.new("Artist")  # another world takes the name

    assert run(bake, interface(window()), rename) == {"FINISHED"}
    assert world.node_tree.nodes["SkyGen Sky"].image.source == "SEQUENCE"
    assert bpy.data.worlds["Artist"].skygen.baked_end == -1
    assert bake.reports == [("INFO", f"Baked 2 frames into {tmp_path / 'Artist'}.")]


def test_undo_during_the_bake_does_not_lose_the_world(bake: Any, world: Any) -> None:
    before = world.skygen.haze
    bpy.ops.ed.undo_push(message="before")
    world.skygen.haze = 3.0
    bpy.ops.ed.undo_push(message="haze")
    assert run(bake, interface(window()), lambda: bpy.ops.ed.undo()) == {"FINISHED"}
    shown = bpy.context.scene.world
    assert shown.skygen.baked_end == 2 and shown.skygen.haze == before
    words = "; ".join(s.text for s in part("blender.bake.sequence_state").sky_states(bpy.context, shown))
    assert "changed since the bake" in words  # it was baked with the haze that was undone


def test_a_world_deleted_during_the_bake_is_told(bake: Any, world: Any) -> None:
    assert run(bake, interface(window()), lambda: bpy.data.worlds.remove(world)) == {"CANCELLED"}
    assert "the world Artist is gone" in bake.reports[0][1]


@pytest.mark.parametrize("where", [0, 1])
def test_a_bake_in_any_window_keeps_a_second_one_from_starting(world: Any, where: int) -> None:
    windows = [window(), window()]
    operator, context = part("blender.operators.bake_sequence").SKYGEN_OT_bake_sequence, interface(*windows)
    assert operator.poll(context)
    windows[where].modal_operators = window("VIEW3D_OT_walk", "SKYGEN_OT_bake_sequence").modal_operators
    assert not operator.poll(context)


def test_every_window_shows_the_progress_of_the_world_that_is_baked(bake: Any, world: Any) -> None:
    other, windows = bpy.data.worlds.new("Other"), [window(), window("SKYGEN_OT_bake_sequence")]
    states, context = part("blender.bake.sequence_state").sky_states, interface(*windows)

    def look() -> None:
        assert [s.text for s in states(context, world)] == ["Baking 0 of 2 (Esc in its window cancels)"]
        assert "Baking" not in "; ".join(s.text for s in states(context, other))

    assert run(bake, context, look) == {"FINISHED"}
    assert [w.screen.areas[0].redrawn > 0 for w in windows] == [True, True]
    assert progress_of(world) is None


def test_undo_does_not_bring_back_the_progress_of_an_earlier_bake(bake: Any, world: Any) -> None:
    """Nor does a file that was saved while its world was baked: progress is no part of the world."""
    bpy.data.worlds.new("Other").use_fake_user = True
    bpy.ops.ed.undo_push(message="before")
    states, context = part("blender.bake.sequence_state").sky_states, interface(window("SKYGEN_OT_bake_sequence"))

    def change() -> None:
        world.skygen.haze = 3.0
        bpy.ops.ed.undo_push(message="while it bakes")

    assert run(bake, context, change) == {"FINISHED"}
    other = bpy.data.worlds["Other"]
    note = part("blender.bake.bake_progress")
    note.note_progress(note.BakeProgress(other.session_uid, 3, 9, None))  # the next bake is another world's
    bpy.ops.ed.undo()
    shown = bpy.context.scene.world
    assert "Baking" not in "; ".join(s.text for s in states(context, shown))
    assert [s.text for s in states(context, bpy.data.worlds["Other"])] == ["Baking 3 of 9 (Esc in its window cancels)"]
    note.note_progress(None)


def test_a_paused_bake_rests_and_goes_on(bake: Any, world: Any, renderer: Any) -> None:
    """The button says so in the window manager; undo in between changes nothing of it."""
    pause, states = part("blender.bake.bake_pause"), part("blender.bake.sequence_state").sky_states
    operator = part("blender.operators.pause_bake").SKYGEN_OT_pause_bake
    context = interface(window("SKYGEN_OT_bake_sequence"))
    assert operator.poll(context) and not operator.poll(interface(window()))
    world.skygen.frame_end = bpy.context.scene.frame_end = 6
    renderer.behave("slow")
    timer = SimpleNamespace(type="TIMER", value="NOTHING")
    assert bake.invoke(context, timer) == {"RUNNING_MODAL"}
    assert operator.execute(SimpleNamespace(), context) == {"FINISHED"} and pause.is_paused()
    rested = time.monotonic()
    while time.monotonic() < rested + 4:
        assert bake.modal(context, timer) == {"PASS_THROUGH"}
        time.sleep(0.05)
    done = len(renderer.requests)
    assert done <= 2 and "paused" in bake._words(bake._thread.process)  # of six: half a second a frame
    assert any(text.startswith("Paused at") for text in (state.text for state in states(context, world)))
    operator.execute(SimpleNamespace(), context)
    end = time.monotonic() + 60
    while (result := bake.modal(context, timer)) == {"PASS_THROUGH"} and time.monotonic() < end:
        time.sleep(0.05)
    assert result == {"FINISHED"} and len(renderer.requests) == 6 and not pause.is_paused()
    assert world.skygen.measured_width == 512
    assert 0.4 < world.skygen.measured_seconds < 2.0  # the pause does not count


def test_a_closed_window_ends_the_bake_and_its_progress(bake: Any, world: Any, renderer: Any) -> None:
    renderer.behave("slow")
    context = interface(window("SKYGEN_OT_bake_sequence"))
    bake.invoke(context, SimpleNamespace(type="TIMER", value="NOTHING"))
    assert progress_of(world).total == 2
    bake.cancel(context)
    bake._thread.join(30)
    assert not bake._thread.is_alive() and bake._thread.cancelled
    assert progress_of(world) is None


def test_a_bake_over_older_frames_that_stops_is_told_of(bake: Any, world: Any, tmp_path: Path) -> None:
    """All files are there, but of two skies: settings that are as they were before must not hide that."""
    outlook, marker = part("blender.bake.bake_outlook").bake_outlook, part("blender.bake.bake_marker")
    context = interface(window())
    assert run(bake, context, lambda: None) == {"FINISHED"} and outlook(context, world) == []
    states = part("blender.bake.sequence_state").sky_states
    assert [state.text for state in states(context, world)] == ["Baked: frames 1-2"]
    marker.write_marker(tmp_path / "Artist", marker.BakeMarker("other", 1, 2))  # as a killed bake leaves it
    assert states(context, world) == []  # nothing that says all is well
    assert [state.text for state in outlook(context, world)] == [
        "Frames 1-2 are partly of a bake that stopped, of other settings than now"
    ]
    bake.skip_existing = True
    assert run(bake, context, lambda: None) == {"FINISHED"} and outlook(context, world) == []


def test_esc_ends_a_paused_bake(bake: Any, world: Any, renderer: Any, tmp_path: Path) -> None:
    """Its finished frames stay, and the panel tells of them until the rest is baked."""
    pause, outlook = part("blender.bake.bake_pause"), part("blender.bake.bake_outlook").bake_outlook
    context = interface(window("SKYGEN_OT_bake_sequence"))
    world.skygen.frame_end = bpy.context.scene.frame_end = 6
    renderer.behave("slow")
    timer = SimpleNamespace(type="TIMER", value="NOTHING")
    bake.invoke(context, timer)
    end = time.monotonic() + 60
    while not (tmp_path / "Artist" / "unfinished_bake.json").is_file() and time.monotonic() < end:
        bake.modal(context, timer)
        time.sleep(0.05)
    pause.set_paused(True)
    bake.modal(context, timer)
    time.sleep(1.0)
    bake.modal(context, SimpleNamespace(type="ESC", value="PRESS"))
    while (result := bake.modal(context, timer)) == {"PASS_THROUGH"} and time.monotonic() < end:
        time.sleep(0.05)
    there = len(list((tmp_path / "Artist").glob("sky_*.exr")))
    assert result == {"CANCELLED"} and 1 <= there < 6 and not pause.is_paused()
    texts = [state.text for state in outlook(interface(window()), world)]
    assert texts[0] == f"The bake stopped: {there} of 6 frames are there, Bake goes on"
    assert texts[1].startswith(f"{6 - there} frames to bake: about ")
    world.skygen.haze = 4.0
    texts = [state.text for state in outlook(interface(window()), world)]
    assert texts[0].endswith("of other settings than now") and texts[1].startswith("6 frames to bake")
    world.skygen.property_unset("haze")
    renderer.behave("")
    bake.skip_existing = True
    assert run(bake, context, lambda: None) == {"FINISHED"}
    assert len(renderer.requests) == 6 or len(renderer.requests) == 7  # one may have been cut off
    assert outlook(interface(window()), world) == []
