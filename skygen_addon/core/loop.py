"""Loops: skies whose last frame runs into their first.

A loop of N frames shows noise n(t) cos(a) + n(t - T) sin(a) with a = (pi / 2) (frame - first) / N,
both terms advected by the same wind; the controls are read periodically, so the motion runs
through the joint. The two terms share one window of the cloud field only if the clouds move by a
whole number of its cells in T: :class:`LoopMotion` states by how much that bends the wind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .controls import LayerControls, SkyControls
from .errors import RequestError
from .field_lattice import Lattice
from .motion import LAYER, ControlsAt, cumulative, film_rates, way_km


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
class Loop:
    """Integrals over one period."""

    frames: int
    total: NDArray[np.float64]  # (7,) what one period adds, lattice correction included
    correction: NDArray[np.float64]  # (7,) spread linearly over the period
    motions: tuple[LoopMotion, ...]


def loop_snap_km(lattice: Lattice, controls: SkyControls) -> tuple[float, float]:
    """Steps in km (low, high) on the lattice to which a loop's displacement is rounded."""
    cell = lattice.snap_texels * lattice.texel_km
    return cell * controls.low.texture_scale, cell * controls.high.texture_scale


def closed_loop(
    controls_at: ControlsAt,
    fps: float,
    first_frame: int,
    loop_frames: int,
    snap_km: tuple[float, float] | None,
) -> Loop:
    """Close the loop: the controls repeat with its period, the displacement meets the lattice."""
    frames = [first_frame + n for n in range(loop_frames)]
    asked = cumulative(film_rates(controls_at, [*frames, first_frame]), fps)[-1]
    total = asked.copy()
    motions = []
    for index, name in enumerate(("low", "high")):
        layers = [getattr(controls_at(f), name) for f in frames]
        columns = slice(LAYER[name].start, LAYER[name].start + 2)
        if snap_km is not None:
            _check_constant_lattice(layers, name)
            cell = snap_km[index] / layers[0].texture_scale
            total[columns] = np.round(asked[columns] / cell) * cell
        asked_km, given_km = (way_km(layers[0], way[columns]) for way in (asked, total))
        seen = any(layer.cover > 0 for layer in layers)
        motions.append(LoopMotion(name, asked_km, given_km, seen))
    return Loop(loop_frames, total, total - asked, tuple(motions))


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
