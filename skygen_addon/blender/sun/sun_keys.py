"""Keyframes of the sun lamp from the record of baked frames, marked so that they are known again.

They hold in any Blender without the add-on. A mark on the lamp tells of which frames they are; keyframes without it
are the artist's.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import OutputError
from ...runtime.frame.sun_record import SunLight, read_sunlight
from ..bake.sequence import frame_name, frame_request
from ..settings.world_animation import curve_collections
from ..world.world_nodes import ROLE
from ..world.world_owner import own_action
from .sun_lamp import LAMP_ROLE, Light, colour_of, is_sun, rotation_of, strength_of, sun_light

KEYS = "skygen_keys"
"""Custom property of a lamp that was keyframed here: :func:`rows_identity` of the frames."""

_LOG = logging.getLogger(__name__)
_OBJECT_PATHS = {"rotation_euler": 3}
_LIGHT_PATHS = {"energy": 1, "color": 3}
_OTHER_ROTATIONS = {"rotation_quaternion", "rotation_axis_angle"}

Rows = Mapping[int, tuple[str, SunLight]]
"""Request digest and sun by frame."""


def sun_rows(folder: Path, frames: range) -> dict[int, tuple[str, SunLight]]:
    """Recorded suns of those frames whose file is the one that was rendered with them."""
    try:
        recorded = read_sunlight(folder)
    except OutputError as error:
        _LOG.warning("SkyGen: %s", error)
        return {}
    digests = {frame: frame_request(folder / frame_name(frame)) or "" for frame in frames} if recorded else {}
    return {f: (digest, recorded[f, digest]) for f, digest in digests.items() if (f, digest) in recorded}


def rows_identity(rows: Rows) -> str:
    """Hash of frames and their requests: the same when the lamp would be keyframed the same."""
    text = json.dumps([(frame, rows[frame][0]) for frame in sorted(rows)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def light_of(sun: SunLight) -> Light:
    """What the lamp is to give."""
    return sun.azimuth_rad, sun.elevation_rad, sun.irradiance


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


def key_lamp(lamp: bpy.types.Object, first: int, lights: Sequence[Light], *, cyclic: bool, identity: str) -> None:
    """Keyframe the lamp, one key a frame, so that it needs no add-on; other keyframes of it stay.

    Parameters
    ----------
    first : int
        Scene frame of the first light.
    lights : sequence of Light
        One for each frame; outside of them the nearest stands still.
    cyclic : bool
        The lights repeat for ever instead.
    identity : str
        :func:`rows_identity` of the frames that the lights are of, to be found in :data:`KEYS` again.
    """
    unkey_lamp(lamp)
    shown = [*lights, lights[0]] if cyclic else list(lights)
    rotations = _continuous([rotation_of(light) for light in shown])
    colours: list[tuple[float, float, float]] = []
    for light in shown:
        colours.append(colour_of(light, colours[-1] if colours else (1.0, 1.0, 1.0)))
    for index in range(3):
        _key(lamp, "rotation_euler", index, first, [rotation[index] for rotation in rotations], cyclic)
        _key(sun_light(lamp), "color", index, first, [colour[index] for colour in colours], cyclic)
    _key(sun_light(lamp), "energy", 0, first, [strength_of(light) for light in shown], cyclic)
    lamp[KEYS] = identity


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


def has_keys_of_its_own(lamp: bpy.types.Object) -> bool:
    """Whether keyframes or drivers that were not made here move the lamp or set its light."""
    if lamp.get(ROLE) == LAMP_ROLE or KEYS in lamp.keys():
        return False
    for owner, paths in ((lamp, _OBJECT_PATHS), (sun_light(lamp), _LIGHT_PATHS)):
        data = owner.animation_data
        if data is not None:
            curves = [*data.drivers, *(curve for curves in curve_collections(data) for curve in curves)]
            if any(curve.data_path in paths or curve.data_path in _OTHER_ROTATIONS for curve in curves):
                return True
    return False


def unkey_lamp(lamp: bpy.types.Object) -> None:
    """Remove the keyframes that :func:`key_lamp` makes, and actions that are empty then; an artist's own stay."""
    if not is_sun(lamp) or has_keys_of_its_own(lamp):
        return
    if KEYS in lamp.keys():
        del lamp[KEYS]
    for owner, paths in ((lamp, _OBJECT_PATHS), (sun_light(lamp), _LIGHT_PATHS)):
        data = owner.animation_data
        if data is None or data.action is None:
            continue
        own_action(data)  # Blender's own Make Local leaves a linked one, which other users still play
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
