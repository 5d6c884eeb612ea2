"""The artist's settings: the property groups behind ``World.skygen``.

Angles are radians, as everywhere in Blender, and shown in degrees. Heights are kilometres and
speeds metres per second whatever the scene's unit scale is, because clouds do not shrink with a
model. Animatable is what the README lists as such and nothing else.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import math
from typing import cast

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..bake.bake_range_properties import BakeRange
from ..bake.bake_state_properties import BakeState
from ..bake.bake_storage_properties import BakeStorage
from ..match.match_properties import SkyGenMatch
from ..presets.preset_properties import PresetChoice
from ..sun.sun_properties import SkyGenSun, sun_moved
from ..world.world_look_properties import SkyGenLook
from .choices import WIDTH_ITEMS
from .layer_properties import DEFAULT_CONTROLS, FIXED, SkyGenHighLayer, SkyGenLayer

FOLDER: set[str] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
"""Options of a folder that may start with //; Blender asks for the mark since 4.5."""


class SkyGenSettings(PresetChoice, BakeRange, BakeStorage, BakeState, bpy.types.PropertyGroup):
    """Everything that steers a world's sky."""

    seed: IntProperty(
        name="Seed",
        description="Chooses the sky; every number is another one with the same settings",
        default=0,
        min=0,
        max=2**31 - 1,
        options=FIXED,
    )
    sun_azimuth: FloatProperty(
        name="Sun Azimuth",
        description="Compass direction of the sun, clockwise from north (+Y); east is +X",
        default=math.radians(DEFAULT_CONTROLS.sun_azimuth_deg),
        soft_min=0.0,
        soft_max=math.tau,
        min=-20 * math.pi,
        max=20 * math.pi,
        subtype="ANGLE",
        step=100,
        precision=2,
        update=sun_moved,
    )
    sun_elevation: FloatProperty(
        name="Sun Elevation",
        description="Height of the sun above the horizon",
        default=math.radians(DEFAULT_CONTROLS.sun_elevation_deg),
        min=-math.pi / 2,
        max=math.pi / 2,
        soft_min=math.radians(-12.0),
        subtype="ANGLE",
        step=100,
        precision=2,
        update=sun_moved,
    )
    sun: PointerProperty(type=SkyGenSun, name="Sun", description="What places the sun and what it shines from")
    match: PointerProperty(type=SkyGenMatch, name="Match", description="The panorama that the sky was matched to")
    look: PointerProperty(type=SkyGenLook, name="World", description="How the sky lights and what is seen of it")
    low: PointerProperty(type=SkyGenLayer, name="Low Clouds", description="The layer nearer to the ground")
    high: PointerProperty(type=SkyGenHighLayer, name="High Clouds", description="The layer above the low clouds")
    haze: FloatProperty(
        name="Haze",
        description="Dust and moisture in the air; 1 is clear reference air",
        default=DEFAULT_CONTROLS.haze,
        min=0.0,
        max=20.0,
        soft_max=8.0,
        precision=2,
        step=10,
        update=sun_moved,
    )
    exposure: FloatProperty(
        name="Exposure (EV)",
        description="Stops by which the sky is brightened or darkened",
        default=DEFAULT_CONTROLS.exposure_ev,
        min=-20.0,
        max=20.0,
        soft_min=-5.0,
        soft_max=5.0,
        precision=2,
        step=10,
        update=sun_moved,
    )
    white_balance_temperature: FloatProperty(
        name="Temperature (K)",
        description="White balance: the daylight that is shown white. Higher is warmer, 6500 leaves colors alone",
        default=DEFAULT_CONTROLS.white_balance_k,
        min=4000.0,
        max=25000.0,
        soft_min=5000.0,
        soft_max=10000.0,
        precision=0,
        step=10000,
        update=sun_moved,
    )
    white_balance_tint: FloatProperty(
        name="Tint",
        description="White balance beside the temperature: negative is greener, positive more magenta",
        default=DEFAULT_CONTROLS.white_balance_tint,
        min=-100.0,
        max=100.0,
        soft_min=-25.0,
        soft_max=25.0,
        step=100,
        update=sun_moved,
    )
    ground_albedo: FloatVectorProperty(
        name="Ground",
        description="Linear colour of the ground below the horizon",
        default=DEFAULT_CONTROLS.ground_albedo,
        size=3,
        min=0.0,
        max=1.0,
        subtype="COLOR",
        options=FIXED,
    )
    sun_disc: BoolProperty(
        name="Sun Disc",
        description="Draw the sun into the sky; off, the sky has no sun at all",
        default=DEFAULT_CONTROLS.sun_disc,
        options=FIXED,
    )
    weather_strength: FloatProperty(
        name="Weather",
        description="How far the weather wanders from these settings over time; 0 keeps them",
        default=DEFAULT_CONTROLS.weather_strength,
        min=0.0,
        max=2.0,
        soft_max=1.0,
        subtype="FACTOR",
        options=FIXED,
    )
    time_scale: FloatProperty(
        name="Time Scale",
        description="Sky seconds per second of film; 1 is real time, 60 a time-lapse",
        default=DEFAULT_CONTROLS.time_scale,
        min=0.0,
        max=100000.0,
        soft_max=600.0,
        precision=1,
        step=100,
        update=sun_moved,
    )
    time_offset: FloatProperty(
        name="Time Offset",
        description="Sky time at the first frame",
        default=0.0,
        unit="TIME_ABSOLUTE",
        subtype="TIME_ABSOLUTE",
        soft_min=0.0,
        min=-1e8,
        max=1e8,
        options=FIXED,
        update=sun_moved,
    )
    width: EnumProperty(
        name="Resolution",
        description="Width of the panorama in pixels; its height is half of it",
        items=WIDTH_ITEMS,
        default="2048",
        options=FIXED,
    )
    origin_frame: IntProperty(
        name="Sky Starts",
        description="Frame from which wind and time count, so parts of a film that are baked apart fit together",
        default=1,
        min=0,
        soft_max=10000,
        max=1048574,
        options=FIXED,
        subtype="TIME",
        update=sun_moved,
    )
    output_folder: StringProperty(
        name="Folder",
        description="Folder of the baked frames; // is the folder of the .blend, {world} this world's name",
        default="//skygen/{world}/",
        subtype="DIR_PATH",
        options=FOLDER,
    )
    loop: BoolProperty(
        name="Loop",
        description="Bake a sky that repeats without a seam",
        default=False,
        options=FIXED,
    )
    loop_frames: IntProperty(
        name="Loop Length",
        description="Frames after which the looping sky repeats",
        default=240,
        min=2,
        soft_max=2000,
        max=100000,
        options=FIXED,
        subtype="TIME",
    )


