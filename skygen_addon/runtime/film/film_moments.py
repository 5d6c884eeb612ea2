"""Which clouds the stills of a film are drawn with: those made before, for as long as the sky has not gone far on.

Making a layer's clouds takes several times as long as drawing them. From still to still they are moved exactly and
are only a little younger or older than they should be, until they are made anew; one still fades into the next, so
nothing jumps. Where a sky hurries on so far from still to still that clouds would do for one only, they are made for
the middle between two: the more stills there are, the less far each is carried.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.request import LayerRequest

WIND_TOLERANCE_KM = 1.2
"""How far clouds are moved, at texture scale 1: a fifth of a draft's finest window."""
EVOLUTION_TOLERANCE = 0.07
"""How much younger or older they may be, of what replaces a cloud."""
COVER_TOLERANCE, DENSITY_TOLERANCE, GRAIN_TOLERANCE = 0.02, 0.1, 0.1
"""How far weather may have changed them; density by this share, and it takes no new clouds."""
HURRIED_COVER, HURRIED_GRAIN = 0.16, 0.35
"""The same where a sky hurries."""
SOON = 0.8
"""Share of what is tolerated from which on a layer's clouds are made anew."""
AHEAD = 0.75
"""Share of what is tolerated by which clouds are made ahead."""
LATE = 2.0
"""The same while the other layer's are made, and where the sky still comes nearer to the moment of its clouds."""
LONGEST_STEP = 5.0
"""A step from still to still, in what is tolerated, both ends of which clouds of its middle do for."""
UNEVEN = 0.7
"""Share of such a step for which they do; more than half of it, for steps are not even."""
Layers = tuple[LayerRequest, LayerRequest]
"""Low and high."""


