"""Add Sun Lamp: a lamp in this scene that shines as the sky's sun."""

from __future__ import annotations

from typing import Any

import bpy

from ..sun.sun_lamp import lamp_in_scene
from ..sun.sun_sync import add_lamp
from .outcome import FINISHED, active_world, poll_editable_world


class SKYGEN_OT_add_sun_lamp(bpy.types.Operator):
    """Put the sky's sun lamp into this scene; it follows the sun's direction, colour and strength"""

    bl_idname = "skygen.add_sun_lamp"
    bl_label = "Add Sun Lamp"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not poll_editable_world(cls, context):
            return False
        if context.scene is not None and lamp_in_scene(active_world(context), context.scene) is not None:
            cls.poll_message_set("The sky's sun lamp is in this scene already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        scene = context.scene
        if scene is None:
            raise RuntimeError("The operator was run without its poll: there is no scene.")
        add_lamp(active_world(context), scene)
        return FINISHED
