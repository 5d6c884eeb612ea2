"""One cloud layer of one frame: from the field's volume to optical depths and scattered light."""

from __future__ import annotations

import math
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

HORIZON_FADE_RAD = math.radians(0.6)
"""Sun elevation on both sides of the horizon within which clouds are lit from above and from beneath."""
DETAIL_STRENGTH = 0.4
"""Deviation of log extinction in each detail octave."""


@dataclass(frozen=True)
class LayerLight:
    """A layer ready to be seen from any direction."""

    gap_volume: FloatArray
    """(k - 1, 7, L * N, N), signatures.GAP_CHANNELS."""
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
        size = self.gap_volume.shape[3]
        return float(np.exp(-self.gap_volume[0, 3, size : 2 * size]).mean())


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
    gap_volume = sum(
        share
        * sunlight[shells](
            extinction=extinction,
            shell_km=shell_km,
            texel_km=volume.texel_km,
            plane_matrix=volume.plane_matrix,
            sun_direction=direction,
        )[0]
        for share, direction in _sides_of_sunlight(sun_direction)
    )
    assert isinstance(gap_volume, np.ndarray)
    tile_km = TILE_TEXELS * volume.texel_km
    moved = -np.asarray(volume.plane_matrix, dtype=np.float64) @ np.asarray(layer.displacement_km, dtype=np.float64)
    return LayerLight(
        gap_volume=gap_volume,
        shell_km=shell_km,
        texel_km=volume.texel_km,
        plane_matrix=np.asarray(volume.plane_matrix, dtype=np.float32),
        plane_offset_km=np.asarray(volume.plane_offset_km, dtype=np.float32),
        detail_offset_km=np.mod(moved, tile_km).astype(np.float32),
    )


def _sides_of_sunlight(sun_direction: FloatArray) -> list[tuple[np.float32, FloatArray]]:
    """From where a layer is lit, above or beneath, each with its share.

    The sunlight graph follows the sun's rays from above for a sun above the horizon and from
    beneath for one below it. The sun's disc sets over half a degree of elevation and clouds stand
    a few tenths of a degree above the observer's horizon, so close to it both sides have their
    share, and a setting sun changes the picture without a step.
    """
    sine = float(sun_direction[2])
    above = 0.5 + 0.5 * sine / math.sin(HORIZON_FADE_RAD)
    sides = []
    for share, side in ((above, max(sine, 0.0)), (1 - above, min(sine, -1e-6))):
        if share > 0:
            ground = sun_direction[:2] * math.sqrt((1 - side * side) / max(1 - sine * sine, 1e-12))
            direction = np.array([*ground, side], dtype=np.float32) if 0 < share < 1 else sun_direction
            sides.append((np.float32(min(share, 1.0)), direction))
    return sides


def layer_dome(
    dome: Graph,
    layer: LayerLight | None,
    direction: FloatArray,
    *,
    footprint_rad: float,
    substeps: int,
    sun_direction: FloatArray,
    detail_strength: float = DETAIL_STRENGTH,
) -> FloatArray:
    """The dome graph's six outputs for view directions (h, w, 3), stacked to (6, h, w).

    ``substeps`` is the number of samples between two shells.
    """
    if layer is None:
        return np.zeros((6, *direction.shape[:2]), dtype=np.float32)
    outputs = dome(
        direction=direction,
        footprint_rad=footprint_rad,
        gap_volume=layer.gap_volume,
        detail=detail_tile(),
        detail_strength=detail_strength,
        shell_km=layer.shell_km,
        texel_km=layer.texel_km,
        plane_matrix=layer.plane_matrix,
        plane_offset_km=layer.plane_offset_km,
        detail_offset_km=layer.detail_offset_km,
        substep=(np.arange(substeps) + 0.5) / substeps,
        sun_direction=sun_direction,
    )
    return np.stack(outputs)
