"""What the clear sky is compared with: Blender's panoramas, pvlib's SPCTRL2, photons; and how far off it is.

Everything is luminance or illuminance as the CIE 1931 Y of spectral radiance, W m^-2 (sr^-1) without
the factor 683: the unit of Blender's sky (its radiance is Rec.709 of solar W m^-2 nm^-1 without
any scale), so no scale is fitted. Our radiance is taken back from its white point (D65) to XYZ.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core import spectrum
from skygen_addon.core.air import AEROSOL_ALBEDO, AEROSOL_ANGSTROM, AEROSOL_DEPTH_550, Air
from skygen_addon.core.atmosphere import SKY_VIEW_SHAPE, clear_sky, sky_view_coordinates
from skygen_addon.core.geometry import (
    REC709_LUMINANCE,
    direction_from_angles,
    panorama_directions,
    panorama_solid_angles,
)
from skygen_addon.core.phase_functions import aerosol_phase
from skygen_addon.runtime.exr import read_exr
from tests.comparison.air_photons import cosine_directions, photon_radiance

Array = NDArray[np.float64]

GROUND = (0.3, 0.3, 0.3)
"""Blender's ground; SPCTRL2 and the photons are given the same."""
AIRS = {"reference": Air(ground_albedo=GROUND), "clean": Air(haze=0.184, ground_albedo=GROUND)}
"""Our air for each of clear_sky_blender.py's."""
WIDTH, FINER = 256, 4
AUREOLE_DEG = 15.0
_TO_Y = np.linalg.inv(spectrum.xyz_to_project())[:, 1]
_SPECTRAL_Y = spectrum.solar_to_xyz()[:, 1]


def luminance_towards(directions: NDArray[np.floating], sun_elevation_deg: float, air: Air) -> Array:
    """Our sky's luminance (...) towards unit directions (..., 3); the sun's azimuth is that of +X."""
    sky = clear_sky(float(np.deg2rad(sun_elevation_deg)), air)
    sun = direction_from_angles(np.pi / 2, np.deg2rad(sun_elevation_deg))
    u, v = sky_view_coordinates(directions, sun)
    row, column = v * (SKY_VIEW_SHAPE[0] - 1), u * (SKY_VIEW_SHAPE[1] - 1)
    i = np.minimum(row.astype(int), SKY_VIEW_SHAPE[0] - 2)
    j = np.minimum(column.astype(int), SKY_VIEW_SHAPE[1] - 2)
    down, right = row - i, column - j
    table = sky.radiance @ _TO_Y
    upper = table[i, j] * (1 - right) + table[i, j + 1] * right
    lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def our_panorama(sun_elevation_deg: float, air: Air) -> tuple[Array, Array]:
    """Upper half of the panorama, (64, 256): luminance as means over pixels, and angle to the sun in degrees."""
    rows, fine = WIDTH // 4, WIDTH * FINER
    directions = panorama_directions(fine)[: rows * FINER]
    luminance = luminance_towards(directions, sun_elevation_deg, air)
    cosine = directions @ direction_from_angles(np.pi / 2, np.deg2rad(sun_elevation_deg))
    blocks = (rows, FINER, WIDTH, FINER)
    cosine = np.clip(cosine.reshape(blocks).mean((1, 3)), -1, 1)
    return luminance.reshape(blocks).mean((1, 3)), np.degrees(np.arccos(cosine))


