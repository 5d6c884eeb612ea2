"""Motion: rates of controls, integrated over frames.

Sky time, wind and evolution are integrated from the first frame at fixed steps of one frame
(trapezoid rule on the rates of both ends), so frame 30 alone equals frame 30 of 1 to 48 bit for
bit. Frames before the first one integrate backwards. Wind is integrated on the lattice on which
clouds are made: where wind direction, stretch or texture scale are keyframed, features turn,
stretch and grow about the camera, and the way that they have come stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .controls import LayerControls, SkyControls
from .geometry import plane_matrix

ControlsAt = Callable[[int], SkyControls]
"""Controls as they are at a whole frame."""

TIME = 0
"""Place of sky time in s among the seven integrals."""
LAYER = {"low": slice(1, 4), "high": slice(4, 7)}
"""Places of a layer's integrals: lattice km at texture scale 1 along two axes, evolution."""


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


def way_km(controls: LayerControls, lattice: NDArray[np.float64]) -> tuple[float, float]:
    """Displacement east and north that takes the controls' own plane to a place on the lattice (2,)."""
    east, north = np.linalg.solve(_lattice_matrix(controls), lattice).tolist()
    return east, north


def start_integrals(controls: SkyControls, time_offset_s: float) -> NDArray[np.float64]:
    """Integrals (7,) at the first frame."""
    return np.array(_per_sky_second(controls)) * time_offset_s


def film_rates(controls_at: ControlsAt, frames: Iterable[int]) -> NDArray[np.float64]:
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


def cumulative(rates: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Trapezoid integrals (n, 7) from the first row; row 0 is zero. Summed strictly in order."""
    steps = (rates[:-1] + rates[1:]) * (0.5 / fps)
    return np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(steps, axis=0)])


def integrals_of(
    controls_at: ControlsAt, offsets: Sequence[int], fps: float, first_frame: int
) -> dict[int, NDArray[np.float64]]:
    """Integrals (7,) from the first frame by offset from it; negative offsets run backwards."""
    found: dict[int, NDArray[np.float64]] = {}
    for sign, reach in ((1, max(0, max(offsets))), (-1, max(0, -min(offsets)))):
        frames = range(first_frame, first_frame + sign * (reach + 1), sign)
        rows = cumulative(film_rates(controls_at, frames), fps)
        found.update({o: sign * rows[abs(o)] for o in set(offsets) if o * sign > 0 or (o == 0 and sign == 1)})
    return found
