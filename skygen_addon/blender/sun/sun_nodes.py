"""Keeping the world from shining like a second sun beside a lamp.

Between the Environment Texture and what the artist or we put behind it lies a minimum that takes the disc out of the
picture: for every ray where only the lamp is wanted, for all but camera rays where the camera is to see the sun. It
depends on nothing that is baked, so switching needs no new bake. EEVEE turns what is brighter than the world's
threshold into a sun of its own; there it is 0 (never) beside a lamp, and otherwise just above the sky.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import bpy

from ...core.white_balance import white_balance_gains
from ..world.node_links import lead_through, new_node, socket, source_of, take_out
from ..world.world_nodes import ROLE, light_strength, sky_nodes
from ..world.world_settings import remember_settings

if TYPE_CHECKING:
    from ..settings.properties import SkyGenSettings

LIMIT, CAMERA, CHOICE = "sun_limit", "sun_camera", "sun_choice"
"""Roles of our nodes: the minimum, which rays come from the camera, and the choice between both pictures."""
MARGIN = 1.05
"""Factor above the brightest sky: a frame between two frames or of another width may be brighter."""
USUAL_PEAK = 10.0
"""Limit at exposure 0 where the brightest sky is not known; clouds beside the sun reach half of it."""

_NEEDED: dict[str, set[str]] = {"TEXTURE": set(), "LAMP": {LIMIT}, "BOTH": {LIMIT, CAMERA, CHOICE}}


def usual_peak(exposure_ev: float) -> float:
    """Stand-in for the brightest sky where it is not known."""
    return USUAL_PEAK * 2.0**exposure_ev


def brightest_ev(settings: SkyGenSettings) -> float:
    """Stops by which exposure and white balance lift the channel that they lift most."""
    balance = white_balance_gains(float(settings.white_balance_temperature), float(settings.white_balance_tint))
    return float(settings.exposure) + math.log2(float(balance.max()))


def limit_of(sky_peak: float, exposure_ev: float) -> float:
    """Radiance above which a pixel is the sun, from the brightest sky (0 if that is not known)."""
    return MARGIN * sky_peak if sky_peak > 0 else usual_peak(exposure_ev)


def show_sun_in_world(world: bpy.types.World, sun_in: str, limit: float) -> None:
    """Let the world shine with its sun (``TEXTURE``), without it (``LAMP``), or show it to the camera only (``BOTH``).

    Nodes of ours that are linked stay where they are, so that the artist can put others between; new ones go in, and
    are taken out, without cutting what they lie between. Does nothing in a world without a sky of ours.
    """
    nodes = sky_nodes(world)
    tree, sky = world.node_tree, nodes.get("sky")
    if tree is None or sky is None:
        return
    remember_settings(world)
    world.sun_threshold = limit * light_strength(world) if sun_in == "TEXTURE" else 0.0
    needed = _NEEDED[sun_in]
    present = {role: nodes[role] for role in (LIMIT, CAMERA, CHOICE) if role in nodes}
    broken = not all(_is_between(node) for role, node in present.items() if role != CAMERA)
    if CHOICE in present and (broken or not needed >= present.keys() or CAMERA not in present):
        take_out(tree, present[CHOICE], socket(present.pop(CHOICE).inputs, "A_Color"))
    if CAMERA in present and CHOICE not in present:
        tree.nodes.remove(present.pop(CAMERA))
    if LIMIT in present and (broken or LIMIT not in needed):
        take_out(tree, present[LIMIT], present.pop(LIMIT).inputs[0])
    if LIMIT in needed and LIMIT not in present:
        lead_through(tree, sky.outputs["Color"], lambda: _limited(tree, sky, limit))
    nodes = sky_nodes(world)
    if CHOICE in needed and CHOICE not in present:
        unlimited = source_of(nodes[LIMIT].inputs[0]) or sky.outputs["Color"]
        lead_through(
            tree, nodes[LIMIT].outputs[0], lambda: _for_the_camera(tree, sky, nodes[LIMIT].outputs[0], unlimited)
        )
    _feed_background(world)
    if LIMIT in nodes:
        cast(Any, nodes[LIMIT].inputs[1]).default_value = (limit, limit, limit)


def _feed_background(world: bpy.types.World) -> None:
    """Link our background again where the artist has deleted the node before it."""
    nodes, tree = sky_nodes(world), world.node_tree
    background = nodes.get("background")
    last = next(nodes[role] for role in (CHOICE, LIMIT, "sky") if role in nodes)
    output = socket(last.outputs, "Result_Color") if CHOICE in nodes else last.outputs[0]
    if tree is not None and background is not None and not background.inputs["Color"].is_linked:
        if not output.is_linked:
            tree.links.new(background.inputs["Color"], output)


def _is_between(node: bpy.types.Node) -> bool:
    """Whether the node still passes on what feeds it; not after the artist has deleted what it was linked to."""
    inputs = [socket(node.inputs, name) for name in ("A_Color", "B_Color")] if node[ROLE] == CHOICE else node.inputs[:1]
    return all(socket.is_linked for socket in inputs) and any(socket.is_linked for socket in node.outputs)


def _limited(tree: bpy.types.NodeTree, sky: bpy.types.Node, limit: float) -> bpy.types.NodeSocket:
    """The sky's colour, no channel above the limit."""
    minimum = new_node(tree, LIMIT, "ShaderNodeVectorMath", "SkyGen Sun Limit", sky, (0.0, -280.0))
    cast(Any, minimum).operation = "MINIMUM"
    cast(Any, minimum.inputs[1]).default_value = (limit, limit, limit)
    tree.links.new(minimum.inputs[0], sky.outputs["Color"])
    return minimum.outputs[0]


def _for_the_camera(
    tree: bpy.types.NodeTree, sky: bpy.types.Node, limited: bpy.types.NodeSocket, unlimited: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """The sky's unlimited colour for rays that come from the camera, the limited one for all others."""
    rays = new_node(tree, CAMERA, "ShaderNodeLightPath", "SkyGen Rays", sky, (-180.0, -280.0))
    choice = new_node(tree, CHOICE, "ShaderNodeMix", "SkyGen Sun for the Camera", sky, (180.0, -280.0))
    cast(Any, choice).data_type = "RGBA"
    tree.links.new(socket(choice.inputs, "Factor_Float"), rays.outputs["Is Camera Ray"])
    tree.links.new(socket(choice.inputs, "A_Color"), limited)
    tree.links.new(socket(choice.inputs, "B_Color"), unlimited)
    return socket(choice.outputs, "Result_Color")
