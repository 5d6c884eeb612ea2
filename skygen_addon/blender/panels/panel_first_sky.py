"""The hint before the first sky: what to do, in the order in which it is done. It goes with the first sky."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..settings.properties import is_untouched, sky_settings
from ..world.world_nodes import environment_node
from .panel_base import Line, draw_lines

FIRST_STEPS: tuple[Line, ...] = (
    ("Press Add Sky. Material Preview with Scene World, or Rendered, shows it", "OUTLINER_OB_LIGHTPROBE"),
    ("Pick a preset, then turn what you like: the sky follows", "PRESET"),
    ("Save the file: the frames go into a folder beside it", "FILE_TICK"),
    ("Set the resolution in Bake, press Bake Sky for the scene's frames", "RENDER_ANIMATION"),
    ("Render: every frame shows its own sky", "RENDER_STILL"),
)


def wants_hint(world: bpy.types.World | None) -> bool:
    """Whether nobody has added a sky to this file, nor set one up in this world."""
    if any(environment_node(other) is not None for other in bpy.data.worlds):
        return False
    return world is None or is_untouched(sky_settings(world))


def draw_first_steps(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The steps, and the way to the manual's first section."""
    draw_lines(layout, context, list(FIRST_STEPS))
    button = cast(Any, layout.operator("skygen.open_manual", text="First Sky in the Manual", icon="HELP"))
    button.section = "start"
