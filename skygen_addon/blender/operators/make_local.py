"""Make Local: a world of another file becomes this file's own, with its sky as it is."""

from __future__ import annotations

from typing import Any

import bpy

from ..sun.sun_owner import make_lamp_own
from ..world.world_owner import is_own, make_own
from .outcome import FINISHED, active_world, poll_editable_scene


class SKYGEN_OT_make_local(bpy.types.Operator):
    """Make this world, linked or overridden from another file, this file's own: settings, nodes and bake stay"""

    bl_idname = "skygen.make_local"
    bl_label = "Make Local"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for a world of another file in a scene of this one."""
        if not poll_editable_scene(cls, context):
            return False
        scene = context.scene
        if scene is None or scene.world is None or is_own(scene.world):
            cls.poll_message_set("The scene's world belongs to this file")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Make world, picture and sun lamp local."""
        own = make_own(active_world(context))
        if not make_lamp_own(own):
            self.report({"WARNING"}, "The sun lamp stays linked, because it lies in a linked collection.")
        return FINISHED
