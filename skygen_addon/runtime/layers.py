"""One cloud layer of one frame: from the field's volume to optical depths and scattered light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.detail import TILE_TEXELS, detail_tile
from ..core.geometry import FloatArray
from ..core.request import LayerRequest
from ..core.signatures import layer_shells
from .graphs import Graph

if TYPE_CHECKING:
    from .cloud_field import CloudField

DETAIL_STRENGTH = 0.6
"""Deviation of log extinction in each detail octave."""


@dataclass(frozen=True)
class LayerLight:
    """A layer ready to be seen from any direction."""

    gap_extinction: FloatArray
    """(k - 1, 2, L * N, N) in 1/km, see signatures.SUNLIGHT."""
    gap_depths: FloatArray
    """(k - 1, 4, L * N, N) toward sun and zenith."""
    shell_km: FloatArray
    """(k,) heights above the camera."""
    texel_km: float
    """Finest texel."""
    plane_matrix: FloatArray
    """(2, 2) plane to lattice."""
    plane_offset_km: FloatArray
    """(2,) camera in the window."""
    detail_offset_km: FloatArray
    """(2,) camera on the detail tile."""

    def sun_transmittance(self) -> float:
        """Mean transmittance of sunlight through the whole layer over the middle window."""
        size = self.gap_depths.shape[3]
        return float(np.exp(-self.gap_depths[0, 0, size : 2 * size]).mean())


def layer_light(
    field: CloudField,
    sunlight: Mapping[int, Graph],
    layer: LayerRequest,
    *,
    index: int,
    seed: int,
    grain: float,
    loop_angle_rad: float,
    sun_direction: FloatArray,
) -> LayerLight | None:
    """Generate a layer's volume and the sunlight in it.

    Parameters
    ----------
    field : CloudField
        The bundle's field.
    sunlight : mapping of int to Graph
        The engine's sunlight graphs by number of shells.
    layer : LayerRequest
        What to generate.
    index : int
        0 for the low layer, 1 for the high one.
    seed, grain, loop_angle_rad
        As in SkyRequest and the weather state.
    sun_direction : ndarray, shape (3,)
        Unit vector.

    Returns
    -------
    LayerLight, or None for a layer without cover.
    """
    if layer.cover <= 0:
        return None
    shells = layer_shells(index, layer.thickness_km)
    volume = field.volume(layer, seed, index, grain, shells, loop_angle_rad=loop_angle_rad)
    height = np.linspace(0.0, 1.0, shells)
    shell_km = (layer.base_km + layer.thickness_km * height).astype(np.float32)
    extinction = volume.extinction_per_thickness * np.float32(layer.density / layer.thickness_km)
    gap_extinction, gap_depths = sunlight[shells](
        extinction=extinction,
        shell_km=shell_km,
        texel_km=volume.texel_km,
        plane_matrix=volume.plane_matrix,
        sun_direction=sun_direction,
    )
    tile_km = TILE_TEXELS * volume.texel_km
    moved = -np.asarray(volume.plane_matrix, dtype=np.float64) @ np.asarray(layer.displacement_km, dtype=np.float64)
    return LayerLight(
        gap_extinction=gap_extinction,
        gap_depths=gap_depths,
        shell_km=shell_km,
        texel_km=volume.texel_km,
        plane_matrix=np.asarray(volume.plane_matrix, dtype=np.float32),
        plane_offset_km=np.asarray(volume.plane_offset_km, dtype=np.float32),
        detail_offset_km=np.mod(moved, tile_km).astype(np.float32),
    )


def layer_dome(
    dome: Graph,
    layer: LayerLight | None,
    direction: FloatArray,
    *,
    footprint_rad: float,
    substeps: tuple[int, int],
    sun_direction: FloatArray,
    detail_strength: float = DETAIL_STRENGTH,
) -> FloatArray:
    """The dome graph's six outputs for view directions (h, w, 3), stacked to (6, h, w).

    ``substeps`` is the number of samples of extinction between two shells, and of intervals in
    which the depths toward sun and zenith are linear.
    """
    if layer is None:
        return np.zeros((6, *direction.shape[:2]), dtype=np.float32)
    outputs = dome(
        direction=direction,
        footprint_rad=footprint_rad,
        gap_extinction=layer.gap_extinction,
        gap_depths=layer.gap_depths,
        detail=detail_tile(),
        detail_strength=detail_strength,
        shell_km=layer.shell_km,
        texel_km=layer.texel_km,
        plane_matrix=layer.plane_matrix,
        plane_offset_km=layer.plane_offset_km,
        detail_offset_km=layer.detail_offset_km,
        substep=(np.arange(substeps[0]) + 0.5) / substeps[0],
        depth_node=np.linspace(0, 1, substeps[1] + 1),
        sun_direction=sun_direction,
    )
    return np.stack(outputs)
