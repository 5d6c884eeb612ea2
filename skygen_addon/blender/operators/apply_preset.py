"""Apply Preset: set every control to a named sky's."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty

from ...core.errors import SkyGenError
from ..choices import DEFAULT_PRESET, preset_items
from ..sky_world import show_preview, use_preset
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world


class SKYGEN_OT_apply_preset(bpy.types.Operator):
    """Set sun, clouds and air to a preset; seed, output and frame range stay as they are"""

    bl_idname = "skygen.apply_preset"
    bl_label = "Apply Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(
        name="Preset",
        description="Sky whose settings are taken",
        items=preset_items(),
        default=DEFAULT_PRESET,
    )
    show: BoolProperty(
        name="Show",
        description="Show a preview of the current frame at once",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_editable_world(cls, context)

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        words = {name: text for name, _, text in preset_items()}
        return words.get(properties.preset, cls.__doc__ or "")

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        try:
            use_preset(world, self.preset)
        except SkyGenError as error:
            return cancelled_by(self, error)
        if self.show:
            try:
                show_preview(context, world)
            except SkyGenError as error:  # the settings are new all the same: finish, so that undo has them
                self.report({"WARNING"}, f"The preset is applied, but not shown: {error.message} {error.remedy}")
        return FINISHED
