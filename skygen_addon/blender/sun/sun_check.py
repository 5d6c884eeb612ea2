"""What is wrong with the light of a scene that a sun lamp lights, in words and with the remedy."""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..bake.sequence import folder_of_sequence, frames_in_words
from ..settings.properties import sky_settings
from ..world.world_nodes import ROLE, environment_node
from ..world.world_owner import is_own
from .sun_keys import KEYS, has_keys_of_its_own, keyed_span, rows_identity, sun_rows
from .sun_lamp import LAMP_ROLE, is_sky_tilted, is_sun, is_writable, lamp_in_scene, lies_in


def uses_lamp(world: bpy.types.World) -> bool:
    """Whether the settings want a sun lamp."""
    return bool(sky_settings(world).sun.sun_in != "TEXTURE")


def lamp_fault(world: bpy.types.World, scene: bpy.types.Scene, *, detailed: bool = True) -> str | None:
    """Why a scene's light would not be right with a lamp, and the remedy; None if it is.

    Not ``detailed`` no file is read and the scene's objects are not gone through, for a panel that is drawn often.
    """
    second = _second_sun(world, scene, detailed)
    if second is not None:
        return f"The lamp {second.name} shines in this scene as a second sun. Hide it or delete it."
    if not uses_lamp(world):
        return None
    lamp = lamp_in_scene(world, scene)
    if lamp is None and scene.library is not None:
        return "The sky's sun lamp is not in this scene, which is linked. Add it in the scene's own file."
    if lamp is None:
        return "The sky's sun lamp is not in this scene. Press Add Sun Lamp in the SkyGen panel."
    return _fault_of_lamp(lamp, world) or _fault_of_keys(lamp, world, detailed)


def _second_sun(world: bpy.types.World, scene: bpy.types.Scene, detailed: bool) -> bpy.types.Object | None:
    """A lamp in the scene that shines as the sun of another world, or as no world's."""
    own = lamp_in_scene(world, scene) if uses_lamp(world) else None
    followed = [cast(Any, other).skygen.sun.lamp for other in bpy.data.worlds]
    lamps = [lamp for lamp in followed if lamp is not None and is_sun(lamp) and lies_in(lamp, scene)]
    if detailed:
        lamps += [lamp for lamp in scene.objects if lamp.get(ROLE) == LAMP_ROLE and is_sun(lamp)]
    return next((lamp for lamp in lamps if lamp != own and not lamp.hide_render), None)


def _fault_of_lamp(lamp: bpy.types.Object, world: bpy.types.World) -> str | None:
    """What keeps the lamp itself from shining as it is told to."""
    light = lamp.data
    if lamp.hide_render:
        return f"The sun lamp {lamp.name} is hidden in renders. Show it."
    if has_keys_of_its_own(lamp):
        return (
            f"The lamp {lamp.name} has keyframes or drivers of its own and does not follow the sky. "
            "Remove them and choose it again, or choose another lamp."
        )
    if lamp.parent is not None or any(not constraint.mute for constraint in lamp.constraints):
        return f"A parent or constraint turns the sun lamp {lamp.name} away from the sun. Clear it."
    if light is not None and is_writable(lamp) and light.users - light.use_fake_user > 1:
        return f"The sun lamp {lamp.name} shares its light data, so other lamps follow too. Make it single-user."
    if is_sky_tilted(world):
        return "The Mapping node tilts the sky, which the sun lamp does not follow. Turn it about Z only."
    return None


def _how_to_free(world: bpy.types.World) -> str:
    """The remedy for a lamp that cannot be edited here."""
    if is_own(world):
        return "Make it local, then press Update Preview or Bind."
    return "Bake in the world's own file, or press Make Local in the SkyGen panel and then Bake."


def _fault_of_keys(lamp: bpy.types.Object, world: bpy.types.World, detailed: bool) -> str | None:
    """How far the lamp does not follow what the world shows."""
    node, linked = environment_node(world), not is_writable(lamp)
    still = f"The linked sun lamp {lamp.name} does not follow the sky. {_how_to_free(world)}"
    if node is None or node.image is None or node.image.source != "SEQUENCE":
        return still if linked else None
    settings, span = sky_settings(world), keyed_span(lamp)
    first, last = int(settings.baked_start), int(settings.baked_end)
    if last < first:
        return None
    folder, frames = folder_of_sequence(node.image), range(first, last + 1)
    rows = sun_rows(folder, frames) if detailed else {}
    without = frames_in_words(sorted(set(frames) - set(rows))) if detailed else str(settings.sun.unrecorded)
    keyed = span is not None and span[0] == first and span[1] in (last, last + 1)
    if keyed and (not detailed or lamp.get(KEYS) == rows_identity(rows)):
        return None
    if linked:
        return still
    if without:
        return (
            f"The sun lamp does not follow the clouds: frames {without} were baked without a record of their sun. "
            f"Delete them in {folder} and bake again."
        )
    if keyed:
        return "The sun lamp shows the sun of frames that were baked over since. Press Bind Baked Sky."
    return "The sun lamp does not follow the baked frames. Press Bind Baked Sky."
