"""Whether a loop closes, and whether anything shows where its end meets its start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray, plane_matrix
from skygen_addon.core.loop import loop_snap_km
from skygen_addon.core.request import LayerRequest, SkyRequest
from trainer.evaluation.motion.film import FPS, Film, without_disc

LOOP_WIDTH = 256
"""Pixels."""

LEAST_CELLS = 2.5
"""Cells of the lattice that the wind crosses in the loop at least, so that the clouds do not have to stand still."""

LOOP_FRAMES_RANGE = (96, 4800)
"""Shortest and longest loop."""


@dataclass(frozen=True)
class LoopFigures:
    """A loop of N frames."""

    frames: int
    """N."""
    closes: bool
    """Whether frame N + 1 equals frame 1 bit for bit."""
    formula_step: float
    """Step between frame 1 and what the loop's own formula reaches after N frames, over the median step: 0 but for
    rounding, as the noise of a period ago is all that is left of it then."""
    joint_step: float
    """Step from frame N to frame N + 1 over the median step; 1 without pop or stop."""
    largest_step: float
    """Largest step that was looked at over the median step."""
    least_step: float
    """Least step that was looked at over the median step."""


def step_between(first: FloatArray, second: FloatArray) -> float:
    """Mean absolute difference of log luminance above the horizon between two panoramas (H, W, 3)."""
    rows = first.shape[0] // 2
    before, after = (np.log(np.maximum(p[:rows] @ REC709_LUMINANCE, 1e-6)) for p in (first, second))
    return float(np.abs(after - before).mean(dtype=np.float64))


def steps_of(
    joint: Sequence[FloatArray], elsewhere: Sequence[tuple[FloatArray, FloatArray]], end: FloatArray
) -> tuple[float, float, float, float]:
    """(formula, joint, largest, least) step over the median of the steps that do not cross the joint.

    Parameters
    ----------
    joint : sequence of ndarray
        Four panoramas in order, of which the second is the loop's last and the third its first.
    elsewhere : sequence of (ndarray, ndarray)
        Neighbours from other places of the loop.
    end : ndarray
        What the loop's formula reaches after its last frame.

    Returns
    -------
    tuple of float
        (0, 1, 1, 1) for a sky that stands still.
    """
    formula = step_between(joint[2], end)
    around = [step_between(joint[n], joint[n + 1]) for n in range(3)]
    others = [around[0], around[2], *(step_between(first, second) for first, second in elsewhere)]
    median = float(np.median(others))
    if median <= 0:
        return (0.0, 1.0, 1.0, 1.0) if max(*around, formula) == 0 else (math.inf, math.inf, math.inf, 0.0)
    return formula / median, around[1] / median, max(around[1], *others) / median, min(around[1], *others) / median


def loop_frames(film: Film) -> int:
    """Length of a loop in which every covered layer crosses a few cells of the lattice."""
    wanted = LOOP_FRAMES_RANGE[0]
    snaps = loop_snap_km(film.renderer.bundle.lattice, film.controls)
    for snap_km, layer in zip(snaps, (film.controls.low, film.controls.high), strict=True):
        if layer.cover > 0 and layer.wind_speed_m_s > 0:
            matrix = plane_matrix(layer.stretch, math.radians(layer.wind_toward_deg))
            speed_km_s = float(np.abs(matrix @ layer.velocity_km_s()).max())
            wanted = max(wanted, math.ceil(LEAST_CELLS * snap_km / speed_km_s / film.controls.time_scale * FPS))
    return min(wanted, LOOP_FRAMES_RANGE[1])


def _arrived(layer: LayerRequest) -> LayerRequest:
    """A layer of the loop's first frame, one period later."""
    here, before = layer.displacement_km, layer.loop_displacement_km
    return replace(
        layer,
        displacement_km=(2 * here[0] - before[0], 2 * here[1] - before[1]),
        evolution_phase=2 * layer.evolution_phase - layer.loop_evolution_phase,
        loop_displacement_km=here,
        loop_evolution_phase=layer.evolution_phase,
    )


def loop_end(start: SkyRequest) -> SkyRequest:
    """What the loop's formula asks for one period after its first frame ``start``, at an angle of pi / 2."""
    return replace(
        start,
        time_s=2 * start.time_s - start.loop_weather_time_s,
        loop_weather_time_s=start.time_s,
        low=_arrived(start.low),
        high=_arrived(start.high),
        loop_angle_rad=math.pi / 2,
    )


def loop_figures(film: Film, width: int = LOOP_WIDTH) -> LoopFigures:
    """Figures of a loop, from 12 frames of it without the sun's disc.

    Parameters
    ----------
    film : Film
    width : int
        Pixels.
    """
    count = loop_frames(film)
    places = [round(count * share) for share in (0.25, 0.5, 0.75)]
    numbers = [count - 1, count, 1, 2, *(n for place in places for n in (place, place + 1)), count + 1]
    requests = without_disc(film.requests(numbers, width, loop_frames=count))
    frames = [film.render(request, "loop") for request in requests]
    joint, start, again = frames[:4], frames[2], frames[-1]
    end = film.render(loop_end(requests[2]), "loop")
    elsewhere = [(frames[n], frames[n + 1]) for n in (4, 6, 8)]
    return LoopFigures(count, bool(np.array_equal(again, start)), *steps_of(joint, elsewhere, end))
