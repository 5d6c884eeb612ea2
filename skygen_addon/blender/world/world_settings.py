"""The settings of a world that a sky changes beside its nodes: noted before, put back after."""

from __future__ import annotations

import json
from typing import Any, cast

import bpy

BEFORE = "skygen_before"
"""Custom property of a world: JSON of the settings that were changed."""
IMPORTANCE_MAP_WIDTH = 2048
"""Finest map that stays quick; half of it would leave the sun 1.4 pixels wide."""


def uses_nodes(world: bpy.types.World) -> bool:
    """Whether the world is made of nodes; from 5.0 on every world is, and asking Blender for it is deprecated."""
    return bpy.app.version >= (5, 0, 0) or bool(world.use_nodes)


def sample_importance(world: bpy.types.World) -> None:
    """Fix the resolution of Cycles' importance map, which is rebuilt every frame: the automatic one is slow."""
    cycles = cast(Any, getattr(world, "cycles", None))
    if cycles is not None:
        cycles.sampling_method = "MANUAL"
        cycles.sample_map_resolution = IMPORTANCE_MAP_WIDTH


def remember_settings(world: bpy.types.World) -> bool:
    """Note the world's settings that a sky changes, before it does, for :func:`restore_settings`.

    Returns whether they were not noted yet.
    """
    if BEFORE in world.keys():
        before = json.loads(str(world[BEFORE]))
        if "sun_threshold" not in before:  # remembered by a version that left it alone
            world[BEFORE] = json.dumps({**before, "sun_threshold": float(world.sun_threshold)})
        return False
    before = {"use_nodes": uses_nodes(world), "sun_threshold": float(world.sun_threshold)}
    cycles = cast(Any, getattr(world, "cycles", None))
    if cycles is not None:
        before["sampling_method"] = str(cycles.sampling_method)
        before["sample_map_resolution"] = int(cycles.sample_map_resolution)
    world[BEFORE] = json.dumps(before)
    return True


def restore_settings(world: bpy.types.World) -> None:
    """Put back what :func:`remember_settings` has noted."""
    if BEFORE not in world.keys():
        return
    before = json.loads(str(world[BEFORE]))
    cycles = cast(Any, getattr(world, "cycles", None))
    if cycles is not None and "sampling_method" in before:
        cycles.sampling_method = before["sampling_method"]
        cycles.sample_map_resolution = before["sample_map_resolution"]
    if "sun_threshold" in before:
        world.sun_threshold = before["sun_threshold"]
    if not before["use_nodes"] and uses_nodes(world):
        world.use_nodes = False
    del world[BEFORE]
