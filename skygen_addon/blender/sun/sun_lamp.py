"""The sun lamp: made, turned and coloured so that it gives the light that the sky's sun gives.

A sun lamp of strength E gives E W/m^2 on a plane facing it and a white card the radiance E / pi, as a sky of
irradiance E does; so the strength is our irradiance as it is. The lamp is found by the world's pointer to it, never
by its name, and belongs to a world in whose scene it lies.
"""

from __future__ import annotations

import math
from typing import Any, cast

import bpy

from ...core.geometry import SUN_ANGULAR_DIAMETER_RAD
from ..world.world_nodes import ROLE, sky_nodes

LAMP_ROLE = "sun_lamp"
"""Value of the role property of a lamp that was made here."""

Light = tuple[float, float, tuple[float, float, float]]
"""Azimuth and elevation in radians, and irradiance (linear Rec.709) on a plane facing the sun."""

OWNER = "skygen_world"
"""Custom property of a lamp: the world that it follows, which a copy of that world does not share."""
TURN_INDEX = 2
"""Of the delta rotation that turns the lamp with the sky."""


def is_sun(lamp: bpy.types.Object) -> bool:
    """Whether an object is a sun lamp."""
    return isinstance(lamp.data, bpy.types.SunLight)


def sun_light(lamp: bpy.types.Object) -> bpy.types.SunLight:
    """The lamp's light."""
    if not isinstance(lamp.data, bpy.types.SunLight):
        raise RuntimeError(f"{lamp.name} is no sun lamp.")
    return lamp.data


