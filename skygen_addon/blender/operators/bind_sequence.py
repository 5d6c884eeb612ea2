"""Bind Sequence: show frames that are already baked."""

from __future__ import annotations

import dataclasses
from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..bake.bake_plan import plan_of_settings
from ..bake.sequence import longest_run
from ..settings.properties import sky_settings
from ..sun.sun_check import lamp_fault
from ..world.sky_world import bind_frames
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world


class SKYGEN_OT_bind_sequence(bpy.types.Operator):
    """Show the baked frames of the output folder and frame range in this world; of the scene's range those there are"""

    bl_idname = "skygen.bind_sequence"
    bl_label = "Bind Baked Sky"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        try:
            plan, settings = plan_of_settings(world, context.scene), sky_settings(world)
            there = longest_run(plan.folder, plan.frames) if settings.use_scene_range and not settings.loop else []
            if there:  # the scene's range may have grown since the bake
                plan = dataclasses.replace(plan, frames=tuple(there))
            bind_frames(world, plan, fingerprint="")
        except SkyGenError as error:
            return cancelled_by(self, error)
        fault = lamp_fault(world, context.scene) if context.scene is not None else None
        if fault is not None:
            self.report({"WARNING"}, fault)
        return FINISHED
