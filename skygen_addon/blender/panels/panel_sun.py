"""The panel's section Sun: where it stands and what it shines from."""

from __future__ import annotations

import math
from typing import Any, cast

import bpy

from ...core.errors import SkyGenError
from ..settings.properties import SkyGenSettings, sky_settings
from ..settings.world_animation import is_animated
from ..sun.sun_check import lamp_fault, uses_lamp
from ..sun.sun_keys import is_keyed, keyed_span
from ..sun.sun_lamp import lamp_in_scene, sun_light
from ..sun.sun_placement import is_dated, sun_now
from ..sun.sun_properties import SkyGenSun
from ..sun.sun_sync import shown_through
from ..world.world_nodes import environment_node
from .panel_base import ChildPanel, Line, draw_lines, world_of


class SunPanel(ChildPanel):
    """Where the sun stands and what it shines from"""

    bl_label = "Sun"
    manual_section = "sun"
    bl_options: set[str] = set()

    def draw(self, context: bpy.types.Context) -> None:
        """Placement first, then texture or lamp."""
        world, scene = world_of(context), context.scene
        if world is None or scene is None:
            return
        layout, settings = self.layout_of(), sky_settings(world)
        _draw_choice(layout, settings.sun, "placement")
        if is_dated(settings):
            _draw_date_and_place(layout, settings)
            draw_lines(layout, context, placement_lines(world, scene))
        else:
            _draw_direction(layout, settings)
        layout.label(text="Sun In:")
        _draw_choice(layout, settings.sun, "sun_in")
        if not uses_lamp(world):
            layout.prop(settings, "sun_disc")
            fault = lamp_fault(world, scene, detailed=False)
            if fault is not None:
                draw_lines(layout, context, [(fault, "ERROR")])
            return
        layout.prop(settings.sun, "lamp")
        draw_lines(layout, context, lamp_lines(world, scene))
        if lamp_in_scene(world, scene) is None:
            layout.operator("skygen.add_sun_lamp", icon="LIGHT_SUN")


def _draw_choice(layout: bpy.types.UILayout, sun: SkyGenSun, name: str) -> None:
    """All items beside each other over the whole width, so that none is cut off in a narrow panel."""
    row = layout.row()
    row.use_property_split = False
    row.prop(sun, name, expand=True)


def _draw_direction(layout: bpy.types.UILayout, settings: SkyGenSettings) -> None:
    pair = layout.column(align=True)
    pair.prop(settings, "sun_azimuth")
    pair.prop(settings, "sun_elevation")
    row = layout.row(align=True)
    cast(Any, row.operator("skygen.aim_sun", text="Aim at View", icon="HIDE_OFF")).pick = False
    cast(Any, row.operator("skygen.aim_sun", text="Pick in View", icon="EYEDROPPER")).pick = True


def _draw_date_and_place(layout: bpy.types.UILayout, settings: SkyGenSettings) -> None:
    sun = settings.sun
    date = layout.column(align=True)
    for name in ("day", "month", "year"):
        date.prop(sun, name)
    time = layout.column(align=True)
    time.prop(sun, "time_of_day")
    time.prop(sun, "utc_offset")
    place = layout.column(align=True)
    for name in ("latitude", "longitude", "north"):
        place.prop(sun, name)


def placement_lines(world: bpy.types.World, scene: bpy.types.Scene) -> list[Line]:
    """Where date and place put the sun at the current frame."""
    settings = sky_settings(world)
    if settings.loop:
        return [("A loop cannot have a moving sun: switch Loop off, or choose Direction", "ERROR")]
    try:
        sun = sun_now(world, settings, scene)
    except SkyGenError as error:
        return [(f"{error.message} {error.remedy}", "ERROR")]
    azimuth, elevation = math.degrees(sun.azimuth_rad), math.degrees(sun.elevation_rad)
    below = ", below the horizon" if elevation < 0 else ""
    counted = " from the scene's +Y axis" if settings.sun.north else ""
    lines = [(f"Azimuth {azimuth:.2f}°{counted}", "LIGHT_SUN"), (f"Elevation {elevation:.2f}°{below}", "BLANK1")]
    if sun.moment is not None:
        lines.insert(0, (f"Frame {scene.frame_current}: {sun.moment:%Y-%m-%d %H:%M:%S}", "TIME"))
    if not sun.exact:
        lines.append(("An estimate: Time Scale is driven, which only the bake integrates", "INFO"))
    return lines


def lamp_lines(world: bpy.types.World, scene: bpy.types.Scene) -> list[Line]:
    """How the sun lamp stands."""
    lamp = lamp_in_scene(world, scene)
    if lamp is None and environment_node(world) is None:
        return []  # without a sky nothing lacks its lamp
    fault = lamp_fault(world, scene, detailed=False)
    if fault is not None:
        return [(fault, "ERROR")]
    if lamp is None:
        return []
    strength = f"{sun_light(lamp).energy:.3g} W/m²"
    span = keyed_span(lamp)
    if is_keyed(lamp) and span is not None:
        return [(f"{strength}, keyframed: {span[0]}-{span[1]}", "KEYINGSET")]
    return [(f"{strength}{_live_words(lamp, world, scene)}", "LIGHT_SUN"), *_lock_lines(world, scene)]


def _live_words(lamp: bpy.types.Object, world: bpy.types.World, scene: bpy.types.Scene) -> str:
    """What dims a lamp that follows the settings."""
    if not sun_light(lamp).energy:
        return ": the sun is below the horizon"
    settings = sky_settings(world)
    try:
        through = shown_through(world, settings, scene, sun_now(world, settings, scene))
    except SkyGenError:  # an impossible date, of which other lines tell; the lamp stays as it is
        return ""
    return ", clear sky; Bake adds the clouds" if through is None else f", {through:.0%} through the preview's clouds"


def _lock_lines(world: bpy.types.World, scene: bpy.types.Scene) -> list[Line]:
    """Until keyframes move it, the lamp is moved by this add-on while a render runs, which views must not read then."""
    moves = is_animated(world) or is_dated(sky_settings(world))
    if not moves or scene.render.use_lock_interface:
        return []
    return [("It moves: to render an animation before a bake, switch on Lock Interface in the Render menu", "INFO")]
