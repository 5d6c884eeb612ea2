"""Whether a match runs: what the operator's poll and the panel ask."""

from __future__ import annotations

import bpy


def is_matching(context: bpy.types.Context) -> bool:
    """Whether a panorama is being matched, in whichever window it was chosen."""
    windows = context.window_manager.windows if context.window_manager is not None else ()
    running = (operator for window in windows for operator in getattr(window, "modal_operators", ()))
    return any(operator.bl_idname == "SKYGEN_OT_match_hdri" for operator in running)
