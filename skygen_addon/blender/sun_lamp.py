"""The sun lamp: made, turned, coloured and keyframed so that it gives the light that the sky's sun gives.

A sun lamp of strength E gives E W/m^2 on a plane facing it and a white card the radiance E / pi, as a sky of
irradiance E does; so the strength is our irradiance as it is. The lamp is found by the world's pointer to it, never
by its name, and belongs to a world in whose scene it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import bpy

from ..core.geometry import SUN_ANGULAR_DIAMETER_RAD
from .world_animation import curve_collections
from .world_nodes import ROLE, sky_nodes

LAMP_ROLE = "sun_lamp"
"""Value of the role property of a lamp that was made here."""

Light = tuple[float, float, tuple[float, float, float]]
"""Azimuth and elevation in radians, and irradiance (linear Rec.709) on a plane facing the sun."""

_OBJECT_PATHS = {"rotation_euler": 3}
_LIGHT_PATHS = {"energy": 1, "color": 3}
_TURN_INDEX = 2


def sun_light(lamp: bpy.types.Object) -> bpy.types.SunLight:
    """The lamp's light."""
    if not isinstance(lamp.data, bpy.types.SunLight):
        raise RuntimeError(f"{lamp.name} is no sun lamp.")
    return lamp.data


def lamp_in_scene(world: bpy.types.World, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The world's sun lamp, if it is one still and lies in that scene, which must show the world."""
    lamp = cast(Any, world).skygen.sun.lamp
    if lamp is None or scene.world != world or not isinstance(lamp.data, bpy.types.SunLight):
        return None
    there = scene.objects.get(lamp.name) == lamp or lamp in scene.objects.values()  # names repeat between libraries
    return lamp if there else None


def is_writable(lamp: bpy.types.Object) -> bool:
    """Whether the lamp and its light belong to this file."""
    return bool(lamp.is_editable and sun_light(lamp).is_editable)


def new_lamp(scene: bpy.types.Scene) -> bpy.types.Object:
    """A sun lamp in a scene's own collection, as wide as the sun."""
    light = bpy.data.lights.new("SkyGen Sun", "SUN")
    lamp = bpy.data.objects.new("SkyGen Sun", light)
    lamp[ROLE] = LAMP_ROLE
    lamp.location = (0.0, 0.0, 5.0)
    scene.collection.objects.link(lamp)
    return lamp


def prepare_lamp(lamp: bpy.types.Object, world: bpy.types.World) -> None:
    """Give the lamp the sun's size, and turn it with the sky's Mapping node, whether this add-on is there or not."""
    sun_light(lamp).angle = float(SUN_ANGULAR_DIAMETER_RAD)
    lamp.rotation_mode = "XYZ"
    mapping = sky_nodes(world).get("mapping")
    if mapping is None:
        return
    lamp.driver_remove("delta_rotation_euler", _TURN_INDEX)
    driver = cast(Any, lamp.driver_add("delta_rotation_euler", _TURN_INDEX)).driver
    turn = driver.variables.new()
    turn.name = "turn"
    target = turn.targets[0]
    target.id_type, target.id = "WORLD", world
    name = bpy.utils.escape_identifier(mapping.name)
    target.data_path = f'node_tree.nodes["{name}"].inputs["Rotation"].default_value[2]'
    driver.expression = "-turn"  # simple enough to be evaluated where scripts are not allowed


def sky_turn_rad(world: bpy.types.World) -> float:
    """Angle about the vertical by which the Mapping node turns directions before it looks them up."""
    mapping = sky_nodes(world).get("mapping")
    return 0.0 if mapping is None else float(cast(Any, mapping.inputs["Rotation"]).default_value[2])


def _rotation(light: Light) -> tuple[float, float, float]:
    """A lamp shines along its -Z axis: +Z turned to the sun by elevation about X, then by azimuth about Z."""
    azimuth, elevation, _ = light
    return elevation - math.pi / 2, 0.0, -azimuth


def _strength(light: Light) -> float:
    return max(light[2])


def _colour(light: Light, before: tuple[float, float, float]) -> tuple[float, float, float]:
    """Colour with a largest channel of 1; without any light the one before."""
    strength = _strength(light)
    if strength <= 0:
        return before
    red, green, blue = light[2]
    return red / strength, green / strength, blue / strength


def shine(lamp: bpy.types.Object, light: Light) -> None:
    """Turn, colour and dim the lamp; nothing is touched that is so already."""
    data = sun_light(lamp)
    colour = _colour(light, (data.color[0], data.color[1], data.color[2]))
    for owner, path, value in (
        (lamp, "rotation_euler", _rotation(light)),
        (data, "color", colour),
        (data, "energy", (_strength(light),)),
    ):
        present = getattr(owner, path)
        now = (present,) if isinstance(present, float) else tuple(present)
        if any(not math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(now, value, strict=True)):
            setattr(owner, path, value[0] if isinstance(present, float) else value)


def is_keyed(lamp: bpy.types.Object) -> bool:
    """Whether keyframes set the lamp's strength."""
    data = sun_light(lamp).animation_data
    return data is not None and any(c.data_path == "energy" for curves in curve_collections(data) for c in curves)


def keyed_span(lamp: bpy.types.Object) -> tuple[int, int] | None:
    """First and last frame of the strength's keyframes; None without keyframes."""
    data = sun_light(lamp).animation_data
    for curves in curve_collections(data) if data is not None else ():
        for curve in curves:
            if curve.data_path == "energy":
                first, last = curve.range()
                return round(first), round(last)
    return None


def key_lamp(lamp: bpy.types.Object, first: int, lights: Sequence[Light], *, cyclic: bool) -> None:
    """Keyframe the lamp, one key a frame, so that it needs no add-on; other keyframes of it stay.

    Parameters
    ----------
    first : int
        Scene frame of the first light.
    lights : sequence of Light
        One for each frame; outside of them the nearest stands still.
    cyclic : bool
        The lights repeat for ever instead.
    """
    unkey_lamp(lamp)
    shown = [*lights, lights[0]] if cyclic else list(lights)
    rotations = _continuous([_rotation(light) for light in shown])
    colours: list[tuple[float, float, float]] = []
    for light in shown:
        colours.append(_colour(light, colours[-1] if colours else (1.0, 1.0, 1.0)))
    for index in range(3):
        _key(lamp, "rotation_euler", index, first, [rotation[index] for rotation in rotations], cyclic)
        _key(sun_light(lamp), "color", index, first, [colour[index] for colour in colours], cyclic)
    _key(sun_light(lamp), "energy", 0, first, [_strength(light) for light in shown], cyclic)


def _continuous(rotations: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """The same rotations without jumps by whole turns about the vertical, for what lies between frames."""
    found = rotations[:1]
    for tilt, roll, turn in rotations[1:]:
        before = found[-1][2]
        found.append((tilt, roll, before + math.remainder(turn - before, math.tau)))
    return found


def _key(owner: Any, path: str, index: int, first: int, values: list[float], cyclic: bool) -> None:
    """One curve with a key a frame, straight lines between them."""
    place = index if (_OBJECT_PATHS | _LIGHT_PATHS)[path] > 1 else -1
    owner.keyframe_insert(path, index=place, frame=first)
    curve = next(
        c for curves in curve_collections(owner.animation_data) for c in curves
        if (c.data_path, c.array_index) == (path, index)
    )  # fmt: skip
    points = curve.keyframe_points
    points.add(len(values) - 1)
    points.foreach_set("co", [number for n, value in enumerate(values) for number in (first + n, value)])
    for point in points:
        point.interpolation = "LINEAR"
    curve.update()
    if cyclic:
        curve.modifiers.new("CYCLES")


def unkey_lamp(lamp: bpy.types.Object) -> None:
    """Remove the keyframes that :func:`key_lamp` makes, and actions that are empty then."""
    for owner, paths in ((lamp, _OBJECT_PATHS), (sun_light(lamp), _LIGHT_PATHS)):
        data = owner.animation_data
        if data is None or data.action is None:
            continue
        left = 0
        for curves in curve_collections(data):
            for curve in list(curves):
                if curve.data_path in paths:
                    curves.remove(curve)
            left += len(curves)
        action = data.action
        if not left:
            data.action = None
            if action.users == 0:
                bpy.data.actions.remove(action)


def remove_lamp(lamp: bpy.types.Object) -> None:
    """Delete a lamp that was made here; an artist's own only stops following."""
    unkey_lamp(lamp)
    lamp.driver_remove("delta_rotation_euler", _TURN_INDEX)
    if lamp.get(ROLE) != LAMP_ROLE:
        return
    light = sun_light(lamp)
    bpy.data.objects.remove(lamp)
    if light.users == 0:
        bpy.data.lights.remove(light)
