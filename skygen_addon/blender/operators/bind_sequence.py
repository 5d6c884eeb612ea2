"""Bind Sequence: show frames that are already baked."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..bake.bake_plan import plan_of_settings
from ..sun.sun_check import lamp_fault
from ..world.sky_world import bind_frames
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world


class SKYGEN_OT_bind_sequence(bpy.types.Operator):
    """Show the baked frames of the output folder and frame range in this world"""

    bl_idname = "skygen.bind_sequence"
    bl_label = "Bind Baked Sky"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        try:
            bind_frames(world, plan_of_settings(world), fingerprint="")
        except SkyGenError as error:
            return cancelled_by(self, error)
        fault = lamp_fault(world, context.scene) if context.scene is not None else None
        if fault is not None:
            self.report({"WARNING"}, fault)
        return FINISHED
