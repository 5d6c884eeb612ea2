"""The artist's settings of what the camera sees of the sky, apart from the light that it gives.

They are values of nodes in the world. A keyframe goes onto the node itself, so that it plays on farms without this
add-on; none of these settings changes a baked frame.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import math
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty

from ..settings.layer_properties import FIXED

CAMERA_SEES_ITEMS = [
    ("SKY", "Sky", "The camera sees the sky as it lights the scene"),
    ("ADJUSTED", "Adjusted", "The camera sees the sky at a strength of its own, and blurred; light stays as it is"),
    ("COLOR", "Color", "The camera sees one color instead of the sky, which lights the scene and is reflected"),
]


def _look_changed(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from .world_look import show_look  # it reads these settings

    world = group.id_data
    if isinstance(world, bpy.types.World):
        show_look(world)


def _strength(group: Any) -> float:
    from .world_look import strength_of

    return strength_of(group.id_data)


def _set_strength(group: Any, strength: float) -> None:
    from .world_look import set_strength

    set_strength(group.id_data, strength)


class SkyGenLook(bpy.types.PropertyGroup):
    """How strongly the sky lights, and what the camera sees of it."""

    strength: FloatProperty(
        name="Strength",
        description="Factor on the light of the sky and on its picture; a sun lamp keeps its own, while Exposure "
        "changes both",
        get=_strength,
        set=_set_strength,
        min=0.0,
        max=1e6,
        soft_max=4.0,
        precision=2,
        step=10,
        options=FIXED,
    )
    camera_sees: EnumProperty(
        name="Camera Sees",
        description="What lies behind the scene in the picture; the light that the sky gives does not depend on it",
        items=CAMERA_SEES_ITEMS,
        default="SKY",
        options=FIXED,
        update=_look_changed,
    )
    backdrop_strength: FloatProperty(
        name="Backdrop Strength",
        description="Factor on the sky that the camera sees, whatever Strength makes of its light",
        default=1.0,
        min=0.0,
        max=1e6,
        soft_max=4.0,
        precision=2,
        step=10,
        options=FIXED,
        update=_look_changed,
    )
    blur: FloatProperty(
        name="Blur",
        description="Radius over which the sky that the camera sees is blurred; it costs no memory, but needs samples "
        "as a depth of field does",
        default=0.0,
        min=0.0,
        max=math.radians(60.0),
        soft_max=math.radians(20.0),
        subtype="ANGLE",
        precision=1,
        step=50,
        options=FIXED,
        update=_look_changed,
    )
    color: FloatVectorProperty(
        name="Color",
        description="Linear color that the camera sees instead of the sky; 1 is a white card in the noon sun",
        default=(0.2, 0.2, 0.2),
        size=3,
        min=0.0,
        max=1e6,
        soft_max=1.0,
        subtype="COLOR",
        options=FIXED,
        update=_look_changed,
    )
