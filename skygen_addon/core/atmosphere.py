"""Clear sky for one sun elevation: a table of radiance, and the light that falls on clouds and ground.

Radiance is in project units (linear Rec.709, a white card under the reference noon sky is 1),
irradiance in the same unit times steradian; see :mod:`.spectrum` for the factor to W m^-2 sr^-1.

Table coordinates: row 0 is the zenith, the last row the horizon, ``elevation = pi/2 (1 - v)^2``;
column 0 is the sun's azimuth, the last column the opposite one, ``|azimuth difference| = pi u``.
Texel centres lie on the ends: row = v (E - 1), column = u (A - 1). The sky is symmetric about the
sun's vertical plane. The sun's disc is not in the table. The aureole is narrower than its texels, so the
engine takes the table in two smooth parts and multiplies the second by the aureole's phase function itself.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .air import (
    AEROSOL_SCALE_KM,
    RAYLEIGH_SCALE_KM,
    Air,
    Array,
    sun_transmittance,
)
from .phase_functions import AUREOLE_SHARE, aureole_phase, broad_aerosol_phase, rayleigh_phase, repeated_aerosol_phase
from .scattering import Skylight, skylight
from .spectrum import into_gamut, solar_to_rgb

__all__ = [
    "SKY_VIEW_SHAPE",
    "Air",
    "ClearSky",
    "clear_sky",
    "sky_radiance",
    "sky_view_coordinates",
]

SKY_VIEW_SHAPE = (128, 96)
"""Rows and columns of the sky-view table."""

_STEPS, _AZIMUTHS = 40, 17
_AMBIENT_KM = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Heights between which the mean sky radiance is interpolated."""


def smooth_radiance(parts: Skylight, cos_angle: NDArray[np.floating]) -> NDArray[np.float64]:
    """As :func:`sky_radiance`, without the aureole."""
    mu = cos_angle[..., None]
    once = parts.rayleigh * rayleigh_phase(mu) + parts.aerosol * broad_aerosol_phase(mu)
    return np.asarray(once + parts.aerosol_again * repeated_aerosol_phase(mu) + parts.multiple)


