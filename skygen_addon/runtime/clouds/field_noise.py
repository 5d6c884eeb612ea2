"""What the field graph is fed with: hashed lattice noise at its evolution, and maps of conditions.

Both are functions of places on the lattice, of evolution and of the seed, wherever the window lies. Over a loop two
states of the noise are blended.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.field_lattice import Lattice, NoiseInput
from ...core.geometry import FloatArray, stretch_axis
from ...core.lattice import lattice_noise
from ...core.request import CLOUD_TYPES, LayerRequest
from ...core.signatures import CONDITION_CHANNELS, GRAIN_CHANNEL

EVOLUTION_EXPONENT = 1 / 3
"""Cells that are n times smaller than the snap evolve n to this power faster."""
ORGANISATION_CELLS = 10
"""Size of the banks and clearings of the cover map in condition cells (16 km at texture scale 1)."""
ORGANISATION_LOGIT = (0.55, 0.45, 0.60, 0.20, 0.60, 0.65)
"""Deviation of the logit of cover between banks and clearings, by CLOUD_TYPES."""
_LOGISTIC_NORMAL = math.pi / 8
_ORGANISATION_STREAM = 63
_STREAMS_PER_LAYER = 64
_CACHED_SLICES = 192


@dataclass(frozen=True)
class Phase:
    """One of the two noise states that a loop blends."""

    origin: tuple[int, int]
    """Window centre on the lattice, whole snaps east and north."""
    evolution: float
    weight: float


def modulated_cover(cover: float, deviation: float, noise: FloatArray) -> FloatArray:
    """Cover with banks and clearings whose mean stays near ``cover``.

    Parameters
    ----------
    cover : float
        0 to 1; both ends stay exactly uniform.
    deviation : float
        Standard deviation of the logit.
    noise : ndarray
        Standard normal.
    """
    if cover <= 0 or cover >= 1:
        return np.full_like(noise, np.clip(cover, 0, 1))
    # The mean of a logistic of a normal variable is near a logistic of the shrunken mean.
    centre = math.log(cover / (1 - cover)) * math.sqrt(1 + _LOGISTIC_NORMAL * deviation**2)
    result: FloatArray = (1 / (1 + np.exp(-(centre + deviation * noise)))).astype(np.float32)
    return result


class FieldNoise:
    """Makes a field's inputs, and keeps blocks of noise that many of them share."""

    def __init__(self) -> None:
        self._slices: OrderedDict[tuple[int, ...], FloatArray] = OrderedDict()

    def kept(self) -> list[FloatArray]:
        """The blocks that are kept."""
        return list(self._slices.values())

    def forget(self) -> None:
        """Keep none."""
        self._slices.clear()

    def inputs(
        self, lattice: Lattice, layer: LayerRequest, seed: int, layer_index: int, grain: float, phases: list[Phase]
    ) -> dict[str, FloatArray]:
        """Noise (1, C, S, S) by name and ``condition`` (1, channels, S, S), of the sizes that the lattice states."""
        streams = layer_index * _STREAMS_PER_LAYER
        inputs = {
            noise.name: self._blended(lattice, seed, streams + i, noise, phases)[None]
            for i, noise in enumerate(lattice.noise)
        }
        inputs["condition"] = _condition(lattice, layer, seed, streams + _ORGANISATION_STREAM, grain, phases)
        return inputs

    def _blended(self, lattice: Lattice, seed: int, stream: int, noise: NoiseInput, phases: list[Phase]) -> FloatArray:
        """Noise (C, S, S) at its evolution phase, blended over the loop; unit variance throughout."""
        speed = (lattice.snap_texels / noise.cell_texels) ** EVOLUTION_EXPONENT
        cells_per_snap = lattice.snap_texels // noise.cell_texels
        total: FloatArray = np.zeros((noise.channels, noise.size, noise.size), dtype=np.float32)
        for (k, origin), weight in _slice_weights(phases, speed).items():
            column, row = origin[0] * cells_per_snap, origin[1] * cells_per_snap
            total += np.float32(weight) * self._slice((seed, stream, k, row, column, noise.size, noise.channels))
        return total

    def _slice(self, key: tuple[int, ...]) -> FloatArray:
        """Cached block of lattice noise centred on a cell corner; row 0 is north."""
        if key in self._slices:
            self._slices.move_to_end(key)
            return self._slices[key]
        seed, stream, k, row, column, size, channels = key
        half = size // 2
        rows = np.arange(row + half - 1, row - half - 1, -1, dtype=np.int64)
        columns = np.arange(column - half, column + half, dtype=np.int64)
        block = lattice_noise(seed, stream, [k], rows, columns, channels)
        self._slices[key] = block
        while len(self._slices) > _CACHED_SLICES:
            self._slices.popitem(last=False)
        return block


