"""The sun: where it stands at a place and time, and its disc in a panorama.

The disc only spreads the irradiance it is given. How much of the sun's light arrives, the
horizon's hiding included, is the business of :mod:`.air`; here the part of the disc below the
horizon gets nothing and the visible part gets all of the irradiance, so nothing is removed twice.
Row 0 of a panorama touches the zenith; conventions are those of :mod:`.geometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from .errors import RequestError
from .geometry import SUN_ANGULAR_DIAMETER_RAD, direction_from_angles

LIMB_EXPONENT = tuple(-0.023 + 0.292 / wavelength_um for wavelength_um in (0.610, 0.545, 0.450))
"""Limb darkening of red, green and blue: radiance falls as mu^exponent from the centre (mu = 1) to the
limb (mu = 0), mu the cosine on the sun's surface (Hestroffer & Magnan 1998)."""

_CELLS = 96
"""Quadrature cells across the disc, at least."""


@dataclass(frozen=True, eq=False)
class SunPatch:
    """The few pixels of a panorama that the sun's disc touches; add with ``panorama[rows][:, columns] += radiance``."""

    row_start: int
    """First row; equal to ``row_stop`` when the sun is not up."""
    row_stop: int
    """One past the last row, at most the horizon."""
    columns: NDArray[np.int64]
    """(c,) distinct columns, wrapped into the panorama."""
    radiance: NDArray[np.float32]
    """(row_stop - row_start, c, 3) mean radiance of the sun over each pixel."""


def sun_disc(
    width: int, sun_azimuth_rad: float, sun_elevation_rad: float, irradiance_rgb: NDArray[np.floating]
) -> SunPatch:
    """The sun's disc, anti-aliased by area and limb-darkened, in a panorama of any width.

    Parameters
    ----------
    width : int
        Panorama width in pixels, a multiple of 4.
    sun_azimuth_rad, sun_elevation_rad : float
        Of the disc's centre.
    irradiance_rgb : ndarray (3,)
        Irradiance on a plane facing the sun, as it arrives: what the horizon hides already left out.

    Returns
    -------
    SunPatch
        ``sum(radiance * solid angle)`` over its pixels is ``irradiance_rgb`` at every width;
        empty when the whole disc is below the horizon.
    """
    radius = SUN_ANGULAR_DIAMETER_RAD / 2
    pixel = 2 * np.pi / width
    top = max((np.pi / 2 - sun_elevation_rad - radius) / pixel, 0.0)
    bottom = min((np.pi / 2 - sun_elevation_rad + radius) / pixel, width / 4)
    if bottom <= top:
        return SunPatch(0, 0, np.zeros(0, np.int64), np.zeros((0, 0, 3), np.float32))
    rows = _edges(top, bottom)
    centre = width * (0.25 + sun_azimuth_rad / (2 * np.pi)) % width
    reach = math.sin(radius) / max(math.cos(sun_elevation_rad), 1e-9)
    if reach < 0.98:
        half = math.asin(reach) / pixel
        columns = _edges(centre - half, centre + half)
    else:  # the disc holds the zenith, or nearly
        columns = _edges(0, width)

    elevation_edges = np.pi / 2 - rows * pixel
    elevation = 0.5 * (elevation_edges[1:] + elevation_edges[:-1])[:, None]
    azimuth = (0.25 - 0.5 * (columns[1:] + columns[:-1]) / width) * (-2 * np.pi)
    cell = -np.diff(np.sin(elevation_edges))[:, None] * (np.diff(columns) * pixel)  # steradians
    sun = direction_from_angles(sun_azimuth_rad, sun_elevation_rad)
    flat = np.cos(elevation)
    chord2 = (flat * np.sin(azimuth) - sun[0]) ** 2 + (flat * np.cos(azimuth) - sun[1]) ** 2
    chord2 += (np.sin(elevation) - sun[2]) ** 2
    # the chord in units of the limb's is the distance from the disc's centre in radii
    mu2 = np.maximum(1 - chord2 / (2 * math.sin(radius / 2)) ** 2, 0.0)

    first_row, first_column = int(math.floor(top)), int(math.floor(columns[0]))
    row_of = np.floor(0.5 * (rows[1:] + rows[:-1])).astype(np.int64)
    column_of = np.floor(0.5 * (columns[1:] + columns[:-1])).astype(np.int64)
    row_starts = np.flatnonzero(np.diff(row_of, prepend=row_of[0] - 1))
    column_starts = np.flatnonzero(np.diff(column_of, prepend=column_of[0] - 1))
    energy = np.empty((row_starts.size, column_starts.size, 3))
    for channel, exponent in enumerate(LIMB_EXPONENT):
        fine = np.where(mu2 > 0, mu2, 0.0) ** (exponent / 2) * cell
        coarse = np.add.reduceat(np.add.reduceat(fine, row_starts, axis=0), column_starts, axis=1)
        total = coarse.sum()  # 0 where only a limb thinner than rounding stands above the horizon
        energy[..., channel] = coarse / total * irradiance_rgb[channel] if total > 0 else 0.0
    pixel_edges = np.pi / 2 - (first_row + np.arange(row_starts.size + 1)) * pixel
    solid_angle = -np.diff(np.sin(pixel_edges)) * pixel
    radiance = (energy / solid_angle[:, None, None]).astype(np.float32)
    wrapped = (first_column + np.arange(column_starts.size)) % width
    return SunPatch(first_row, first_row + row_starts.size, wrapped, radiance)


