"""Restore World: take the sky out and put back what the world showed before."""

from __future__ import annotations

from typing import Any

import bpy

from ..bake.sequence_state import forget_bake
from ..sun.sun_sync import forget_sun
from ..world.world_nodes import restore_world
from .outcome import FINISHED, active_world, poll_sky


class SKYGEN_OT_restore_world(bpy.types.Operator):
    """Remove the sky's nodes and sun lamp and link what was linked before; settings and baked files stay"""

    bl_idname = "skygen.restore_world"
    bl_label = "Restore World"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_sky(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        for loss in restore_world(world):
            self.report({"WARNING"}, f"{loss} Link a shader to the World Output by hand.")
        forget_bake(world)
        forget_sun(world)
        return FINISHED
