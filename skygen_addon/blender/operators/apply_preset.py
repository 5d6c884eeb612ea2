"""Apply Preset: set every control to a named sky's."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from ...core.errors import SkyGenError
from ..presets.preset_choice import use_preset
from ..presets.preset_gallery import GALLERY, NO_REFUSAL, OWN_PREFIX
from ..settings.choices import DEFAULT_PRESET
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_world, show_changed_sky


def _known_names(operator: Any, context: bpy.types.Context, typed: str) -> list[str]:
    """Names to choose from; Blender sorts out those that fit what is typed."""
    return [entry.identifier.removeprefix(OWN_PREFIX) for entry in GALLERY.entries()]


class SKYGEN_OT_apply_preset(bpy.types.Operator):
    """Set sun, clouds, air, ground, weather and time scale to a preset; seed, output and frames stay as they are"""

    bl_idname = "skygen.apply_preset"
    bl_label = "Apply Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: StringProperty(
        name="Preset",
        description="Name of the sky whose settings are taken: one that ships, such as fair_cumulus, or one's own",
        default=DEFAULT_PRESET,
        search=_known_names,
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
        entry = GALLERY.find(properties.preset)
        words = entry.preset.description if entry is not None else ""
        return words or cls.__doc__ or ""

    def execute(self, context: bpy.types.Context) -> set[Any]:
        world = active_world(context)
        GALLERY.refusal = NO_REFUSAL
        try:
            use_preset(world, self.preset)
        except SkyGenError as error:
            return cancelled_by(self, error)
        if self.show:
            show_changed_sky(self, context, world, "The preset is applied")
        return FINISHED
