"""The artist's choices for the live preview, kept with each world as ``World.skygen_live``."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import cast

import bpy
from bpy.props import BoolProperty, EnumProperty, PointerProperty

from ..settings.layer_properties import FIXED

LIVE_WIDTH_ITEMS = [
    ("512", "512 x 256", "Quick; enough to judge clouds and light"),
    ("1024", "1024 x 512", "Four times the work; each undo step keeps up to 6 MB"),
    ("2048", "2048 x 1024", "Sixteen times the work; each undo step and the saved file keep 25 MB"),
]


def _chosen_anew(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from .live_session import PREVIEW  # it reads these choices

    PREVIEW.choose_anew()


class SkyGenLive(bpy.types.PropertyGroup):
    """How the live preview of a world behaves."""

    enabled: BoolProperty(
        name="Live Preview",
        description="Show the sky anew in the viewport whenever a setting or the frame changes. "
        "Where a baked sky covers the frame, that one is shown",
        default=True,
        options=FIXED,
        update=_chosen_anew,
    )
    width: EnumProperty(
        name="Preview Size",
        description="Width of the picture in pixels once nothing has changed for a moment; it is coarser until then",
        items=LIVE_WIDTH_ITEMS,
        default="512",
        options=FIXED,
        update=_chosen_anew,
    )
    over_bake: BoolProperty(
        name="Changes over Bake",
        description="Show the sky as the settings are now instead of the baked one, in the viewport only: renders, "
        "saved files and a sun lamp keep to the bake",
        default=False,
        options=FIXED,
        update=_chosen_anew,
    )
    bound_image: PointerProperty(
        name="Covered Bake",
        description="Baked sequence that a live picture covers for the moment",
        type=bpy.types.Image,
        options={"HIDDEN"},
    )


def live_settings(world: bpy.types.World) -> SkyGenLive:
    """The choices of a world."""
    return cast(SkyGenLive, world.skygen_live)  # type: ignore[attr-defined]


def register() -> None:
    """Add ``World.skygen_live``."""
    bpy.utils.register_class(SkyGenLive)
    bpy.types.World.skygen_live = PointerProperty(  # type: ignore[attr-defined,func-returns-value]
        type=SkyGenLive, name="SkyGen Live Preview", description="Live preview of this world's sky"
    )


def unregister() -> None:
    """Remove ``World.skygen_live``."""
    if hasattr(bpy.types.World, "skygen_live"):
        del bpy.types.World.skygen_live
    bpy.utils.unregister_class(SkyGenLive)
