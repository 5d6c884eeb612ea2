"""EEVEE keeps one picture of an image sequence for a render and for all views alike, so one may show the other's frame.

Seen in Blender 5.2 without any add-on: while a view draws the world at the frame where the playhead stands, a film's
frame now and then shows that frame's picture. Lock Interface keeps views still while a render runs, and has cured it.
"""

from __future__ import annotations

import bpy

from ..live.live_bake import bound_sequence

_EEVEE = ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE")
"""From 4.2 to 4.5, and from 5.0."""


def shares_picture_with_views(scene: bpy.types.Scene) -> bool:
    """Whether a view shows the baked world of a scene that EEVEE renders."""
    world = scene.world
    if world is None or scene.render.engine not in _EEVEE:
        return False
    sequence = bound_sequence(world)
    return sequence is not None and any(_shows_world(shading, world) for shading in _shadings())


def view_may_get_into_film(scene: bpy.types.Scene) -> bool:
    """Whether such a view is not even kept still meanwhile."""
    return shares_picture_with_views(scene) and not scene.render.use_lock_interface


def _shadings() -> list[tuple[bpy.types.View3DShading, bpy.types.World | None]]:
    """How each 3D view of each window is drawn, and the world of its scene."""
    manager = bpy.context.window_manager
    found = []
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            space = area.spaces.active
            if isinstance(space, bpy.types.SpaceView3D):
                found.append((space.shading, window.scene.world))
    return found


def _shows_world(view: tuple[bpy.types.View3DShading, bpy.types.World | None], world: bpy.types.World) -> bool:
    shading, shown = view
    by_world = {"RENDERED": shading.use_scene_world_render, "MATERIAL": shading.use_scene_world}
    return shown == world and bool(by_world.get(shading.type, False))
