"""Stills: frames kept together with how each cloud layer looks from the camera, so that the wind can carry that on.

A picture of a layer holds, for the sampled rows of the sky's half of a panorama (S rows from the zenith down to the
horizon, those near the horizon several a pixel as in :mod:`.tiles`) and all columns, six values a ray:

0. transmittance, 1 in clear sky;
1. sunlight scattered, over :func:`sun_pattern`, for that stays with the sun when clouds move;
2. and 3. light of sky and of ground scattered;
4. opacity times distance of what is seen, over the distance of the layer's shell;
5. opacity times optical depth toward the sun.

All are weighted by opacity, so a mean of two of them is what half of each looks like.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...core.geometry import EARTH_RADIUS_KM, FloatArray, panorama_directions, shell_distance_km
from ...core.phase_functions import DROPLET_LOBES
from ...core.request import LayerRequest, SkyRequest
from .scene import Scene
from .tiles import RowTile, row_tiles

CHANNELS = 6
HEIGHTS_RAD = math.radians(4.0)
"""Deviation of the elevations over which a row's mean height is taken."""
TINY = 1e-6
"""Opacity of nothing, which the dome graph adds too before it divides by one."""
_FORWARD_G, _BACKWARD_G, _FORWARD_WEIGHT = 0.88, -0.3, 0.96
_BEAM_LIGHT, _BEAM_FLATTENING = 1.46, 0.64
_ASYMMETRY = _FORWARD_WEIGHT * _FORWARD_G + (1 - _FORWARD_WEIGHT) * _BACKWARD_G
_DIFFUSE_LIGHT = 0.05
"""About what a cloud's diffuse light is in the lit half of its depth, in 1/sr."""


class GivenUp(Exception):
    """Nobody waits for the frame any more."""


def sun_pattern(cos_angle: FloatArray, sun_depth: FloatArray) -> FloatArray:
    """How bright clouds look by the angle to the sun, in 1/sr: their scattered sunlight follows it when they move.

    Direct and forward light of trainer.networks.cloud_light and a constant for the rest, which has no direction. Only
    its ratio between two directions is used.

    Parameters
    ----------
    cos_angle : ndarray
        Cosine of the angle between view ray and sun, -1 to 1.
    sun_depth : ndarray
        Optical depth toward the sun, 0 or more; broadcast against the other.
    """
    direct = np.exp(-sun_depth)
    beam = np.exp(-(1 - _ASYMMETRY) * sun_depth)
    flat = _BEAM_LIGHT * _lobes(cos_angle, _BEAM_FLATTENING)
    once = sum(np.float32(share) * _henyey_greenstein(cos_angle, g) for share, g in DROPLET_LOBES)
    pattern: FloatArray = once * direct + flat * (beam - direct) + np.float32(_DIFFUSE_LIGHT)
    return pattern


def _lobes(cos_angle: FloatArray, flattening: float) -> FloatArray:
    forward = _FORWARD_WEIGHT * _henyey_greenstein(cos_angle, _FORWARD_G * flattening)
    lobes: FloatArray = forward + (1 - _FORWARD_WEIGHT) * _henyey_greenstein(cos_angle, _BACKWARD_G * flattening)
    return lobes


def _henyey_greenstein(cos_angle: FloatArray, g: float) -> FloatArray:
    base = np.maximum((1 + g * g) - (2 * g) * cos_angle, 1e-4)
    phase: FloatArray = ((1 - g * g) / (4 * math.pi)) / (base * np.sqrt(base))
    return phase


@dataclass(frozen=True, eq=False)
class SkyRows:
    """The sampled rows of the sky's half of a panorama."""

    width: int
    """Of the panorama in pixels."""
    direction: FloatArray
    """(S, W, 3) unit vectors."""
    elevation_rad: FloatArray
    """(S,) falling."""
    sine: FloatArray
    """(S,) of the elevation."""
    first: dict[int, int]
    """First sampled row by the first row of each tile."""
    parts: tuple[tuple[int, int, int], ...]
    """First sampled row, one after the last, and samples of a row, of parts with as many samples."""

    def folded(self, values: FloatArray) -> FloatArray:
        """Values (S, W, 3) as means of the samples of each row (W / 4, W, 3)."""
        rows = []
        for start, stop, samples in self.parts:
            part = values[start:stop]
            rows.append(part.reshape(-1, samples, *part.shape[1:]).mean(1) if samples > 1 else part)
        return np.concatenate(rows)


