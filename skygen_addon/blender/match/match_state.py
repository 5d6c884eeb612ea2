"""Whether a match runs and what it does: what the operator's poll and the panel ask."""

from __future__ import annotations

import bpy

DOING = "skygen_match_doing"
"""Custom property of the window manager, which undo leaves alone; there only while a match runs in a window."""


def is_matching(context: bpy.types.Context) -> bool:
    """Whether a panorama is being matched, in whichever window it was chosen."""
    windows = context.window_manager.windows if context.window_manager is not None else ()
    running = (operator for window in windows for operator in getattr(window, "modal_operators", ()))
    return any(operator.bl_idname == "SKYGEN_OT_match_hdri" for operator in running)


def note_doing(words: str | None) -> bool:
    """Tell the panels what the running match does, None after its end; returns whether that is news."""
    manager = bpy.context.window_manager
    if manager is None or doing_in_words() == (words or ""):
        return False
    if words:
        manager[DOING] = words
    else:
        del manager[DOING]
    return True


def doing_in_words() -> str:
    """What the running match does; empty if none runs."""
    manager = bpy.context.window_manager
    return str(manager.get(DOING, "")) if manager is not None else ""
