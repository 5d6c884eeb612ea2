"""Carrying: a layer's picture moved as its clouds move, seen from the camera that stands still.

A ray meets the height at which the layer is seen at a place on the cloud plane. What is there now was elsewhere when
the picture was made, by as much as the wind has blown since, and that place lies in another direction, where the
picture is read. So clouds far away move little and those overhead much, as they should; what a cloud hid before, or
turns toward the camera, a carried picture does not know.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.geometry import EARTH_RADIUS_KM, FloatArray, shell_distance_km
from ..frame.still import CHANNELS, TINY, LayerPicture, SkyRows, sun_pattern

_DARKEST = 1e-30
"""Least transmittance, so that its logarithm is a number."""


def carried_values(picture: LayerPicture, rows: SkyRows, way_km: tuple[float, float], seen: SkyRows) -> FloatArray:
    """A layer's picture after its clouds have moved.

    Parameters
    ----------
    picture : LayerPicture
        Of a still.
    rows : SkyRows
        Its rows.
    way_km : tuple of float
        How far the clouds have moved east and north since.
    seen : SkyRows
        Rows of the panorama that is wanted, of any width.

    Returns
    -------
    ndarray, shape (S, W, 6), float32
        As in :mod:`..frame.still` but the last but one, opacity times distance in km.
    """
    if rows.width == seen.width and way_km == (0.0, 0.0):
        values, height_km = picture.values.copy(), picture.height_km
    else:
        height_km = np.interp(-seen.elevation_rad, -rows.elevation_rad, picture.height_km).astype(np.float32)
        row, column = _places_before(seen, height_km, way_km, rows)
        values = _read(picture.values, row, column)
    values[..., 4] *= shell_distance_km(seen.sine, height_km).astype(np.float32)[:, None]
    return values


def _places_before(
    seen: SkyRows, height_km: FloatArray, way_km: tuple[float, float], rows: SkyRows
) -> tuple[FloatArray, FloatArray]:
    """Row and column (S, W) of a still's picture where what is seen now was before."""
    distance_km = shell_distance_km(seen.sine, height_km).astype(np.float32)[:, None]
    east = distance_km * seen.direction[..., 0] - np.float32(way_km[0])
    north = distance_km * seen.direction[..., 1] - np.float32(way_km[1])
    # Height above the camera's horizontal plane: the shell curves down with the distance on it.
    flat2 = east * east + north * north
    centre = (EARTH_RADIUS_KM + height_km)[:, None]
    above = height_km[:, None] - flat2 / (np.sqrt(np.maximum(centre * centre - flat2, 0.0)) + centre)
    elevation = np.arctan2(above, np.sqrt(flat2))
    index = np.arange(rows.elevation_rad.size, dtype=np.float32)
    row = np.interp(-elevation.ravel(), -rows.elevation_rad, index).astype(np.float32).reshape(elevation.shape)
    column = (0.5 - np.arctan2(north, east) / np.float32(2 * np.pi)) * rows.width - np.float32(0.5)
    return row, column.astype(np.float32)


def _read(values: FloatArray, row: FloatArray, column: FloatArray) -> FloatArray:
    """Values (s, w, 6) at continuous rows and columns, bilinear; columns go round."""
    height, width = values.shape[:2]
    flat = values.reshape(-1, CHANNELS)
    above = np.minimum(row.astype(np.int32), height - 2)
    left = np.floor(column).astype(np.int32)
    down, right = row - above, column - left
    left %= width
    beside = left + 1
    beside[beside == width] = 0
    start = above * width
    weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
    places = (start + left, start + beside, start + width + left, start + width + beside)
    total: FloatArray = flat.take(places[0], axis=0)
    total *= weights[0][..., None]
    for place, weight in zip(places[1:], weights[1:], strict=True):
        total += flat.take(place, axis=0) * weight[..., None]
    return total


def blended(pictures: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """Mean of carried pictures; the weights sum to 1."""
    if len(pictures) == 1:
        return pictures[0]
    total = pictures[0] * np.float32(weights[0])
    for picture, weight in zip(pictures[1:], weights[1:], strict=True):
        total += picture * np.float32(weight)
    return total


def dome_outputs(values: FloatArray | None, seen: SkyRows, sun_direction: FloatArray) -> FloatArray:
    """A carried picture as the dome graph's outputs (6, S, W), which the compose graph takes.

    ``values`` is None for a layer without cover; the sun may stand elsewhere than in the still.
    """
    outputs = np.zeros((CHANNELS, *seen.direction.shape[:2]), dtype=np.float32)
    if values is None:
        return outputs
    opacity = 1 - values[..., 0] + np.float32(TINY)
    outputs[0] = -np.log(np.clip(values[..., 0], _DARKEST, 1.0))
    outputs[5] = values[..., 5] / opacity
    outputs[1] = values[..., 1] * sun_pattern(seen.direction @ sun_direction, outputs[5])
    outputs[2], outputs[3] = values[..., 2], values[..., 3]
    outputs[4] = values[..., 4] / opacity
    return outputs
