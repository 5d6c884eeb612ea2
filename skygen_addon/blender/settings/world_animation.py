"""What animates a world: keyframes, drivers and strips, described for a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy


def is_animated(world: bpy.types.World) -> bool:
    """Whether keyframes, drivers or strips may change the world's settings over time."""
    data = world.animation_data
    return data is not None and bool(data.action or data.drivers or data.nla_tracks)


def is_driven(world: bpy.types.World) -> bool:
    """Whether drivers set some of the sky's settings."""
    data = world.animation_data
    return data is not None and any(driver.data_path.startswith("skygen.") for driver in data.drivers)


def curve_collections(data: bpy.types.AnimData) -> Iterator[Any]:
    """What holds the curves of an ID's action: each yields curves and can ``remove`` one."""
    action = data.action
    if action is None:
        return
    if not hasattr(action, "layers"):  # Blender 4.2 and 4.3: an action is a list of curves
        yield action.fcurves
        return
    slot = data.action_slot
    for layer in action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(slot) if slot is not None else None  # type: ignore[attr-defined]
            if bag is not None:
                yield bag.fcurves


def _action_curves(data: bpy.types.AnimData) -> Iterator[bpy.types.FCurve]:
    for curves in curve_collections(data):
        yield from curves


def settings_curve(world: bpy.types.World, path: str) -> bpy.types.FCurve | None:
    """The keyframes of one setting, for example ``skygen.time_scale``; None where there are none or they are muted."""
    data = world.animation_data
    curves = _action_curves(data) if data is not None else ()
    return next((c for c in curves if c.data_path == path and not c.mute), None)


def sets_by_driver_or_strip(world: bpy.types.World, path: str) -> bool:
    """Whether a driver sets a setting, or strips of the NLA editor may."""
    data = world.animation_data
    return data is not None and (any(d.data_path == path for d in data.drivers) or len(data.nla_tracks) > 0)


def animated_paths(world: bpy.types.World) -> set[str]:
    """Data paths of the settings that keyframes or drivers set, for example ``skygen.low.cover``."""
    data = world.animation_data
    if data is None:
        return set()
    curves = [*_action_curves(data), *data.drivers]
    return {c.data_path for c in curves if c.data_path.startswith("skygen.")}


def _pair(point: Any) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def animation_description(world: bpy.types.World) -> list[Any]:
    """Plain values that change whenever the animation of the sky's settings is edited."""
    data = world.animation_data
    if data is None:
        return []
    curves: list[Any] = []
    for curve in _action_curves(data):
        if curve.data_path.startswith("skygen."):
            keys = [
                (*_pair(k.co), *_pair(k.handle_left), *_pair(k.handle_right), k.interpolation)
                for k in curve.keyframe_points
            ]
            curves.append([curve.data_path, curve.array_index, curve.extrapolation, keys])
    for curve in data.drivers:
        if curve.data_path.startswith("skygen.") and curve.driver is not None:
            curves.append([curve.data_path, curve.array_index, curve.driver.type, curve.driver.expression])
    for track in data.nla_tracks:
        curves.append([track.name, track.mute, [(s.name, s.frame_start, s.frame_end) for s in track.strips]])
    return curves
