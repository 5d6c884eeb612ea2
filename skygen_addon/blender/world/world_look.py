"""What the camera sees of the sky, apart from the light that the sky gives: as it is, adjusted, or one color.

Behind our Background lies a Mix Shader that gives rays from the camera a second Background, the backdrop. The
backdrop of an adjusted sky has a strength of its own and a blur: every camera ray is turned by a random angle before
the Environment Texture looks it up, so the samples of a pixel average a disc of the sky. That needs no second
picture, and light and reflections stay sharp. These nodes are there only while they are wanted.
"""

from __future__ import annotations

from typing import Any, cast

import bpy

from ..settings.properties import sky_settings
from ..sun.sun_nodes import brightest_ev, limit_of
from .blur_group import blur_group
from .node_links import lead_through, new_node, source_of, take_out
from .world_nodes import light_strength, remove_unused_groups, sky_nodes

BACKDROP, RAYS, MIX = "backdrop", "backdrop_rays", "backdrop_mix"
"""Roles of our nodes: what the camera sees, which rays come from it, and the choice between light and backdrop."""
BLUR, BLUR_LIMIT = "blur", "blur_limit"
"""Roles: what turns the camera's rays, and what takes the sun's disc out of what they see. Hit by one ray in some
hundred, the disc would be bright grains and no glow."""


def show_look(world: bpy.types.World) -> None:
    """Bring the nodes to what ``look`` in the world's settings asks for; without a sky of ours nothing happens.

    Nodes of ours that are whole stay where they are, so that the artist can put others between.
    """
    nodes, tree = sky_nodes(world), world.node_tree
    if tree is None or "sky" not in nodes or "background" not in nodes:
        return
    look = sky_settings(world).look
    adjusted = look.camera_sees == "ADJUSTED"
    if look.camera_sees == "SKY" or not _is_mixed(nodes):
        _remove_backdrop(world, tree)
    if look.camera_sees != "SKY" and BACKDROP not in sky_nodes(world):
        _add_backdrop(tree, nodes["background"])
    blurred = adjusted and look.blur > 0.0
    if not blurred or not _is_blurred(sky_nodes(world)):
        _remove_blur(world, tree)
    _feed_sky(tree, sky_nodes(world))
    _feed_backdrop(tree, sky_nodes(world), adjusted)
    if blurred and BLUR not in sky_nodes(world):
        _add_blur(world, tree)
    _set_values(world)


def _set_values(world: bpy.types.World) -> None:
    """Give the nodes the settings' values."""
    nodes, settings = sky_nodes(world), sky_settings(world)
    look = settings.look
    if BACKDROP in nodes:
        backdrop = cast(Any, nodes[BACKDROP])
        colored = look.camera_sees == "COLOR"
        backdrop.inputs["Color"].default_value = (*look.color, 1.0)
        backdrop.inputs["Strength"].default_value = 1.0 if colored else look.backdrop_strength
    if BLUR in nodes:
        cast(Any, nodes[BLUR]).inputs["Radius"].default_value = look.blur
        limit = limit_of(float(settings.sun.sky_peak), brightest_ev(settings))
        cast(Any, nodes[BLUR_LIMIT]).inputs[1].default_value = (limit, limit, limit)


def strength_of(world: bpy.types.World) -> float:
    """Strength of our Background; 1 without one."""
    return light_strength(world)


def set_strength(world: bpy.types.World, strength: float) -> None:
    """Set the strength of our Background, and EEVEE's threshold for a sun in the world with it."""
    background = sky_nodes(world).get("background")
    if background is None:
        return
    cast(Any, background.inputs["Strength"]).default_value = strength
    settings = sky_settings(world)
    if settings.sun.sun_in == "TEXTURE":
        world.sun_threshold = limit_of(float(settings.sun.sky_peak), brightest_ev(settings)) * strength


def _is_mixed(nodes: dict[str, bpy.types.Node]) -> bool:
    """Whether the backdrop's nodes are there and pass on what they should."""
    if not {BACKDROP, RAYS, MIX} <= nodes.keys():
        return False
    mix = nodes[MIX]
    return all(socket.is_linked for socket in (*mix.inputs, mix.outputs[0]))


