"""The sun lamp of a world that comes from another file: put into a scene, and made this file's own with its world."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..world.world_owner import own_action
from .sun_lamp import OWNER, override_in, scenes_of, turn_with_sky


def make_lamp_own(world: bpy.types.World) -> bool:
    """Make the linked or overridden lamp of a world that is this file's own local, keyframes included.

    Returns
    -------
    bool
        False if it stays linked, because a linked collection holds it: a copy would shine beside it.
    """
    sun = cast(Any, world).skygen.sun
    overrides = [override_in(sun.lamp, scene) for scene in scenes_of(world)] if sun.lamp is not None else []
    lamp = next((override for override in overrides if override is not None), sun.lamp)
    if lamp is None or not lamp.users_collection:
        return True  # one that lies nowhere gives no light: Add Sun Lamp makes one where it is wanted
    if lamp.library is None and lamp.override_library is None:
        return True
    if any(collection.library is not None for collection in lamp.users_collection):
        return False
    own = lamp.make_local(clear_liboverride=True)
    light = own.data.make_local(clear_liboverride=True) if own.data is not None else None
    for data in (own, light):
        own_action(data.animation_data if data is not None else None)
    own[OWNER] = world
    if sun.lamp != own:
        sun.lamp = own
    turn_with_sky(own, world)
    return True
