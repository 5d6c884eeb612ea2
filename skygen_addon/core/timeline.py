"""From keyframed controls to one request per frame: rates are integrated here and nowhere else.

Sky time, wind and evolution are integrated from the first frame at fixed steps of one frame
(trapezoid rule on the rates of both ends), so frame 30 alone equals frame 30 of 1 to 48 bit for
bit. Frames before the first one integrate backwards. Wind is integrated on the lattice on which
clouds are made: where wind direction, stretch or texture scale are keyframed, features turn,
stretch and grow about the camera, and the way that they have come stays as it was.

A loop of N frames shows noise n(t) cos(a) + n(t - T) sin(a) with a = (pi / 2) (frame - first) / N,
both terms advected by the same wind; the controls are read periodically, so the motion runs
through the joint. The two terms share one window of the cloud field only if the clouds move by a
whole number of its cells in T: :class:`LoopMotion` states by how much that bends the wind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bundle import Lattice
from .controls import LayerControls, SkyControls
from .errors import RequestError
from .geometry import plane_matrix
from .request import CLOUD_TYPES, LayerRequest, SkyRequest

ControlsAt = Callable[[int], SkyControls]
"""Controls as they are at a whole frame."""

FPS_RANGE = (0.01, 1000.0)
LOOP_FRAMES_RANGE = (2, 1_000_000)

_TIME = 0
_LAYER = {"low": slice(1, 4), "high": slice(4, 7)}  # lattice km at texture scale 1 (two axes), evolution


@dataclass(frozen=True)
class LoopMotion:
    """How far one layer moves in a loop, as asked by the wind and as given by the lattice."""

    layer: str
    """"low" or "high"."""
    asked_km: tuple[float, float]
    """Wind integrated over the loop, east and north."""
    given_km: tuple[float, float]
    """The nearest displacement that is a whole number of lattice cells along both lattice axes."""
    seen: bool
    """Whether the layer has any cover during the loop."""

    @property
    def deviation(self) -> float:
        """Length of (given - asked) relative to asked; 0 without wind, 1 for clouds that stand still."""
        asked = math.hypot(*self.asked_km)
        difference = math.hypot(self.given_km[0] - self.asked_km[0], self.given_km[1] - self.asked_km[1])
        return difference / asked if asked > 0 else 0.0

    def in_words(self) -> str:
        """What an artist should know about it, one sentence."""
        asked, given = math.hypot(*self.asked_km), math.hypot(*self.given_km)
        if given == 0:
            return (
                f"the {self.layer} layer stands still, because the wind moves it only {asked:.2f} km in the loop; "
                "a longer loop or more wind lets it move."
            )
        turn_rad = math.atan2(*self.given_km) - math.atan2(*self.asked_km)
        turn_deg = math.degrees(math.remainder(turn_rad, 2 * math.pi))
        return (
            f"the {self.layer} layer moves {given:.2f} km instead of {asked:.2f} km ({given / asked - 1:+.0%}, "
            f"turned by {turn_deg:+.0f} degrees) to meet itself; a longer loop comes closer."
        )


@dataclass(frozen=True)
class _Loop:
    """Integrals over one period."""

    frames: int
    total: NDArray[np.float64]  # (7,) what one period adds, lattice correction included
    correction: NDArray[np.float64]  # (7,) spread linearly over the period
    motions: tuple[LoopMotion, ...]


def loop_snap_km(lattice: Lattice, controls: SkyControls) -> tuple[float, float]:
    """Steps in km (low, high) on the lattice to which a loop's displacement is rounded."""
    cell = lattice.snap_texels * lattice.texel_km
    return cell * controls.low.texture_scale, cell * controls.high.texture_scale


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
    loop = None if loop_frames is None else _loop(controls_at, fps, first_frame, loop_frames, loop_snap_km)
    start = _start(controls_at(first_frame), time_offset_s)
    offsets = [f - first_frame if loop is None else (f - first_frame) % loop.frames for f in frames]
    integrals = _integrals(controls_at, offsets, fps, first_frame)
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
    return _loop(controls_at, fps, first_frame, loop_frames, loop_snap_km).motions


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


def _lattice_matrix(controls: LayerControls) -> NDArray[np.float64]:
    """Matrix (2, 2) from the cloud plane in km to the lattice at texture scale 1."""
    return plane_matrix(controls.stretch, math.radians(controls.wind_toward_deg)) / controls.texture_scale


def _per_sky_second(controls: SkyControls) -> tuple[float, ...]:
    """What one sky second adds to (time, then for the low and the high layer: lattice, lattice, evolution)."""
    rates = [1.0]
    for layer in (controls.low, controls.high):
        rates += (_lattice_matrix(layer) @ layer.velocity_km_s()).tolist()
        rates.append(layer.evolution_per_hour / 3600.0)
    return tuple(rates)


