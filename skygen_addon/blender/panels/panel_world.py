"""The panel's section World: how the sky is turned, how strongly it lights, and what the camera sees of it."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..settings.properties import sky_settings
from ..world.world_nodes import environment_node, sky_nodes
from ..world.world_owner import is_own
from .panel_base import ChildPanel, Line, draw_lines, world_of

SUN_NEEDS_MAP = 2048
"""Narrowest importance map on which a sun in the texture is wider than a pixel or two."""


class WorldPanel(ChildPanel):
    """How the sky is turned, how strongly it lights, and what the camera sees of it"""

    bl_label = "World"
    manual_section = "world"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is a sky."""
        world = world_of(context)
        return world is not None and environment_node(world) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Rotation and light first, then the camera's picture, then the importance map."""
        world, scene = world_of(context), context.scene
        if world is None or scene is None:
            return
        layout, nodes = self.layout_of(), sky_nodes(world)
        light = layout.column()
        light.enabled = is_own(world)  # Blender lets nodes of an override be edited, and forgets it
        if "mapping" in nodes:
            light.prop(nodes["mapping"].inputs["Rotation"], "default_value", index=2, text="Rotation")
        if "background" in nodes:
            row = light.row()
            row.enabled = not nodes["background"].inputs["Strength"].is_linked
            row.prop(sky_settings(world).look, "strength")
        _draw_camera(layout, context, world, scene)
        if str(scene.render.engine) == "CYCLES":
            _draw_importance(layout, context, world)


def _draw_camera(
    layout: bpy.types.UILayout, context: bpy.types.Context, world: bpy.types.World, scene: bpy.types.Scene
) -> None:
    look, seen = sky_settings(world).look, layout.column()
    seen.active = not scene.render.film_transparent
    seen.label(text="Camera Sees:")
    row = seen.row()
    row.use_property_split = False
    row.prop(look, "camera_sees", expand=True)
    if look.camera_sees == "ADJUSTED":
        seen.prop(look, "backdrop_strength", text="Strength")
        seen.prop(look, "blur")
        if look.blur > 0.0:
            text = "Light and reflections stay sharp; the blurred sky has no sun disc"
            draw_lines(seen, context, [(text, "INFO")])
    elif look.camera_sees == "COLOR":
        seen.prop(look, "color")
    layout.prop(scene.render, "film_transparent", text="Transparent Film")


def _draw_importance(layout: bpy.types.UILayout, context: bpy.types.Context, world: bpy.types.World) -> None:
    cycles = cast(Any, getattr(world, "cycles", None))
    if cycles is None:
        return
    column = layout.column(align=True)
    column.prop(cycles, "sampling_method", text="Importance")
    if cycles.sampling_method == "MANUAL":
        column.prop(cycles, "sample_map_resolution", text="Map Width")
    draw_lines(layout, context, importance_lines(world))


def importance_lines(world: bpy.types.World) -> list[Line]:
    """What Cycles' importance map costs and gives as it is set."""
    cycles = cast(Any, getattr(world, "cycles", None))
    node, settings = environment_node(world), sky_settings(world)
    sun_in_texture = settings.sun.sun_in == "TEXTURE" and settings.sun_disc
    if cycles is None or node is None:
        return []
    if cycles.sampling_method == "NONE":
        return [("Without a map every light of the sky is found by chance: much noise", "ERROR")]
    if cycles.sampling_method == "AUTOMATIC":
        width = int(node.image.size[0]) if node.image is not None else 0
        return [(f"As wide as the sky, {width}, and made anew for every frame: {_cost(width)}", "INFO")]
    width = int(cycles.sample_map_resolution)
    lines = [(f"Made anew for every frame: {_cost(width)}", "INFO")]
    if sun_in_texture and width < SUN_NEEDS_MAP:
        lines.append((f"The sun in the texture needs a width of {SUN_NEEDS_MAP}; a lamp needs none", "ERROR"))
    elif not sun_in_texture and width > SUN_NEEDS_MAP // 2:
        why = "The texture has no sun" if settings.sun.sun_in == "TEXTURE" else "The sun is a lamp"
        lines.append((f"{why}: a width of {SUN_NEEDS_MAP // 4} does for the sky alone", "INFO"))
    return lines


def _cost(width: int) -> str:
    """Time that Cycles takes to make a map, in words; it grows with the number of pixels."""
    if width <= 1024:
        return "a tenth of a second or less"
    if width <= 2048:
        return "a few tenths of a second"
    return "about a second" if width <= 4096 else "several seconds"
