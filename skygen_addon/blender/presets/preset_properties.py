"""Which preset a world's settings come from: what the file keeps, and what the gallery shows.

The file keeps the number of a shipped preset, or the name of one of the artist's own, which need not be on the
computer where the file is opened.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from ..settings.choices import DEFAULT_PRESET, OWN_PRESET, preset_items
from ..settings.layer_properties import FIXED


def _gallery_items(settings: Any, context: bpy.types.Context | None) -> list[Any]:
    """All thumbnails; without settings, as documentation asks for them, no chosen one."""
    from .preset_choice import gallery_items  # it reads these settings

    return gallery_items(settings)


def _shown_number(settings: Any) -> int:
    from .preset_choice import shown_number

    return shown_number(settings)


def _pick(settings: Any, number: int) -> None:
    from .preset_choice import pick

    pick(settings, number)


class PresetChoice:
    """The preset that a world's settings were last taken from."""

    preset: EnumProperty(
        name="Preset",
        description="Kind of sky that the settings were last taken from",
        items=[*preset_items(), OWN_PRESET],
        default=DEFAULT_PRESET,
        options=FIXED,
    )
    own_preset: StringProperty(
        name="Own Preset",
        description="Name of the artist's own preset that the settings were last taken from",
        default="",
        options={"HIDDEN"},
    )
    preset_gallery: EnumProperty(
        name="Preset",
        description="Sky whose settings are taken; seed, output and frame range stay as they are",
        items=_gallery_items,
        get=_shown_number,
        set=_pick,
        options=FIXED,
    )
