"""Delete Preset: remove one of the artist's own presets from this computer."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import StringProperty

from ...core.errors import SkyGenError
from ...core.own_presets import delete_preset
from ..engine.redraw import redraw_panels
from ..presets.preset_choice import follow_name
from ..presets.preset_gallery import own_folder
from .outcome import FINISHED, cancelled_by


class SKYGEN_OT_delete_preset(bpy.types.Operator):
    """Delete this preset of yours from this computer, which cannot be undone; worlds keep their settings"""

    bl_idname = "skygen.delete_preset"
    bl_label = "Delete Preset"
    bl_options = {"INTERNAL"}

    preset: StringProperty(
        name="Preset",
        description="Name of the preset",
        default="",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Ask whether it is meant."""
        manager = context.window_manager
        if manager is None or bpy.app.background:
            return self.execute(context)
        return manager.invoke_confirm(
            self,
            event,
            title="Delete Preset",
            message=f"Delete {self.preset} from this computer? This cannot be undone.",
            confirm_text="Delete",
            icon="WARNING",
        )

    def execute(self, context: bpy.types.Context) -> set[Any]:
        try:
            delete_preset(self.preset, own_folder())
        except SkyGenError as error:
            return cancelled_by(self, error)
        follow_name(self.preset, "")
        redraw_panels(context)
        self.report({"INFO"}, f"Deleted the preset {self.preset}.")
        return FINISHED
