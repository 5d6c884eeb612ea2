"""Drawing panels anew where Blender cannot know that what they say has changed."""

from __future__ import annotations

import bpy

PANELS = frozenset({"PROPERTIES", "VIEW_3D"})
"""Areas that hold the panels; with the add-on's preferences it is ``PREFERENCES``."""


def redraw_panels(context: bpy.types.Context, areas: frozenset[str] = PANELS) -> None:
    """Have areas of these types drawn anew in all windows."""
    manager = context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type in areas:
                area.tag_redraw()
