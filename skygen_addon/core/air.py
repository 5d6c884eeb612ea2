"""Clear air: what it is made of, and how much of the sun's light passes it.

Three constituents on a spherical Earth with a 100 km atmosphere: molecules (Rayleigh), aerosol
(continental, exponential with height) and ozone (tent around 25 km). Optical depths along any
path are amounts of the three in kilometres at ground density, times three spectra.
Refraction is ignored. Heights are above the ground, which lies ``altitude_km`` above the sea.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import spectrum
from .errors import RequestError
from .geometry import EARTH_RADIUS_KM, SUN_ANGULAR_DIAMETER_RAD

Array = NDArray[np.floating[Any]]

TOP_KM = 100.0
RAYLEIGH_SCALE_KM = 8.0
AEROSOL_SCALE_KM = 1.3
AEROSOL_DEPTH_550 = 0.10
"""Vertical aerosol optical depth at 550 nm for haze 1 at sea level: clean continental air, 40 km visibility."""
AEROSOL_ANGSTROM = 1.3
AEROSOL_ALBEDO = 0.93
"""Single-scattering albedo of rural continental aerosol."""
AEROSOL_FORWARD = 0.35
"""Share of the aerosol's scattering that turns light so little that it goes on as if it had not been scattered.

Only skylight takes it so (:mod:`.scattering`); direct light loses it. Chosen between 0.1 and 0.5 by the skies of
``tests/core/clear_sky_photons.json``: less leaves thick haze too dark, more makes it too bright around a low sun.
"""
OZONE_CENTRE_KM, OZONE_HALF_WIDTH_KM = 25.0, 15.0

_HEIGHTS, _ANGLES = 65, 129


@dataclass(frozen=True)
class Air:
    """Clear air over one place."""

    haze: float = 1.0
    """Aerosol amount relative to clear reference air, 0 to 20."""
    ground_albedo: tuple[float, float, float] = (0.18, 0.16, 0.13)
    """Linear Rec.709 reflectance of the Lambertian ground, 0 to 1."""
    ozone_du: float = 300.0
    """Ozone column in Dobson units, 0 to 1000."""
    altitude_km: float = 0.0
    """Altitude of the ground above the sea, 0 to 9; thins molecules and aerosol."""

    def __post_init__(self) -> None:
        for name, value, high in (
            ("haze", self.haze, 20.0),
            ("ozone_du", self.ozone_du, 1000.0),
            ("altitude_km", self.altitude_km, 9.0),
            *(("ground_albedo", albedo, 1.0) for albedo in self.ground_albedo),
        ):
            if not 0.0 <= value <= high:
                raise RequestError(f"{name} is {value!r}.", f"Give a number from 0 to {high:g}.")
        if len(self.ground_albedo) != 3:
            raise RequestError("ground_albedo has not three channels.", "Give red, green and blue from 0 to 1.")

    def extinction(self) -> Array:
        """Extinction in 1/km at ground density, (3, 8): rows Rayleigh, aerosol, ozone (at its peak)."""
        w = spectrum.WAVELENGTHS_NM
        rayleigh = spectrum.rayleigh_optical_depth(w) / RAYLEIGH_SCALE_KM
        aerosol = self.haze * AEROSOL_DEPTH_550 * (w / 550.0) ** -AEROSOL_ANGSTROM / AEROSOL_SCALE_KM
        ozone = spectrum.ozone_optical_depth(w, self.ozone_du) / OZONE_HALF_WIDTH_KM
        thin = np.exp(-self.altitude_km / np.array([RAYLEIGH_SCALE_KM, AEROSOL_SCALE_KM]))
        return np.stack([rayleigh * thin[0], aerosol * thin[1], ozone]).astype(np.float32)

    def scattering(self) -> Array:
        """Scattering in 1/km at ground density, (2, 8): rows Rayleigh, aerosol."""
        return np.asarray(self.extinction()[:2] * np.array([[1.0], [AEROSOL_ALBEDO]], dtype=np.float32))

    def diffuse_extinction(self) -> Array:
        """As :meth:`extinction`, (3, 8), without the aerosol's forward share: what removes light from the sky."""
        kept = np.array([[1.0], [1 - AEROSOL_ALBEDO * AEROSOL_FORWARD], [1.0]], dtype=np.float32)
        return np.asarray(self.extinction() * kept)

    def diffuse_scattering(self) -> Array:
        """As :meth:`scattering`, (2, 8), without the aerosol's forward share: what turns light for good."""
        return np.asarray(self.scattering() * np.array([[1.0], [1 - AEROSOL_FORWARD]], dtype=np.float32))