@lru_cache(maxsize=4)
def sky_rows(width: int) -> SkyRows:
    """The rows that the frames of a width sample."""
    tiles = [tile for tile in row_tiles(width) if tile.start < width // 4]
    parts: list[tuple[int, int, int]] = []
    first, row = {}, 0
    for tile in tiles:
        first[tile.start], begin = row, row
        row += (tile.stop - tile.start) * tile.supersamples
        if parts and parts[-1][2] == tile.supersamples:
            begin = parts.pop()[0]
        parts.append((begin, row, tile.supersamples))
    direction = np.concatenate([panorama_directions(width, tile.start, tile.stop, tile.supersamples) for tile in tiles])
    sine = direction[:, 0, 2].copy()
    return SkyRows(width, direction, np.arcsin(sine), sine, first, tuple(parts))


class LayerPictures:
    """Takes in how both layers look while a frame is rendered.

    Parameters
    ----------
    width : int
        Of the frame.
    given_up : callable
        Asked with every tile; once it says yes the frame is not wanted any more.
    """

    def __init__(self, width: int, given_up: Callable[[], bool] = lambda: False) -> None:
        self.rows = sky_rows(width)
        self.values = np.zeros((2, *self.rows.direction.shape[:2], CHANNELS), dtype=np.float32)
        """(2, S, W, 6): low and high, values 1, 4 and 5 as the dome graph has them, the last two by opacity."""
        self.scene: Scene | None = None
        """What the frame was composed from, exposure and white balance left out."""
        self.made: tuple[LayerRequest, LayerRequest, float] | None = None
        """Low and high layer for which its clouds were made, and with which grain."""
        self._given_up = given_up

    def check(self) -> None:
        """Raise :class:`GivenUp` if the frame is not wanted any more."""
        if self._given_up():
            raise GivenUp

    def put(self, tile: RowTile, columns: slice, low: FloatArray, high: FloatArray) -> None:
        """Take the dome graph's outputs (6, h, w) of columns of a tile.

        Raises
        ------
        GivenUp
            If the frame is not wanted any more.
        """
        self.check()
        first = self.rows.first.get(tile.start)
        if first is None:  # below the horizon
            return
        rows = slice(first, first + low.shape[1])
        for index, (depth, sun, sky, ground, distance_km, sun_depth) in enumerate((low, high)):
            transmittance = np.exp(-depth)
            opacity = 1 - transmittance + TINY
            values = self.values[index, rows, columns]
            for channel, value in enumerate(
                (transmittance, sun, sky, ground, distance_km * opacity, sun_depth * opacity)
            ):
                values[..., channel] = value


@dataclass(frozen=True, eq=False)
class LayerPicture:
    """How one layer looks."""

    values: FloatArray
    """(S, W, 6), see the module."""
    height_km: FloatArray
    """(S,) mean height above the camera of what is seen."""


@dataclass(frozen=True, eq=False)
class Still:
    """A frame that its clouds can be carried on from."""

    request: SkyRequest
    """As it was asked for, before the weather acted on it."""
    scene: Scene
    """What it was composed from, exposure and white balance left out."""
    rows: SkyRows
    layers: tuple[LayerPicture | None, LayerPicture | None]
    """Low and high; None without cover."""


def finished_still(request: SkyRequest, pictures: LayerPictures) -> Still:
    """A still of a frame that has been rendered into ``pictures``, which are used up.

    Raises
    ------
    ValueError
        If none has been.
    """
    scene, rows = pictures.scene, pictures.rows
    if scene is None:
        raise ValueError("No frame has been rendered into the pictures.")
    cos_angle = rows.direction @ scene.sun_direction
    layers: list[LayerPicture | None] = []
    for layer, light, values in zip((request.low, request.high), scene.layers, pictures.values, strict=True):
        if light is None:
            layers.append(None)
            continue
        opacity = 1 - values[..., 0]
        height_km = mean_height_km(values, opacity, rows, layer)
        values[..., 1] /= sun_pattern(cos_angle, values[..., 5] / (opacity + np.float32(TINY)))
        values[..., 4] /= shell_distance_km(rows.sine, height_km).astype(np.float32)[:, None]
        layers.append(LayerPicture(values, height_km))
    return Still(request, scene, rows, (layers[0], layers[1]))


def mean_height_km(values: FloatArray, opacity: FloatArray, rows: SkyRows, layer: LayerRequest) -> FloatArray:
    """Mean height (S,) of what is seen of a layer about each row; where that is little, of a cloud's lower half.

    Rows beside one another must not differ much, for where they are carried by different ways the picture tears.
    """
    distance_km = values[..., 4] / (opacity + np.float32(TINY))
    height_km = distance_km * rows.sine[:, None] + distance_km * distance_km / np.float32(2 * EARTH_RADIUS_KM)
    height_km = np.clip(height_km, layer.base_km, layer.base_km + layer.thickness_km)
    usual_km = layer.base_km + 0.35 * layer.thickness_km
    near = np.exp(-0.5 * np.square(np.subtract.outer(rows.elevation_rad, rows.elevation_rad) / HEIGHTS_RAD))
    near /= near.sum(1, keepdims=True)
    mean: FloatArray = (near @ (opacity * height_km).sum(1) + usual_km) / (near @ opacity.sum(1) + 1)
    return mean.astype(np.float32)
