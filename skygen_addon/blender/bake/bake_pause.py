"""Whether the running bake is to pause: said in the window manager, which undo and loading a file leave alone."""

from __future__ import annotations

import bpy

PAUSED = "skygen_bake_paused"
"""Custom property of the window manager, there only while a bake is paused."""


def is_paused() -> bool:
    """Whether the running bake is to pause after the frame at hand."""
    manager = bpy.context.window_manager
    return manager is not None and PAUSED in manager.keys()


def set_paused(paused: bool) -> None:
    """Let the running bake pause or go on; it follows within a moment."""
    manager = bpy.context.window_manager
    if manager is None:
        return
    if paused:
        manager[PAUSED] = True
    elif PAUSED in manager.keys():
        del manager[PAUSED]