def density(height_km: Array, altitude_km: float) -> Array:
    """Relative density (..., 3) of molecules and aerosol (1 at the ground) and ozone (1 at its peak)."""
    h = np.maximum(height_km, 0.0)
    ozone = np.maximum(1 - np.abs(h + altitude_km - OZONE_CENTRE_KM) / OZONE_HALF_WIDTH_KM, 0.0)
    return np.stack([np.exp(-h / RAYLEIGH_SCALE_KM), np.exp(-h / AEROSOL_SCALE_KM), ozone], axis=-1)


def horizon_dip_rad(height_km: float | Array) -> Array:
    """How far below horizontal the ground's horizon lies, seen from a height: acos(R / (R + h))."""
    h = np.maximum(height_km, 0.0)
    return np.arctan2(np.sqrt(h * (2 * EARTH_RADIUS_KM + h)), EARTH_RADIUS_KM)


def height_along(height_km: Array, sin_elevation: Array, distance_km: Array) -> Array:
    """Height above the ground after a distance along a straight ray, free of cancellation."""
    r = EARTH_RADIUS_KM + height_km
    rise = distance_km * (distance_km + 2 * r * sin_elevation) / r
    return np.asarray(height_km + rise / (1 + np.sqrt(np.maximum(1 + rise / r, 0.0))))


@functools.lru_cache(maxsize=8)
def _column_table(altitude_km: float) -> Array:
    """Slant amounts from a point to space, (heights * angles, 4).

    Rows run over sqrt(height), then sqrt(angle above the horizon). Molecules and aerosol are
    divided by their density at the point (a Chapman function, in km); ozone is in km.
    """
    h = TOP_KM * np.linspace(0.0, 1.0, _HEIGHTS) ** 2
    dip = horizon_dip_rad(h)[:, None]
    elevation = np.linspace(0.0, 1.0, _ANGLES) ** 2 * (np.pi / 2 + dip) - dip  # (heights, angles)
    r, c = (EARTH_RADIUS_KM + h)[:, None], np.sin(elevation)
    top = EARTH_RADIUS_KM + TOP_KM
    through = -r * c + np.sqrt(np.maximum(top**2 - (r * np.cos(elevation)) ** 2, 0.0))
    lowest = np.clip(-r * c, 0.0, through)  # nearest approach to the ground splits the path
    node, weight = np.polynomial.legendre.leggauss(64)
    s, weight = 0.5 * (node + 1), 0.5 * weight
    amounts = np.zeros((_HEIGHTS, _ANGLES, 3))
    start_density = density(h.astype(np.float64), altitude_km)[:, None, :]
    for length, direction in ((lowest, -1.0), (through - lowest, 1.0)):
        t = lowest[..., None] + direction * length[..., None] * s**2  # samples crowd at the nearest approach
        height = height_along(h[:, None, None], c[..., None], t)
        step = length[..., None] * 2 * s * weight
        amounts += (density(height, altitude_km) * step[..., None]).sum(axis=-2)
    amounts[..., :2] /= start_density[..., :2]
    table = np.concatenate([amounts, np.zeros((_HEIGHTS, _ANGLES, 1))], axis=-1)
    return np.ascontiguousarray(table.reshape(-1, 4), dtype=np.float32)


