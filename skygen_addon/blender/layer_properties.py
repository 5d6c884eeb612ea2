"""The artist's settings of one cloud layer.

Heights are kilometres and speeds metres per second whatever the scene's unit scale is, because
clouds do not shrink with a model. What a cloud layer is and where it lies (types, base, thickness)
stays as it is over time: a cloud is built of shells whose number follows from its thickness.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import math

import bpy
from bpy.props import EnumProperty, FloatProperty

from .choices import CLOUD_TYPE_ITEMS

FIXED: set[str] = set()
"""Options of a property that cannot be keyframed."""


class SkyGenLayer(bpy.types.PropertyGroup):
    """One cloud layer."""

    cover: FloatProperty(
        name="Cover",
        description="Fraction of the sky plane that this layer covers",
        default=0.4,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    cloud_type: EnumProperty(
        name="Type",
        description="Kind of cloud",
        items=CLOUD_TYPE_ITEMS,
        default="cumulus",
        options=FIXED,
    )
    second_type: EnumProperty(
        name="Second Type",
        description="Kind of cloud that is blended in",
        items=CLOUD_TYPE_ITEMS,
        default="stratocumulus",
        options=FIXED,
    )
    second_amount: FloatProperty(
        name="Blend",
        description="Weight of the second type: 0 shows only the first, 1 only the second",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options=FIXED,
    )
    density: FloatProperty(
        name="Density",
        description="Multiplier of how much light the clouds hold back",
        default=1.0,
        min=0.05,
        max=10.0,
        soft_min=0.2,
        soft_max=4.0,
        precision=2,
    )
    base: FloatProperty(
        name="Base (km)",
        description="Height of the cloud base above the camera, in kilometres",
        default=1.5,
        min=0.1,
        max=15.0,
        soft_min=0.4,
        soft_max=12.0,
        precision=2,
        step=10,
        options=FIXED,
    )
    thickness: FloatProperty(
        name="Thickness (km)",
        description="Greatest height of a cloud above its base, in kilometres",
        default=1.0,
        min=0.05,
        max=12.0,
        soft_min=0.1,
        soft_max=5.0,
        precision=2,
        step=10,
        options=FIXED,
    )
    texture_scale: FloatProperty(
        name="Texture Scale",
        description="Multiplier of the size of every cloud feature",
        default=1.0,
        min=0.25,
        max=4.0,
        precision=2,
        step=10,
    )
    stretch: FloatProperty(
        name="Stretch",
        description="Elongation of the clouds along the wind; 1 is none",
        default=1.0,
        min=1.0,
        max=8.0,
        soft_max=6.0,
        precision=2,
        step=10,
    )
    wind_speed: FloatProperty(
        name="Wind (m/s)",
        description="Speed of the clouds in metres per sky second",
        default=8.0,
        min=0.0,
        max=150.0,
        soft_max=60.0,
        precision=1,
        step=100,
    )
    wind_direction: FloatProperty(
        name="Wind Toward",
        description="Compass direction toward which the clouds move, clockwise from north (+Y)",
        default=math.radians(90.0),
        soft_min=0.0,
        soft_max=math.tau,
        min=-20 * math.pi,
        max=20 * math.pi,
        subtype="ANGLE",
        step=100,
        precision=1,
    )
    evolution: FloatProperty(
        name="Evolution",
        description="How often per sky hour every cloud feature is replaced by a new one",
        default=1.0,
        min=0.0,
        max=60.0,
        soft_max=8.0,
        precision=2,
        step=10,
    )


class SkyGenHighLayer(SkyGenLayer):
    """The high layer: the same properties, from other defaults."""

    cover: FloatProperty(
        name="Cover",
        description="Fraction of the sky plane that this layer covers",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    cloud_type: EnumProperty(
        name="Type",
        description="Kind of cloud",
        items=CLOUD_TYPE_ITEMS,
        default="cirrus",
        options=FIXED,
    )
    base: FloatProperty(
        name="Base (km)",
        description="Height of the cloud base above the camera, in kilometres",
        default=8.0,
        min=0.1,
        max=15.0,
        soft_min=2.0,
        soft_max=12.0,
        precision=2,
        step=10,
        options=FIXED,
    )
    thickness: FloatProperty(
        name="Thickness (km)",
        description="Greatest height of a cloud above its base, in kilometres",
        default=0.8,
        min=0.05,
        max=12.0,
        soft_min=0.1,
        soft_max=3.0,
        precision=2,
        step=10,
        options=FIXED,
    )
    texture_scale: FloatProperty(
        name="Texture Scale",
        description="Multiplier of the size of every cloud feature",
        default=3.0,
        min=0.25,
        max=4.0,
        precision=2,
        step=10,
    )
    stretch: FloatProperty(
        name="Stretch",
        description="Elongation of the clouds along the wind; 1 is none",
        default=3.0,
        min=1.0,
        max=8.0,
        soft_max=6.0,
        precision=2,
        step=10,
    )
    wind_speed: FloatProperty(
        name="Wind (m/s)",
        description="Speed of the clouds in metres per sky second",
        default=25.0,
        min=0.0,
        max=150.0,
        soft_max=60.0,
        precision=1,
        step=100,
    )
