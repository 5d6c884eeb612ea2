"""The live preview in the panel: whether it runs, how fine, and how it stands."""

from __future__ import annotations

import bpy

from ..live.live_bake import bound_sequence
from ..live.live_memory import budget_in_words
from ..live.live_properties import live_settings
from ..live.live_request import has_live_values
from ..live.live_session import PREVIEW
from ..world.world_nodes import environment_node
from .panel_base import draw_lines


def draw_live(layout: bpy.types.UILayout, context: bpy.types.Context, world: bpy.types.World) -> None:
    """Draw the choices and the state; nothing without a sky."""
    if environment_node(world) is None:
        return
    live = live_settings(world)
    layout.prop(live, "enabled", toggle=True, icon="HIDE_OFF" if live.enabled else "HIDE_ON")
    layout.prop(live, "width")
    if bound_sequence(world) is not None:
        over = layout.row()
        over.active, over.use_property_split = live.enabled, False
        over.prop(live, "over_bake")
    state = PREVIEW.state(world)
    lines = [(state.text, state.icon)] if state.text else []
    if live.enabled and has_live_values(world):
        lines.append(("Drivers and strips count as they are now, for all frames; a bake evaluates them", "INFO"))
    too_small = budget_in_words()
    if live.enabled and too_small:
        lines.append((too_small, "MEMORY"))
    if lines:
        draw_lines(layout, context, lines)
