"""Blender settings to :class:`SkyControls` and back: the one place that knows both.

A float property holds 32 bits, so 0.4 reads back as 0.4000000059604645. Values are rounded to
seven digits (angles to a ten-thousandth of a degree) so that a preset bakes the same frames here
as on the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy

from ...core.controls import LayerControls, SkyControls
from ...core.errors import RequestError
from ...core.sun_path import SunPath
from ..sun.sun_placement import is_dated, short_degrees, short_number, sun_path
from .layer_properties import SkyGenLayer
from .properties import SkyGenSettings, sky_settings
from .world_animation import is_animated


def _layer_controls(layer: SkyGenLayer) -> LayerControls:
    second = short_number(layer.second_amount)
    types = {layer.cloud_type: 1.0}
    if second > 0 and layer.second_type != layer.cloud_type:
        types = {layer.cloud_type: short_number(1 - second), layer.second_type: second}
    return LayerControls(
        cover=short_number(layer.cover),
        types=types,
        density=short_number(layer.density),
        base_km=short_number(layer.base),
        thickness_km=short_number(layer.thickness),
        texture_scale=short_number(layer.texture_scale),
        stretch=short_number(layer.stretch),
        wind_speed_m_s=short_number(layer.wind_speed),
        wind_toward_deg=short_degrees(layer.wind_direction),
        evolution_per_hour=short_number(layer.evolution),
    )


@dataclass(frozen=True)
class SkyMoment:
    """The settings at one frame."""

    controls: SkyControls
    """What presets hold too."""
    sun_path: SunPath | None
    """The sun's path, where date and place put it instead of the controls' angles."""


SkyAt = Callable[[int], SkyMoment]
"""The settings at a whole frame."""


def draws_sun(settings: SkyGenSettings) -> bool:
    """Whether frames get the sun's disc: not where a lamp takes its place; without one it can be switched off."""
    return bool(settings.sun_disc) if settings.sun.sun_in == "TEXTURE" else bool(settings.sun.sun_in == "BOTH")


def controls_from_settings(settings: SkyGenSettings) -> SkyControls:
    """Controls at the moment at which ``settings`` were evaluated.

    Raises
    ------
    RequestError
        If a value is out of range.
    """
    red, green, blue = settings.ground_albedo
    return SkyControls(
        sun_azimuth_deg=short_degrees(settings.sun_azimuth),
        sun_elevation_deg=max(-90.0, min(90.0, short_degrees(settings.sun_elevation))),
        low=_layer_controls(settings.low),
        high=_layer_controls(settings.high),
        haze=short_number(settings.haze),
        exposure_ev=short_number(settings.exposure),
        white_balance_k=short_number(settings.white_balance_temperature),
        white_balance_tint=short_number(settings.white_balance_tint),
        ground_albedo=(short_number(red), short_number(green), short_number(blue)),
        sun_disc=draws_sun(settings),
        weather_strength=short_number(settings.weather_strength),
        time_scale=short_number(settings.time_scale),
    )


def _moment(world: bpy.types.World) -> SkyMoment:
    settings = sky_settings(world)
    path = sun_path(settings.sun) if is_dated(settings) else None
    return SkyMoment(controls_from_settings(settings), path)


@contextmanager
def evaluated_settings(context: bpy.types.Context, world: bpy.types.World) -> Iterator[SkyAt]:
    """Settings of ``world`` at any whole frame of the animation, with keyframes and drivers evaluated.

    The scene is stepped to a frame only if something animates the world, once for each frame
    asked for, and is put back to its frame at the end. Its frame map is put aside meanwhile: what is baked is the
    animation's frame, which the scene then shows where the map puts it. The evaluated copy of the world is read:
    the original one stays frozen in some evaluations.

    Raises
    ------
    RequestError
        From the yielded function, if a value is out of range at that frame.
    """
    scene = context.scene
    if scene is None or not is_animated(world):
        constant = _moment(world)
        yield lambda frame: constant
        return
    frame_before, subframe_before = scene.frame_current, scene.frame_subframe
    render = scene.render
    map_before = render.frame_map_old, render.frame_map_new
    known: dict[int, SkyMoment] = {}

    def sky_at(frame: int) -> SkyMoment:
        if frame not in known:
            scene.frame_set(frame)
            known[frame] = _moment(world.evaluated_get(context.evaluated_depsgraph_get()))
        return known[frame]

    try:
        render.frame_map_old = render.frame_map_new = map_before[0]
        yield sky_at
    finally:
        render.frame_map_old, render.frame_map_new = map_before
        scene.frame_set(frame_before, subframe=subframe_before)


def _two_kinds(controls: LayerControls, what: str) -> list[tuple[float, str]]:
    """Weights and names of a layer's one or two cloud types, heaviest first."""
    kinds = sorted(((w, name) for name, w in controls.types.items() if w > 0), reverse=True)
    if len(kinds) > 2:
        raise RequestError(
            f"The {what} layer mixes {len(kinds)} cloud types; the panel holds two.",
            "Give all but two types the weight 0.",
        )
    if not kinds:
        raise RequestError(f"The {what} layer has no cloud type.", "Give one a weight above 0.")
    return kinds


def _write_layer(layer: SkyGenLayer, controls: LayerControls, kinds: list[tuple[float, str]]) -> None:
    layer.cover = controls.cover
    layer.cloud_type = kinds[0][1]
    if len(kinds) == 2:
        layer.second_type = kinds[1][1]
        layer.second_amount = kinds[1][0] / (kinds[0][0] + kinds[1][0])
    else:
        layer.second_amount = 0.0
    layer.density = controls.density
    layer.base = controls.base_km
    layer.thickness = controls.thickness_km
    layer.texture_scale = controls.texture_scale
    layer.stretch = controls.stretch
    layer.wind_speed = controls.wind_speed_m_s
    layer.wind_direction = math.radians(controls.wind_toward_deg)
    layer.evolution = controls.evolution_per_hour


def write_controls(settings: SkyGenSettings, controls: SkyControls) -> None:
    """Set every control of ``settings``; seed, output and frame range stay as they are.

    Raises
    ------
    RequestError
        If a layer mixes more cloud types than the panel holds; nothing is set then.
    """
    low, high = _two_kinds(controls.low, "low"), _two_kinds(controls.high, "high")
    _write_layer(settings.low, controls.low, low)
    _write_layer(settings.high, controls.high, high)
    settings.sun_azimuth = math.radians(controls.sun_azimuth_deg)
    settings.sun_elevation = math.radians(controls.sun_elevation_deg)
    settings.haze = controls.haze
    settings.exposure = controls.exposure_ev
    settings.white_balance_temperature = controls.white_balance_k
    settings.white_balance_tint = controls.white_balance_tint
    settings.ground_albedo = controls.ground_albedo
    settings.sun_disc = controls.sun_disc
    settings.weather_strength = controls.weather_strength
    settings.time_scale = controls.time_scale
