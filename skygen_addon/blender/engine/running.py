"""Which of the operators that work beside the interface run at the moment."""

from __future__ import annotations

from typing import Any

import bpy


def is_running(context: bpy.types.Context, operator: str) -> bool:
    """Whether an operator of that class, such as ``SKYGEN_OT_bake_sequence``, runs, in whichever window it began."""
    return any(one.bl_idname == operator for one in _running(context))


def is_film_rendered(context: bpy.types.Context) -> bool:
    """Whether what is rendered beside the interface is an animation.

    The operator of a render that has ended stays until its window gets an event, so one of them may be an older one.
    """
    films = [bool(one.properties.animation) for one in _running(context) if one.bl_idname == "RENDER_OT_render"]
    return bool(films) and all(films)


def _running(context: bpy.types.Context) -> list[Any]:
    windows = context.window_manager.windows if context.window_manager is not None else ()
    return [one for window in windows for one in getattr(window, "modal_operators", ())]