def _way_km(controls: LayerControls, lattice: NDArray[np.float64]) -> tuple[float, float]:
    """Displacement east and north that takes the controls' own plane to a place on the lattice (2,)."""
    east, north = np.linalg.solve(_lattice_matrix(controls), lattice).tolist()
    return east, north


def _start(controls: SkyControls, time_offset_s: float) -> NDArray[np.float64]:
    """Integrals (7,) at the first frame."""
    return np.array(_per_sky_second(controls)) * time_offset_s


def _film_rates(controls_at: ControlsAt, frames: Iterable[int]) -> NDArray[np.float64]:
    """Rates (n, 7) per second of film at the given frames."""
    rows: list[tuple[float, ...]] = []
    last: SkyControls | None = None
    for frame in frames:
        controls = controls_at(frame)
        if controls is last:
            rows.append(rows[-1])
        else:
            rows.append(tuple(rate * controls.time_scale for rate in _per_sky_second(controls)))
        last = controls
    return np.array(rows, dtype=np.float64)


def _cumulative(rates: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Trapezoid integrals (n, 7) from the first row; row 0 is zero. Summed strictly in order."""
    steps = (rates[:-1] + rates[1:]) * (0.5 / fps)
    return np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(steps, axis=0)])


def _integrals(
    controls_at: ControlsAt, offsets: Sequence[int], fps: float, first_frame: int
) -> dict[int, NDArray[np.float64]]:
    """Integrals (7,) from the first frame by offset from it; negative offsets run backwards."""
    found: dict[int, NDArray[np.float64]] = {}
    for sign, reach in ((1, max(0, max(offsets))), (-1, max(0, -min(offsets)))):
        frames = range(first_frame, first_frame + sign * (reach + 1), sign)
        rows = _cumulative(_film_rates(controls_at, frames), fps)
        found.update({o: sign * rows[abs(o)] for o in set(offsets) if o * sign > 0 or (o == 0 and sign == 1)})
    return found


def _loop(
    controls_at: ControlsAt,
    fps: float,
    first_frame: int,
    loop_frames: int,
    snap_km: tuple[float, float] | None,
) -> _Loop:
    """Close the loop: the controls repeat with its period, the displacement meets the lattice."""
    frames = [first_frame + n for n in range(loop_frames)]
    asked = _cumulative(_film_rates(controls_at, [*frames, first_frame]), fps)[-1]
    total = asked.copy()
    motions = []
    for index, name in enumerate(("low", "high")):
        layers = [getattr(controls_at(f), name) for f in frames]
        columns = slice(_LAYER[name].start, _LAYER[name].start + 2)
        if snap_km is not None:
            _check_constant_lattice(layers, name)
            cell = snap_km[index] / layers[0].texture_scale
            total[columns] = np.round(asked[columns] / cell) * cell
        asked_km, given_km = (_way_km(layers[0], way[columns]) for way in (asked, total))
        seen = any(layer.cover > 0 for layer in layers)
        motions.append(LoopMotion(name, asked_km, given_km, seen))
    return _Loop(loop_frames, total, total - asked, tuple(motions))


def _check_constant_lattice(layers: Sequence[LayerControls], name: str) -> None:
    """Refuse a layer whose lattice changes during a loop."""
    first = layers[0]
    for layer in layers:
        turned = layer.stretch > 1 and layer.wind_toward_deg != first.wind_toward_deg
        if layer.texture_scale != first.texture_scale or layer.stretch != first.stretch or turned:
            raise RequestError(
                f"The {name} layer changes texture scale, stretch or stretched direction during a loop.",
                "Keep them constant in a loop, or bake without one.",
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
        displacement_km=_way_km(controls, now[:2]),
        evolution_phase=float(now[2]),
        loop_displacement_km=_way_km(controls, before[:2]),
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
        return _layer_request(values, now[_LAYER[name]], None if earlier is None else earlier[_LAYER[name]])

    return SkyRequest(
        seed=seed,
        time_s=float(now[_TIME]),
        sun_azimuth_rad=math.radians(controls.sun_azimuth_deg),
        sun_elevation_rad=math.radians(controls.sun_elevation_deg),
        low=layer("low", controls.low),
        high=layer("high", controls.high),
        haze=controls.haze,
        exposure_ev=controls.exposure_ev,
        ground_albedo=controls.ground_albedo,
        sun_disc=controls.sun_disc,
        width=width,
        weather_strength=controls.weather_strength,
        loop_angle_rad=loop_angle_rad,
        loop_weather_time_s=0.0 if earlier is None else float(earlier[_TIME]),
    )
