"""Watch a window for Esc while a render waits for its live picture, and say there what it waits for."""

from __future__ import annotations

from typing import Any

import bpy

from ..live.live_session import PREVIEW
from ..live.live_waiting import tell
from .outcome import CANCELLED, FINISHED

_LOOK_S = 0.1


class SKYGEN_OT_watch_render(bpy.types.Operator):
    """Let Esc end a render that waits for its sky"""

    bl_idname = "skygen.watch_render"
    bl_label = "Watch Render"
    bl_options = {"INTERNAL", "MODAL_PRIORITY"}  # before an operator that keeps Esc for itself, such as a bake

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Watch the context's window."""
        manager, window = context.window_manager, context.window
        if manager is None or window is None or PREVIEW.waits.text is None:
            return CANCELLED
        self._window, self._told = window, PREVIEW.waits.text
        tell(window, self._told)
        self._timer = manager.event_timer_add(_LOOK_S, window=window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Pass on all that comes: Blender must hear Esc too, which it does without other keys only."""
        text = PREVIEW.waits.text
        if text is None:
            self.cancel(context)
            return FINISHED | {"PASS_THROUGH"}
        if event.type == "ESC" and event.value == "PRESS":
            if not (event.shift or event.ctrl or event.alt or event.oskey):
                PREVIEW.waits.give_up()
        elif text != self._told:
            self._told = text
            tell(self._window, text)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because the window closes or another file is loaded; or nothing waits any more."""
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)
        tell(self._window, None)
