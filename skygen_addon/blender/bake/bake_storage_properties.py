"""How baked frames are stored, and which pictures are written beside them; a part of the world's settings."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from bpy.props import EnumProperty

from ..settings.choices import COMPRESSION_ITEMS, FORMAT_ITEMS, PICTURE_ITEMS
from ..settings.layer_properties import FIXED


class BakeStorage:
    """Number format, compression and pictures; none of them changes the sky."""

    format: EnumProperty(
        name="Depth",
        description="Number format of the baked frames",
        items=FORMAT_ITEMS,
        default="auto",
        options=FIXED,
    )
    compression: EnumProperty(
        name="Compression",
        description="How the baked frames are packed; frames that are packed otherwise are baked again",
        items=COMPRESSION_ITEMS,
        default="zip",
        options=FIXED,
    )
    pictures: EnumProperty(
        name="Also Write",
        description="A tone-mapped 8 bit sRGB picture of each frame, as a backdrop, for an edit or the web",
        items=PICTURE_ITEMS,
        default="none",
        options=FIXED,
    )