def blender_panorama(folder: Path, air: str, sun_elevation_deg: float) -> Array:
    """Upper half of Blender's panorama, (64, 256): luminance."""
    picture = read_exr(folder / f"{air}_{sun_elevation_deg:g}.exr").radiance[: WIDTH // 4]
    return np.asarray(picture @ REC709_LUMINANCE, dtype=np.float64)


def solid_angles() -> Array:
    """Solid angle of each pixel of the upper half, (64, 256)."""
    return np.repeat(panorama_solid_angles(WIDTH)[: WIDTH // 4, None], WIDTH, axis=1)


def horizontal_irradiance(luminance: Array) -> float:
    """Irradiance of the horizontal ground under the upper half of a panorama (64, 256)."""
    sine = np.sin(np.pi / 2 - (np.arange(WIDTH // 4) + 0.5) * np.pi / (WIDTH // 2))[:, None]
    return float((luminance * sine * solid_angles()).sum())


def relative_rms(ours: Array, theirs: Array, weight: Array) -> float:
    """Root mean square of ours / theirs - 1."""
    return float(np.sqrt((weight * (ours / theirs - 1) ** 2).sum() / weight.sum()))


def our_irradiance(sun_elevation_deg: float, air: Air) -> tuple[float, float]:
    """Irradiance of direct light on the horizontal, and of the sky."""
    sky = clear_sky(float(np.deg2rad(sun_elevation_deg)), air)
    direct = float(sky.sun_irradiance @ _TO_Y) * np.sin(np.deg2rad(sun_elevation_deg))
    return direct, float(sky.sky_irradiance @ _TO_Y)


def spctrl2_irradiance(sun_elevation_deg: float, air: Air) -> tuple[float, float]:
    """As :func:`our_irradiance`, by SPCTRL2 (Bird & Riordan 1984) in pvlib.

    Same aerosol (depth, Angstrom exponent, single-scattering albedo, mean cosine of its phase function), ozone,
    ground and solar spectrum; no water vapour, which we do not have either (1.4 cm would take 0.2 % to 1 % away).
    """
    from pvlib.atmosphere import get_relative_airmass
    from pvlib.spectrum import spectrl2

    zenith_deg = 90 - sun_elevation_deg
    node, weight = np.polynomial.legendre.leggauss(400)
    result = spectrl2(
        apparent_zenith=zenith_deg,
        aoi=zenith_deg,
        surface_tilt=0,
        ground_albedo=air.ground_albedo[1],
        surface_pressure=101325,
        relative_airmass=get_relative_airmass(zenith_deg),
        precipitable_water=0.0,
        ozone=air.ozone_du / 1000,
        aerosol_turbidity_500nm=air.haze * AEROSOL_DEPTH_550 * (500 / 550) ** -AEROSOL_ANGSTROM,
        dayofyear=93,
        scattering_albedo_400nm=AEROSOL_ALBEDO,
        alpha=AEROSOL_ANGSTROM,
        wavelength_variation_factor=0.0,
        aerosol_asymmetry_factor=float(2 * np.pi * (weight * node * aerosol_phase(node)).sum()),
    )
    wavelength = np.arange(375.0, 731.0)
    photopic = spectrum.solar_irradiance(wavelength) * spectrum.colour_matching(wavelength)[:, 1]
    direct, diffuse = (
        float(photopic @ np.interp(wavelength, result["wavelength"], (result[key] / result["dni_extra"])[:, 0]))
        for key in ("dni", "dhi")
    )
    return direct * np.sin(np.deg2rad(sun_elevation_deg)), diffuse


def photon_irradiance(sun_elevation_deg: float, air: Air, paths: int = 40_000) -> float:
    """Irradiance of the sky by Monte Carlo; ``paths`` for each of the eight wavelengths."""
    rng = np.random.default_rng(1)
    sun = float(np.deg2rad(sun_elevation_deg))
    means = [photon_radiance(cosine_directions(paths, rng), sun, air, w, rng).mean() for w in range(8)]
    return float(np.pi * _SPECTRAL_Y @ np.array(means))


def photon_luminance(directions: Array, sun_elevation_deg: float, air: Air, paths: int = 3000) -> Array:
    """Luminance (N,) by Monte Carlo towards directions (N, 3) of a sky whose sun has the azimuth of +X."""
    rng = np.random.default_rng(1)
    turned = np.stack([-directions[:, 1], directions[:, 0], directions[:, 2]], axis=1)  # +X to +Y
    repeated, sun = np.repeat(turned, paths, axis=0), float(np.deg2rad(sun_elevation_deg))
    means = [photon_radiance(repeated, sun, air, w, rng).reshape(-1, paths).mean(axis=1) for w in range(8)]
    return np.asarray(_SPECTRAL_Y @ np.stack(means))
