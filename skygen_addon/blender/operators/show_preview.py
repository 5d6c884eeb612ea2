"""Show Preview: one small frame of the sky as the settings are now."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..live.live_preview import ask
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world


class SKYGEN_OT_show_preview(bpy.types.Operator):
    """Show the sky of the current frame, small and still; a baked sequence stays on disk and can be bound again"""

    bl_idname = "skygen.show_preview"
    bl_label = "Update Preview"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        try:
            ask(context, active_world(context))
        except SkyGenError as error:
            return cancelled_by(self, error)
        return FINISHED
