"""The live preview's process: one for the session, started when needed, restarted once, ended in every way."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import live_world
import pytest
from live_world import Clock, ask, image_of, part, red_of

live = live_world.live
MODULE = "bl_ext.user_default.skygen"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    end = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def test_it_is_not_there_before_it_is_needed_and_then_once(world: Any, live: Clock) -> None:
    for _ in range(3):
        live.tick(0.5)
    assert live.preview.process is None  # a world without a sky needs none
    ask(world)
    pid = live.preview.process.pid
    live.settle()
    bpy.context.scene.frame_set(5)
    live.settle()
    assert live.preview.process.pid == pid and is_running(pid)


def test_it_ends_when_nobody_has_asked_for_minutes_and_comes_back(world: Any, live: Clock) -> None:
    ask(world)
    live.settle()
    served = live.preview.process
    live.tick(part("live.live_session").RESTING_S + 1)
    assert live.preview.process is None and gone(served.pid) and served.wait(20)
    assert live.state().icon == "CHECKMARK"
    world.skygen.haze = 2.5
    live.settle()
    assert live.preview.process.pid != served.pid


def test_it_leaves_no_files(world: Any, live: Clock) -> None:
    ask(world)
    live.settle()
    folder = Path(live.preview.process._folder.name)
    assert folder.is_dir() and list(folder.iterdir()) == []  # pictures are deleted when they are shown
    served = live.preview.process
    live.preview.stop()
    assert served.wait(20) and not folder.exists()


def test_ended_from_outside_it_is_started_again_once(world: Any, live: Clock, renderer: Any) -> None:
    ask(world)
    live.settle()
    first = live.preview.process.pid
    os.kill(first, signal.SIGKILL)
    live.until(lambda: live.preview.process is None)
    bpy.context.scene.frame_set(3)
    live.settle()
    second = live.preview.process.pid
    assert second != first
    renderer.behave("crash")
    bpy.context.scene.frame_set(4)
    live.until(lambda: live.state().icon == "ERROR")
    state = live.state()
    assert "has ended (code -6): killed." in state.text and "press Update Preview" in state.text
    renderer.forget()
    renderer.behave("")
    bpy.context.scene.frame_set(5)
    for _ in range(10):
        live.tick(0.5)
    assert live.preview.process is None and renderer.requests == []  # not again and again
    bpy.context.scene.render.fps, world.skygen.time_scale = 24, 24 * 60
    ask(world)
    live.settle()
    assert red_of(world) == pytest.approx(4.1, rel=1e-3)


def test_a_defect_of_one_picture_is_told_until_the_next_one_comes(world: Any, live: Clock, renderer: Any) -> None:
    ask(world)
    live.settle()
    pid = live.preview.process.pid
    renderer.behave("defect")
    world.skygen.haze = 2.0
    live.until(lambda: live.state().icon == "ERROR")
    assert "ZeroDivisionError" in live.state().text and "Change a setting" in live.state().text
    renderer.behave("")
    world.skygen.haze = 3.0
    live.settle()
    assert live.preview.process.pid == pid


def test_settings_that_make_no_sense_are_told(world: Any, live: Clock) -> None:
    ask(world)
    live.settle()
    before = world.skygen.high.base
    world.skygen.high.base = world.skygen.low.base
    live.until(lambda: live.state().icon == "ERROR")
    assert "Raise it to" in live.state().text
    world.skygen.high.base = before
    live.settle()


def test_chatter_of_a_library_is_passed_over(world: Any, live: Clock, renderer: Any) -> None:
    renderer.behave("chatter")
    ask(world)
    live.settle()
    assert image_of(world).size[0] == 512


def test_without_a_model_add_sky_refuses_and_changes_nothing(world: Any, live: Clock, models: Path) -> None:
    (models / "test" / "model.json").unlink()
    with pytest.raises(Exception, match="no model bundle") as caught:
        ask(world)
    assert caught.value.remedy and image_of(world) is None and live.preview.process is None


def test_a_damaged_model_is_told_in_the_panel(world: Any, live: Clock, models: Path) -> None:
    (models / "test" / "field.onnx").write_bytes(b"damaged")
    ask(world)
    live.until(lambda: live.state().icon == "ERROR")
    assert "field.onnx" in live.state().text and "Reinstall" in live.state().text
    live.until(lambda: live.preview.process is None)
    for _ in range(5):
        live.tick(0.5)
    assert live.preview.process is None and live.state().icon == "ERROR"


def test_a_picture_that_is_lost_is_told(world: Any, live: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(world)
    live.settle()
    process = part("live.live_process")
    read = process.read_picture
    monkeypatch.setattr(process, "read_picture", lambda path, width: read(path.with_name("gone"), width))
    world.skygen.haze = 2.0
    live.until(lambda: live.state().icon == "ERROR")
    assert "cannot be read" in live.state().text and "Free some space" in live.state().text


def test_other_preferences_need_another_process(world: Any, live: Clock, renderer: Any) -> None:
    ask(world)
    live.settle()
    first = live.preview.process
    preferences = part("engine.preferences_access").addon_preferences()
    renderer.forget()
    preferences.threads = 1
    try:
        live.until(lambda: live.preview.process is not first)
        live.settle()
        assert live.preview.process.engine[1:] == ("--threads", "1") and first.wait(20)
        assert [request.width for request in renderer.requests] == [256, 512]
        preferences.device = "nonsense"
        live.until(lambda: live.state().icon == "ERROR")
        assert "nonsense" in live.state().text and "preferences" in live.state().text
    finally:
        preferences.property_unset("threads")
        preferences.property_unset("device")
    live.settle()  # nobody has to press anything
    served = live.preview.process
    preferences.model_folder = "//relative"
    try:
        live.until(lambda: live.state().icon == "ERROR")
        assert "no full path" in live.state().text
    finally:
        preferences.property_unset("model_folder")
    world.skygen.haze = 2.0
    live.settle()
    assert live.preview.process is not served


def test_it_can_be_waited_for_even_if_it_does_not_listen(world: Any, live: Clock) -> None:
    """Its files are no longer in use when the extension is updated, which Windows refuses otherwise."""
    ask(world)
    live.settle()
    served = live.preview.process
    os.kill(served.pid, signal.SIGSTOP)
    started = time.monotonic()
    live.preview.stop(0.5)
    assert not is_running(served.pid) and time.monotonic() - started < 5


def test_without_a_window_operators_show_the_sky_at_once(world: Any, live: Clock) -> None:
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}
    assert image_of(world).size[0] == 512 and live.preview.process is None


def test_disabling_the_extension_ends_it_and_leaves_nothing(world: Any, live: Clock) -> None:
    ask(world)
    live.settle()
    served = live.preview.process
    bpy.context.scene.frame_set(9)
    live.tick()
    bpy.ops.preferences.addon_disable(module=MODULE)
    try:
        assert gone(served.pid) and served.wait(20)
        assert not hasattr(bpy.types.World, "skygen_live")
        names = [name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)]
        left = [f for name in names for f in getattr(bpy.app.handlers, name) if "skygen.blender.live" in f.__module__]
        assert left == []
        shown = world.node_tree.nodes["SkyGen Sky"].image  # the picture stays in the file
        assert [i for i in bpy.data.images if "skygen_live" in i.keys()] == [shown]
    finally:
        bpy.ops.preferences.addon_enable(module=MODULE)


def test_it_ends_with_blender_even_by_a_crash(world: Any, live: Clock, tmp_path: Path) -> None:
    command, environment = part("engine.interpreter").bake_command(), part("engine.interpreter").bake_environment()
    folder = str(tmp_path)
    script = (
        "import os, subprocess, sys\n"
        f"served = subprocess.Popen({[*command, 'serve', '--folder', folder]!r}, env={environment!r},"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "served.stdout.readline()\n"
        "print(served.pid, flush=True)\n"
        "os.abort()\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert gone(int(parent.stdout))


def test_registering_twice_over_leaves_one_of_everything(package: Any) -> None:
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=MODULE)
        bpy.ops.preferences.addon_enable(module=MODULE)
    handlers = importlib.import_module(f"{MODULE}.blender.live.live_handlers")
    ours = [f for f in bpy.app.handlers.render_init if "live_handlers" in f.__module__]
    assert ours == [handlers.prepare_render]
    assert not bpy.app.timers.is_registered(handlers._TIMER._calls)  # Blender without a window has no timer


def test_with_a_window_handlers_and_timer_come_and_go(world: Any, live: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = part("live.live_handlers")
    app = SimpleNamespace(background=False, handlers=bpy.app.handlers, timers=bpy.app.timers)

    def ours() -> list[str]:
        names = [name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)]
        found = [(n, f) for n in names for f in getattr(bpy.app.handlers, n)]
        return sorted(name for name, function in found if "live_handlers" in getattr(function, "__module__", ""))

    assert ours() == ["render_init"]
    handlers.unregister()
    monkeypatch.setattr(handlers, "bpy", SimpleNamespace(app=app, context=bpy.context, data=bpy.data))
    handlers.register()
    try:
        assert ours() == sorted(["render_init", *(name for name, _ in handlers._IN_WINDOWS)])
        assert bpy.app.timers.is_registered(handlers._TIMER._calls)
        ask(world)
        live.settle()
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # through the handlers of loading a file
        assert live.preview._views == {} and bpy.app.timers.is_registered(handlers._TIMER._calls)
        served = live.preview.process
    finally:
        handlers.unregister()
        assert ours() == [] and not bpy.app.timers.is_registered(handlers._TIMER._calls)
        monkeypatch.undo()
        handlers.register()
    assert gone(served.pid)
    assert ours() == ["render_init"]


def test_a_defect_in_the_timer_is_told_once_and_the_timer_goes_on(
    live: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = part("live.live_handlers")
    timer = handlers._Timer()
    assert 0.0 < timer.call() < 1.0

    def fail(**options: Any) -> float:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(live.preview, "tick", fail)
    assert timer.call() == timer.call() == 1.0
    assert caplog.text.count("the live preview failed") == 1
