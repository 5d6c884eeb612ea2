"""Apply Match: set the sky to what the last match found, again."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..match.match_result import match_of, use_match
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world, show_changed_sky


class SKYGEN_OT_apply_match(bpy.types.Operator):
    """Set sun, clouds, air, ground and seed to what the last match found, whatever was changed since"""

    bl_idname = "skygen.apply_match"
    bl_label = "Apply Match"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not poll_editable_world(cls, context):
            return False
        if not match_of(active_world(context)).controls:
            cls.poll_message_set("No panorama was matched in this world yet: use Match HDRI")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        try:
            use_match(world)
        except SkyGenError as error:
            return cancelled_by(self, error)
        show_changed_sky(self, context, world, "The match is applied")
        return FINISHED
