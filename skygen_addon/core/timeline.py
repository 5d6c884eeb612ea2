"""From keyframed controls to one request per frame: :mod:`.motion` integrates rates, :mod:`.loop` closes loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .controls import LayerControls, SkyControls
from .errors import RequestError
from .loop import LoopMotion, closed_loop
from .motion import LAYER, TIME, ControlsAt, integrals_of, start_integrals, way_km
from .request import CLOUD_TYPES, LayerRequest, SkyRequest

FPS_RANGE = (0.01, 1000.0)
LOOP_FRAMES_RANGE = (2, 1_000_000)


def requests_for_frames(
    controls_at: ControlsAt,
    frames: Sequence[int],
    *,
    fps: float,
    first_frame: int = 1,
    time_offset_s: float = 0.0,
    seed: int,
    width: int,
    loop_frames: int | None = None,
    loop_snap_km: tuple[float, float] | None = None,
) -> list[SkyRequest]:
    """One request per frame, in the order of ``frames``.

    Parameters
    ----------
    controls_at : callable
        Controls at a whole frame; called for every frame between ``first_frame`` and the
        farthest of ``frames`` (in a loop: for the N frames of the loop).
    frames : sequence of int
        Frames wanted, in any order.
    fps : float
        Frames per second of film, 0.01 to 1000.
    first_frame : int
        Frame at which sky time equals ``time_offset_s`` and a loop starts.
    time_offset_s : float
        Sky time of the first frame; the clouds have moved and evolved for so long at the first
        frame's rates, so an offset shows a later stretch of the same sky.
    seed, width : int
        As in SkyRequest.
    loop_frames : int, optional
        Length N of a loop; frame ``first_frame + N`` has the request of ``first_frame``.
    loop_snap_km : (float, float), optional
        Cell sizes (low, high) from :func:`loop_snap_km`; without them a loop keeps the asked
        wind, which is exact only if the field needs no common window.

    Raises
    ------
    RequestError
        If a value is out of range, or features change size, stretch or (when stretched)
        direction during a loop.
    """
    _check_timing(frames, fps, first_frame, time_offset_s, loop_frames)
    loop = None if loop_frames is None else closed_loop(controls_at, fps, first_frame, loop_frames, loop_snap_km)
    start = start_integrals(controls_at(first_frame), time_offset_s)
    offsets = [f - first_frame if loop is None else (f - first_frame) % loop.frames for f in frames]
    integrals = integrals_of(controls_at, offsets, fps, first_frame)
    requests = []
    for offset in offsets:
        controls = controls_at(first_frame + offset)
        now = start + integrals[offset]
        if loop is None:
            requests.append(_request(controls, now, None, 0.0, seed, width))
        else:
            position = offset / loop.frames
            now = now + position * loop.correction
            requests.append(_request(controls, now, now - loop.total, position * (math.pi / 2), seed, width))
    return requests


def loop_motions(
    controls_at: ControlsAt,
    *,
    fps: float,
    first_frame: int = 1,
    loop_frames: int,
    loop_snap_km: tuple[float, float],
) -> tuple[LoopMotion, ...]:
    """How a loop changes the wind of the low and the high layer; parameters and errors as above."""
    _check_timing([first_frame], fps, first_frame, 0.0, loop_frames)
    return closed_loop(controls_at, fps, first_frame, loop_frames, loop_snap_km).motions


def _check_timing(
    frames: Sequence[int], fps: float, first_frame: int, time_offset_s: float, loop_frames: int | None
) -> None:
    if not frames:
        raise RequestError("The frame list is empty.", "Give frames such as 1-48.")
    if not all(isinstance(f, int) for f in (*frames, first_frame)):
        raise RequestError("A frame is not a whole number.", "Give frames such as 1-48.")
    if not (math.isfinite(fps) and FPS_RANGE[0] <= fps <= FPS_RANGE[1]):
        raise RequestError(f"fps is {fps!r}.", f"Give a number from {FPS_RANGE[0]:g} to {FPS_RANGE[1]:g}.")
    if not (math.isfinite(time_offset_s) and abs(time_offset_s) <= 1e11):
        raise RequestError(f"time_offset_s is {time_offset_s!r}.", "Give sky seconds between -1e11 and 1e11.")
    if loop_frames is not None and not (
        isinstance(loop_frames, int) and LOOP_FRAMES_RANGE[0] <= loop_frames <= LOOP_FRAMES_RANGE[1]
    ):
        raise RequestError(
            f"The loop has {loop_frames!r} frames.",
            f"Give from {LOOP_FRAMES_RANGE[0]} to {LOOP_FRAMES_RANGE[1]} frames.",
        )


def _layer_request(
    controls: LayerControls, now: NDArray[np.float64], earlier: NDArray[np.float64] | None
) -> LayerRequest:
    """One layer from its controls and its integrals (lattice, lattice, evolution)."""
    before = np.zeros(3) if earlier is None else earlier
    return LayerRequest(
        cover=controls.cover,
        type_mix=tuple(float(controls.types.get(name, 0.0)) for name in CLOUD_TYPES),
        density=controls.density,
        base_km=controls.base_km,
        thickness_km=controls.thickness_km,
        texture_scale=controls.texture_scale,
        stretch=controls.stretch,
        stretch_azimuth_rad=math.radians(controls.wind_toward_deg),
        displacement_km=way_km(controls, now[:2]),
        evolution_phase=float(now[2]),
        loop_displacement_km=way_km(controls, before[:2]),
        loop_evolution_phase=float(before[2]),
    )


def _request(
    controls: SkyControls,
    now: NDArray[np.float64],
    earlier: NDArray[np.float64] | None,
    loop_angle_rad: float,
    seed: int,
    width: int,
) -> SkyRequest:
    """The request of one frame; ``earlier`` holds the integrals (7,) one loop period before."""

    def layer(name: str, values: LayerControls) -> LayerRequest:
        return _layer_request(values, now[LAYER[name]], None if earlier is None else earlier[LAYER[name]])

    return SkyRequest(
        seed=seed,
        time_s=float(now[TIME]),
        sun_azimuth_rad=math.radians(controls.sun_azimuth_deg),
        sun_elevation_rad=math.radians(controls.sun_elevation_deg),
        low=layer("low", controls.low),
        high=layer("high", controls.high),
        haze=controls.haze,
        exposure_ev=controls.exposure_ev,
        white_balance_k=controls.white_balance_k,
        white_balance_tint=controls.white_balance_tint,
        ground_albedo=controls.ground_albedo,
        sun_disc=controls.sun_disc,
        width=width,
        weather_strength=controls.weather_strength,
        loop_angle_rad=loop_angle_rad,
        loop_weather_time_s=0.0 if earlier is None else float(earlier[TIME]),
    )
