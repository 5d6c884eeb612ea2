"""Add Sky: one click to a sky that can be seen."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty

from ...core.errors import SkyGenError
from ..live.live_preview import ask
from ..presets.preset_choice import use_preset
from ..settings.choices import DEFAULT_PRESET, preset_items
from ..settings.properties import is_untouched, reset, sky_settings
from .outcome import FINISHED, active_world, cancelled_by, poll_editable_scene, poll_editable_world


class SKYGEN_OT_add_sky(bpy.types.Operator):
    """Show a sky in this scene's world; what the world showed before can be put back"""

    bl_idname = "skygen.add_sky"
    bl_label = "Add Sky"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(
        name="Preset",
        description="Sky to start from, if this world's settings are untouched",
        items=preset_items(),
        default=DEFAULT_PRESET,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.scene is not None and context.scene.world is None:
            return poll_editable_scene(cls, context)
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        scene = context.scene
        if scene is None:
            raise RuntimeError("The operator was run without its poll: there is no scene.")
        made = None
        if scene.world is None:
            made = scene.world = bpy.data.worlds.new("SkyGen World")
        world = active_world(context)
        settings = sky_settings(world)
        untouched = is_untouched(settings)
        try:
            if untouched:
                use_preset(world, self.preset)
            ask(context, world)
        except SkyGenError as error:
            if made is not None:
                bpy.data.worlds.remove(made)
            elif untouched:
                reset(settings)
            return cancelled_by(self, error)
        return FINISHED
