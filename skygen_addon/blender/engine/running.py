"""Which of the operators that work beside the interface run at the moment."""

from __future__ import annotations

import bpy


def is_running(context: bpy.types.Context, operator: str) -> bool:
    """Whether an operator of that class, such as ``SKYGEN_OT_bake_sequence``, runs, in whichever window it began."""
    windows = context.window_manager.windows if context.window_manager is not None else ()
    running = (one for window in windows for one in getattr(window, "modal_operators", ()))
    return any(one.bl_idname == operator for one in running)
