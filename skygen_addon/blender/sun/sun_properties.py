"""The artist's settings of the sun: where it stands, by angles or by date and place, and what it shines from.

Angles are radians, as everywhere in Blender, and shown in degrees. The date stays as it is over time, because sky
time moves the sun; the time of day, the place and north can be keyframed on top of that.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import math
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ..settings.layer_properties import FIXED
from .sun_lamp import is_sun

PLACEMENT_ITEMS = [
    ("DIRECTION", "Direction", "The sun stands at an azimuth and an elevation"),
    ("DATE_PLACE", "Date and Place", "The sun stands where it does at a date, time and place, and moves with sky time"),
]

SUN_IN_ITEMS = [
    ("TEXTURE", "Texture", "The sun is a part of the sky's picture and lights the scene from there"),
    ("LAMP", "Lamp", "A sun lamp lights the scene; the sky's picture has no sun"),
    ("BOTH", "Both", "A sun lamp lights the scene; the camera also sees the sun in the sky, which gives no light"),
]


def sun_moved(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """A control was turned that the sun's light depends on: the lamp follows."""
    from .sun_sync import follow_settings  # it reads these settings

    world = group.id_data
    if isinstance(world, bpy.types.World):
        follow_settings(world)


def _shines_from_elsewhere(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from .sun_sync import change_sun_in

    world = group.id_data
    if isinstance(world, bpy.types.World):
        change_sun_in(world)


def _other_lamp(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from .sun_sync import adopt_lamp

    world = group.id_data
    if isinstance(world, bpy.types.World):
        adopt_lamp(world)


def is_sun_lamp(group: Any, lamp: bpy.types.Object) -> bool:
    """Whether an object is a sun lamp, for the menu of lamps."""
    return is_sun(lamp)


class SkyGenSun(bpy.types.PropertyGroup):
    """The sun."""

    placement: EnumProperty(
        name="Placement",
        description="What places the sun",
        items=PLACEMENT_ITEMS,
        default="DIRECTION",
        options=FIXED,
        update=sun_moved,
    )
    year: IntProperty(
        name="Year",
        description="Year of the date at sky time 0",
        default=2026,
        min=1800,
        max=2200,
        options=FIXED,
        update=sun_moved,
    )
    month: IntProperty(
        name="Month",
        description="Month of the date at sky time 0",
        default=6,
        min=1,
        max=12,
        options=FIXED,
        update=sun_moved,
    )
    day: IntProperty(
        name="Day",
        description="Day of the month at sky time 0",
        default=21,
        min=1,
        max=31,
        options=FIXED,
        update=sun_moved,
    )
    time_of_day: FloatProperty(
        name="Time (h)",
        description="Local time at sky time 0 in hours, 14.5 is half past two; sky time goes on from there",
        default=12.0,
        min=0.0,
        max=24.0,
        precision=2,
        step=25,
        update=sun_moved,
    )
    utc_offset: FloatProperty(
        name="UTC Offset",
        description="Hours by which local time is ahead of universal time: 1 in Paris, 2 in its summer, -5 in New York",
        default=0.0,
        min=-14.0,
        max=14.0,
        precision=2,
        step=100,
        options=FIXED,
        update=sun_moved,
    )
    latitude: FloatProperty(
        name="Latitude",
        description="Degrees north of the equator, negative in the south",
        default=math.radians(50.0),
        min=-math.pi / 2,
        max=math.pi / 2,
        subtype="ANGLE",
        step=100,
        precision=3,
        update=sun_moved,
    )
    longitude: FloatProperty(
        name="Longitude",
        description="Degrees east of Greenwich, negative in the west",
        default=0.0,
        min=-math.pi,
        max=math.pi,
        subtype="ANGLE",
        step=100,
        precision=3,
        update=sun_moved,
    )
    north: FloatProperty(
        name="North Offset",
        description="Compass direction of the scene's +Y axis, clockwise from north: 90 where +Y points east",
        default=0.0,
        min=-math.tau,
        max=math.tau,
        soft_min=-math.pi,
        soft_max=math.pi,
        subtype="ANGLE",
        step=100,
        precision=2,
        update=sun_moved,
    )
    sun_in: EnumProperty(
        name="Sun In",
        description="What the sun shines from",
        items=SUN_IN_ITEMS,
        default="TEXTURE",
        options=FIXED,
        update=_shines_from_elsewhere,
    )
    lamp: PointerProperty(
        name="Sun Lamp",
        description="Sun lamp that follows the sky: direction, colour and strength",
        type=bpy.types.Object,
        poll=is_sun_lamp,
        update=_other_lamp,
    )

    # What the add-on remembers: the lamp before this one, and what it knows of the shown sky.
    followed_lamp: PointerProperty(
        name="Followed Lamp",
        description="Sun lamp that followed the sky last; it is let go when another one takes its place",
        type=bpy.types.Object,
        options={"HIDDEN"},
    )
    sky_peak: FloatProperty(
        name="Sky Peak",
        description="Highest radiance of the shown sky without the sun; 0 while that is not known",
        default=0.0,
        min=0.0,
        max=1e9,
        options={"HIDDEN"},
    )
    unrecorded: StringProperty(
        name="Unrecorded Frames",
        description="Bound frames without a record of their sun, which no lamp can follow",
        default="",
        options={"HIDDEN"},
    )
    shown_frame: IntProperty(
        name="Shown Frame",
        description="Frame of the preview that is shown; below 0 when none is",
        default=-1,
        min=-1,
        max=1048574,
        options={"HIDDEN"},
    )
    shown_azimuth: FloatProperty(
        name="Shown Azimuth",
        description="Azimuth of the sun in the preview that is shown",
        default=0.0,
        min=-100.0,
        max=100.0,
        subtype="ANGLE",
        options={"HIDDEN"},
    )
    shown_elevation: FloatProperty(
        name="Shown Elevation",
        description="Elevation of the sun in the preview that is shown",
        default=0.0,
        min=-math.pi / 2,
        max=math.pi / 2,
        subtype="ANGLE",
        options={"HIDDEN"},
    )
    shown_transmittance: FloatProperty(
        name="Through Clouds",
        description="Fraction of the sun's light that the clouds of the shown preview let through",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options={"HIDDEN"},
    )
