"""A render that waits for its live picture, in a thread of its own: Esc must reach it, and people are told.

Blender hears Esc, but stops a render only where it looks whether to stop, and it does not look while a handler waits.
So the windows are watched meanwhile, each by a modal operator that :data:`WATCH` names. With Lock Interface Blender
calls no such operator, and the render waits until its picture is there.
"""

from __future__ import annotations

from typing import Any, cast

import bpy

WATCH = "SKYGEN_OT_watch_render"
"""Watches one window for Esc as long as a render waits."""


class RenderWaits:
    """Whether a render waits at the moment, shared by its thread and the windows."""

    def __init__(self) -> None:
        self.text: str | None = None
        """What it waits for; None if nothing waits."""
        self.given_up = False
        """Somebody has pressed Esc since the render began: it waits for nothing more."""
        self._world = 0

    def renew(self) -> None:
        """A render begins, or has ended."""
        self.given_up = False

    def begin(self, scene: bpy.types.Scene, world: bpy.types.World) -> None:
        """It waits from now on for a picture of that world."""
        self._world = world.session_uid
        self.text = f"SkyGen: the render of {scene.name} waits for the sky of frame {scene.frame_current} (Esc cancels)"

    def end(self) -> None:
        """It waits no more."""
        self.text = None

    def give_up(self) -> None:
        """Let the render that waits, if one does, wait for nothing more."""
        self.given_up = self.given_up or self.text is not None

    def wait_for(self, world: bpy.types.World) -> bool:
        """Whether a render waits for a picture of that world."""
        return self.text is not None and self._world == world.session_uid


def tell(window: bpy.types.Window, text: str | None) -> None:
    """Say something in a window's status bar and above the pictures that it shows; nothing more with None."""
    manager = bpy.context.window_manager
    if manager is None or window not in list(manager.windows):  # it has been closed
        return
    with bpy.context.temp_override(window=window):
        window.workspace.status_text_set(text)
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.header_text_set(cast(str, text))


def watch_windows(waits: RenderWaits) -> None:
    """Have every window watched while a render waits; to be called by a timer."""
    manager = bpy.context.window_manager
    if waits.text is None or manager is None or manager.is_interface_locked:
        return
    for window in manager.windows:
        with bpy.context.temp_override(window=window):
            if not any(one.bl_idname == WATCH for one in getattr(window, "modal_operators", ())):
                cast(Any, bpy.ops).skygen.watch_render("INVOKE_DEFAULT")