def slant_columns(height_km: Array, elevation_rad: Array, altitude_km: float) -> Array:
    """Amounts of air between points and space, (..., 3) in km at ground (ozone: peak) density.

    Parameters
    ----------
    height_km : ndarray (...)
        0 to 100.
    elevation_rad : ndarray (...)
        Direction above the local horizontal; directions below the ground's horizon are
        treated as at it (see :func:`sun_visible_fraction` for who hides the sun).
    """
    table = _column_table(altitude_km)
    h = np.clip(height_km, 0.0, TOP_KM).astype(np.float32)
    dip = horizon_dip_rad(h)
    above = np.clip((elevation_rad + dip) / (np.pi / 2 + dip), 0.0, 1.0)
    row = np.sqrt(h * np.float32(1 / TOP_KM)) * np.float32(_HEIGHTS - 1)
    column = np.sqrt(above).astype(np.float32) * np.float32(_ANGLES - 1)
    i = np.minimum(row.astype(np.int32), _HEIGHTS - 2)
    j = np.minimum(column.astype(np.int32), _ANGLES - 2)
    fi, fj = (row - i)[..., None], (column - j)[..., None]
    base = i * _ANGLES + j
    low = np.take(table, base, axis=0) * (1 - fj) + np.take(table, base + 1, axis=0) * fj
    base += _ANGLES
    high = np.take(table, base, axis=0) * (1 - fj) + np.take(table, base + 1, axis=0) * fj
    amounts = low + (high - low) * fi
    amounts[..., 0] *= np.exp(h * np.float32(-1 / RAYLEIGH_SCALE_KM))
    amounts[..., 1] *= np.exp(h * np.float32(-1 / AEROSOL_SCALE_KM))
    return np.asarray(amounts[..., :3])


def sun_visible_fraction(elevation_above_horizon_rad: Array) -> Array:
    """Fraction of the sun's disc area above the horizon, for its centre's angle above the horizon.

    1 when the disc is clear of the horizon, 0 when all of it is below, smooth between.
    """
    x = np.clip(np.asarray(elevation_above_horizon_rad) / (SUN_ANGULAR_DIAMETER_RAD / 2), -1.0, 1.0)
    return np.asarray(0.5 + (np.arcsin(x) + x * np.sqrt(1 - x * x)) / np.pi)


def sun_columns(height_km: Array | float, elevation_rad: Array | float, altitude_km: float) -> tuple[Array, Array]:
    """Amounts of air before the sun, (..., 3) in km, and the fraction of its disc above the horizon, (...).

    ``elevation_rad`` is that of the disc's centre above the local horizontal. Where the disc is
    cut by the horizon, the air is that in front of the middle of its visible part.
    """
    half = SUN_ANGULAR_DIAMETER_RAD / 2
    height_km, elevation_rad = np.asarray(height_km, np.float32), np.asarray(elevation_rad, np.float32)
    dip = horizon_dip_rad(height_km)
    above = elevation_rad + dip
    middle = np.where(above < half, np.maximum(above + half, 0.0) / 2, above) - dip
    return slant_columns(height_km, middle, altitude_km), sun_visible_fraction(above).astype(np.float32)


def sun_transmittance(height_km: Array | float, elevation_rad: Array | float, air: Air) -> Array:
    """Fraction of the sun's light that reaches points unscattered, (..., 8), the horizon's hiding included."""
    columns, visible = sun_columns(height_km, elevation_rad, air.altitude_km)
    return np.asarray(np.exp(-(columns @ air.extinction())) * visible[..., None])


def diffuse_sun_transmittance(height_km: Array | float, elevation_rad: Array | float, air: Air) -> Array:
    """As :func:`sun_transmittance`, with the light that aerosol has turned only a little, (..., 8)."""
    columns, visible = sun_columns(height_km, elevation_rad, air.altitude_km)
    return np.asarray(np.exp(-(columns @ air.diffuse_extinction())) * visible[..., None])
