"""Add Sun Lamp: a lamp in this scene that shines as the sky's sun."""

from __future__ import annotations

from typing import Any

import bpy

from ..settings.properties import sky_settings
from ..sun.sun_lamp import lamp_in_scene
from ..sun.sun_sync import add_lamp
from ..world.world_owner import is_own
from .outcome import FINISHED, active_world, poll_editable_scene, poll_editable_world


def _has_linked_lamp(world: bpy.types.World) -> bool:
    """Whether a world of another file brings a sun lamp along."""
    return not is_own(world) and sky_settings(world).sun.lamp is not None


class SKYGEN_OT_add_sun_lamp(bpy.types.Operator):
    """Put the sky's sun lamp into this scene; it follows the sun's direction, colour and strength"""

    bl_idname = "skygen.add_sun_lamp"
    bl_label = "Add Sun Lamp"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = context.scene
        if not poll_editable_scene(cls, context):
            return False
        if scene is None or scene.world is None or not _has_linked_lamp(scene.world):
            if not poll_editable_world(cls, context):
                return False
        if scene is not None and lamp_in_scene(active_world(context), scene) is not None:
            cls.poll_message_set("The sky's sun lamp is in this scene already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        scene = context.scene
        if scene is None:
            raise RuntimeError("The operator was run without its poll: there is no scene.")
        add_lamp(active_world(context), scene)
        return FINISHED
