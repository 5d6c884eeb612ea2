"""Showing a world's sky on demand: what Add Sky, presets and Update Preview call."""

from __future__ import annotations

import bpy

from ..bake.sequence_state import forget_bake
from ..settings.properties import sky_settings
from ..sun.sun_sync import note_preview
from ..world.sequence_clock import animation_frame
from ..world.sky_world import show_preview
from ..world.world_nodes import environment_node, show_image
from .live_pictures import placeholder
from .live_session import PREVIEW


def ask(context: bpy.types.Context, world: bpy.types.World) -> None:
    """Show a world's sky of the current frame: by the live process where there is a window, else at once.

    With a window it returns at once; a world without a sky shows a plain one until the first picture comes. A bound
    bake is let go when the picture comes, and stays on disk.

    Raises
    ------
    SkyGenError
        If the sky cannot be made; the world is then as it was. With a window, what only the process can tell
        is shown in the panel instead.
    """
    if bpy.app.background or context.window is None or context.scene is None:
        show_preview(context, world)
        return
    ask_live(world, context.scene)


def ask_live(world: bpy.types.World, scene: bpy.types.Scene) -> None:
    """:func:`ask` with a window."""
    PREVIEW.wish(world, scene)
    node = environment_node(world)
    if node is None or node.image is None:
        show_image(world, placeholder(sky_settings(world).ground_albedo), None)
        forget_bake(world)
        note_preview(world, animation_frame(scene), None)
