"""The panorama that a world's sky was matched to, and what came of it; written by the operators, read by the panel."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import bpy
from bpy.props import IntProperty, PointerProperty, StringProperty


class SkyGenMatch(bpy.types.PropertyGroup):
    """The last match."""

    source: StringProperty(
        name="Panorama",
        description="HDR panorama that the sky was matched to; empty before the first match",
        default="",
        options={"HIDDEN"},
    )
    controls: StringProperty(
        name="Matched Settings",
        description="Settings that the match found, as a preset holds them",
        default="",
        options={"HIDDEN"},
    )
    seed: IntProperty(
        name="Matched Seed",
        description="Seed that the match found",
        default=0,
        min=0,
        max=2**31 - 1,
        options={"HIDDEN"},
    )
    found: StringProperty(
        name="Found",
        description="What the match found, a line for each thing",
        default="",
        options={"HIDDEN"},
    )
    remaining: StringProperty(
        name="Not Matched",
        description="What could not be matched, a line for each thing",
        default="",
        options={"HIDDEN"},
    )
    panorama_picture: PointerProperty(
        type=bpy.types.Image,
        name="Panorama's Picture",
        description="Small picture of the panorama, packed into the file",
        options={"HIDDEN"},
    )
    sky_picture: PointerProperty(
        type=bpy.types.Image,
        name="Matched Sky's Picture",
        description="Small picture of the matched sky, packed into the file",
        options={"HIDDEN"},
    )
