"""Nodes that show a baked sequence without its clock, and the clock given to them.

Blender copies a node without its driver, in every way but with all of its tree, so a copy stands still at the frame
at which it was made. And skies that were bound before there was the driver go by the clocks of the renderers. Both
are known by settings that nothing else leaves behind; a node that an artist has set otherwise stays as it is, and so
does what belongs to another file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, cast

import bpy
from bpy.app.handlers import persistent

from ..settings.properties import sky_settings
from .sequence_clock import clock_expression, drive_sequence, is_copy_of_clocked, is_moved, set_clock
from .world_nodes import ROLE, SequenceSpan, environment_node
from .world_owner import is_own

_LOG = logging.getLogger(__name__)


def wind_copies(trees: Iterable[bpy.types.NodeTree]) -> int:
    """Give copies of our Environment Texture the clock of a node that shows the same sequence.

    Returns how many have got one. Where nothing shows that sequence with its clock any more, a copy stands still.
    """
    still = [(tree, node) for tree in trees for node in tree.nodes if _shows_sequence(node)]
    still = [(tree, node) for tree, node in still if is_copy_of_clocked(tree, node)]
    if not still:
        return 0
    clocks = dict(_clocks())
    found = [(tree, node, clocks[cast(Any, node).image]) for tree, node in still if cast(Any, node).image in clocks]
    for tree, node, expression in found:
        set_clock(tree, node, expression)
    return len(found)


def renew_clocks() -> list[str]:
    """Give worlds of this file their clock whose sky was bound by an earlier version, or is a copy that alone is left.

    Of an earlier version whole frames show what they did; frame maps and motion blur are right from now on. Returns
    the worlds' names.
    """
    renewed: list[str] = []
    for world in bpy.data.worlds:
        tree, node = world.node_tree, environment_node(world)
        if not is_own(world) or tree is None or node is None or not _shows_sequence(node) or is_moved(tree, node):
            continue
        copy = is_copy_of_clocked(tree, node)
        span = _baked_span(world, node.image_user) if copy else _span_of_earlier_version(world, node.image_user)
        if span is not None:
            drive_sequence(tree, node, span.first, span.count, cyclic=span.cyclic)
            renewed.append(world.name)
    return renewed


def _baked_span(world: bpy.types.World, user: bpy.types.ImageUser) -> SequenceSpan | None:
    """The frames that the settings know to be bound."""
    settings = sky_settings(world)
    first, count = int(settings.baked_start), int(settings.baked_end - settings.baked_start) + 1
    return SequenceSpan(first, count, bool(user.use_cyclic)) if count > 0 else None


def _span_of_earlier_version(world: bpy.types.World, user: bpy.types.ImageUser) -> SequenceSpan | None:
    """The frames that an earlier version has set an image user to; None where it is set otherwise."""
    counted_from = 1 if user.use_cyclic else 0
    first, count = user.frame_offset + counted_from, user.frame_duration + 1 - counted_from
    span, baked = SequenceSpan(first, count, bool(user.use_cyclic)), _baked_span(world, user)
    return span if user.frame_start == first + 1 - counted_from and baked in (None, span) else None


def _shows_sequence(node: bpy.types.Node) -> bool:
    """Whether a node shows a sequence that was baked here."""
    image = getattr(node, "image", None)
    if not isinstance(image, bpy.types.Image) or not hasattr(node, "image_user"):
        return False
    return image.source == "SEQUENCE" and ROLE in image.keys()


def _clocks() -> Iterator[tuple[bpy.types.Image, str]]:
    """Every sequence that some node of the file shows by its clock, and that clock."""
    for tree in _trees((*_owners(), *(world for world in bpy.data.worlds if not is_own(world)))):
        for node in tree.nodes:
            expression = clock_expression(tree, node) if _shows_sequence(node) else None
            if expression is not None:
                yield cast(Any, node).image, expression


def _owners() -> Iterator[bpy.types.ID]:
    """What holds node trees in which a copy may lie."""
    data = bpy.data
    for owners in (data.worlds, data.materials, data.lights, data.node_groups):
        yield from (owner for owner in owners if _is_editable(owner))


def _trees(owners: Iterable[bpy.types.ID]) -> Iterator[bpy.types.NodeTree]:
    for owner in owners:
        tree = owner if isinstance(owner, bpy.types.NodeTree) else getattr(owner, "node_tree", None)
        if isinstance(tree, bpy.types.NodeTree):
            yield tree


def _is_editable(owner: bpy.types.ID) -> bool:
    return owner.library is None and owner.override_library is None


@persistent  # type: ignore[untyped-decorator]
def wind_changed_trees(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Handler of ``depsgraph_update_post``: a node was copied, perhaps."""
    if depsgraph is None or not depsgraph.id_type_updated("NODETREE"):
        return
    try:
        changed = (update.id.original for update in depsgraph.updates if update.id is not None)
        groups = (bpy.types.World, bpy.types.Material, bpy.types.Light, bpy.types.NodeTree)
        owners = (o for o in changed if isinstance(o, groups) and not o.is_embedded_data and _is_editable(o))
        wind_copies(_trees(owners))
    except Exception:  # in a handler there is nobody to raise to
        _LOG.exception("SkyGen: copies of the sky could not be given its clock.")


@persistent  # type: ignore[untyped-decorator]
def wind_all(*_: Any) -> None:
    """Handler of ``load_post``, ``save_pre`` and ``render_init``: also what no view has evaluated since its copying."""
    try:
        for name in renew_clocks():
            _LOG.info("SkyGen: the sky of %s keeps its frames under frame maps and motion blur now.", name)
        wind_copies(_trees(_owners()))
    except Exception:  # as in wind_changed_trees
        _LOG.exception("SkyGen: skies could not be given their clock.")


_HANDLERS = (
    ("depsgraph_update_post", wind_changed_trees),
    ("load_post", wind_all),
    ("save_pre", wind_all),
    ("render_init", wind_all),
)


def register() -> None:
    """Add the handlers."""
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Remove the handlers."""
    for name, handler in _HANDLERS:
        if handler in getattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(handler)
