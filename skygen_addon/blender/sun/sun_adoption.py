"""Taking a sun lamp for a world, and letting it go again as it was.

A lamp that was made here belongs to us and goes with the sky. An artist's own is only lent: what is changed of it is
noted on it and put back; its size stays the artist's.
"""

from __future__ import annotations

import json
from typing import Any, cast

import bpy

from ..world.world_nodes import ROLE
from .sun_keys import has_keys_of_its_own, unkey_lamp
from .sun_lamp import LAMP_ROLE, OWNER, TURN_INDEX, is_anothers, is_sun, is_writable, lies_in

BEFORE_LAMP = "skygen_lamp_before"
"""Custom property of an artist's lamp: JSON of what was changed."""
AWAY = "skygen_away"
"""Custom property of a lamp that is hidden because no scene that holds it shows its world."""

_OBJECT_SETTINGS = (
    "rotation_mode", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "delta_rotation_euler",
    "hide_render", "hide_viewport",
)  # fmt: skip
_LIGHT_SETTINGS = {"energy": None, "color": None, "exposure": 0.0, "use_temperature": False, "normalize": True}
"""Of a lamp's light, with the value at which strength and colour give what they say; some Blenders lack some."""


def take_lamp(lamp: bpy.types.Object, world: bpy.types.World) -> None:
    """Let a lamp follow a world; one that cannot is left alone, which :mod:`.sun_check` tells of."""
    if not is_sun(lamp) or not is_writable(lamp) or has_keys_of_its_own(lamp):
        return
    light = cast(Any, lamp.data)
    if lamp.get(ROLE) != LAMP_ROLE and BEFORE_LAMP not in lamp.keys():
        before = {name: _plain(getattr(lamp, name)) for name in _OBJECT_SETTINGS}
        of_light = {name: _plain(getattr(light, name)) for name in _LIGHT_SETTINGS if hasattr(light, name)}
        lamp[BEFORE_LAMP] = json.dumps([before, of_light])
    lamp[OWNER] = world
    lamp.rotation_mode = "XYZ"
    for name, neutral in _LIGHT_SETTINGS.items():
        if neutral is not None and hasattr(light, name):
            setattr(light, name, neutral)


def let_go(lamp: bpy.types.Object, world: bpy.types.World) -> None:
    """A lamp no longer follows this world; if it was made here and follows no other one, it goes."""
    if not is_writable(lamp) or is_anothers(lamp, world):
        return
    if OWNER in lamp.keys():
        del lamp[OWNER]
    if any(other != world and cast(Any, other).skygen.sun.lamp == lamp for other in bpy.data.worlds):
        return
    if lamp.get(ROLE) == LAMP_ROLE:
        _remove(lamp)
    elif BEFORE_LAMP in lamp.keys():
        unkey_lamp(lamp)
        lamp.driver_remove("delta_rotation_euler", TURN_INDEX)
        _put_back(lamp)


def _remove(lamp: bpy.types.Object) -> None:
    unkey_lamp(lamp)
    light = lamp.data
    bpy.data.objects.remove(lamp)
    if isinstance(light, bpy.types.Light) and light.users == 0:
        bpy.data.lights.remove(light)


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    return value if isinstance(value, (str, bool, float)) else list(value)


def _put_back(lamp: bpy.types.Object) -> None:
    of_object, of_light = json.loads(str(lamp[BEFORE_LAMP]))
    owners = ((lamp, of_object), (lamp.data, of_light))
    for owner, settings in owners:  # the rotation's mode comes first: it converts the others
        for name, value in settings.items():
            if hasattr(owner, name):
                setattr(owner, name, value)
    for mark in (BEFORE_LAMP, AWAY):
        if mark in lamp.keys():
            del lamp[mark]


def hide_lamps_of_other_worlds() -> None:
    """Hide each lamp whose world no scene shows that holds the lamp, or there were two suns; and bring it back."""
    for world in bpy.data.worlds:
        sun = cast(Any, world).skygen.sun
        lamp = sun.lamp
        if lamp is None or not is_sun(lamp) or not is_writable(lamp) or is_anothers(lamp, world):
            continue
        holders = [scene for scene in bpy.data.scenes if lies_in(lamp, scene)]
        shown = any(scene.world == world for scene in holders)
        if shown and AWAY in lamp.keys():
            del lamp[AWAY]
            hide(lamp, sun.sun_in == "TEXTURE")
        elif holders and not shown and not lamp.hide_render:
            lamp[AWAY] = True
            hide(lamp, True)


def hide(lamp: bpy.types.Object, hidden: bool) -> None:
    """Hide or show a lamp in renders and views."""
    lamp.hide_render = lamp.hide_viewport = hidden
