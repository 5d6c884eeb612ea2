"""What all tiles of one frame share, and how it begins: the layers' light before clouds and ground exchange any."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...core.air_below import ceiling_km, opening
from ...core.atmosphere import ClearSky
from ...core.geometry import SUN_ANGULAR_DIAMETER_RAD, FloatArray, direction_from_angles
from ...core.request import SkyRequest
from ..clouds.layers import LayerLight


@dataclass(frozen=True)
class Scene:
    """What all tiles of one frame share."""

    sun_direction: FloatArray
    layers: tuple[LayerLight | None, LayerLight | None]
    sky_view: FloatArray
    log_correction: FloatArray
    light: FloatArray
    air: FloatArray
    ground_radiance: FloatArray
    air_light: float
    sun_share: float
    open_share: float
    air_glow: FloatArray
    ceiling_km: float
    exposure: FloatArray
    """(3,) factors of the output's red, green and blue: exposure and white balance. Light is settled at 1."""
    sun_irradiance: FloatArray
    """(3,) of the clear sky, normal to the sun."""


def unlit_scene(
    request: SkyRequest,
    sky: ClearSky,
    sun_direction: FloatArray,
    layers: tuple[LayerLight | None, LayerLight | None],
    disc_size: int,
) -> Scene:
    """A scene of layers under a clear sky, above a black ground and without the network's correction.

    Parameters
    ----------
    sun_direction : ndarray, shape (3,), float32
        Unit vector.
    layers : tuple of LayerLight or None
        Low and high; None without cover.
    disc_size : int
        Side of the disc of the correction.
    """
    low, high = layers
    low_sun = low.sun_transmittance() if low else 1.0
    high_sun = high.sun_transmittance() if high else 1.0
    light = np.zeros((6, 3), dtype=np.float32)
    for index, (layer, through) in enumerate(((request.low, high_sun), (request.high, 1.0))):
        middle_km = layer.base_km + 0.5 * layer.thickness_km
        light[3 * index] = sky.sun_irradiance_at(middle_km) * through
        light[3 * index + 1] = sky.sky_mean_radiance_at(middle_km)
    return Scene(
        sun_direction=sun_direction,
        layers=layers,
        sky_view=np.ascontiguousarray(sky.parts.transpose(2, 0, 1)[None]),
        log_correction=np.zeros((1, 3, disc_size, disc_size), dtype=np.float32),
        light=light,
        air=sky.air_table,
        ground_radiance=np.zeros(3, dtype=np.float32),
        air_light=1.0,
        sun_share=low_sun * high_sun,
        open_share=opening(math.prod(layer.vertical_transmittance() for layer in layers if layer)),
        air_glow=np.zeros(3, dtype=np.float32),
        ceiling_km=ceiling_km((request.low.base_km, request.high.base_km), (low_sun, high_sun)),
        exposure=np.ones(3, dtype=np.float32),
        sun_irradiance=sky.sun_irradiance,
    )


def sun_disc_directions(azimuth_rad: float, elevation_rad: float) -> FloatArray:
    """Unit vectors (1, 25, 3) spread over the sun's disc around its centre."""
    offsets = np.linspace(-0.8, 0.8, 5) * (0.5 * SUN_ANGULAR_DIAMETER_RAD)
    azimuth, elevation = np.meshgrid(offsets, offsets)
    directions = [
        direction_from_angles(azimuth_rad + a / max(np.cos(elevation_rad), 0.01), e)
        for a, e in zip(azimuth.ravel(), elevation_rad + elevation.ravel(), strict=True)
    ]
    return np.stack(directions).astype(np.float32)[None]
