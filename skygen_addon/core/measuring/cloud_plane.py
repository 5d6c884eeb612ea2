"""A sky disc unprojected onto the cloud plane: maps in kilometres, as the field network makes them.

The plane is the spherical shell of `core.geometry` at an assumed base height. Maps are centred on
the camera, row 0 north, column 0 west. A texel is the mean over its area: it is filled by
super-sampling that follows the size of the source's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import EARTH_RADIUS_KM

BASE_KM = 1.5
"""Assumed height of the cloud base, km: a capture does not tell it; all distances scale with it."""


@dataclass(frozen=True)
class PlaneScale:
    """One size of map."""

    texel_m: int
    """Edge of a texel, m."""
    size: int
    """Texels along an edge."""
    min_elevation_deg: float
    """Texels seen lower than this are invalid."""


PLANE_SCALES = (PlaneScale(25, 144, 32.0), PlaneScale(100, 128, 12.0), PlaneScale(400, 80, 6.0))
"""The three sizes of map, fine to coarse."""


def plane_directions(size: int, texel_km: float, base_km: float = BASE_KM) -> NDArray[np.float64]:
    """Unit view directions (size, size, 3) of the texel centres of a map on the shell.

    A texel's place is its ground distance, measured along the Earth's surface, from the camera.
    """
    axis = (np.arange(size) + 0.5 - size / 2) * texel_km
    east, north = np.meshgrid(axis, -axis)
    distance = np.hypot(east, north)
    angle = distance / EARTH_RADIUS_KM
    across = (EARTH_RADIUS_KM + base_km) * np.sin(angle)
    up = (EARTH_RADIUS_KM + base_km) * np.cos(angle) - EARTH_RADIUS_KM
    far = np.maximum(distance, 1e-9)
    d = np.stack([east / far * across, north / far * across, up], axis=-1)
    return np.asarray(d / np.linalg.norm(d, axis=-1, keepdims=True), dtype=np.float64)
