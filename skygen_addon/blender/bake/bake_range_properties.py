"""Which frames a bake writes: those of the scene until the artist gives others; a part of the world's settings.

Start and End that nobody has set follow the scene's range. Setting one of them, by hand or by a script, keeps both;
so does a file from before there was a choice, if they were set in it.
"""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, IntProperty

from ..settings.layer_properties import FIXED
from ..world.sequence_clock import animation_frame

_RANGE = ("frame_start", "frame_end")


def _follows_scene(settings: Any) -> bool:
    return not any(settings.is_property_set(name) for name in _RANGE)


def _follow_scene(settings: Any, follow: bool) -> None:
    """Follow the scene from now on, or keep the frames that it has at the moment."""
    scene = bpy.context.scene
    if follow:
        for name in _RANGE:
            settings.property_unset(name)
    elif _follows_scene(settings) and scene is not None:
        settings.frame_start, settings.frame_end = scene_range(scene)


def scene_range(scene: bpy.types.Scene) -> tuple[int, int]:
    """First and last frame of the sky that a scene's range shows; a frame map (Time Stretching) makes them others."""
    return animation_frame(scene, scene.frame_start), animation_frame(scene, scene.frame_end)


def range_of_settings(settings: Any, scene: bpy.types.Scene) -> tuple[int, int]:
    """First and last frame to bake, of a scene that shows the world or of Start and End; a loop ends elsewhere."""
    if settings.use_scene_range:
        return scene_range(scene)
    return int(settings.frame_start), int(settings.frame_end)


class BakeRange:
    """First and last frame of a bake."""

    use_scene_range: BoolProperty(
        name="Use Scene Range",
        description="Bake the frames that the scene renders, also when its Start or End change. Off, Start and End of "
        "the bake are its own",
        default=True,
        get=_follows_scene,
        set=_follow_scene,
        options=FIXED,
    )
    frame_start: IntProperty(
        name="Start",
        description="First frame that is baked",
        default=1,
        min=0,
        soft_max=10000,
        max=1048574,
        options=FIXED,
        subtype="TIME",
    )
    frame_end: IntProperty(
        name="End",
        description="Last frame that is baked; a loop ends after its length instead",
        default=250,
        min=0,
        soft_max=10000,
        max=1048574,
        options=FIXED,
        subtype="TIME",
    )