def _add_backdrop(tree: bpy.types.NodeTree, background: bpy.types.Node) -> None:
    """Rays from the camera see a second Background from now on."""

    def mixed() -> bpy.types.NodeSocket:
        backdrop = new_node(tree, BACKDROP, "ShaderNodeBackground", "SkyGen Backdrop", background, (0.0, -140.0))
        rays = new_node(tree, RAYS, "ShaderNodeLightPath", "SkyGen Backdrop Rays", background, (0.0, 360.0))
        mix = new_node(tree, MIX, "ShaderNodeMixShader", "SkyGen Backdrop Mix", background, (180.0, 140.0))
        tree.links.new(mix.inputs[0], rays.outputs["Is Camera Ray"])
        tree.links.new(mix.inputs[1], background.outputs["Background"])
        tree.links.new(mix.inputs[2], backdrop.outputs["Background"])
        return mix.outputs[0]

    lead_through(tree, background.outputs["Background"], mixed)


def _feed_sky(tree: bpy.types.NodeTree, nodes: dict[str, bpy.types.Node]) -> None:
    """Turn the sky by our Mapping again where the artist has deleted the node between."""
    mapping, vector = nodes.get("mapping"), nodes["sky"].inputs["Vector"]
    if mapping is not None and not mapping.outputs["Vector"].is_linked and not vector.is_linked:
        tree.links.new(vector, mapping.outputs["Vector"])


def _feed_backdrop(tree: bpy.types.NodeTree, nodes: dict[str, bpy.types.Node], adjusted: bool) -> None:
    """Show the backdrop the picture that our Background has, or no picture at all."""
    if BACKDROP not in nodes:
        return
    color = nodes[BACKDROP].inputs["Color"]
    if not adjusted:
        for link in list(color.links or ()):
            tree.links.remove(link)
    elif not color.is_linked:
        picture = source_of(nodes["background"].inputs["Color"])
        if picture is not None:
            tree.links.new(color, picture)


def _remove_backdrop(world: bpy.types.World, tree: bpy.types.NodeTree) -> None:
    _remove_blur(world, tree)
    nodes = sky_nodes(world)
    if MIX in nodes:
        take_out(tree, nodes[MIX], nodes[MIX].inputs[1])
    for role in (RAYS, BACKDROP):
        if role in nodes:
            tree.nodes.remove(nodes[role])


def _is_blurred(nodes: dict[str, bpy.types.Node]) -> bool:
    """Whether the blur's nodes are there and pass on what they should."""
    if not {BLUR, BLUR_LIMIT} <= nodes.keys():
        return False
    group = cast(bpy.types.ShaderNodeGroup, nodes[BLUR])
    sockets = (group.inputs["Vector"], group.outputs[0], nodes[BLUR_LIMIT].inputs[0], nodes[BLUR_LIMIT].outputs[0])
    return group.node_tree is not None and all(socket.is_linked for socket in sockets)


def _add_blur(world: bpy.types.World, tree: bpy.types.NodeTree) -> None:
    """Turn the camera's rays before the sky looks them up, and limit what they see."""
    nodes = sky_nodes(world)
    sky, backdrop = nodes["sky"], nodes[BACKDROP]
    group = cast(
        bpy.types.ShaderNodeGroup, new_node(tree, BLUR, "ShaderNodeGroup", "SkyGen Blur", sky, (-220.0, 200.0))
    )
    group.node_tree = blur_group()
    looked_up = source_of(sky.inputs["Vector"])
    if looked_up is None:  # an Environment Texture without a vector looks up the ray's direction
        coordinate = nodes.get("coordinate") or new_node(
            tree, "coordinate", "ShaderNodeTexCoord", "SkyGen Coordinates", sky, (-420.0, 200.0)
        )
        looked_up = coordinate.outputs["Generated"]
    tree.links.new(group.inputs["Vector"], looked_up)
    tree.links.new(sky.inputs["Vector"], group.outputs[0])
    limit = new_node(tree, BLUR_LIMIT, "ShaderNodeVectorMath", "SkyGen Blur Limit", backdrop, (-180.0, -140.0))
    cast(Any, limit).operation = "MINIMUM"
    picture = source_of(backdrop.inputs["Color"])
    if picture is not None:
        tree.links.new(limit.inputs[0], picture)
    tree.links.new(backdrop.inputs["Color"], limit.outputs[0])


def _remove_blur(world: bpy.types.World, tree: bpy.types.NodeTree) -> None:
    nodes = sky_nodes(world)
    if BLUR in nodes:
        take_out(tree, nodes[BLUR], nodes[BLUR].inputs["Vector"])
    if BLUR_LIMIT in nodes:
        take_out(tree, nodes[BLUR_LIMIT], nodes[BLUR_LIMIT].inputs[0])
    remove_unused_groups()