CLASSES: tuple[type, ...] = (SkyGenSun, SkyGenMatch, SkyGenLook, SkyGenLayer, SkyGenHighLayer, SkyGenSettings)


def sky_settings(world: bpy.types.World) -> SkyGenSettings:
    """Settings of a world (original or evaluated)."""
    return cast(SkyGenSettings, world.skygen)  # type: ignore[attr-defined]


def _groups(settings: SkyGenSettings) -> tuple[bpy.types.PropertyGroup, ...]:
    return (
        cast(bpy.types.PropertyGroup, settings.low),
        cast(bpy.types.PropertyGroup, settings.high),
        settings,
    )


_NEVER_SET = ("rna_type", "name", "preset_gallery", "use_scene_range")
"""Properties that hold nothing of their own, of which Blender says that they are set."""


def is_untouched(settings: SkyGenSettings) -> bool:
    """Whether every setting still has its default, because nobody has set one."""
    return not any(
        group.is_property_set(prop.identifier)
        for group in _groups(settings)
        for prop in group.bl_rna.properties
        if prop.type != "POINTER" and prop.identifier not in _NEVER_SET
    )


def reset(settings: SkyGenSettings) -> None:
    """Give every setting its default again."""
    for group in _groups(settings):
        for prop in group.bl_rna.properties:
            if prop.type != "POINTER":
                group.property_unset(prop.identifier)


def register() -> None:
    """Add ``World.skygen``."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.World.skygen = PointerProperty(  # type: ignore[attr-defined,func-returns-value]
        type=SkyGenSettings, name="SkyGen", description="Animated sky of this world"
    )


def unregister() -> None:
    """Remove ``World.skygen``."""
    if hasattr(bpy.types.World, "skygen"):
        del bpy.types.World.skygen
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