def sky_radiance(parts: Skylight, cos_angle: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum (E, A, n) of the parts of skylight, each by its phase function; ``cos_angle`` (E, A) to the sun."""
    return np.asarray(smooth_radiance(parts, cos_angle) + parts.aerosol * aureole_phase(cos_angle[..., None]))


def sky_view_coordinates(
    direction: NDArray[np.floating], sun_direction: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (u, v), each (...) in [0, 1], of unit directions (..., 3) in the sky-view table.

    ``u = |azimuth difference| / pi``, ``v = 1 - sqrt(elevation / (pi/2))``; directions
    below the horizon get the horizon's. With the sun at the zenith its azimuth is taken as north.
    """
    d, s = np.asarray(direction, dtype=np.float64), np.asarray(sun_direction, dtype=np.float64)
    flat = np.hypot(s[0], s[1])
    east, north = (s[0] / flat, s[1] / flat) if flat > 1e-9 else (0.0, 1.0)
    along = d[..., 0] * east + d[..., 1] * north
    across = d[..., 0] * north - d[..., 1] * east
    difference = np.arctan2(np.abs(across), along)
    elevation = np.arctan2(np.maximum(d[..., 2], 0.0), np.hypot(along, across))
    return difference / np.pi, 1 - np.sqrt(elevation / (np.pi / 2))


def _table_angles() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = SKY_VIEW_SHAPE
    return np.pi / 2 * (1 - np.linspace(0, 1, rows)) ** 2, np.pi * np.linspace(0, 1, columns)


@functools.lru_cache(maxsize=1)
def _azimuth_interpolation() -> Array:
    """Matrix (columns, _AZIMUTHS): even trigonometric interpolation from equal azimuth steps to the table's columns."""
    n = _AZIMUTHS - 1
    order = np.arange(_AZIMUTHS)
    ends = np.where((order == 0) | (order == n), 0.5, 1.0)
    forward = 2 / n * ends[:, None] * ends * np.cos(np.pi * np.outer(order, order) / n)  # nodes to cosine terms
    return np.asarray(np.cos(np.outer(_table_angles()[1], order)) @ forward, dtype=np.float32)


@functools.lru_cache(maxsize=1)
def _irradiance_weights() -> Array:
    """Weights (E, A) whose sum with a sky-view table is the horizontal irradiance (trapezoid rule in u and v)."""
    rows, columns = SKY_VIEW_SHAPE
    v, u = np.linspace(0, 1, rows), np.linspace(0, 1, columns)
    elevation = np.pi / 2 * (1 - v) ** 2
    down = np.sin(elevation) * np.cos(elevation) * np.pi * (1 - v) / (rows - 1)
    around = np.where((u == 0) | (u == 1), 0.5, 1.0) * np.pi / (columns - 1)
    return np.asarray(2 * np.outer(down, around), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ClearSky:
    """A clear sky. Made by :func:`clear_sky`; arrays are shared between callers and read-only."""

    air: Air
    """The air it was computed for."""
    sun_elevation_rad: float
    """Elevation of the sun's centre at the ground."""
    radiance: Array
    """Sky-view table (E, A, 3) float32 without the sun's disc, >= 0; coordinates in the module's docstring."""
    parts: Array
    """(E, A, 6) float32, >= 0: radiance without the aureole, and what :func:`aureole_phase` of the angle to the sun
    multiplies to give the aureole. Both are smooth beside the sun; their sum is ``radiance``."""
    sun_irradiance: Array
    """(3,) irradiance at the ground on a plane facing the sun; falls smoothly to 0 as the disc sets."""
    sky_irradiance: Array
    """(3,) irradiance of the sky without the sun on the horizontal ground."""
    ground_radiance: Array
    """(3,) radiance of the Lambertian ground, lit by sun and sky."""
    air_table: Array
    """(2, 4): rows Rayleigh, aerosol; extinction RGB in 1/km at the ground, scale height in km."""
    ambient: Array
    """Mean sky radiance at ``_AMBIENT_KM``, (heights, 3); read through :meth:`sky_mean_radiance_at`."""

    def sun_irradiance_at(self, height_km: float) -> Array:
        """Irradiance (3,) on a plane facing the sun at a height above the ground.

        0 when the whole disc is below that height's horizon, acos(R / (R + h)) under the horizontal.
        """
        light = sun_transmittance(height_km, self.sun_elevation_rad, self.air)
        return into_gamut(light @ solar_to_rgb()).astype(np.float32)

    def sky_mean_radiance_at(self, height_km: float) -> Array:
        """Cosine-weighted mean radiance (3,) of the sky above a height (irradiance / pi), for heights 0 to 16 km."""
        row = np.interp(height_km, _AMBIENT_KM, np.arange(len(_AMBIENT_KM)))
        low = min(int(row), len(_AMBIENT_KM) - 2)
        a, b = self.ambient[low], self.ambient[low + 1]
        return np.asarray(a + (b - a) * np.float32(row - low))


def _mean_radiance(height_km: float, sun_elevation_rad: float, air: Air) -> NDArray[np.float64]:
    """Sky irradiance / pi, (3,), by quadrature of a coarse sky seen from a height."""
    node, weight = np.polynomial.legendre.leggauss(12)
    elevation = np.arcsin(np.sqrt(0.5 * (node + 1)))  # even in sin^2: every node counts the same irradiance
    azimuth = (np.arange(16) + 0.5) * np.pi / 16
    parts = skylight(height_km, elevation, azimuth, sun_elevation_rad, air, 24)
    radiance = smooth_radiance(parts, _cos_sun_angle(elevation, azimuth, sun_elevation_rad))
    mean = np.einsum("e,eaw->w", weight / 2 / azimuth.size, radiance)
    sine = max(float(np.sin(sun_elevation_rad)), 0.0)  # the aureole is narrower than the steps: as if from the sun
    at_sun = skylight(height_km, np.array([max(sun_elevation_rad, 0.0)]), np.zeros(1), sun_elevation_rad, air, 24)
    mean = mean + at_sun.aerosol[0, 0] * AUREOLE_SHARE * sine / np.pi
    return np.asarray(mean @ solar_to_rgb())


def _cos_sun_angle(
    elevation: NDArray[np.float64], azimuth: NDArray[np.float64], sun_elevation: float
) -> NDArray[np.float64]:
    """Cosine of the angle to the sun on a grid of elevations and relative azimuths."""
    level = np.cos(sun_elevation) * np.outer(np.cos(elevation), np.cos(azimuth))
    return np.asarray(level + np.sin(sun_elevation) * np.sin(elevation)[:, None])


def _air_table(air: Air) -> Array:
    """Extinction per constituent in RGB: the optical depth of 1 km for daylight, so that thin layers are exact."""
    matrix = solar_to_rgb()
    rgb = air.extinction()[:2] @ matrix / matrix.sum(axis=0)
    scale = np.array([[RAYLEIGH_SCALE_KM], [AEROSOL_SCALE_KM]])
    return np.concatenate([rgb, scale], axis=1).astype(np.float32)


@functools.lru_cache(maxsize=64)
def clear_sky(sun_elevation_rad: float, air: Air) -> ClearSky:
    """The clear sky for a sun elevation, -pi/2 to pi/2.

    Deterministic: a pure function of its arguments, computed at exactly this elevation. Below
    about -18 degrees the sky is black (no stars, moon or airglow).

    Raises
    ------
    RequestError
        By :class:`Air`, for values out of range.
    """
    matrix = solar_to_rgb().astype(np.float32)
    elevation, azimuth = _table_angles()
    nodes = np.linspace(0, np.pi, _AZIMUTHS)
    parts = skylight(0.0, elevation, nodes, sun_elevation_rad, air, _STEPS)
    spread = _azimuth_interpolation()
    coloured = Skylight(*(np.einsum("an,enc->eac", spread, part @ matrix, optimize=True) for part in parts))
    cosine = _cos_sun_angle(elevation, azimuth, sun_elevation_rad)
    smooth, aureole = into_gamut(smooth_radiance(coloured, cosine)), into_gamut(coloured.aerosol)
    table = smooth + aureole * aureole_phase(cosine)[..., None]
    sky_irradiance = np.einsum("ea,eac->c", _irradiance_weights(), table)
    sun = sun_transmittance(0.0, sun_elevation_rad, air) @ matrix
    sun_irradiance = into_gamut(sun).astype(np.float32)
    lit = sky_irradiance + sun_irradiance * max(float(np.sin(sun_elevation_rad)), 0.0)
    ground = np.asarray(air.ground_albedo) / np.pi * lit
    ambient = np.stack([into_gamut(_mean_radiance(h, sun_elevation_rad, air)) for h in _AMBIENT_KM])
    both = np.concatenate([smooth, aureole], axis=-1)
    arrays = [table, both, sun_irradiance, sky_irradiance, ground, _air_table(air), ambient]
    arrays = [np.asarray(array, dtype=np.float32) for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    return ClearSky(air, sun_elevation_rad, *arrays)
