"""What the sky of the present frame is to be, without stepping the scene: keyframes are read from their curves.

A bake steps the scene through its frames; a live preview must not, so it evaluates the curves themselves. The way
that the clouds have come is summed from the sky's first frame on exactly as a bake does, kept from frame to frame, and
continued within a time budget, so that neither a late frame nor playing costs a long wait. What drivers and strips set
is taken as it is now for all frames.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, cast

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.controls import SkyControls
from ...core.loop import loop_snap_km
from ...core.motion import LAYER, TIME, film_rates, start_integrals, way_km
from ...core.request import LayerRequest, SkyRequest
from ...core.timeline import requests_for_frames
from ..engine.model import makers_identity, shipped_bundle
from ..settings.controls_from_settings import controls_from_settings
from ..settings.properties import SkyGenSettings, sky_settings
from ..settings.world_animation import animation_description, curve_collections, is_driven
from ..sun.sun_placement import is_dated, refuse_loop, sun_path
from ..world.sequence_clock import animation_frame

BASE_WIDTH = 256
"""Width of the requests; whoever asks replaces it."""
_STEADY_FRAMES, _KEYED_FRAMES = 4096, 64
"""Frames summed between two looks at the clock, where nothing and where something is keyframed."""

Curves = dict[tuple[str, int], bpy.types.FCurve]


class _SettingsAt:
    """The settings at a time of the animation, read like the property group."""

    def __init__(self, group: Any, path: str, curves: Curves, time: float) -> None:
        self._group, self._path, self._curves, self._time = group, path, curves, time

    def __getattr__(self, name: str) -> Any:
        value, path = getattr(self._group, name), f"{self._path}.{name}"
        if isinstance(value, bpy.types.PropertyGroup):
            return _SettingsAt(value, path, self._curves, self._time)
        curve = self._curves.get((path, 0))
        if curve is None or not isinstance(value, float):
            return value
        prop = self._group.bl_rna.properties[name]
        return max(prop.hard_min, min(prop.hard_max, curve.evaluate(self._time)))


def has_live_values(world: bpy.types.World) -> bool:
    """Whether drivers or strips set some of the sky's settings, so that a bake may move differently."""
    data = world.animation_data
    return is_driven(world) or (data is not None and len(data.nla_tracks) > 0)


def _curves(world: bpy.types.World) -> Curves:
    """Curves of the sky's settings by data path and index, those that have an effect."""
    data = world.animation_data
    if data is None or len(data.nla_tracks) > 0:  # strips are mixed with the action: the evaluated value counts
        return {}
    driven = {driver.data_path for driver in data.drivers}
    found = {}
    for curves in curve_collections(data):
        for curve in curves:
            path = curve.data_path
            if path.startswith("skygen.") and path not in driven and not curve.mute and not curve.is_empty:
                found[path, curve.array_index] = curve
    return found


