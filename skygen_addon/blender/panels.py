"""The panels: World properties and the sidebar of the 3D view show the same, in the order of work."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..runtime.progress import minutes
from .choices import preset_items
from .layer_properties import SkyGenLayer
from .panel_base import ChildPanel, SkyPanel, panel_class, world_of
from .panel_sun import SunPanel
from .properties import SkyGenSettings, sky_settings
from .sequence_state import is_baked_now, sky_states
from .world_nodes import environment_node

_PRESET_LABELS = {name: label for name, label, _ in preset_items()}


def _draw_main(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    world = world_of(context)
    if world is None or environment_node(world) is None:
        row = layout.row()
        row.scale_y = 1.4
        row.operator("skygen.add_sky", icon="OUTLINER_OB_LIGHTPROBE")
        if world is None:
            layout.label(text="This scene has no world; one is made", icon="INFO")
            return
    settings = sky_settings(world)
    row = layout.row(align=True)
    menu = cast(Any, row).operator_menu_enum(
        "skygen.apply_preset", "preset", text=_PRESET_LABELS.get(settings.preset, "Preset"), icon="PRESET"
    )
    menu.show = environment_node(world) is not None
    row.operator("skygen.show_preview", text="", icon="FILE_REFRESH")
    column = layout.column()
    column.prop(settings, "seed")
    layout.prop(settings.low, "cover", text="Low Cover")
    layout.prop(settings.high, "cover", text="High Cover")
    pair = layout.column(align=True)
    pair.prop(settings.low, "wind_speed")
    pair.prop(settings.low, "wind_direction")
    layout.prop(settings, "time_scale")


def _draw_bake(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    world = world_of(context)
    if world is None:
        return
    settings = sky_settings(world)
    layout.prop(settings, "width")
    pair = layout.column(align=True)
    pair.prop(settings, "frame_start")
    end = pair.row()
    end.active = not settings.loop
    end.prop(settings, "frame_end")
    layout.prop(settings, "origin_frame")
    layout.prop(settings, "loop")
    if settings.loop:
        layout.prop(settings, "loop_frames")
    layout.prop(settings, "output_folder")
    layout.prop(settings, "format")
    for state in sky_states(context, world):
        row = layout.row()
        row.alert = state.alert
        row.label(text=state.text, icon=cast(Any, state.icon))
    if is_baked_now(context, world):
        left = f", {minutes(settings.bake_seconds_left)} left" if settings.bake_seconds_left >= 0 else ""
        cast(Any, layout).progress(
            factor=settings.bake_done / max(1, settings.bake_total),
            text=f"{settings.bake_done} / {settings.bake_total}{left}",
        )
    row = layout.row()
    row.scale_y = 1.4
    bake = cast(Any, row.operator("skygen.bake_sequence", icon="RENDER_ANIMATION"))
    bake.skip_existing = True  # frames of this very sky are kept, so a stopped bake goes on
    row = layout.row(align=True)
    row.operator("skygen.bind_sequence", icon="FILE_IMAGE")
    row.operator("skygen.restore_world", icon="LOOP_BACK")


def _draw_layer(layout: bpy.types.UILayout, layer: SkyGenLayer) -> None:
    layout.prop(layer, "cover")
    layout.prop(layer, "cloud_type")
    layout.prop(layer, "second_amount")
    second = layout.row()
    second.active = layer.second_amount > 0
    second.prop(layer, "second_type")
    layout.prop(layer, "density")
    pair = layout.column(align=True)
    pair.prop(layer, "base")
    pair.prop(layer, "thickness")
    layout.prop(layer, "texture_scale")
    layout.prop(layer, "stretch")
    pair = layout.column(align=True)
    pair.prop(layer, "wind_speed")
    pair.prop(layer, "wind_direction")
    layout.prop(layer, "evolution")


def _draw_air(layout: bpy.types.UILayout, settings: SkyGenSettings) -> None:
    for name in ("haze", "exposure", "ground_albedo", "weather_strength", "time_offset"):
        layout.prop(settings, name)


class _MainPanel(SkyPanel):
    def draw(self, context: bpy.types.Context) -> None:
        _draw_main(self.layout_of(), context)


class _LowPanel(ChildPanel):
    bl_label = "Low Clouds"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_layer(self.layout_of(), self.settings(context).low)


class _HighPanel(ChildPanel):
    bl_label = "High Clouds"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_layer(self.layout_of(), self.settings(context).high)


class _AirPanel(ChildPanel):
    bl_label = "Air, Weather and Time"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_air(self.layout_of(), self.settings(context))


class _BakePanel(ChildPanel):
    bl_label = "Bake"
    bl_options: set[str] = set()

    def draw(self, context: bpy.types.Context) -> None:
        _draw_bake(self.layout_of(), context)


def _panels() -> tuple[type, ...]:
    places: dict[str, dict[str, Any]] = {
        "world": {"bl_space_type": "PROPERTIES", "bl_region_type": "WINDOW", "bl_context": "world"},
        "sidebar": {"bl_space_type": "VIEW_3D", "bl_region_type": "UI", "bl_category": "SkyGen"},
    }
    panels: list[type] = []
    for place, settings in places.items():
        main = f"SKYGEN_PT_{place}_main"
        panels.append(panel_class(_MainPanel, place, None, settings))
        panels += [
            panel_class(p, place, main, settings) for p in (SunPanel, _BakePanel, _LowPanel, _HighPanel, _AirPanel)
        ]
    return tuple(panels)


CLASSES = _panels()


def register() -> None:
    """Add the panels."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove the panels."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
