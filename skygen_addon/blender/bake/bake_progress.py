"""How far the running bake of which world is: said in the window manager, which undo and files leave alone."""

from __future__ import annotations

import json
from dataclasses import dataclass

import bpy

PROGRESS = "skygen_bake_progress"
"""Custom property of the window manager, JSON of a :class:`BakeProgress`; there only while a bake runs."""


@dataclass(frozen=True)
class BakeProgress:
    """The running bake; there is one at most."""

    world: int
    """``session_uid`` of its world."""
    done: int
    """Frames that are finished."""
    total: int
    """Frames of the bake."""
    seconds_left: float | None
    """What it still takes; None while that is not known."""


def note_progress(progress: BakeProgress | None) -> None:
    """Tell the panels how far the bake is; None after its end."""
    manager = bpy.context.window_manager
    if manager is None:
        return
    if progress is not None:
        manager[PROGRESS] = json.dumps([progress.world, progress.done, progress.total, progress.seconds_left])
    elif PROGRESS in manager.keys():
        del manager[PROGRESS]


def progress_of(world: bpy.types.World) -> BakeProgress | None:
    """How far the bake of a world is; None where none was begun, or another world's."""
    manager = bpy.context.window_manager
    if manager is None or PROGRESS not in manager.keys():
        return None
    progress = BakeProgress(*json.loads(str(manager[PROGRESS])))
    return progress if progress.world == world.session_uid else None
