"""Clear Memory: let go what the live preview's process keeps, without ending it."""

from __future__ import annotations

from typing import Any

import bpy

from ..live.live_memory import apply_budget
from ..live.live_session import PREVIEW
from .outcome import CANCELLED, FINISHED


class SKYGEN_OT_clear_live_memory(bpy.types.Operator):
    """Free the clouds and pictures that the live preview keeps to be quick; the next picture is drawn anew"""

    bl_idname = "skygen.clear_live_memory"
    bl_label = "Clear Memory"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while the process runs: without it nothing is kept."""
        if PREVIEW.process is None:
            cls.poll_message_set("The live preview does not run and keeps nothing")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Tell the process."""
        return FINISHED if apply_budget(clear=True) else CANCELLED
