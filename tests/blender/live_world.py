"""A world whose live preview is driven by plain calls, with the known renderer in its process."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest


def part(name: str) -> Any:
    """A module of the installed extension."""
    return importlib.import_module(f"bl_ext.user_default.skygen.blender.{name}")


class Windows:
    """Stands for Blender's windows, of which a Blender without a screen has none."""

    def __init__(self) -> None:
        self.scenes: list[str] = [bpy.context.scene.name]

    @property
    def window_manager(self) -> Any:
        scenes = [bpy.data.scenes[name] for name in self.scenes]
        return SimpleNamespace(windows=[SimpleNamespace(scene=s, view_layer=s.view_layers[0]) for s in scenes])


class Clock:
    """The preview and a clock of its own, which a test sets forward."""

    def __init__(self, preview: Any, windows: Windows, pushed: list[str]) -> None:
        self.preview, self.windows, self.pushed, self.now = preview, windows, pushed, 1000.0

    def tick(self, seconds: float = 0.04, *, playing: bool = False) -> None:
        """Set the clock forward and let the preview work."""
        self.now += seconds
        self.preview.note_change()
        self.preview.tick(self.now, playing=playing)

    def until(self, holds: Callable[[], bool], *, step: float = 0.04, limit_s: float = 60.0) -> None:
        """Tick until something holds."""
        end = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            self.tick(step)
            time.sleep(0.02)

    def settle(self) -> None:
        """Tick until nothing is missing."""
        self.tick()
        self.until(lambda: self.state().icon == "CHECKMARK", step=0.1)

    def state(self) -> Any:
        """What the panel says."""
        return self.preview.state(bpy.context.scene.world)


@pytest.fixture
def live(world: Any, renderer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The preview of this session under a stand-in for Blender's windows."""
    process, module = part("live.live_process"), part("live.live_session")
    command = process.bake_command()
    script = str(Path(__file__).with_name("lobe_bake.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])
    windows, pushed = Windows(), list[str]()
    monkeypatch.setattr(part("live.live_views"), "windows", lambda: windows.window_manager.windows)
    monkeypatch.setattr(module, "push_undo", pushed.append)
    preview = module.PREVIEW
    preview.forget()
    preview.choose_anew()
    yield Clock(preview, windows, pushed)
    served = preview.process
    preview.stop()
    preview.forget()
    assert served is None or served.wait(20)


def image_of(world: Any) -> Any:
    """The image that a world shows."""
    node = part("world.world_nodes").environment_node(world)
    return node.image if node is not None else None


def pixels_of(image: Any) -> np.ndarray:
    """Pixels (H, W, 4), row 0 at the bottom."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)


def red_of(world: Any) -> float:
    """Red of the known renderer's background: 0.1 and the sky's time in minutes; far from the sun."""
    return float(np.median(pixels_of(image_of(world))[..., 0]))


def ask(world: Any) -> None:
    """What Add Sky, Apply Preset and Update Preview do with a window."""
    part("live.live_preview").ask_live(world, bpy.context.scene)


@pytest.fixture
def sky(world: Any, live: Clock) -> Any:
    """A world that shows the full picture of frame 1; a frame is a sky minute."""
    bpy.context.scene.render.fps = 24
    world.skygen.time_scale = 24 * 60
    ask(world)
    live.settle()
    return world


@contextmanager
def handlers_of_a_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What makes renders follow, as a Blender with a window has it."""
    handlers = part("live.live_handlers")
    app = SimpleNamespace(background=False, handlers=bpy.app.handlers)
    monkeypatch.setattr(handlers, "bpy", SimpleNamespace(app=app, context=bpy.context, types=bpy.types))
    ours = [pair for pair in handlers._IN_WINDOWS if pair[1] in (handlers.follow_film, handlers.expect_frame)]
    ours += [("render_complete", handlers.forget_rendered)]
    for name, handler in ours:
        getattr(bpy.app.handlers, name).append(handler)
    try:
        yield handlers
    finally:
        for name, handler in ours:
            getattr(bpy.app.handlers, name).remove(handler)
