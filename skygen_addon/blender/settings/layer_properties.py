"""The artist's settings of one cloud layer.

Heights are kilometres and speeds metres per second whatever the scene's unit scale is, because
clouds do not shrink with a model. What a cloud layer is and where it lies (types, base, thickness)
stays as it is over time: a cloud is built of shells whose number follows from its thickness.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import math
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty

from ...core.presets import load_preset
from .choices import CLOUD_TYPE_ITEMS, DEFAULT_PRESET

FIXED: set[Any] = set()
"""Options of a property that cannot be keyframed."""

DEFAULT_CONTROLS = load_preset(DEFAULT_PRESET).controls
"""What the settings of a world hold before anybody sets them: the preset that they name."""

_LOW, _HIGH = DEFAULT_CONTROLS.low, DEFAULT_CONTROLS.high


def _main_type(types: dict[str, float]) -> str:
    """The cloud type that weighs most."""
    return max(types, key=lambda name: types[name])


def _cover(default: float) -> Any:
    return FloatProperty(
        name="Cover",
        description="Fraction of the sky plane that this layer covers",
        default=default,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )


def _cloud_type(default: str) -> Any:
    return EnumProperty(
        name="Type", description="Kind of cloud", items=CLOUD_TYPE_ITEMS, default=default, options=FIXED
    )


def _density(default: float) -> Any:
    return FloatProperty(
        name="Density",
        description="Multiplier of how much light the clouds hold back",
        default=default,
        min=0.05,
        max=10.0,
        soft_min=0.2,
        soft_max=4.0,
        precision=2,
    )


def _base(default: float, soft_min: float) -> Any:
    return FloatProperty(
        name="Base (km)",
        description="Height of the cloud base above the camera, in kilometres",
        default=default,
        min=0.1,
        max=15.0,
        soft_min=soft_min,
        soft_max=12.0,
        precision=2,
        step=10,
        options=FIXED,
    )


def _thickness(default: float, soft_max: float) -> Any:
    return FloatProperty(
        name="Thickness (km)",
        description="Greatest height of a cloud above its base, in kilometres",
        default=default,
        min=0.05,
        max=12.0,
        soft_min=0.1,
        soft_max=soft_max,
        precision=2,
        step=10,
        options=FIXED,
    )


def _texture_scale(default: float) -> Any:
    return FloatProperty(
        name="Texture Scale",
        description="Multiplier of the size of every cloud feature",
        default=default,
        min=0.25,
        max=4.0,
        precision=2,
        step=10,
    )


def _stretch(default: float) -> Any:
    return FloatProperty(
        name="Stretch",
        description="Elongation of the clouds along the wind; 1 is none",
        default=default,
        min=1.0,
        max=8.0,
        soft_max=6.0,
        precision=2,
        step=10,
    )


def _wind_speed(default: float) -> Any:
    return FloatProperty(
        name="Wind (m/s)",
        description="Speed of the clouds in metres per sky second",
        default=default,
        min=0.0,
        max=150.0,
        soft_max=60.0,
        precision=1,
        step=100,
    )


def _wind_direction(default_deg: float) -> Any:
    return FloatProperty(
        name="Wind Toward",
        description="Compass direction toward which the clouds move, clockwise from north (+Y)",
        default=math.radians(default_deg),
        soft_min=0.0,
        soft_max=math.tau,
        min=-20 * math.pi,
        max=20 * math.pi,
        subtype="ANGLE",
        step=100,
        precision=1,
    )


def _evolution(default: float) -> Any:
    return FloatProperty(
        name="Evolution",
        description="How often per sky hour every cloud feature is replaced by a new one",
        default=default,
        min=0.0,
        max=60.0,
        soft_max=8.0,
        precision=2,
        step=10,
    )


class SkyGenLayer(bpy.types.PropertyGroup):
    """One cloud layer."""

    cover: _cover(_LOW.cover)
    cloud_type: _cloud_type(_main_type(_LOW.types))
    second_type: EnumProperty(
        name="Second Type",
        description="Kind of cloud that is blended in",
        items=CLOUD_TYPE_ITEMS,
        default="stratocumulus",
        options=FIXED,
    )
    second_amount: FloatProperty(
        name="Blend",
        description="Weight of the second type: 0 is only the first, 1 only the second; keyed, one becomes the other",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    density: _density(_LOW.density)
    base: _base(_LOW.base_km, soft_min=0.4)
    thickness: _thickness(_LOW.thickness_km, soft_max=5.0)
    texture_scale: _texture_scale(_LOW.texture_scale)
    stretch: _stretch(_LOW.stretch)
    wind_speed: _wind_speed(_LOW.wind_speed_m_s)
    wind_direction: _wind_direction(_LOW.wind_toward_deg)
    evolution: _evolution(_LOW.evolution_per_hour)


class SkyGenHighLayer(SkyGenLayer):
    """The high layer: the same properties, from other defaults."""

    cover: _cover(_HIGH.cover)
    cloud_type: _cloud_type(_main_type(_HIGH.types))
    density: _density(_HIGH.density)
    base: _base(_HIGH.base_km, soft_min=2.0)
    thickness: _thickness(_HIGH.thickness_km, soft_max=3.0)
    texture_scale: _texture_scale(_HIGH.texture_scale)
    stretch: _stretch(_HIGH.stretch)
    wind_speed: _wind_speed(_HIGH.wind_speed_m_s)
    wind_direction: _wind_direction(_HIGH.wind_toward_deg)
    evolution: _evolution(_HIGH.evolution_per_hour)
