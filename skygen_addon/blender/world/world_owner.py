"""Which file a world belongs to, and how one of another file becomes this file's own with its sky as it is.

A linked world cannot be edited. Of a library override Blender keeps, when the file is loaded again, neither the node
tree nor settings of add-ons: both are the library's then (4.2 to 5.2). So neither is edited here; both render as they
are in their own file.
"""

from __future__ import annotations

from pathlib import PurePath

import bpy

from .world_nodes import environment_node


def library_of(world: bpy.types.World) -> bpy.types.Library | None:
    """The file that rules a world which is linked or overrides a linked one; None where it is this file's own."""
    if world.library is not None:
        return world.library
    override = world.override_library
    reference = override.reference if override is not None else None
    return reference.library if reference is not None else None


def is_own(world: bpy.types.World) -> bool:
    """Whether a world belongs to this file, so that its sky can be edited."""
    return world.library is None and world.override_library is None


def linked_scene_in_words(scene: bpy.types.Scene) -> str | None:
    """What keeps a scene of another file from getting a sky or a lamp here, and the remedy; None for one of this file.

    Blender drops a world that is given to a linked scene without a word, and refuses objects in its collection. Scenes
    cannot be overridden.
    """
    if scene.library is None:
        return None
    return (
        f"This scene is linked from {_file_name(scene.library)}. To change its sky, open that file, or first make the "
        "scene local in the Outliner (right-click it, ID Data, Make Local)"
    )


def _file_name(library: bpy.types.Library | None) -> str:
    return PurePath(bpy.path.abspath(library.filepath)).name if library is not None else "another file"


def owner_in_words(world: bpy.types.World) -> str | None:
    """What the panel says of a world of another file; None where it is this file's own."""
    if is_own(world):
        return None
    name = _file_name(library_of(world))
    kind = "linked from" if world.library is not None else "a library override of"
    return f"This world is {kind} {name} and renders as it is there. To change its sky here, make it local"


def make_own(world: bpy.types.World) -> bpy.types.World:
    """Make a world of another file this file's own: settings, keyframes, nodes and what they show stay as they are.

    Every scene of this file that has shown it shows the own one then. Files of a baked sequence stay where they are.
    """
    own = world
    if world.library is not None:
        own = world.copy()
        for scene in bpy.data.scenes:
            if scene.library is None and scene.world == world:
                scene.world = own
    elif world.override_library is not None:
        own = world.make_local(clear_liboverride=True)
    own_action(own.animation_data)
    own_action(own.node_tree.animation_data if own.node_tree is not None else None)
    node = environment_node(own)
    if node is not None and node.image is not None and node.image.library is not None:
        node.image = node.image.copy()  # Blender makes its path relative to this file
    return own


def own_action(data: bpy.types.AnimData | None) -> None:
    """Give a data-block an action of its own, so that its keyframes can be edited."""
    action = data.action if data is not None else None
    if data is None or action is None or action.library is None:
        return
    slot = getattr(data, "action_slot", None)  # from Blender 4.4 on
    name = slot.identifier if slot is not None else None
    data.action = action.copy()
    if name is not None:
        data.action_slot = data.action.slots[name]
