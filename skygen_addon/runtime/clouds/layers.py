"""One cloud layer of one frame: from the field's volume to optical depths and scattered light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.detail import TILE_TEXELS, detail_tile
from ...core.field_lattice import DRAFT_SHARE
from ...core.geometry import FloatArray
from ...core.request import LayerRequest
from ...core.signatures import layer_shells
from ...core.sunlight_passes import mixed_depth, sunlight_passes
from ..graphs import Graph

if TYPE_CHECKING:
    from .cloud_field import CloudField

STEP_TEXELS, STEP_PIXELS = 1.4, 0.7
"""Longest step along a ray, in texels of the window it crosses or, where that is more, in pixels there."""
LEAST_SUBSTEPS, MOST_SUBSTEPS = 3, 16
READ_SHARE = 0.43
"""Share of a window's side that is surely read around the camera, which stands up to half a snap off its centre."""
AROUND_SHARE = READ_SHARE / DRAFT_SHARE
"""Radius of the clouds around the camera of which means are taken, by the side of whole windows; a draft has it too."""
DETAIL_STRENGTH = 1.0
"""How far detail displaces outlines, relative to trainer.networks.dome_detail."""


@dataclass(frozen=True)
class LayerLight:
    """A layer ready to be seen from any direction."""

    fill: FloatArray
    """(1, 1, k * L * N, N) shares of the columns' greatest extinction."""
    greatest: FloatArray
    """(1, 1, L * N, N) greatest extinction of the columns in 1/km."""
    sun_depth: FloatArray
    """(1, 1, k * L * M, M) optical depth toward the sun."""
    zenith_depth: FloatArray
    """(1, 1, k * L * M, M) optical depth straight up."""
    occupancy: FloatArray
    """(k - 1, 1, L * n, n)."""
    shell_km: FloatArray
    """(k,) heights above the camera."""
    texel_km: float
    """Finest texel."""
    factor: int
    """How much wider each window is than the finer one."""
    plane_matrix: FloatArray
    """(2, 2) plane to lattice."""
    plane_offset_km: FloatArray
    """(2,) camera in the window."""
    detail_offset_km: FloatArray
    """(2,) camera on the detail tile."""
    around_share: float
    """Radius of the clouds around the camera by the windows' sides."""

    @property
    def levels(self) -> int:
        """Number of windows."""
        return int(self.occupancy.shape[2] // self.occupancy.shape[3])

    def sun_transmittance(self) -> float:
        """Mean transmittance of sunlight through the whole layer around the camera."""
        return self._mean_transmittance(self.sun_depth)

    def vertical_transmittance(self) -> float:
        """Mean transmittance straight up through the whole layer around the camera."""
        return self._mean_transmittance(self.zenith_depth)

    def _mean_transmittance(self, table: FloatArray) -> float:
        size = table.shape[3]
        texel_km = self.texel_km * self.factor * self.fill.shape[3] / size
        weights = around_camera_weights(size, self.plane_offset_km / texel_km, self.around_share)
        return float((np.exp(-table[0, 0, size : 2 * size]) * weights).sum())


def around_camera_weights(size: int, offset_texels: NDArray[np.floating], radius_share: float) -> NDArray[np.float64]:
    """Weights of the middle window's texels in a mean over the clouds around the camera.

    They keep to the camera and not to the window: windows move in steps, and the mean must not jump with them.

    Parameters
    ----------
    size : int
        Texels along each side of the window.
    offset_texels : ndarray, shape (2,)
        Camera east and north of the window's centre.
    radius_share : float
        Radius by the window's side.

    Returns
    -------
    ndarray, shape (size, size), float64
        Even within half of the radius, falling smoothly to 0 at the radius; their sum is 1.
    """
    axis = np.arange(size) + 0.5 - size / 2
    east, north = axis - float(offset_texels[0]), -axis - float(offset_texels[1])
    share = np.hypot(east[None, :], north[:, None]) / (radius_share * size)
    inner = np.clip(2 - 2 * share, 0.0, 1.0)
    weights: NDArray[np.float64] = inner * inner * (3 - 2 * inner)
    weights /= weights.sum()
    return weights


def layer_light(
    field: CloudField,
    sunlight: Mapping[tuple[int, bool], Graph],
    layer: LayerRequest,
    *,
    index: int,
    seed: int,
    grain: float,
    loop_angle_rad: float,
    sun_direction: FloatArray,
    window_share: int = 1,
) -> LayerLight | None:
    """Generate a layer's volume and the sunlight in it.

    Parameters
    ----------
    field : CloudField
        The bundle's field.
    sunlight : mapping of (int, bool) to Graph
        The engine's sunlight graphs by number of shells, and for a high (False) and a low sun.
    layer : LayerRequest
        What to generate.
    index : int
        0 for the low layer, 1 for the high one.
    seed, grain, loop_angle_rad
        As in SkyRequest and the weather state.
    sun_direction : ndarray, shape (3,)
        Unit vector.
    window_share : int
        Above 1 a draft's: windows have that share of the texels along each side, as CloudVolume.around_camera cuts
        them.

    Returns
    -------
    LayerLight, or None for a layer without cover.
    """
    if layer.cover <= 0:
        return None
    shells = layer_shells(index, layer.thickness_km)
    volume = field.volume(layer, seed, index, grain, shells, loop_angle_rad=loop_angle_rad, draft=window_share > 1)
    if window_share > 1:
        volume = volume.around_camera(field.window // window_share)
    height = np.linspace(0.0, 1.0, shells)
    shell_km = (layer.base_km + layer.thickness_km * height).astype(np.float32)
    extinction = volume.extinction_per_thickness * np.float32(layer.density / layer.thickness_km)
    inputs = {
        "extinction": extinction,
        "shell_km": shell_km,
        "texel_km": volume.texel_km,
        "plane_matrix": volume.plane_matrix,
        "plane_offset_km": volume.plane_offset_km,
    }
    passes = sunlight_passes(sun_direction, layer.thickness_km / (shells - 1))
    sun_depths = []
    for one in passes:  # all but the sun depths are the same in all of them
        fill, greatest, sun_depth, zenith_depth, occupancy = sunlight[shells, one.low_sun](
            **inputs, sun_direction=one.sun_direction
        )
        sun_depths.append(sun_depth)
    return LayerLight(
        fill=fill,
        greatest=greatest,
        sun_depth=mixed_depth(passes, sun_depths),
        zenith_depth=zenith_depth,
        occupancy=occupancy,
        shell_km=shell_km,
        texel_km=volume.texel_km,
        factor=volume.factor,
        plane_matrix=np.asarray(volume.plane_matrix, dtype=np.float32),
        plane_offset_km=np.asarray(volume.plane_offset_km, dtype=np.float32),
        detail_offset_km=detail_offset_km(layer, volume.plane_matrix, volume.texel_km),
        around_share=AROUND_SHARE * window_share,
    )


def detail_offset_km(layer: LayerRequest, plane_matrix: NDArray[np.floating], texel_km: float) -> FloatArray:
    """Where the camera stands on the tile of detail, (2,), for the wind carries that with the clouds."""
    moved = -np.asarray(plane_matrix, dtype=np.float64) @ np.asarray(layer.displacement_km, dtype=np.float64)
    offset: FloatArray = np.mod(moved, TILE_TEXELS * texel_km).astype(np.float32)
    return offset


def substeps_at(layer: LayerLight, elevation_rad: float, footprint_rad: float) -> int:
    """Samples between two shells for rays of an elevation, so that none steps over a texel or a pixel.

    Parameters
    ----------
    layer : LayerLight
        Gives the shells, and the texels of the window that such rays cross.
    elevation_rad : float
        Above the horizon.
    footprint_rad : float
        Angle of a pixel.
    """
    sine = math.sin(max(elevation_rad, math.radians(1.5)))
    distance_km = float(layer.shell_km[0]) / sine
    reach = distance_km / (READ_SHARE * layer.texel_km * layer.fill.shape[3])
    level = min(max(math.ceil(math.log(reach, layer.factor)), 0), layer.levels - 1) if reach > 0 else 0
    step_km = max(
        STEP_TEXELS * layer.texel_km * float(layer.factor) ** level, STEP_PIXELS * footprint_rad * distance_km
    )
    gap_km = float(layer.shell_km[1] - layer.shell_km[0]) / sine
    return min(max(math.ceil(gap_km / step_km), LEAST_SUBSTEPS), MOST_SUBSTEPS)


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
        fill=layer.fill,
        greatest=layer.greatest,
        sun_table=layer.sun_depth,
        zenith_table=layer.zenith_depth,
        occupancy=layer.occupancy,
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
