"""A live picture that has come is shown: over the bound bake, in its place, or in the place of an older picture."""

from __future__ import annotations

import threading
from typing import Any, cast

import bpy

from ...runtime.frame.sun_record import SunLight
from ..bake.sequence_state import forget_bake
from ..sun.sun_sync import note_preview
from ..world.world_nodes import environment_node, show_image
from .live_bake import bound_sequence, cover, uncover
from .live_views import windows


def show_picture(
    world: bpy.types.World, image: bpy.types.Image, frame: int, sun: SunLight | None, *, over_bake: bool
) -> bool:
    """Show a live picture of a frame; returns whether a bake was let go for it.

    ``over_bake`` keeps a bound bake, which the picture covers; ``sun`` is what its sun gives, if that is known.
    """
    node = environment_node(world)
    if bound_sequence(world) is not None and over_bake:
        cover(world, image)
        return False
    unbound = uncover(world) or bound_sequence(world) is not None
    if node is not None and not unbound and node.image is not None:
        node.image = image
    else:
        show_image(world, image, None)
    if unbound:
        forget_bake(world)
    note_preview(world, frame, sun)
    return unbound


def push_undo(message: str) -> None:
    """An undo step of what the preview itself has changed; in a render's thread, which must run no operator, none."""
    if threading.current_thread() is not threading.main_thread():
        return
    with bpy.context.temp_override(window=next(iter(windows()), None)):
        bpy.ops.ed.undo_push(message=message)


def is_rendering() -> bool:
    """Whether Blender renders or bakes beside the interface."""
    running = cast(Any, bpy.app).is_job_running
    return bool(running("RENDER") or running("OBJECT_BAKE"))
