"""CloudField: from a layer request to its cloud volume, through hashed noise and the field graph.

The plane's coordinates are km east and north of the camera. The *lattice* is the plane seen
through ``plane_matrix`` and moved by the wind; windows are snapped to it, so clouds are carried
with the wind without being resampled. Rows of windows run north to south, columns west to east.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.bundle import Bundle
from ..core.errors import RequestError
from ..core.field_lattice import Lattice, NoiseInput
from ..core.geometry import FloatArray, plane_matrix, stretch_axis
from ..core.lattice import lattice_noise
from ..core.request import CLOUD_TYPES, LayerRequest
from ..core.signatures import CONDITION_CHANNELS, GRAIN_CHANNEL, WINDOW_STEP
from .kept import Kept

FieldGraph = Callable[..., list[FloatArray]]
"""Runs field.onnx: inputs by name as keyword arguments, outputs as a list."""

EVOLUTION_EXPONENT = 1 / 3
"""Cells that are n times smaller than the snap evolve n to this power faster."""
ORGANISATION_CELLS = 10
"""Size of the banks and clearings of the cover map in condition cells (16 km at texture scale 1)."""
ORGANISATION_LOGIT = (0.55, 0.45, 0.60, 0.20, 0.60, 0.65)
"""Deviation of the logit of cover between banks and clearings, by CLOUD_TYPES."""
_LOGISTIC_NORMAL = math.pi / 8
_ORGANISATION_STREAM = 63
_STREAMS_PER_LAYER = 64
_CACHED_SLICES = 96


@dataclass(frozen=True)
class CloudVolume:
    """Extinction of one layer on nested windows around the camera."""

    extinction_per_thickness: FloatArray
    """(L, K, N, N), finest window first; its mean over K is vertical optical depth at density 1."""
    plane_offset_km: NDArray[np.float64]
    """(2,) east and north of the camera in the window: a plane point p lies at plane_matrix p + plane_offset_km."""
    texel_km: float
    """Finest texel."""
    factor: int
    """How much wider each window is than the finer one."""
    plane_matrix: NDArray[np.float64]
    """(2, 2) plane to lattice."""

    def around_camera(self, window: int) -> CloudVolume:
        """The same clouds on windows of at most ``window`` texels along each side, cut out around the camera.

        The coarser windows then begin nearer to the camera: a quarter of the work for half of the side.
        """
        levels, _, size, _ = self.extinction_per_thickness.shape
        window = window // WINDOW_STEP * WINDOW_STEP
        coarsest = self.factor ** (levels - 1)  # windows stay concentric on whole texels of the coarsest one
        steps = np.round(self.plane_offset_km / (self.texel_km * coarsest)).astype(int)  # east, north
        if window // 2 + int(np.abs(steps).max()) * coarsest > size // 2:
            raise ValueError(f"A window of {window} texels around the camera is not inside one of {size}.")
        cut = np.empty((levels, self.extinction_per_thickness.shape[1], window, window), dtype=np.float32)
        for level in range(levels):
            east, north = steps * (coarsest // self.factor**level)
            row, column = (size - window) // 2 - north, (size - window) // 2 + east
            cut[level] = self.extinction_per_thickness[level, :, row : row + window, column : column + window]
        offset_km = self.plane_offset_km - steps * (coarsest * self.texel_km)
        return replace(self, extinction_per_thickness=cut, plane_offset_km=offset_km)


@dataclass(frozen=True)
class _Phase:
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


class CloudField:
    """Makes cloud volumes with one bundle.

    Parameters
    ----------
    bundle : Bundle
        Gives the lattice.
    graph : callable
        The bundle's field graph, see :data:`FieldGraph`.
    draft_graph : callable, optional
        The one that runs on the bundle's draft lattice; without it drafts have whole windows made.
    """

    def __init__(self, bundle: Bundle, graph: FieldGraph, draft_graph: FieldGraph | None = None) -> None:
        self._lattice: Lattice = bundle.lattice
        self._graph = graph
        self._draft: tuple[Lattice, FieldGraph] | None = None
        if draft_graph is not None and bundle.draft_lattice is not None:
            self._draft = (bundle.draft_lattice, draft_graph)
        self._slices: OrderedDict[tuple[int, ...], FloatArray] = OrderedDict()
        self._volumes: dict[tuple[int, bool], Kept[CloudVolume]] = {}

    @property
    def window(self) -> int:
        """Texels along each side of whole windows."""
        return self._lattice.window

    def volume(
        self,
        layer: LayerRequest,
        seed: int,
        layer_index: int,
        grain: float = 0.0,
        shells: int = 8,
        *,
        loop_angle_rad: float = 0.0,
        draft: bool = False,
    ) -> CloudVolume:
        """Cloud volume around the camera; that of each layer is kept, for the sun and the air do not change it.

        Parameters
        ----------
        layer : LayerRequest
            What to generate.
        seed : int
            Chooses the sky.
        layer_index : int
            0 low, 1 high; layers of one seed are independent.
        grain : float
            -1 (smooth) to 1 (fine).
        shells : int
            Number K of shells, heights 0 to 1 of the thickness, ends included.
        loop_angle_rad : float
            0 to pi / 2; above 0 the layer's loop state is blended in.
        draft : bool
            Whether the windows of a draft are enough. Volumes of drafts are kept beside whole ones; a whole one that is
            there serves for a draft too, and differs from its own by rounding and at the rim only.

        Raises
        ------
        RequestError
            If the loop displacement is not a whole number of lattice steps away.
        """
        shape = replace(layer, density=1.0, base_km=1.0, thickness_km=1.0)  # they do not change it either
        key = (shape, seed, grain, shells, loop_angle_rad)

        def found() -> CloudVolume:
            other = None
            if draft or self._draft is None:
                other = self._volumes.setdefault((layer_index, not draft), Kept()).peek(key)
            return other or self._made(shape, seed, layer_index, grain, shells, loop_angle_rad, draft)

        return self._volumes.setdefault((layer_index, draft), Kept()).get(key, found)

    def kept(self) -> list[Kept[CloudVolume]]:
        """The volumes that are kept."""
        return list(self._volumes.values())

    def kept_noise(self) -> list[FloatArray]:
        """The blocks of noise that are kept."""
        return list(self._slices.values())

    def forget(self, *, noise_only: bool = False) -> None:
        """Let volumes and noise go, or the noise alone; not while a volume is made."""
        self._slices.clear()
        if not noise_only:
            self._volumes.clear()

    def _made(
        self,
        layer: LayerRequest,
        seed: int,
        layer_index: int,
        grain: float,
        shells: int,
        loop_angle_rad: float,
        draft: bool,
    ) -> CloudVolume:
        lattice, graph = self._draft if draft and self._draft is not None else (self._lattice, self._graph)
        texel_km = lattice.texel_km * layer.texture_scale
        snap_km = lattice.snap_texels * texel_km
        matrix = plane_matrix(layer.stretch, layer.stretch_azimuth_rad)
        camera = matrix @ -np.asarray(layer.displacement_km, dtype=np.float64)
        steps = np.round(camera / snap_km)
        offset = camera - steps * snap_km
        phases = [_Phase((int(steps[0]), int(steps[1])), layer.evolution_phase, math.cos(loop_angle_rad))]
        if loop_angle_rad > 0:
            earlier = matrix @ -np.asarray(layer.loop_displacement_km, dtype=np.float64)
            shift = (earlier - camera) / snap_km
            whole = np.round(shift)
            if np.abs(shift - whole).max() > 1e-6 * max(1.0, float(np.abs(shift).max())):
                raise RequestError(
                    f"Over one loop the clouds move {shift[0]:.4f} and {shift[1]:.4f} lattice steps.",
                    f"Let the wind cross whole steps of {snap_km:g} km in a loop.",
                )
            origin = (int(steps[0] + whole[0]), int(steps[1] + whole[1]))
            phases.append(_Phase(origin, layer.loop_evolution_phase, math.sin(loop_angle_rad)))
        inputs = {
            noise.name: self._blended(seed, layer_index * _STREAMS_PER_LAYER + i, noise, phases)[None]
            for i, noise in enumerate(lattice.noise)
        }
        inputs["condition"] = self._condition(layer, seed, layer_index, grain, phases, lattice.condition_size)
        inputs["shell_height"] = np.linspace(0, 1, shells, dtype=np.float32)
        (extinction,) = graph(**inputs)
        if layer.cover <= 0:
            extinction = np.zeros_like(extinction)
        return CloudVolume(extinction, offset, texel_km, lattice.factor, matrix)

    def _blended(self, seed: int, stream: int, noise: NoiseInput, phases: list[_Phase]) -> FloatArray:
        """Noise (C, S, S) at its evolution phase, blended over the loop; unit variance throughout."""
        speed = (self._lattice.snap_texels / noise.cell_texels) ** EVOLUTION_EXPONENT
        cells_per_snap = self._lattice.snap_texels // noise.cell_texels
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
        self, layer: LayerRequest, seed: int, layer_index: int, grain: float, phases: list[_Phase], size: int
    ) -> FloatArray:
        """Condition maps (1, channels, size, size)."""
        types = np.asarray(layer.type_mix, dtype=np.float64)
        types = types / types.sum()
        deviation = float(types @ np.asarray(ORGANISATION_LOGIT))
        stream = layer_index * _STREAMS_PER_LAYER + _ORGANISATION_STREAM
        noise = np.zeros((size, size), dtype=np.float32)
        for (k, origin), weight in _slice_weights(phases, 1.0).items():
            noise += np.float32(weight) * self._organisation(seed, stream, k, origin, size)
        condition = np.zeros((1, len(CONDITION_CHANNELS), size, size), dtype=np.float32)
        condition[0, 0] = modulated_cover(layer.cover, deviation, noise)
        for i in range(len(CLOUD_TYPES)):
            condition[0, 1 + i] = types[i]
        condition[0, GRAIN_CHANNEL] = np.clip(grain, -1, 1)
        for i, along in enumerate(stretch_axis(layer.stretch, layer.stretch_azimuth_rad)):
            condition[0, GRAIN_CHANNEL + 1 + i] = along
        return condition

    def _organisation(self, seed: int, stream: int, k: int, origin: tuple[int, int], size: int) -> FloatArray:
        """Slice ``k`` of the smooth standard normal map (size, size) on the condition cells around a window centre."""
        cells_per_snap = self._lattice.snap_texels // self._lattice.condition_cell_texels
        rows = origin[1] * cells_per_snap + size // 2 - 1 - np.arange(size, dtype=np.int64)
        columns = origin[0] * cells_per_snap - size // 2 + np.arange(size, dtype=np.int64)
        row_weight, row_cells = _spline_weights(rows)
        column_weight, column_cells = _spline_weights(columns)
        block = lattice_noise(seed, stream, [k], row_cells, column_cells, 1)[0]
        smooth: FloatArray = row_weight @ block @ column_weight.T
        return smooth


def _slice_weights(phases: list[_Phase], speed: float) -> dict[tuple[int, tuple[int, int]], float]:
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
