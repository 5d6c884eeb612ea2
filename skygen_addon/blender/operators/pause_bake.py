"""Pause Bake: let the running bake rest, or go on."""

from __future__ import annotations

from typing import Any

import bpy

from ..bake.bake_pause import is_paused, set_paused
from ..bake.sequence_state import is_baking
from .outcome import FINISHED


class SKYGEN_OT_pause_bake(bpy.types.Operator):
    """Let the bake rest after the frame at hand, or go on; it keeps what it has loaded and all finished frames"""

    bl_idname = "skygen.pause_bake"
    bl_label = "Pause Bake"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while a bake runs."""
        if not is_baking(context):
            cls.poll_message_set("No bake is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Pause, or go on."""
        set_paused(not is_paused())
        return FINISHED
