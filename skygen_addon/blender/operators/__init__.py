"""Operators, one verb per file."""

from __future__ import annotations

import bpy

from .add_sky import SKYGEN_OT_add_sky
from .add_sun_lamp import SKYGEN_OT_add_sun_lamp
from .aim_sun import SKYGEN_OT_aim_sun
from .apply_match import SKYGEN_OT_apply_match
from .apply_preset import SKYGEN_OT_apply_preset
from .bake_sequence import SKYGEN_OT_bake_sequence
from .bind_sequence import SKYGEN_OT_bind_sequence
from .clear_live_memory import SKYGEN_OT_clear_live_memory
from .delete_preset import SKYGEN_OT_delete_preset
from .make_local import SKYGEN_OT_make_local
from .match_hdri import SKYGEN_OT_match_hdri
from .open_manual import SKYGEN_OT_open_manual
from .pause_bake import SKYGEN_OT_pause_bake
from .rename_preset import SKYGEN_OT_rename_preset
from .restore_world import SKYGEN_OT_restore_world
from .save_preset import SKYGEN_OT_save_preset
from .show_preview import SKYGEN_OT_show_preview
from .test_device import SKYGEN_OT_test_device
from .watch_render import SKYGEN_OT_watch_render

CLASSES: tuple[type, ...] = (
    SKYGEN_OT_add_sky,
    SKYGEN_OT_make_local,
    SKYGEN_OT_apply_preset,
    SKYGEN_OT_match_hdri,
    SKYGEN_OT_apply_match,
    SKYGEN_OT_save_preset,
    SKYGEN_OT_rename_preset,
    SKYGEN_OT_delete_preset,
    SKYGEN_OT_show_preview,
    SKYGEN_OT_watch_render,
    SKYGEN_OT_aim_sun,
    SKYGEN_OT_add_sun_lamp,
    SKYGEN_OT_bake_sequence,
    SKYGEN_OT_pause_bake,
    SKYGEN_OT_bind_sequence,
    SKYGEN_OT_restore_world,
    SKYGEN_OT_test_device,
    SKYGEN_OT_clear_live_memory,
    SKYGEN_OT_open_manual,
)


def register() -> None:
    """Add the operators."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove the operators."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
