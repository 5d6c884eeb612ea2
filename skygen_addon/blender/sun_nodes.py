"""Keeping the world from shining like a second sun beside a lamp.

Between the Environment Texture and what the artist or we put behind it lies a minimum that takes the disc out of the
picture: for every ray where only the lamp is wanted, for all but camera rays where the camera is to see the sun. It
depends on nothing that is baked, so switching needs no new bake. EEVEE turns what is brighter than the world's
threshold into a sun of its own; there it is 0 (never) beside a lamp, and otherwise just above the sky.
"""

from __future__ import annotations

from typing import Any, cast

import bpy

from .world_nodes import ROLE, remember_settings, sky_nodes

LIMIT, CAMERA, CHOICE = "sun_limit", "sun_camera", "sun_choice"
"""Roles of our nodes: the minimum, which rays come from the camera, and the choice between both pictures."""
MARGIN = 1.05
"""Factor above the brightest sky: a frame between two frames or of another width may be brighter."""
USUAL_PEAK = 10.0
"""Limit at exposure 0 where the brightest sky is not known; clouds beside the sun reach half of it."""


def limit_of(sky_peak: float, exposure_ev: float) -> float:
    """Radiance above which a pixel is the sun, from the brightest sky (0 if that is not known)."""
    return MARGIN * sky_peak if sky_peak > 0 else USUAL_PEAK * 2.0**exposure_ev


def show_sun_in_world(world: bpy.types.World, sun_in: str, limit: float) -> None:
    """Let the world shine with its sun (``TEXTURE``), without it (``LAMP``), or show it to the camera only (``BOTH``).

    Our nodes are made anew; whatever the sky fed, through them or not, it feeds again. Does nothing in a world without
    a sky of ours.
    """
    nodes = sky_nodes(world)
    tree, sky = world.node_tree, nodes.get("sky")
    if tree is None or sky is None:
        return
    remember_settings(world)
    ours = [nodes[role] for role in (LIMIT, CAMERA, CHOICE) if role in nodes]
    colours = [sky.outputs["Color"], *(socket for node in ours for socket in node.outputs)]
    fed = [link.to_socket for socket in colours for link in socket.links or () if link.to_node not in ours]
    for node in ours:
        tree.nodes.remove(node)
    colour = sky.outputs["Color"]
    if sun_in != "TEXTURE":
        colour = _limited(tree, sky, limit)
    if sun_in == "BOTH":
        colour = _limited_but_for_the_camera(tree, sky, colour)
    for target in fed:
        if target is not None:
            tree.links.new(target, colour)
    world.sun_threshold = limit if sun_in == "TEXTURE" else 0.0


def _limited(tree: bpy.types.NodeTree, sky: bpy.types.Node, limit: float) -> bpy.types.NodeSocket:
    """The sky's colour, no channel above the limit."""
    minimum = _node(tree, LIMIT, "ShaderNodeVectorMath", "SkyGen Sun Limit", sky, 0.0)
    cast(Any, minimum).operation = "MINIMUM"
    cast(Any, minimum.inputs[1]).default_value = (limit, limit, limit)
    tree.links.new(minimum.inputs[0], sky.outputs["Color"])
    return minimum.outputs[0]


def _limited_but_for_the_camera(
    tree: bpy.types.NodeTree, sky: bpy.types.Node, limited: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """The sky's colour for rays that come from the camera, the limited one for all others."""
    rays = _node(tree, CAMERA, "ShaderNodeLightPath", "SkyGen Rays", sky, -180.0)
    choice = _node(tree, CHOICE, "ShaderNodeMix", "SkyGen Sun for the Camera", sky, 180.0)
    cast(Any, choice).data_type = "RGBA"
    tree.links.new(_socket(choice.inputs, "Factor_Float"), rays.outputs["Is Camera Ray"])
    tree.links.new(_socket(choice.inputs, "A_Color"), limited)
    tree.links.new(_socket(choice.inputs, "B_Color"), sky.outputs["Color"])
    return _socket(choice.outputs, "Result_Color")


def _node(
    tree: bpy.types.NodeTree, role: str, kind: str, name: str, sky: bpy.types.Node, right: float
) -> bpy.types.Node:
    """A new node of ours under the sky's."""
    node = tree.nodes.new(kind)
    node.name = node.label = name
    node[ROLE] = role
    node.location = (sky.location.x + right, sky.location.y - 280.0)
    return node


def _socket(sockets: Any, identifier: str) -> bpy.types.NodeSocket:
    """A Mix node has sockets of one name for every type."""
    return cast(bpy.types.NodeSocket, next(s for s in sockets if s.identifier == identifier))