def _condition(
    lattice: Lattice, layer: LayerRequest, seed: int, stream: int, grain: float, phases: list[Phase]
) -> FloatArray:
    """Condition maps (1, channels, S, S)."""
    size = lattice.condition_size
    types = np.asarray(layer.type_mix, dtype=np.float64)
    types = types / types.sum()
    deviation = float(types @ np.asarray(ORGANISATION_LOGIT))
    noise = np.zeros((size, size), dtype=np.float32)
    for (k, origin), weight in _slice_weights(phases, 1.0).items():
        noise += np.float32(weight) * _organisation(lattice, seed, stream, k, origin)
    condition = np.zeros((1, len(CONDITION_CHANNELS), size, size), dtype=np.float32)
    condition[0, 0] = modulated_cover(layer.cover, deviation, noise)
    for i in range(len(CLOUD_TYPES)):
        condition[0, 1 + i] = types[i]
    condition[0, GRAIN_CHANNEL] = np.clip(grain, -1, 1)
    for i, along in enumerate(stretch_axis(layer.stretch, layer.stretch_azimuth_rad)):
        condition[0, GRAIN_CHANNEL + 1 + i] = along
    return condition


def _organisation(lattice: Lattice, seed: int, stream: int, k: int, origin: tuple[int, int]) -> FloatArray:
    """Slice ``k`` of the smooth standard normal map (S, S) on the condition cells around a window centre."""
    size, cells_per_snap = lattice.condition_size, lattice.snap_texels // lattice.condition_cell_texels
    rows = origin[1] * cells_per_snap + size // 2 - 1 - np.arange(size, dtype=np.int64)
    columns = origin[0] * cells_per_snap - size // 2 + np.arange(size, dtype=np.int64)
    row_weight, row_cells = _spline_weights(rows)
    column_weight, column_cells = _spline_weights(columns)
    block = lattice_noise(seed, stream, [k], row_cells, column_cells, 1)[0]
    smooth: FloatArray = row_weight @ block @ column_weight.T
    return smooth


def _slice_weights(phases: list[Phase], speed: float) -> dict[tuple[int, tuple[int, int]], float]:
    """Weight of every slice (evolution step, window centre) in the blend; their squares sum to 1.

    Slices are independent, but both phases of a loop may hold the same one: its two weights add,
    and without being divided by the length of all weights the clouds of a short loop would swell.
    """
    weights: dict[tuple[int, tuple[int, int]], float] = {}
    for phase in phases:
        position = phase.evolution * speed
        k = math.floor(position)
        angle = (position - k) * math.pi / 2
        for step, weight in ((0, math.cos(angle)), (1, math.sin(angle))):
            if phase.weight * weight != 0:
                key = (k + step, phase.origin)
                weights[key] = weights.get(key, 0.0) + phase.weight * weight
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {key: weight / length for key, weight in weights.items()}


def _spline_weights(index: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Unit-variance B-spline weights (n, m) of condition cells on the organisation lattice, and its cells (m,)."""
    cells = np.arange(index.min() // ORGANISATION_CELLS - 2, index.max() // ORGANISATION_CELLS + 3, dtype=np.int64)
    distance = np.abs(((index[:, None] - cells[None, :] * ORGANISATION_CELLS) + 0.5) / ORGANISATION_CELLS - 0.5)
    weight = np.where(distance < 1, 2 / 3 - distance**2 + distance**3 / 2, np.maximum(2 - distance, 0) ** 3 / 6)
    weight = weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))
    return weight.astype(np.float32), cells
