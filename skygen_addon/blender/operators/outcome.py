"""How every operator starts and ends: on an editable world, and with an error that names its remedy."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ..bake.changes_over_bake import show_changes
from ..world.world_nodes import environment_node
from ..world.world_owner import linked_scene_in_words

FINISHED: set[Any] = {"FINISHED"}
CANCELLED: set[Any] = {"CANCELLED"}
_REMEDY = "Press Make Local in the SkyGen panel"


def cancelled_by(operator: bpy.types.Operator, error: SkyGenError) -> set[Any]:
    """Report ``error`` and cancel."""
    operator.report({"ERROR"}, f"{error.message} {error.remedy}")
    return CANCELLED


def show_changed_sky(
    operator: bpy.types.Operator, context: bpy.types.Context, world: bpy.types.World, done: str
) -> None:
    """Show settings that the operator has replaced, and report what has become of a bake or why nothing is shown.

    ``done`` says what was set: it stays so where nothing can be shown, and the operator finishes, so that undo has it.
    """
    try:
        of_bake = show_changes(context, world)
    except SkyGenError as error:
        operator.report({"WARNING"}, f"{done}, but not shown: {error.message} {error.remedy}")
        return
    if of_bake:
        operator.report({"INFO"}, of_bake)


def active_world(context: bpy.types.Context) -> bpy.types.World:
    """The scene's world, which the operator's poll has found to be there."""
    world = context.scene.world if context.scene is not None else None
    if world is None:
        raise RuntimeError("The operator was run without its poll: the scene has no world.")
    return world


def world_of_session(session_uid: int) -> bpy.types.World | None:
    """The world of that ``ID.session_uid``, which survives renaming and undo as no reference does; None if gone."""
    return next((world for world in bpy.data.worlds if world.session_uid == session_uid), None)


def poll_editable_scene(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether there is a scene that belongs to this file; says why not."""
    scene = context.scene
    foreign = linked_scene_in_words(scene) if scene is not None else "There is no scene"
    if foreign is not None:
        cls.poll_message_set(foreign)
    return foreign is None


def poll_editable_world(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether scene and world belong to this file; says why not."""
    if not poll_editable_scene(cls, context):
        return False
    world = context.scene.world if context.scene is not None else None
    if world is None:
        cls.poll_message_set("The scene has no world: use Add Sky")
        return False
    if world.library is not None:
        cls.poll_message_set(f"The world is linked from another file. {_REMEDY}")
        return False
    if world.override_library is not None:
        cls.poll_message_set(f"The world is a library override, which does not keep the sky's settings. {_REMEDY}")
        return False
    return True


def poll_sky(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether the scene's world is editable and shows a sky of ours; says why not."""
    if not poll_editable_world(cls, context):
        return False
    if environment_node(active_world(context)) is None:
        cls.poll_message_set("This world has no SkyGen sky")
        return False
    return True
