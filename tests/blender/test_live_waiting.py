"""A render that waits for its live picture is ended by Esc and by another file, and windows say what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import bpy
import live_world
import pytest
from live_world import Clock, handlers_of_a_window, part

live, sky = live_world.live, live_world.sky


def pressed(**keys: bool) -> Any:
    """An event of Esc."""
    return SimpleNamespace(type="ESC", value="PRESS", **dict.fromkeys(("shift", "ctrl", "alt", "oskey"), False) | keys)


def test_esc_ends_the_waiting_of_the_whole_render(
    sky: Any, live: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A renderer that gives no picture; Blender must hear Esc too, which it does without other keys only."""
    handlers, waits, scene = part("live.live_handlers"), live.preview.waits, bpy.context.scene
    watched = part("operators.watch_render").SKYGEN_OT_watch_render.modal
    asked, watcher = list[str](), SimpleNamespace(_told="", _window=None)
    monkeypatch.setattr(part("operators.watch_render"), "tell", lambda window, text: None)

    def ask(*_: Any) -> None:
        asked.append(waits.text)
        assert live.state().text == "A render waits for this sky; Esc cancels it"
        for event in (pressed(shift=True), pressed(ctrl=True), pressed()):
            assert not waits.given_up
            assert watched(watcher, bpy.context, event) == {"PASS_THROUGH"}

    monkeypatch.setattr(live.preview, "ask", ask)
    with handlers_of_a_window(monkeypatch):
        for rendered_frame in (5, 6):
            scene.frame_set(rendered_frame)
            handlers.prepare_render(scene)
            for _ in range(2):  # Blender may go on to the next frame of a film
                handlers.expect_frame(scene)
                handlers.follow_film(scene)
                assert waits.text is None and waits.given_up
            handlers.tell_of_unheard_esc(scene)
            handlers.forget_rendered(scene)
            assert not waits.given_up
    assert [f"frame {frame} (Esc cancels)" in text for frame, text in zip((5, 6), asked, strict=True)] == [True, True]
    assert caplog.text.count("went on without its sky") == 2 and "than its settings say" not in caplog.text


def test_what_a_window_is_told_follows_what_is_waited_for(sky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, told = part("operators.watch_render"), list[str | None]()
    waits = part("live.live_waiting").RenderWaits()
    monkeypatch.setattr(module, "PREVIEW", SimpleNamespace(waits=waits))
    monkeypatch.setattr(module, "tell", lambda window, text: told.append(text))
    ended = list[Any]()
    manager = SimpleNamespace(
        event_timer_add=lambda step, window: "timer",
        event_timer_remove=ended.append,
        modal_handler_add=lambda one: True,
    )
    context, scene = SimpleNamespace(window_manager=manager, window="window"), bpy.context.scene
    cls, tick = module.SKYGEN_OT_watch_render, SimpleNamespace(type="TIMER", value="NOTHING")
    watcher = SimpleNamespace(cancel=lambda context: cls.cancel(watcher, context))
    assert cls.invoke(watcher, context, tick) == {"CANCELLED"} and not told
    scene.frame_set(3)
    waits.begin(scene, sky)
    assert cls.invoke(watcher, context, tick) == {"RUNNING_MODAL"}
    scene.frame_set(4)
    waits.begin(scene, sky)
    for _ in range(2):
        assert cls.modal(watcher, context, tick) == {"PASS_THROUGH"}
    waits.end()
    assert cls.modal(watcher, context, tick) == {"FINISHED", "PASS_THROUGH"} and ended == ["timer"]
    assert ["frame 3" in str(told[0]), "frame 4" in str(told[1]), told[2:]] == [True, True, [None]]


def test_windows_are_watched_once_each_while_a_render_waits(sky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with the interface locked, where Blender calls no modal operator."""
    module, begun = part("live.live_waiting"), list[Any]()
    waits, windows = module.RenderWaits(), [SimpleNamespace(modal_operators=[]), SimpleNamespace(modal_operators=[])]
    manager = SimpleNamespace(windows=windows, is_interface_locked=False)
    context = SimpleNamespace(window_manager=manager, temp_override=lambda window: overridden(window))

    @contextmanager
    def overridden(window: Any) -> Iterator[None]:
        context.window = window
        yield

    def begin(how: str) -> None:
        begun.append(context.window)
        context.window.modal_operators.append(SimpleNamespace(bl_idname=module.WATCH))

    ops = SimpleNamespace(skygen=SimpleNamespace(watch_render=begin))
    monkeypatch.setattr(module, "bpy", SimpleNamespace(context=context, ops=ops))
    module.watch_windows(waits)
    assert begun == []
    waits.begin(bpy.context.scene, sky)
    assert waits.wait_for(sky)
    manager.is_interface_locked = True
    module.watch_windows(waits)
    assert begun == []
    manager.is_interface_locked = False
    for _ in range(2):
        module.watch_windows(waits)
    assert begun == windows
    module.tell(SimpleNamespace(), "to a window that has been closed")


def test_another_file_does_not_wait_for_a_render_that_waits(sky: Any) -> None:
    handlers, waits = part("live.live_handlers"), part("live.live_session").PREVIEW.waits
    handlers.leave_file()
    assert not waits.given_up  # nothing waits
    waits.begin(bpy.context.scene, sky)
    handlers.leave_file()
    assert waits.given_up
    waits.end()
    handlers.note_file()
    assert not waits.given_up
