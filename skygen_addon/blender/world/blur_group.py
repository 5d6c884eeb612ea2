"""The node group that turns the camera's rays by random angles, so that what they see is blurred.

A ray's direction moves by a point chosen at random in a ball: seen along the ray that is a soft disc, the same about
every direction. The randomness is a hash of direction and window position, which differ from sample to sample in
Cycles and in EEVEE alike. Rays that light, or are reflected, pass as they are.
"""

from __future__ import annotations

import math
from typing import Any, cast

import bpy

from .world_nodes import GROUP_VERSION, ROLE

GROUP_ROLE = "blur_group"
"""Value of the role property of the group."""
VERSION = 1
"""Of the group's nodes; a group of another version stays with the worlds that have it."""
MAX_RADIUS_RAD = math.radians(60.0)


def blur_group() -> bpy.types.ShaderNodeTree:
    """The group with inputs Vector and Radius (radians) and the output Vector, one for all worlds of the file."""
    for group in bpy.data.node_groups:
        if group.library is None and group.get(ROLE) == GROUP_ROLE and group.get(GROUP_VERSION) == VERSION:
            return cast(bpy.types.ShaderNodeTree, group)
    return _made()


def _made() -> bpy.types.ShaderNodeTree:
    group = cast(bpy.types.ShaderNodeTree, bpy.data.node_groups.new("SkyGen Blur", "ShaderNodeTree"))
    group[ROLE], group[GROUP_VERSION] = GROUP_ROLE, VERSION
    interface = cast(Any, group.interface)
    interface.new_socket("Vector", in_out="INPUT", socket_type="NodeSocketVector", description="Direction to look up")
    radius = interface.new_socket("Radius", in_out="INPUT", socket_type="NodeSocketFloat")
    radius.subtype, radius.min_value, radius.max_value = "ANGLE", 0.0, MAX_RADIUS_RAD
    radius.description = "Largest angle by which a camera ray is turned"
    interface.new_socket("Vector", in_out="OUTPUT", socket_type="NodeSocketVector")
    given, result = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    given.location, result.location = (-1200.0, 0.0), (600.0, 0.0)
    moved = _vector(group, "ADD", given.outputs["Vector"], _offset(group, given.outputs["Radius"]))
    group.links.new(result.inputs[0], moved)
    return group


def _offset(group: bpy.types.ShaderNodeTree, radius: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """A random point of a ball whose radius is the sine of the largest angle; zero for all but camera rays."""
    rays = group.nodes.new("ShaderNodeLightPath")
    rays.location = (-1200.0, -500.0)
    u, v, w = _random(group)
    height = _math(group, "MULTIPLY_ADD", u, 2.0, -1.0)
    level = _math(group, "SQRT", _math(group, "SUBTRACT", 1.0, _math(group, "MULTIPLY", height, height)))
    turn = _math(group, "MULTIPLY", v, math.tau)
    point = group.nodes.new("ShaderNodeCombineXYZ")
    group.links.new(point.inputs[0], _math(group, "MULTIPLY", level, _math(group, "COSINE", turn)))
    group.links.new(point.inputs[1], _math(group, "MULTIPLY", level, _math(group, "SINE", turn)))
    group.links.new(point.inputs[2], height)
    length = _math(group, "MULTIPLY", _math(group, "POWER", w, 1.0 / 3.0), _math(group, "SINE", radius))
    scaled = group.nodes.new("ShaderNodeVectorMath")
    cast(Any, scaled).operation = "SCALE"
    group.links.new(scaled.inputs[0], point.outputs[0])
    group.links.new(scaled.inputs["Scale"], _math(group, "MULTIPLY", length, rays.outputs["Is Camera Ray"]))
    return scaled.outputs[0]


def _random(group: bpy.types.ShaderNodeTree) -> list[bpy.types.NodeSocket]:
    """Three numbers from 0 to 1, other ones for every sample of a pixel."""
    coordinate, noise = group.nodes.new("ShaderNodeTexCoord"), group.nodes.new("ShaderNodeTexWhiteNoise")
    parts = group.nodes.new("ShaderNodeSeparateXYZ")
    cast(Any, noise).noise_dimensions = "3D"
    # An orthographic camera's rays have one direction: there only the window position differs.
    place = _vector(group, "ADD", coordinate.outputs["Generated"], coordinate.outputs["Window"])
    group.links.new(noise.inputs["Vector"], place)
    group.links.new(parts.inputs[0], noise.outputs["Color"])
    return list(parts.outputs)


def _math(group: bpy.types.ShaderNodeTree, operation: str, *values: Any) -> bpy.types.NodeSocket:
    """A Math node of sockets and numbers."""
    node = cast(Any, group.nodes.new("ShaderNodeMath"))
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            group.links.new(socket, value)
    return cast(bpy.types.NodeSocket, node.outputs[0])


def _vector(group: bpy.types.ShaderNodeTree, operation: str, *values: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """A Vector Math node of sockets."""
    node = cast(Any, group.nodes.new("ShaderNodeVectorMath"))
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        group.links.new(socket, value)
    return cast(bpy.types.NodeSocket, node.outputs[0])
