"""The sun lamp of a world that comes from another file: put into a scene, and made this file's own with its world."""

from __future__ import annotations

from typing import Any, cast

import bpy

from .sun_lamp import OWNER, turn_with_sky


def make_lamp_own(world: bpy.types.World) -> bool:
    """Make the linked lamp of a world that is this file's own local, keyframes included.

    Returns
    -------
    bool
        False if it stays linked, because a linked collection holds it: a copy would shine beside it.
    """
    lamp = cast(Any, world).skygen.sun.lamp
    if lamp is None or lamp.library is None or not lamp.users_collection:
        return True  # one that lies nowhere gives no light: Add Sun Lamp makes one where it is wanted
    if any(collection.library is not None for collection in lamp.users_collection):
        return False
    own = lamp.make_local()
    light = own.data.make_local() if own.data is not None else None
    for data in (own, light):
        if data is not None and data.animation_data is not None and data.animation_data.action is not None:
            data.animation_data.action.make_local()
    own[OWNER] = world
    turn_with_sky(own, world)
    return True
