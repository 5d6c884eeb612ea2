"""Rename Preset: give one of the artist's own presets another name."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import StringProperty

from ...core.errors import SkyGenError
from ...core.own_presets import LONGEST_NAME, rename_preset
from ..engine.redraw import redraw_panels
from ..presets.preset_choice import follow_name
from ..presets.preset_gallery import own_folder
from .outcome import FINISHED, cancelled_by


class SKYGEN_OT_rename_preset(bpy.types.Operator):
    """Give this preset of yours another name; worlds of this file that were taken from it follow"""

    bl_idname = "skygen.rename_preset"
    bl_label = "Rename Preset"
    bl_options = {"INTERNAL"}

    old: StringProperty(
        name="Preset",
        description="Name of the preset",
        default="",
        options={"SKIP_SAVE", "HIDDEN"},
    )
    new: StringProperty(
        name="New Name",
        description="Name that the preset gets",
        default="",
        maxlen=4 * LONGEST_NAME,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Ask for the name."""
        manager = context.window_manager
        if manager is None or bpy.app.background:
            return self.execute(context)
        self.new = self.new or self.old
        return manager.invoke_props_dialog(self, width=340, title="Rename Preset", confirm_text="Rename")

    def draw(self, context: bpy.types.Context) -> None:
        """The dialog."""
        layout = self.layout
        if layout is None:
            raise RuntimeError("A dialog is drawn without a layout.")
        layout.activate_init = True  # to be typed at once
        layout.prop(self, "new", text="")

    def execute(self, context: bpy.types.Context) -> set[Any]:
        try:
            name = rename_preset(self.old, self.new, own_folder())
        except SkyGenError as error:
            return cancelled_by(self, error)
        follow_name(self.old, name)
        redraw_panels(context)
        self.report({"INFO"}, f"{self.old} is {name} now.")
        return FINISHED
