"""Show Preview: one small frame of the sky as the settings are now."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..bake.sequence import folder_of_sequence
from ..live.live_bake import bound_sequence
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
        world = active_world(context)
        sequence = bound_sequence(world)
        baked = folder_of_sequence(sequence) if sequence is not None else None
        try:
            ask(context, world)
        except SkyGenError as error:
            return cancelled_by(self, error)
        if baked is not None:
            self.report({"INFO"}, f"The preview takes the place of the bake in {baked}; Bind Baked Sky shows it again.")
        return FINISHED
