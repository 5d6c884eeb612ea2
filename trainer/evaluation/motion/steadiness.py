"""Flicker and exposure pumping: whether the light of a slow sky changes smoothly, second by second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray, plane_matrix
from trainer.evaluation.looks.sky_figures import horizontal_irradiance
from trainer.evaluation.motion.film import Film, without_disc

STEADY_WIDTH = 512
"""Pixels: a narrower frame takes so few samples near the sun that its sum is as noisy as what is sought."""

STEADY_FRAMES = 10
"""Frames."""

STEP_S = 1.0
"""Sky seconds between them."""


@dataclass(frozen=True)
class SteadinessFigures:
    """Change of the irradiance on level ground, the sun's disc left out, in short equal steps."""

    step_s: float
    """Sky seconds of a step."""
    change: float
    """Root mean square of the relative change in a step."""
    second_difference: float
    """Root mean square of the change of that change: what is not a smooth trend."""
    largest_second_difference: float
    """Largest absolute one: a single jump shows here."""
    roughness: float | None
    """``second_difference`` over ``change``: 0 for a trend, 1.7 (the root of 3) for independent flicker; None where
    nothing changes."""
    ground_change: float
    """``change`` of the ground's luminance at the nadir: of the light that the engine itself sums up."""
    ground_roughness: float | None
    """``roughness`` of the same."""
    ground_largest_change: float
    """Largest relative change of the same in a step: shows whether it jumps where the field's windows step."""
    pumping: float
    """Largest change in a step of the median over the sky of log luminance: an exposure that moves shows here, a
    cloud that moves does not."""


def steadiness_of(
    irradiance: NDArray[np.float64],
    ground: NDArray[np.float64],
    log_luminance: Sequence[NDArray[np.float64]],
    step_s: float,
) -> SteadinessFigures:
    """Figures of a series of frames at equal steps.

    Parameters
    ----------
    irradiance, ground : ndarray, shape (n,)
        Irradiance on level ground, and luminance of the ground, of each frame.
    log_luminance : sequence of ndarray (rows, W)
        Natural logarithms above the horizon.
    step_s : float
        Sky seconds of a step.
    """
    change, bend = _change(irradiance)
    ground_change, ground_bend = _change(ground)
    second = np.diff(np.log(np.maximum(irradiance, 1e-12)), 2)
    steps = [np.median(after - before) for before, after in zip(log_luminance[:-1], log_luminance[1:], strict=True)]
    return SteadinessFigures(
        step_s=step_s,
        change=change,
        second_difference=bend,
        largest_second_difference=float(np.abs(second).max()),
        roughness=bend / change if change > 0 else None,
        ground_change=ground_change,
        ground_roughness=ground_bend / ground_change if ground_change > 0 else None,
        ground_largest_change=float(np.abs(np.diff(np.log(np.maximum(ground, 1e-12)))).max()),
        pumping=float(np.abs(steps).max()),
    )


def window_step_s(film: Film) -> float:
    """Sky time at which the field's windows first move on by a cell below the moving layer; 0 where nothing moves."""
    name = film.moving_layer()
    if name is None:
        return 0.0
    layer, lattice = film.layer(name), film.renderer.bundle.lattice
    matrix = plane_matrix(layer.stretch, math.radians(layer.wind_toward_deg))
    speed_km_s = float(np.abs(matrix @ layer.velocity_km_s()).max())
    return 0.5 * lattice.snap_texels * lattice.texel_km * layer.texture_scale / speed_km_s


def steadiness_figures(
    film: Film, width: int = STEADY_WIDTH, frames: int = STEADY_FRAMES, step_s: float = STEP_S
) -> SteadinessFigures:
    """Figures of frames at short steps around the moment at which the field's windows step along.

    Parameters
    ----------
    film : Film
    width : int
        Pixels.
    frames : int
        Frames that are rendered.
    step_s : float
        Sky seconds between them.
    """
    start_s = max(window_step_s(film) - 0.5 * frames * step_s, 0.0)
    numbers = list(range(1, frames + 1))
    requests = without_disc(film.requests(numbers, width, frame_s=step_s, time_offset_s=start_s))
    irradiance, ground, logs = [], [], []
    for request in requests:
        panorama = film.render(request, "steadiness")
        irradiance.append(float(horizontal_irradiance(panorama) @ REC709_LUMINANCE))
        ground.append(float((panorama[-1] @ REC709_LUMINANCE).mean()))
        logs.append(_log_luminance(panorama))
    return steadiness_of(np.array(irradiance), np.array(ground), logs, step_s)


def _change(values: NDArray[np.float64]) -> tuple[float, float]:
    """Root mean squares of first and second differences of the logarithm."""
    log = np.log(np.maximum(values, 1e-12))
    first, second = (math.sqrt(float(np.mean(np.diff(log, order) ** 2))) for order in (1, 2))
    return first, second


def _log_luminance(panorama: FloatArray) -> NDArray[np.float64]:
    rows = panorama.shape[0] // 2
    return np.asarray(np.log(np.maximum(panorama[:rows] @ REC709_LUMINANCE, 1e-6)), dtype=np.float64)