class LiveRequests:
    """Requests of one world; keeps what it has summed for as long as the animation stays the same."""

    def __init__(self) -> None:
        self._key: Any = None
        self._sums: dict[int, list[NDArray[np.float64]]] = {}
        self._snap: tuple[Any, tuple[float, float]] | None = None

    def request(
        self, world: bpy.types.World, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None, budget_s: float
    ) -> SkyRequest | None:
        """The request of the scene's current frame, :data:`BASE_WIDTH` wide.

        Parameters
        ----------
        depsgraph : Depsgraph, optional
            Evaluated at that frame; only read where drivers or strips set something.
        budget_s : float
            Time after which summing the clouds' way is left for the next call.

        Returns
        -------
        SkyRequest or None
            None while the sum has not reached the frame: call again.

        Raises
        ------
        RequestError
            If a value is out of range, or a loop is asked for with a sun by date and place.
        BundleError
            If a loop needs the bundle's lattice and there is no bundle.
        """
        evaluated = world.evaluated_get(depsgraph) if depsgraph is not None and has_live_values(world) else world
        settings = sky_settings(evaluated)
        curves, render = _curves(world), scene.render

        def settings_at(frame: int) -> SkyGenSettings:
            at = _SettingsAt(settings, "skygen", curves, float(frame)) if curves else settings
            return cast(SkyGenSettings, at)

        constant = None if curves else controls_from_settings(settings)

        def controls_at(frame: int) -> SkyControls:
            return controls_from_settings(settings_at(frame)) if constant is None else constant

        frame, first = animation_frame(scene), int(settings.origin_frame)
        fps = render.fps / render.fps_base
        offset_s = float(settings.time_offset)
        if settings.loop:
            request = self._looped(settings, controls_at, frame, fps, offset_s)
        else:
            start = controls_at(first)
            key = (start, first, fps, animation_description(world) if curves else None)
            if key != self._key:
                self._key, self._sums = key, {}
            way = self._way(controls_at, first, frame - first, fps, bool(curves), time.perf_counter() + budget_s)
            if way is None:
                return None
            request = _moved(controls_at(frame), start_integrals(start, offset_s) + way, frame, fps, int(settings.seed))
        if is_dated(settings):
            azimuth, elevation = sun_path(settings_at(frame).sun).angles_rad(request.time_s)
            request = dataclasses.replace(request, sun_azimuth_rad=azimuth, sun_elevation_rad=elevation)
        return request

    def _looped(
        self,
        settings: SkyGenSettings,
        controls_at: Callable[[int], SkyControls],
        frame: int,
        fps: float,
        offset_s: float,
    ) -> SkyRequest:
        if is_dated(settings):
            refuse_loop(sun_path(settings.sun), offset_s)
        first = int(settings.origin_frame)
        return requests_for_frames(
            controls_at,
            [frame],
            fps=fps,
            first_frame=first,
            time_offset_s=offset_s,
            seed=int(settings.seed),
            width=BASE_WIDTH,
            loop_frames=int(settings.loop_frames),
            loop_snap_km=self._snap_km(controls_at(first)),
        )[0]

    def _snap_km(self, controls: SkyControls) -> tuple[float, float]:
        """As :func:`.engine.loop_cells_km`, without reading the whole bundle every time."""
        key = (makers_identity(), controls)
        if self._snap is None or self._snap[0] != key:
            self._snap = key, loop_snap_km(shipped_bundle().lattice, controls)
        return self._snap[1]

    def _way(
        self,
        controls_at: Callable[[int], SkyControls],
        first: int,
        offset: int,
        fps: float,
        keyed: bool,
        until: float,
    ) -> NDArray[np.float64] | None:
        """Integrals (7,) from the first frame, as :func:`..core.motion.integrals_of` has them; None if time is up."""
        sign, reach = (-1 if offset < 0 else 1), abs(offset)
        sums = self._sums.setdefault(sign, [np.zeros((1, len(start_integrals(controls_at(first), 0.0))))])
        chunk = _KEYED_FRAMES if keyed else _STEADY_FRAMES
        while (done := 1 + chunk * (len(sums) - 1)) <= reach:  # frames that are summed, the first one included
            if len(sums) > 1 and time.perf_counter() >= until:
                return None
            begin = first + sign * (done - 1)
            rates = film_rates(controls_at, range(begin, begin + sign * (chunk + 1), sign))
            steps = (rates[:-1] + rates[1:]) * (0.5 / fps)
            sums.append(np.cumsum(np.concatenate([sums[-1][-1:], steps]), axis=0)[1:])
        part, row = (0, 0) if reach == 0 else (1 + (reach - 1) // chunk, (reach - 1) % chunk)
        return np.asarray(sign * sums[part][row])


def _moved(controls: SkyControls, now: NDArray[np.float64], frame: int, fps: float, seed: int) -> SkyRequest:
    """The request of controls whose clouds have come the way ``now`` (7,)."""
    (still,) = requests_for_frames(lambda _: controls, [frame], fps=fps, first_frame=frame, seed=seed, width=BASE_WIDTH)

    def layer(name: str) -> LayerRequest:
        way = now[LAYER[name]]
        moved = way_km(getattr(controls, name), way[:2])
        return dataclasses.replace(getattr(still, name), displacement_km=moved, evolution_phase=float(way[2]))

    return dataclasses.replace(still, time_s=float(now[TIME]), low=layer("low"), high=layer("high"))
