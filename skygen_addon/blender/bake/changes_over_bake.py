"""Settings that are replaced as a whole are seen at once, and a bound bake stays: the live preview shows them over it.

It is the same for presets and matches as for any control that is turned: renders and saved files keep to the bake.
"""

from __future__ import annotations

import bpy

from ..live.live_bake import bound_sequence
from ..live.live_preview import ask
from ..live.live_properties import live_settings
from .sequence import folder_of_sequence


def show_changes(context: bpy.types.Context, world: bpy.types.World) -> str:
    """Show a world's new settings: over its bake, if one is bound, else as :func:`..live.live_preview.ask` does.

    Returns
    -------
    str
        What has become of the bake, and the ways on; empty where none is bound.

    Raises
    ------
    SkyGenError
        If nothing is baked and the sky cannot be made; the world is then as it was.
    """
    if bound_sequence(world) is None:
        ask(context, world)
        return ""
    if bpy.app.background or context.window is None:
        return f"{_bake_in_words(world)}."
    return show_over_bake(world)


def show_over_bake(world: bpy.types.World) -> str:
    """Let the live preview show a world over its bound bake; returns what to tell, empty where none is bound."""
    if bound_sequence(world) is None:
        return ""
    live, switched_on = live_settings(world), ""
    if not live.enabled:
        live.enabled, switched_on = True, "Live Preview is on now. "
    live.over_bake = True
    return f"{switched_on}{_bake_in_words(world)}; switch Changes over Bake off to see it."


def _bake_in_words(world: bpy.types.World) -> str:
    sequence = bound_sequence(world)
    folder = folder_of_sequence(sequence) if sequence is not None else ""
    return f"Renders show the old bake in {folder} until you press Bake Sky"
