"""The panels: World properties and the sidebar of the 3D view show the same, in the order of work."""

from __future__ import annotations

from typing import Any

import bpy

from ..settings.layer_properties import SkyGenLayer
from ..settings.properties import SkyGenSettings, sky_settings
from ..world.world_nodes import environment_node
from ..world.world_owner import linked_scene_in_words, owner_in_words
from .panel_bake import BakePanel
from .panel_base import ChildPanel, SkyPanel, draw_lines, panel_class, world_of
from .panel_first_sky import draw_first_steps, wants_hint
from .panel_live import draw_live
from .panel_match import MatchPanel
from .panel_presets import draw_presets
from .panel_sun import SunPanel
from .panel_world import WorldPanel


def _draw_main(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    world = world_of(context)
    owner = owner_in_words(world) if world is not None else None
    foreign_scene = linked_scene_in_words(context.scene) if context.scene is not None else None
    if foreign_scene is not None:
        draw_lines(layout, context, [(foreign_scene, "LINKED")])
    elif owner is not None:
        draw_lines(layout, context, [(owner, "LINKED")])
        layout.operator("skygen.make_local", icon="UNLINKED")
    elif world is None or environment_node(world) is None:
        row = layout.row()
        row.scale_y = 1.4
        row.operator("skygen.add_sky", icon="OUTLINER_OB_LIGHTPROBE")
        if wants_hint(world):
            draw_first_steps(layout, context)
        if world is None:
            layout.label(text="This scene has no world; one is made", icon="INFO")
    if world is None:
        return
    settings = sky_settings(world)
    draw_presets(layout, context, world)
    draw_live(layout, context, world)
    column = layout.column()
    column.prop(settings, "seed")
    layout.prop(settings.low, "cover", text="Low Cover")
    layout.prop(settings.high, "cover", text="High Cover")
    pair = layout.column(align=True)
    pair.prop(settings.low, "wind_speed")
    pair.prop(settings.low, "wind_direction")
    layout.prop(settings, "time_scale")


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


def _draw_color(layout: bpy.types.UILayout, settings: SkyGenSettings) -> None:
    layout.prop(settings, "haze")
    layout.prop(settings, "exposure")
    balance = layout.column(align=True)
    balance.prop(settings, "white_balance_temperature")
    balance.prop(settings, "white_balance_tint")
    layout.prop(settings, "ground_albedo")


class _MainPanel(SkyPanel):
    def draw(self, context: bpy.types.Context) -> None:
        _draw_main(self.layout_of(), context)


class _LowPanel(ChildPanel):
    bl_label = "Low Clouds"
    manual_section = "clouds"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_layer(self.layout_of(), self.settings(context).low)


class _HighPanel(ChildPanel):
    bl_label = "High Clouds"
    manual_section = "clouds"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_layer(self.layout_of(), self.settings(context).high)


class _ColorPanel(ChildPanel):
    bl_label = "Haze and Color"
    manual_section = "air"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_color(self.layout_of(), self.settings(context))


class _WeatherPanel(ChildPanel):
    bl_label = "Weather and Time"
    manual_section = "air"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout_of(), self.settings(context)
        layout.prop(settings, "weather_strength")
        layout.prop(settings, "time_offset")


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
            panel_class(p, place, main, settings)
            for p in (SunPanel, MatchPanel, BakePanel, _LowPanel, _HighPanel, _ColorPanel, _WeatherPanel, WorldPanel)
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
