"""CloudField: from a layer request to its cloud volume, through hashed noise and the field graph.

The plane's coordinates are km east and north of the camera. The *lattice* is the plane seen
through ``plane_matrix`` and moved by the wind; windows are snapped to it, so clouds are carried
with the wind without being resampled. Rows of windows run north to south, columns west to east.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import Bundle
from ...core.errors import RequestError
from ...core.field_lattice import Lattice
from ...core.geometry import FloatArray, plane_matrix
from ...core.request import LayerRequest
from ...core.signatures import WINDOW_STEP
from ..kept import Kept
from .field_noise import FieldNoise, Phase

FieldGraph = Callable[..., list[FloatArray]]
"""Runs field.onnx: inputs by name as keyword arguments, outputs as a list."""


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
        self._noise = FieldNoise()
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
            Whether the windows of a draft are enough. Volumes of drafts are kept beside whole ones.

        Raises
        ------
        RequestError
            If the loop displacement is not a whole number of lattice steps away.
        """
        shape = replace(layer, density=1.0, base_km=1.0, thickness_km=1.0)  # they do not change it either
        key = (shape, seed, grain, shells, loop_angle_rad)

        lattice, graph = self._lattice, self._graph
        if draft and self._draft is not None:
            lattice, graph = self._draft

        def found() -> CloudVolume:
            other = None
            if self._draft is None:  # both would be the same
                other = self._volumes.setdefault((layer_index, not draft), Kept()).peek(key)
            return other or self._made(lattice, graph, shape, seed, layer_index, grain, shells, loop_angle_rad)

        return self._volumes.setdefault((layer_index, draft), Kept()).get(key, found)

    def kept(self) -> list[Kept[CloudVolume]]:
        """The volumes that are kept."""
        return list(self._volumes.values())

    def kept_noise(self) -> list[FloatArray]:
        """The blocks of noise that are kept."""
        return self._noise.kept()

    def forget(self, *, noise_only: bool = False) -> None:
        """Let volumes and noise go, or the noise alone; not while a volume is made."""
        self._noise.forget()
        if not noise_only:
            self._volumes.clear()

    def _made(
        self,
        lattice: Lattice,
        graph: FieldGraph,
        layer: LayerRequest,
        seed: int,
        layer_index: int,
        grain: float,
        shells: int,
        loop_angle_rad: float,
    ) -> CloudVolume:
        texel_km = lattice.texel_km * layer.texture_scale
        snap_km = lattice.snap_texels * texel_km
        matrix = plane_matrix(layer.stretch, layer.stretch_azimuth_rad)
        camera = matrix @ -np.asarray(layer.displacement_km, dtype=np.float64)
        steps = np.round(camera / snap_km)
        offset = camera - steps * snap_km
        phases = [Phase((int(steps[0]), int(steps[1])), layer.evolution_phase, math.cos(loop_angle_rad))]
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
            phases.append(Phase(origin, layer.loop_evolution_phase, math.sin(loop_angle_rad)))
        inputs = self._noise.inputs(lattice, layer, seed, layer_index, grain, phases)
        inputs["shell_height"] = np.linspace(0, 1, shells, dtype=np.float32)
        (extinction,) = graph(**inputs)
        if layer.cover <= 0:
            extinction = np.zeros_like(extinction)
        return CloudVolume(extinction, offset, texel_km, lattice.factor, matrix)