class KeptMoments:
    """Moments that the layers' clouds were made for last; a :data:`..frame.draft.Moment`.

    Clouds that must be made anew are made for a moment to come, nearly as far ahead as they may be moved, so that they
    last until the sky is as far beyond it.
    """

    def __init__(self) -> None:
        self._made: dict[int, LayerRequest] = {}
        self._before: dict[int, LayerRequest] = {}
        self._way: dict[int, NDArray[np.float64]] = {}
        """From the moment before it to the one for which a layer's clouds were made."""
        self._grain = 0.0
        self._anew = [False, False]
        """Whether a layer's clouds had to be made for the last still."""
        self._later: Layers | None = None
        self._later_grain = 0.0

    @property
    def made_anew(self) -> bool:
        """Whether any clouds had to be made for the last still."""
        return any(self._anew)

    def take(self, low: LayerRequest, high: LayerRequest, grain: float) -> None:
        """Take over moments for which somebody else has had clouds made, and their grain."""
        self._made, self._grain = {0: low, 1: high}, grain
        self._way.clear()

    def forget(self) -> None:
        """Nobody keeps clouds any more."""
        self._made, self._way = {}, {}

    def begin(self, later: Layers | None, grain: float) -> None:
        """A still is drawn; ``later`` are the layers of the one that will follow it where the sky hurries.

        Weather has acted on them, and asks for ``grain`` then.
        """
        self._later, self._later_grain = later, grain

    def grain(self, grain: float) -> float:
        """The kept grain, if it is near enough to the one that is asked for, else that one."""
        if self._later is None:
            fits, wanted = abs(grain - self._grain) <= GRAIN_TOLERANCE, grain
        else:  # it costs nothing where all clouds are made
            fits, wanted = abs(grain - self._grain) <= HURRIED_GRAIN, 0.5 * (grain + self._later_grain)
            fits = fits and not all(self._anew)
        if not fits:
            self._grain, self._anew = wanted, [True, True]
        return self._grain

    def last_for(self, layers: Layers, later: Layers | None) -> bool:
        """Whether clouds that are there do for layers, with those of the following still where the sky hurries."""
        return not any(self._due(index, layer, _step(index, layer, later), SOON) for index, layer in enumerate(layers))

    def __call__(self, index: int, layer: LayerRequest, nearby: LayerRequest) -> LayerRequest:
        """The kept moment of a layer if it is near enough to ``layer``, else one ahead, which is kept from now on."""
        if index == 0:
            self._anew = [False, False]
        made, step = self._made.get(index), _step(index, layer, self._later)
        limit = LATE if index and self._anew[0] else SOON  # not both layers for one still if it can be helped
        tolerance = COVER_TOLERANCE if step is None else HURRIED_COVER
        if made is None or self._due(index, layer, step, limit) or not _same_clouds(made, nearby, tolerance):
            made = self._ahead(index, layer, step, nearby)
            self._way[index] = _coordinates(made) - _coordinates(layer)
            self._anew[index] = True
        elif abs(made.density - nearby.density) > DENSITY_TOLERANCE * nearby.density:
            made = replace(made, density=nearby.density)
        self._made[index], self._before[index] = made, layer
        return made

    def _ahead(
        self, index: int, layer: LayerRequest, step: NDArray[np.float64] | None, nearby: LayerRequest
    ) -> LayerRequest:
        """Half a step ahead where the sky hurries, else as far as clouds last; nearby where there is no way there."""
        in_loop = nearby.loop_displacement_km != (0.0, 0.0) or nearby.loop_evolution_phase != 0.0
        if step is not None:
            way = 0.5 * step
        else:
            before = self._before.get(index, self._made.get(index, layer))
            came = _coordinates(layer) - _coordinates(before)
            way = came * (AHEAD / _size(came)) if 0 < _size(came) <= LATE else np.zeros(3)
        if in_loop or not way.any():
            return nearby
        if step is not None and self._later is not None:
            nearby = replace(nearby, cover=0.5 * (layer.cover + self._later[index].cover))
        tolerated_km = WIND_TOLERANCE_KM * layer.texture_scale
        east, north = (np.array(layer.displacement_km) + way[:2] * tolerated_km).tolist()
        phase = layer.evolution_phase + float(way[2]) * EVOLUTION_TOLERANCE
        return replace(nearby, displacement_km=(east, north), evolution_phase=phase)

    def _due(self, index: int, layer: LayerRequest, step: NDArray[np.float64] | None, limit: float) -> bool:
        """Whether a layer's clouds are to be made for a still, where they last to a limit if the sky does not hurry."""
        made = self._made.get(index)
        if made is None or layer.cover <= 0:
            return made is None
        rest = _coordinates(made) - _coordinates(layer)
        if step is not None:
            return _size(rest) > UNEVEN * _size(step)
        way = self._way.get(index)  # whoever draws may replace it meanwhile
        comes = way is not None and float(rest @ way) > 0
        return _size(rest) > (LATE if comes else limit)


def hurries(layers: Layers, later: Layers) -> bool:
    """Whether a sky hurries if one of its stills has some layers and the next one others, a while later."""
    return any(_step(index, layer, later) is not None for index, layer in enumerate(layers))


def _step(index: int, layer: LayerRequest, later: Layers | None) -> NDArray[np.float64] | None:
    """From a layer to that of the next still, (3,), where clouds made as far ahead as usual would not last for both."""
    if later is None or layer.cover <= 0:
        return None
    step = _coordinates(later[index]) - _coordinates(layer)
    return step if AHEAD + SOON < _size(step) <= LONGEST_STEP else None


def _same_clouds(made: LayerRequest, nearby: LayerRequest, cover_tolerance: float) -> bool:
    """Whether moments differ in wind and evolution only, and in what weather changes a little."""
    if abs(made.cover - nearby.cover) > cover_tolerance or (made.cover > 0) != (nearby.cover > 0):
        return False
    same = replace(nearby, displacement_km=made.displacement_km, evolution_phase=made.evolution_phase)
    return made == replace(same, cover=made.cover, density=made.density)


def _coordinates(layer: LayerRequest) -> NDArray[np.float64]:
    """Wind east and north and evolution, (3,), in units of what is tolerated."""
    wind = np.array(layer.displacement_km) / (WIND_TOLERANCE_KM * layer.texture_scale)
    return np.append(wind, layer.evolution_phase / EVOLUTION_TOLERANCE)


def _size(way: NDArray[np.float64]) -> float:
    return max(float(np.hypot(way[0], way[1])), abs(float(way[2])))
