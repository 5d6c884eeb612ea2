"""Live pictures and a bound bake: which of them a world shows, and the bake put back where it counts.

A live picture over a bake only takes the sequence's place in the sky node. The world keeps a pointer to the sequence,
and it is put back before every render and before the file is saved, so neither can miss it.
"""

from __future__ import annotations

import bpy

from ..bake.sequence import folder_of_sequence, frame_name
from ..settings.properties import sky_settings
from ..sun.sun_check import uses_lamp
from ..sun.sun_keys import is_keyed
from ..sun.sun_lamp import lamp_of
from ..sun.sun_sync import show_sun
from ..world.world_nodes import ROLE, environment_node
from .live_pictures import is_live_image
from .live_properties import live_settings


def bound_sequence(world: bpy.types.World) -> bpy.types.Image | None:
    """The baked sequence that is bound to a world, whether a live picture covers it or not."""
    node = environment_node(world)
    if node is None or node.image is None:
        return None
    if node.image.source == "SEQUENCE":
        return node.image
    bound = live_settings(world).bound_image
    return bound if is_live_image(node.image) and bound is not None and bound.source == "SEQUENCE" else None


def is_covered(world: bpy.types.World) -> bool:
    """Whether a live picture stands in the place of a bound sequence."""
    sequence, node = bound_sequence(world), environment_node(world)
    return sequence is not None and node is not None and node.image != sequence


def bake_shows(world: bpy.types.World, frame: int) -> bool:
    """Whether a bound sequence has a picture of its own for a frame; a sequence of unknown length has one for all."""
    sequence, node = bound_sequence(world), environment_node(world)
    if sequence is None or node is None:
        return False
    settings = sky_settings(world)
    first, last = int(settings.baked_start), int(settings.baked_end)
    if last < first:
        return True
    if node.image_user.use_cyclic:
        frame = first + (frame - first) % (last - first + 1)
    return first <= frame <= last and (folder_of_sequence(sequence) / frame_name(frame)).is_file()


def cover(world: bpy.types.World, image: bpy.types.Image) -> None:
    """Show a live picture in the place of the bound sequence."""
    node, sequence = environment_node(world), bound_sequence(world)
    if node is not None and sequence is not None:
        live_settings(world).bound_image = sequence
        node.image = image


def uncover(world: bpy.types.World) -> bool:
    """Show the bound sequence again; returns whether a live picture stood in its place."""
    live, node = live_settings(world), environment_node(world)
    sequence = bound_sequence(world) if is_covered(world) else None
    if sequence is not None and node is not None:
        node.image = sequence
    left = live.bound_image
    if left is None:
        return False
    live.bound_image = None
    if left.users == 0 and ROLE in left.keys():  # another sky has taken its place meanwhile
        bpy.data.images.remove(left)
    lamp, _ = lamp_of(world) or (None, None)
    if sequence is not None and lamp is not None and uses_lamp(world) and not is_keyed(lamp):
        show_sun(world)  # a choice made meanwhile has taken the baked sun from the lamp
    return sequence is not None


def uncover_all() -> None:
    """Show every bound sequence of the file again."""
    for world in bpy.data.worlds:
        if world.library is None and live_settings(world).bound_image is not None:
            uncover(world)
