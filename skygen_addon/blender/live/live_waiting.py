"""A render that waits for its live picture, in a thread of its own: Esc must reach it, and people are told.

Blender hears Esc, but stops a render only where it looks whether to stop, and it does not look while a handler waits.
So the windows are watched meanwhile, each by a modal operator that :data:`WATCH` names.
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

    def begin(self, scene: bpy.types.Scene) -> None:
        """A render waits from now on."""
        self.text = f"SkyGen: the render of {scene.name} waits for the sky of frame {scene.frame_current} (Esc cancels)"

    def end(self) -> None:
        """It waits no more."""
        self.text = None


def tell(window: bpy.types.Window, text: str | None) -> None:
    """Say something in a window's status bar and above the pictures that it shows; nothing more with None."""
    with bpy.context.temp_override(window=window):
        window.workspace.status_text_set(text)
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.header_text_set(cast(str, text))


def watch_windows(waits: RenderWaits) -> None:
    """Have every window watched while a render waits; to be called by a timer."""
    if waits.text is None or bpy.context.window_manager is None:
        return
    for window in bpy.context.window_manager.windows:
        with bpy.context.temp_override(window=window):
            if not any(one.bl_idname == WATCH for one in getattr(window, "modal_operators", ())):
                cast(Any, bpy.ops).skygen.watch_render("INVOKE_DEFAULT")
