"""Nodes put between others, and taken out again, without cutting what they lie between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import bpy

from .world_nodes import ROLE


def new_node(
    tree: bpy.types.NodeTree, role: str, kind: str, name: str, beside: bpy.types.Node, offset: tuple[float, float]
) -> bpy.types.Node:
    """A node of ours; ``offset`` from ``beside`` in units of the node editor, right and up."""
    node = tree.nodes.new(kind)
    node.name = node.label = name
    node[ROLE] = role
    node.location = (beside.location.x + offset[0], beside.location.y + offset[1])
    return node


def socket(sockets: Any, identifier: str) -> bpy.types.NodeSocket:
    """The socket of that identifier; a Mix node has sockets of one name for every type."""
    return cast(bpy.types.NodeSocket, next(s for s in sockets if s.identifier == identifier))


def source_of(target: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    """What feeds an input."""
    return target.links[0].from_socket if target.links else None


def lead_through(
    tree: bpy.types.NodeTree, source: bpy.types.NodeSocket, made: Callable[[], bpy.types.NodeSocket]
) -> None:
    """Make nodes whose output feeds from now on what ``source`` has fed."""
    fed = [link.to_socket for link in source.links or () if link.to_socket is not None]
    output = made()
    for target in fed:
        tree.links.new(target, output)


def take_out(tree: bpy.types.NodeTree, node: bpy.types.Node, through: bpy.types.NodeSocket) -> None:
    """Remove a node; what it fed is fed by what feeds its input ``through``."""
    source = source_of(through)
    fed = [link.to_socket for output in node.outputs for link in output.links or ()]
    tree.nodes.remove(node)
    for target in fed:
        if source is not None and target is not None:
            tree.links.new(target, source)