def lies_in(lamp: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    """Whether an object is in a scene."""
    found = scene.objects.get(lamp.name)
    return found is not None and (found == lamp or lamp in scene.objects.values())  # names repeat between libraries


def is_anothers(lamp: bpy.types.Object, world: bpy.types.World) -> bool:
    """Whether a lamp follows another world, as it does when a world with a lamp was copied.

    A linked one belongs to whoever points to it: an override or a local copy of its world cannot take it over.
    """
    owner = lamp.get(OWNER) if lamp.library is None else None
    return isinstance(owner, bpy.types.World) and owner != world and cast(Any, owner).skygen.sun.lamp == lamp


def lamp_in_scene(world: bpy.types.World, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The world's sun lamp, if it is one still, follows no other world, and lies in that scene, which must show it."""
    lamp = cast(Any, world).skygen.sun.lamp
    if lamp is None or scene.world != world or not is_sun(lamp) or is_anothers(lamp, world):
        return None
    return lamp if lies_in(lamp, scene) else override_in(lamp, scene)


def holds(scene: bpy.types.Scene, lamp: bpy.types.Object) -> bool:
    """Whether a lamp lies in a scene, itself or by its library override."""
    return lies_in(lamp, scene) or override_in(lamp, scene) is not None


def override_in(lamp: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The library override of a linked lamp that lies in a scene in its place; it has the same keyframes."""
    if lamp.library is None:
        return None
    overrides = ((o, o.override_library) for o in scene.objects)
    return next((o for o, override in overrides if override is not None and override.reference == lamp), None)


def scenes_of(world: bpy.types.World) -> list[bpy.types.Scene]:
    """The scenes that show a world, the present one first."""
    present = bpy.context.scene
    return sorted((scene for scene in bpy.data.scenes if scene.world == world), key=lambda scene: scene != present)


def lamp_of(world: bpy.types.World) -> tuple[bpy.types.Object, bpy.types.Scene] | None:
    """The world's sun lamp and a scene that holds it and shows the world."""
    for scene in scenes_of(world):
        lamp = lamp_in_scene(world, scene)
        if lamp is not None:
            return lamp, scene
    return None


def is_writable(lamp: bpy.types.Object) -> bool:
    """Whether the lamp and its data belong to this file; what is written to a library override may be lost again."""
    parts = (lamp, lamp.data)
    return all(part is None or (part.is_editable and part.override_library is None) for part in parts)


def new_lamp(scene: bpy.types.Scene) -> bpy.types.Object:
    """A sun lamp in a scene's own collection, as wide as the sun."""
    light = bpy.data.lights.new("SkyGen Sun", "SUN")
    cast(Any, light).angle = float(SUN_ANGULAR_DIAMETER_RAD)
    lamp = bpy.data.objects.new("SkyGen Sun", light)
    lamp[ROLE] = LAMP_ROLE
    lamp.location = (0.0, 0.0, 5.0)
    scene.collection.objects.link(lamp)
    return lamp


def turn_with_sky(lamp: bpy.types.Object, world: bpy.types.World) -> None:
    """Turn the lamp with the sky's Mapping node, whether this add-on is there or not; also after it was renamed."""
    mapping = sky_nodes(world).get("mapping")
    if mapping is None:
        return
    name = bpy.utils.escape_identifier(mapping.name)
    path = f'node_tree.nodes["{name}"].inputs["Rotation"].default_value[2]'
    if _turned_by(lamp) == (world, path):
        return
    lamp.driver_remove("delta_rotation_euler", TURN_INDEX)
    driver = cast(Any, lamp.driver_add("delta_rotation_euler", TURN_INDEX)).driver
    turn = driver.variables.new()
    turn.name = "turn"
    target = turn.targets[0]
    target.id_type, target.id = "WORLD", world
    target.data_path = path
    driver.expression = "-turn"  # simple enough to be evaluated where scripts are not allowed


def _turned_by(lamp: bpy.types.Object) -> tuple[bpy.types.ID | None, str] | None:
    """World and data path that the driver of the lamp's turn reads; None without one."""
    data = lamp.animation_data
    for curve in data.drivers if data is not None else ():
        if (curve.data_path, curve.array_index) == ("delta_rotation_euler", TURN_INDEX) and curve.driver is not None:
            for variable in curve.driver.variables:
                return variable.targets[0].id, variable.targets[0].data_path
    return None


def is_sky_tilted(world: bpy.types.World) -> bool:
    """Whether the Mapping node turns the sky about another axis than the vertical one, which no lamp follows."""
    mapping = sky_nodes(world).get("mapping")
    rotation = (0.0, 0.0) if mapping is None else tuple(cast(Any, mapping.inputs["Rotation"]).default_value)[:2]
    return any(abs(angle) > 1e-6 for angle in rotation)


def sky_turn_rad(world: bpy.types.World) -> float:
    """Angle about the vertical by which the Mapping node turns directions before it looks them up."""
    mapping = sky_nodes(world).get("mapping")
    return 0.0 if mapping is None else float(cast(Any, mapping.inputs["Rotation"]).default_value[2])


def rotation_of(light: Light) -> tuple[float, float, float]:
    """A lamp shines along its -Z axis: +Z turned to the sun by elevation about X, then by azimuth about Z."""
    azimuth, elevation, _ = light
    return elevation - math.pi / 2, 0.0, -azimuth


def strength_of(light: Light) -> float:
    return max(light[2])


def colour_of(light: Light, before: tuple[float, float, float]) -> tuple[float, float, float]:
    """Colour with a largest channel of 1; without any light the one before."""
    strength = strength_of(light)
    if strength <= 0:
        return before
    red, green, blue = light[2]
    return red / strength, green / strength, blue / strength


def shine(lamp: bpy.types.Object, light: Light) -> None:
    """Turn, colour and dim the lamp; nothing is touched that is so already."""
    data = sun_light(lamp)
    colour = colour_of(light, (data.color[0], data.color[1], data.color[2]))
    for owner, path, value in (
        (lamp, "rotation_euler", rotation_of(light)),
        (data, "color", colour),
        (data, "energy", (strength_of(light),)),
    ):
        present = getattr(owner, path)
        now = (present,) if isinstance(present, float) else tuple(present)
        if any(not math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(now, value, strict=True)):
            setattr(owner, path, value[0] if isinstance(present, float) else value)