def _edges(start: float, stop: float) -> NDArray[np.float64]:
    """Cell edges from start to stop that include every whole number between, about ``_CELLS`` or more of them."""
    whole = np.arange(math.floor(start) + 1, math.ceil(stop))
    marks = np.concatenate([[start], whole, [stop]])
    step = (stop - start) / _CELLS
    spans = zip(marks[:-1], marks[1:], strict=True)
    parts = [np.linspace(a, b, max(1, math.ceil((b - a) / step)), endpoint=False) for a, b in spans]
    return np.concatenate([*parts, [stop]])


def sun_position(utc: datetime, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """Azimuth and elevation of the sun's centre in radians, without refraction.

    Low-precision ephemeris of Meeus, Astronomical Algorithms (1998), chapters 12, 13 and 25,
    the one behind NOAA's calculator: within 0.02 degrees from 1950 to 2050.

    Parameters
    ----------
    utc : datetime
        Universal time; a naive datetime is taken as UTC, an aware one is converted.
    latitude_deg, longitude_deg : float
        North and east positive.

    Raises
    ------
    RequestError
        For a place that is not on Earth.
    """
    if not (-90 <= latitude_deg <= 90 and -360 <= longitude_deg <= 360):
        raise RequestError(
            f"The place is latitude {latitude_deg!r}, longitude {longitude_deg!r}.",
            "Give degrees, latitude from -90 (south) to 90 and longitude from -180 (west) to 180.",
        )
    if utc.tzinfo is not None:
        utc = utc.astimezone(UTC).replace(tzinfo=None)
    days = (utc - datetime(2000, 1, 1, 12)).total_seconds() / 86400
    century = days / 36525
    mean_longitude = 280.46646 + century * (36000.76983 + century * 0.0003032)
    anomaly = math.radians(357.52911 + century * (35999.05029 - century * 0.0001537))
    centre = (
        (1.914602 - century * (0.004817 + century * 0.000014)) * math.sin(anomaly)
        + (0.019993 - century * 0.000101) * math.sin(2 * anomaly)
        + 0.000289 * math.sin(3 * anomaly)
    )
    node = math.radians(125.04 - 1934.136 * century)
    longitude = math.radians(mean_longitude + centre - 0.00569 - 0.00478 * math.sin(node))
    obliquity = math.radians(23.4392911 - century * 0.0130042 + 0.00256 * math.cos(node))
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    sidereal = math.radians(280.46061837 + 360.98564736629 * days + longitude_deg)
    hour = sidereal - ascension
    latitude = math.radians(latitude_deg)
    up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    return math.atan2(east, north) % (2 * math.pi), math.atan2(up, math.hypot(east, north))
