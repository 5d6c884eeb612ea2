"""The sky's nodes in a world: added beside the artist's, and taken out again without a trace.

Texture Coordinate -> Mapping -> Environment Texture -> Background -> World Output, all at the top
level of the tree. What was linked to the output before is remembered on the nodes themselves (so
renaming does not lose it) and linked again by :func:`restore_world`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, cast

import bpy

from .sequence_clock import drive_sequence, free_sequence
from .world_settings import remember_settings, restore_settings, sample_importance, uses_nodes

ROLE = "skygen_role"
"""Custom property of a node that is ours."""
LINK = "skygen_link"
"""Custom property of an output: id of the link that our background replaced."""
GROUP_VERSION = "skygen_version"
"""Custom property of a node group that is ours: the version of what is in it."""
SKY_NODE_NAME = "SkyGen Sky"

_NODES = (
    ("coordinate", "ShaderNodeTexCoord", "SkyGen Coordinates", -1000.0),
    ("mapping", "ShaderNodeMapping", "SkyGen Mapping", -800.0),
    ("sky", "ShaderNodeTexEnvironment", SKY_NODE_NAME, -580.0),
    ("background", "ShaderNodeBackground", "SkyGen Background", -260.0),
)
_LINKS = (
    ("coordinate", "Generated", "mapping", "Vector"),
    ("mapping", "Vector", "sky", "Vector"),
    ("sky", "Color", "background", "Color"),
)


@dataclass(frozen=True)
class SequenceSpan:
    """Which files of a sequence show at which frames of the animation."""

    first: int
    """Number of the first file, shown at the frame of the same number."""
    count: int
    """Number of files."""
    cyclic: bool
    """Whether the sequence repeats."""


def sky_nodes(world: bpy.types.World) -> dict[str, bpy.types.Node]:
    """Our nodes in the world's tree by role; empty if there are none."""
    return {} if world.node_tree is None else _by_role(world.node_tree)


def _by_role(tree: bpy.types.NodeTree) -> dict[str, bpy.types.Node]:
    """The first node of each role: an artist's copies, which have the role too, come after what they are copies of."""
    return {str(n[ROLE]): n for n in reversed(tree.nodes[:]) if ROLE in n.keys()}


def environment_node(world: bpy.types.World) -> bpy.types.ShaderNodeTexEnvironment | None:
    """Our Environment Texture, or None."""
    return cast("bpy.types.ShaderNodeTexEnvironment | None", sky_nodes(world).get("sky"))


def light_strength(world: bpy.types.World) -> float:
    """Factor that our Background puts on the sky's light; 1 without one."""
    background = sky_nodes(world).get("background")
    return 1.0 if background is None else float(cast(Any, background.inputs["Strength"]).default_value)


def show_image(world: bpy.types.World, image: bpy.types.Image, span: SequenceSpan | None) -> None:
    """Make ``image`` the sky of ``world``; build and link the nodes that are missing.

    Parameters
    ----------
    world : World
        Its existing nodes stay as they are.
    image : Image
        A linear equirectangular panorama, or the first file of a sequence of them.
    span : SequenceSpan, optional
        Frames of the sequence; None for a still image.
    """
    if remember_settings(world):
        sample_importance(world)  # once: what the artist chooses after that stays
    if not uses_nodes(world):
        world.use_nodes = True
    tree = _tree(world)
    nodes = _ensure_nodes(tree)
    sky = cast(bpy.types.ShaderNodeTexEnvironment, nodes["sky"])
    replaced = sky.image
    sky.image = image
    sky.projection = "EQUIRECTANGULAR"
    sky.interpolation = "Linear"
    sky.image_user.use_auto_refresh = True
    if span is not None:
        drive_sequence(tree, sky, span.first, span.count, cyclic=span.cyclic)
    else:
        free_sequence(tree, sky)
    if replaced is not None and replaced != image and ROLE in replaced.keys() and replaced.users == 0:
        bpy.data.images.remove(replaced)
    for output in _outputs(tree):
        _link_output(tree, output, nodes["background"])


def restore_world(world: bpy.types.World) -> list[str]:
    """Remove our nodes and put back what they replaced.

    Returns
    -------
    list of str
        What could not be put back, in words; empty when everything was.
    """
    lost: list[str] = []
    tree = world.node_tree
    images: list[bpy.types.Image] = []
    if tree is not None:
        sky = environment_node(world)
        if sky is not None and sky.image is not None and ROLE in sky.image.keys():
            images.append(sky.image)
        for output in [n for n in tree.nodes if LINK in n.keys()]:
            lost += _relink_output(tree, output)
        if sky is not None:
            free_sequence(tree, sky)
        for node in list(sky_nodes(world).values()):
            tree.nodes.remove(node)
        for copy in [n for n in tree.nodes if ROLE in n.keys()]:
            del copy[ROLE]  # the artist's from now on
        remove_unused_groups()
    for image in images:
        if image.users == 0:
            bpy.data.images.remove(image)
    restore_settings(world)
    return lost


