"""The panel's section Bake: what is written where, how it stands, and the buttons."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ...core.errors import BundleError
from ...runtime.bake.progress import minutes
from ..bake.bake_outlook import bake_outlook
from ..bake.bake_pause import is_paused
from ..bake.bake_progress import BakeProgress
from ..bake.sequence_state import SkyState, running_bake, sky_states
from ..bake.shared_picture import shares_picture_with_views
from ..engine.model import bundle_folder, model_name
from ..engine.preferences_access import device_name
from ..settings.properties import SkyGenSettings, sky_settings
from .panel_base import ChildPanel, draw_lines, world_of

_LOCK_WORDS = "A film by EEVEE may now and then show the frame that a Rendered view shows. Lock Interface prevents it"
_LOCKED_WORDS = "The interface stands still while a render runs, so that no view gets into a film by EEVEE"


class BakePanel(ChildPanel):
    """What is baked where, and how it stands"""

    bl_label = "Bake"
    manual_section = "bake"
    bl_options: set[str] = set()

    def draw(self, context: bpy.types.Context) -> None:
        """Settings, states, progress, buttons."""
        world = world_of(context)
        if world is None:
            return
        layout, settings = self.layout_of(), sky_settings(world)
        _draw_settings(layout, settings, context.scene)
        _draw_states(layout, context, sky_states(context, world))
        if context.scene is not None and shares_picture_with_views(context.scene):
            locked = context.scene.render.use_lock_interface
            draw_lines(layout, context, [(_LOCKED_WORDS if locked else _LOCK_WORDS, "INFO")])
            layout.prop(context.scene.render, "use_lock_interface", text="Lock Interface", toggle=True)
        running = running_bake(context, world)
        if running is not None:
            _draw_progress(layout, running)
        else:
            _draw_states(layout, context, bake_outlook(context, world))
        row = layout.row()
        row.scale_y = 1.4
        bake = cast(Any, row.operator("skygen.bake_sequence", icon="RENDER_ANIMATION"))
        bake.skip_existing = True  # frames of this very sky are kept, so a stopped bake goes on
        row = layout.row(align=True)
        row.operator("skygen.bind_sequence", icon="FILE_IMAGE")
        row.operator("skygen.restore_world", icon="LOOP_BACK")
        words = engine_words()
        if words:
            layout.label(text=words, icon="SYSTEM")


def engine_words() -> str:
    """Which model bakes and on which device; empty where the model is at fault, which the states tell."""
    try:
        return f"Model {model_name(bundle_folder())}, {device_name()}"
    except BundleError:
        return ""


def _draw_settings(layout: bpy.types.UILayout, settings: SkyGenSettings, scene: bpy.types.Scene | None) -> None:
    layout.prop(settings, "width")
    layout.prop(settings, "use_scene_range")
    follows = settings.use_scene_range and scene is not None
    pair = layout.column(align=True)
    pair.enabled = not follows
    for name in ("frame_start", "frame_end"):
        row = pair.row()
        row.active = name == "frame_start" or not settings.loop
        row.prop(scene if follows else settings, name, text="Start" if name == "frame_start" else "End")
    layout.prop(settings, "origin_frame")
    layout.prop(settings, "loop")
    if settings.loop:
        layout.prop(settings, "loop_frames")
    layout.prop(settings, "output_folder")
    layout.prop(settings, "format")
    layout.prop(settings, "compression")
    layout.prop(settings, "pictures")


def _draw_states(layout: bpy.types.UILayout, context: bpy.types.Context, states: list[SkyState]) -> None:
    if states:
        draw_lines(layout, context, [(state.text, "ERROR" if state.alert else state.icon) for state in states])


def _draw_progress(layout: bpy.types.UILayout, bake: BakeProgress) -> None:
    paused = is_paused()
    left = f", {minutes(bake.seconds_left)} left" if bake.seconds_left is not None else ""
    row = layout.split(factor=0.7, align=True)
    cast(Any, row).progress(
        factor=bake.done / max(1, bake.total),
        text=f"{bake.done} / {bake.total}{', paused' if paused else left}",
    )
    row.operator("skygen.pause_bake", text="Go On" if paused else "Pause", icon="PLAY" if paused else "PAUSE")
