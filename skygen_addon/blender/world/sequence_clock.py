"""Which baked file shows when: the one of the animation's nearest whole frame, in every renderer alike.

Left to itself an image sequence goes by other clocks. Cycles takes the scene's frame and knows nothing of a frame map
(Time Stretching); EEVEE takes the mapped time of each motion blur step and rounds it down, so that it shows the sky of
the frame before, or a mixture of two. So a driver names the file. It reads the mapped time, and undoes the shift of
the shutter for which the scene is evaluated; as a simple expression it runs where scripts are not allowed.
"""

from __future__ import annotations

import math
from typing import Any, cast

import bpy
import numpy as np

from ..settings.world_animation import curve_collections

EARLIEST_FRAME = -1048574
"""Blender's lowest frame: counted from there, a sequence of one file shows that file at every frame."""
_SHUTTER = (
    ("on", "render.use_motion_blur"),
    ("shutter", "render.motion_blur_shutter"),
    ("place", "render.motion_blur_position"),
    ("old", "render.frame_map_old"),
    ("new", "render.frame_map_new"),
)
"""Variables of the driver, read from the scene that is evaluated."""


def animation_frame(scene: bpy.types.Scene, frame: int | None = None) -> int:
    """The baked frame that a scene shows at its current time, or at one of its whole frames: frame map, then nearest.

    Not below 0, where no sky is baked.
    """
    time = scene.frame_current_final if frame is None else float(np.float32(frame) * _stretch(scene))
    return max(0, math.floor(time + 0.5))


def _stretch(scene: bpy.types.Scene) -> np.float32:
    """Animation frames per scene frame, as Blender rounds them."""
    return np.float32(scene.render.frame_map_old) / np.float32(scene.render.frame_map_new)


def drive_sequence(
    tree: bpy.types.NodeTree, node: bpy.types.ShaderNodeTexEnvironment, first: int, count: int, *, cyclic: bool
) -> None:
    """Show file n at animation frame n, and outside of the files the nearest one or the next turn of the loop."""
    user = node.image_user
    user.use_cyclic = cyclic
    user.frame_start, user.frame_duration = EARLIEST_FRAME, 1  # counts 1 at every frame; the driver adds the rest
    set_clock(tree, node, _expression(first, count, cyclic))


def set_clock(tree: bpy.types.NodeTree, node: bpy.types.Node, expression: str) -> None:
    """Let a driver name the file that a node shows, by the expression of another one or of :func:`drive_sequence`."""
    free_sequence(tree, node)
    driver = cast(Any, tree.driver_add(_path(node))).driver
    for name, path in _SHUTTER:
        variable = driver.variables.new()
        variable.name, variable.type = name, "CONTEXT_PROP"
        variable.targets[0].context_property = "ACTIVE_SCENE"
        variable.targets[0].data_path = path
    driver.expression = expression


def clock_expression(tree: bpy.types.NodeTree, node: bpy.types.Node) -> str | None:
    """Expression of the driver that names a node's file; None without one."""
    curves = tree.animation_data.drivers if tree.animation_data is not None else ()
    path = _path(node)
    return next((str(c.driver.expression) for c in curves if c.data_path == path and c.driver is not None), None)


def is_moved(tree: bpy.types.NodeTree, node: bpy.types.Node) -> bool:
    """Whether a driver or keyframes name a node's file."""
    data = tree.animation_data
    curves = (curve for curves in curve_collections(data) for curve in curves) if data is not None else ()
    return clock_expression(tree, node) is not None or any(curve.data_path == _path(node) for curve in curves)


def is_copy_of_clocked(tree: bpy.types.NodeTree, node: bpy.types.Node) -> bool:
    """Whether a node that shows a sequence is set as one with a clock is, but has none: its driver was not copied."""
    user = cast(Any, node).image_user
    return user.frame_start == EARLIEST_FRAME and user.frame_duration == 1 and not is_moved(tree, node)


def free_sequence(tree: bpy.types.NodeTree, node: bpy.types.Node) -> None:
    """Take the driver away, where there is one."""
    tree.driver_remove(_path(node))


def _path(node: bpy.types.Node) -> str:
    return f'nodes["{bpy.utils.escape_identifier(node.name)}"].image_user.frame_offset'


def _expression(first: int, count: int, cyclic: bool) -> str:
    """Number of the file, less the one that Blender counts.

    With the shutter at Start or End of Frame a scene is evaluated up to half a shutter later or earlier than its
    frame. A little less is undone where it is earlier, because other renderers evaluate the frame itself, which must
    not be rounded to the next one.
    """
    places = bpy.types.RenderSettings.bl_rna.properties["motion_blur_position"]
    start, end = (int(cast(Any, places).enum_items[name].value) for name in ("START", "END"))
    shift = f"on*min(shutter,1)*old/new*(0.49*(place=={end})-0.5*(place=={start}))"
    nearest = f"floor(frame+0.5+{shift})"
    if cyclic:
        turns = f"fmod(fmod({nearest}-{first},{count})+{count},{count})"
        return f"{first - 1}+{turns}"
    return f"min(max({nearest},{first}),{first + count - 1})-1"
