"""Save Preset: keep the present settings under a name."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from ...core.errors import SkyGenError
from ...core.own_presets import LONGEST_NAME, existing_name, save_preset
from ..engine.redraw import redraw_panels
from ..presets.preset_choice import controls_to_save, note_choice
from ..presets.preset_gallery import GALLERY, OWN_PREFIX, own_folder
from ..presets.preset_thumbnails import WORK
from ..settings.properties import sky_settings
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world


class SKYGEN_OT_save_preset(bpy.types.Operator):
    """Keep sun, clouds, air, ground, weather and time scale as a preset of your own, for every file on this computer"""

    bl_idname = "skygen.save_preset"
    bl_label = "Save Preset"
    bl_options = {"UNDO"}

    preset_name: StringProperty(
        name="Name",
        description="Name of the preset, which is its file's name too",
        default="",
        maxlen=4 * LONGEST_NAME,
        options={"SKIP_SAVE"},
    )
    about: StringProperty(
        name="Description",
        description="A sentence on what the sky looks like; may be empty",
        default="",
        maxlen=300,
        options={"SKIP_SAVE"},
    )
    overwrite: BoolProperty(
        name="Overwrite",
        description="Replace the preset of this name",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return poll_editable_world(cls, context)

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        if properties.overwrite:
            return f"Overwrite the preset {properties.preset_name} with the present settings"
        return cls.__doc__ or ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Ask for the name, or whether to overwrite."""
        manager = context.window_manager
        if manager is None or bpy.app.background:
            return self.execute(context)
        if self.overwrite:
            return manager.invoke_confirm(
                self,
                event,
                title="Overwrite Preset",
                message=f"Replace {self.preset_name} with the present settings?",
                confirm_text="Overwrite",
            )
        return manager.invoke_props_dialog(self, width=340, title="Save Preset", confirm_text="Save")

    def draw(self, context: bpy.types.Context) -> None:
        """The dialog; what it overwrites is asked for as soon as the name is one that exists."""
        layout = self.layout
        if layout is None:
            raise RuntimeError("A dialog is drawn without a layout.")
        name = layout.row()
        name.activate_init = True  # to be typed at once; not where names stand in a column of their own
        name.prop(self, "preset_name", text="", placeholder="Name")
        layout.prop(self, "about", text="", placeholder="Description")
        try:
            taken = existing_name(" ".join(self.preset_name.split()), own_folder())
        except SkyGenError as error:
            layout.label(text=f"{error.message} {error.remedy}", icon="ERROR")
            return
        if taken is not None:
            layout.prop(self, "overwrite", text=f"Overwrite {taken}")

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world, scene = active_world(context), context.scene
        if scene is None:
            raise RuntimeError("The operator was run without its poll: there is no scene.")
        try:
            controls = controls_to_save(world, scene)
            folder = own_folder(create=True)
            saved = save_preset(self.preset_name, self.about, controls, folder, overwrite=self.overwrite)
        except SkyGenError as error:
            return cancelled_by(self, error)
        note_choice(sky_settings(world), OWN_PREFIX + saved.name)
        WORK.look_after(GALLERY.entries())
        redraw_panels(context)
        self.report({"INFO"}, f"Saved the preset {saved.name}.")
        return FINISHED
