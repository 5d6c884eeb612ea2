"""Operators, one verb per file."""

from __future__ import annotations

import bpy

from .add_sky import SKYGEN_OT_add_sky
from .add_sun_lamp import SKYGEN_OT_add_sun_lamp
from .aim_sun import SKYGEN_OT_aim_sun
from .apply_preset import SKYGEN_OT_apply_preset
from .bake_sequence import SKYGEN_OT_bake_sequence
from .bind_sequence import SKYGEN_OT_bind_sequence
from .restore_world import SKYGEN_OT_restore_world
from .show_preview import SKYGEN_OT_show_preview

CLASSES: tuple[type, ...] = (
    SKYGEN_OT_add_sky,
    SKYGEN_OT_apply_preset,
    SKYGEN_OT_show_preview,
    SKYGEN_OT_aim_sun,
    SKYGEN_OT_add_sun_lamp,
    SKYGEN_OT_bake_sequence,
    SKYGEN_OT_bind_sequence,
    SKYGEN_OT_restore_world,
)


def register() -> None:
    """Add the operators."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove the operators."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
