"""Which clouds the stills of a film are drawn with: those made before, for as long as the sky has not gone far on.

Making a layer's clouds takes several times as long as drawing them. From still to still they are moved exactly and
are only a little younger or older than they should be, until they are made anew; one still fades into the next, so
nothing jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.request import LayerRequest

WIND_TOLERANCE_KM = 1.2
"""How far clouds are moved, at texture scale 1: a fifth of a draft's finest window."""
EVOLUTION_TOLERANCE = 0.07
"""How much younger or older they may be, of what replaces a cloud."""
COVER_TOLERANCE, DENSITY_TOLERANCE, GRAIN_TOLERANCE = 0.02, 0.1, 0.1
"""How far weather may have changed them; density by this share."""
SOON = 0.8
"""Share of what is tolerated from which on a layer's clouds are made anew."""
AHEAD = 0.75
"""Share of what is tolerated by which clouds are made ahead."""
LATE = 2.0
"""The same while the other layer's are made, and where the sky still comes nearer to the moment of its clouds."""


class KeptMoments:
    """Moments that the layers' clouds were made for last; a :data:`.draft.Moment`.

    Clouds that must be made anew are made for a moment to come, nearly as far ahead as they may be moved, so that they
    last until the sky is as far beyond it.
    """

    def __init__(self) -> None:
        self._made: dict[int, LayerRequest] = {}
        self._before: dict[int, LayerRequest] = {}
        self._way: dict[int, NDArray[np.float64]] = {}
        """From the moment before it to the one for which a layer's clouds were made."""
        self._grain = 0.0
        self._anew = False
        """Whether the low layer's clouds had to be made for the present still."""

    def take(self, low: LayerRequest, high: LayerRequest, grain: float) -> None:
        """Take over moments for which somebody else has had clouds made, and their grain."""
        self._made, self._grain = {0: low, 1: high}, grain
        self._way.clear()

    def forget(self) -> None:
        """Nobody keeps clouds any more."""
        self._made, self._way = {}, {}

    def grain(self, grain: float) -> float:
        """The kept grain, if it is near enough to the one that is asked for, else that one."""
        if abs(grain - self._grain) > GRAIN_TOLERANCE:
            self._grain = grain
        return self._grain

    def last_for(self, layers: Sequence[LayerRequest]) -> bool:
        """Whether clouds that are there do for layers, low and high."""
        return all(self._lasts(index, layer, SOON) for index, layer in enumerate(layers))

    def __call__(self, index: int, layer: LayerRequest, nearby: LayerRequest) -> LayerRequest:
        """The kept moment of a layer if it is near enough to ``layer``, else one ahead, which is kept from now on."""
        made = self._made.get(index)
        before = self._before.get(index, made)
        limit = LATE if index and self._anew else SOON  # not both layers for one still if it can be helped
        anew = made is None or not _same_clouds(made, nearby) or not self._lasts(index, layer, limit)
        if made is None or anew:
            made = self._made[index] = nearby if before is None else _ahead(before, layer, nearby)
            self._way[index] = _coordinates(made) - _coordinates(layer)
        self._anew = anew and index == 0 and layer.cover > 0
        self._before[index] = layer
        return made

    def _lasts(self, index: int, layer: LayerRequest, limit: float) -> bool:
        made = self._made.get(index)
        if made is None or layer.cover <= 0:
            return made is not None
        rest = _coordinates(made) - _coordinates(layer)
        way = self._way.get(index)  # whoever draws may replace it meanwhile
        comes = way is not None and float(rest @ way) > 0
        return _size(rest) <= (LATE if comes else limit)


def _same_clouds(made: LayerRequest, nearby: LayerRequest) -> bool:
    """Whether moments differ in wind and evolution only, and in what weather changes a little."""
    if abs(made.cover - nearby.cover) > COVER_TOLERANCE or (made.cover > 0) != (nearby.cover > 0):
        return False
    if abs(made.density - nearby.density) > DENSITY_TOLERANCE * nearby.density:
        return False
    same = replace(nearby, displacement_km=made.displacement_km, evolution_phase=made.evolution_phase)
    return made == replace(same, cover=made.cover, density=made.density)


def _coordinates(layer: LayerRequest) -> NDArray[np.float64]:
    """Wind east and north and evolution, (3,), in units of what is tolerated."""
    wind = np.array(layer.displacement_km) / (WIND_TOLERANCE_KM * layer.texture_scale)
    return np.append(wind, layer.evolution_phase / EVOLUTION_TOLERANCE)


def _size(way: NDArray[np.float64]) -> float:
    return max(float(np.hypot(way[0], way[1])), abs(float(way[2])))


def _ahead(before: LayerRequest, layer: LayerRequest, nearby: LayerRequest) -> LayerRequest:
    """As far on, the way from ``before`` to ``layer``, as clouds last; nearby where there is no such way."""
    step = _size(_coordinates(layer) - _coordinates(before))
    in_loop = nearby.loop_displacement_km != (0.0, 0.0) or nearby.loop_evolution_phase != 0.0
    if in_loop or not 0.0 < step <= LATE:
        return nearby
    here, there = np.array(layer.displacement_km), np.array(before.displacement_km)
    east, north = (here + (here - there) * (AHEAD / step)).tolist()
    older = (layer.evolution_phase - before.evolution_phase) * (AHEAD / step)
    return replace(nearby, displacement_km=(east, north), evolution_phase=layer.evolution_phase + older)