def remove_unused_groups() -> None:
    """Remove the node groups of ours that no node uses any more."""
    for group in [g for g in bpy.data.node_groups if GROUP_VERSION in g.keys() and g.library is None]:
        if group.users == 0:
            bpy.data.node_groups.remove(group)


def _tree(world: bpy.types.World) -> bpy.types.NodeTree:
    tree = world.node_tree
    if tree is None:
        raise RuntimeError(f"World {world.name} has no node tree although nodes are on.")
    return tree


def _ensure_nodes(tree: bpy.types.NodeTree) -> dict[str, bpy.types.Node]:
    nodes = _by_role(tree)
    if not any(n.bl_idname == "ShaderNodeOutputWorld" for n in tree.nodes):
        output = tree.nodes.new("ShaderNodeOutputWorld")
        output[ROLE] = "output"
    outputs = _outputs(tree)
    top = min((n.location.y - 320.0 for n in tree.nodes), default=0.0) if len(tree.nodes) > len(outputs) else 0.0
    right = max(n.location.x for n in outputs)
    fresh = set()
    for role, kind, name, x in _NODES:
        if role not in nodes:
            node = tree.nodes.new(kind)
            node.name = name
            node.label = name
            node[ROLE] = role
            node.location = (right + x, top)
            nodes[role] = node
            fresh.add(role)
    for source, output_name, target, input_name in _LINKS:
        if source in fresh or target in fresh:
            tree.links.new(nodes[target].inputs[input_name], nodes[source].outputs[output_name])
    return nodes


def _outputs(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    """The active World Output of each renderer, each once."""
    found: dict[str, bpy.types.Node] = {}
    for target in ("ALL", "CYCLES", "EEVEE"):
        node = cast(Any, tree).get_output_node(target)
        if node is not None:
            found[node.name] = node
    return list(found.values())


def _link_output(tree: bpy.types.NodeTree, output: bpy.types.Node, background: bpy.types.Node) -> None:
    """Link our background to an output, unless it already reaches it (perhaps through the artist's nodes)."""
    surface = output.inputs["Surface"]
    if _feeds(background, output):
        return
    if LINK in output.keys() and any(link.from_node and ROLE in link.from_node.keys() for link in surface.links or ()):
        tree.links.new(surface, background.outputs["Background"])  # from a node of ours that has lost its background
        return
    if LINK in output.keys():  # the artist linked something else meanwhile: that is what to put back now
        _forget_link(tree, output)
    if surface.is_linked and surface.links:
        link = surface.links[0]
        identity = uuid.uuid4().hex[:8]
        if link.from_node is None or link.from_socket is None:
            raise RuntimeError("A link without a source cannot be remembered.")
        link.from_node[f"{LINK}_{identity}"] = link.from_socket.identifier
        output[LINK] = identity
    else:
        output[LINK] = ""
    tree.links.new(surface, background.outputs["Background"])


def _feeds(source: bpy.types.Node, target: bpy.types.Node) -> bool:
    waiting, seen = [target], set()
    while waiting:
        node = waiting.pop()
        if node == source:
            return True
        if node.name in seen:
            continue
        seen.add(node.name)
        waiting += [link.from_node for socket in node.inputs for link in (socket.links or ()) if link.from_node]
    return False


def _forget_link(tree: bpy.types.NodeTree, output: bpy.types.Node) -> None:
    key = f"{LINK}_{output[LINK]}"
    del output[LINK]
    for node in tree.nodes:
        if key in node.keys():
            del node[key]


def _relink_output(tree: bpy.types.NodeTree, output: bpy.types.Node) -> list[str]:
    identity = str(output[LINK])
    key = f"{LINK}_{identity}"
    source = next((n for n in tree.nodes if identity and key in n.keys()), None)
    socket = next((s for s in source.outputs if s.identifier == source[key]), None) if source is not None else None
    surface = output.inputs["Surface"]
    if socket is not None:
        tree.links.new(surface, socket)
    else:
        for link in list(surface.links or ()):
            tree.links.remove(link)
    _forget_link(tree, output)
    if identity and socket is None:
        return [f"The node that was linked to {output.name} no longer exists."]
    return []
