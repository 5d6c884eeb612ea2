"""The sun's place in the sky and its disc in a panorama."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from skygen_addon.core.air import sun_visible_fraction
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import (
    SUN_ANGULAR_DIAMETER_RAD,
    direction_from_angles,
    panorama_directions,
    panorama_solid_angles,
)
from skygen_addon.core.sun import LIMB_EXPONENT, SunPatch, sun_disc, sun_position

IRRADIANCE = np.array([3.0, 2.9, 2.5])

# (UTC, latitude, longitude, azimuth, elevation without refraction), degrees: NREL SPA by pvlib 0.16
SPA = [
    ((2003, 10, 17, 19, 30, 30), 39.742476, -105.1786, 194.3402, 39.8720),
    ((2024, 6, 21, 12, 0, 0), 51.4779, 0.0, 179.0623, 61.9554),
    ((2024, 12, 21, 8, 30, 0), 48.8566, 2.3522, 135.3582, 5.2117),
    ((2025, 3, 20, 3, 15, 0), 35.6762, 139.6503, 191.0846, 53.7132),
    ((1986, 4, 26, 17, 45, 0), 51.389, 30.099, 299.4939, -5.2180),
    ((2049, 9, 9, 23, 59, 0), -33.8688, 151.2093, 40.1984, 42.9540),
    ((2020, 6, 30, 20, 0, 0), -77.85, 166.67, 69.7884, -19.3389),
    ((2010, 1, 1, 15, 0, 0), 0.0, -60.0, 147.1321, 62.3056),
    ((2030, 7, 15, 22, 0, 0), 69.6492, 18.9553, 348.3121, 1.4873),
]


def _energy(patch: SunPatch, width: int) -> np.ndarray:
    solid_angle = panorama_solid_angles(width)[patch.row_start : patch.row_stop, None, None]
    return (patch.radiance.astype(np.float64) * solid_angle).sum((0, 1))


@pytest.mark.parametrize(("when", "latitude", "longitude", "azimuth", "elevation"), SPA)
def test_position_agrees_with_the_solar_position_algorithm(when, latitude, longitude, azimuth, elevation) -> None:
    got = np.rad2deg(sun_position(datetime(*when), latitude, longitude))
    assert got == pytest.approx([azimuth, elevation], abs=0.02)  # the ephemeris is good to 0.01 degrees


def test_position_converts_time_zones() -> None:
    noon = datetime(2024, 6, 21, 12, 0, tzinfo=UTC)
    summer = noon.astimezone(timezone(timedelta(hours=2)))
    assert sun_position(summer, 50, 10) == sun_position(noon, 50, 10) == sun_position(datetime(2024, 6, 21, 12), 50, 10)


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 400), (float("nan"), 0)])
def test_position_refuses_places_off_the_earth(latitude: float, longitude: float) -> None:
    with pytest.raises(RequestError):
        sun_position(datetime(2024, 1, 1), latitude, longitude)


@pytest.mark.parametrize("width", [64, 100, 512, 2048, 16384])
@pytest.mark.parametrize("elevation_deg", [90, 89.8, 60, 0.26, 0, -0.2])
@pytest.mark.parametrize("azimuth_deg", [0, 33.3, 270.05])
def test_disc_keeps_the_irradiance(width: int, elevation_deg: float, azimuth_deg: float) -> None:
    patch = sun_disc(width, np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg), IRRADIANCE)
    assert _energy(patch, width) == pytest.approx(IRRADIANCE, rel=1e-5)  # float32 sums
    assert patch.row_stop <= width // 4  # nothing below the horizon
    assert np.unique(patch.columns).size == patch.columns.size
    assert patch.columns.min() >= 0 and patch.columns.max() < width
    assert (patch.radiance >= 0).all()


def test_disc_sits_where_the_sun_is() -> None:
    width = 1024
    for azimuth, elevation in ((0.3, 0.5), (np.pi / 2, 1.2), (4.71, 0.1), (3.0, 1.55)):
        patch = sun_disc(width, azimuth, elevation, np.ones(3))
        direction = panorama_directions(width, patch.row_start, patch.row_stop)[:, patch.columns]
        weight = patch.radiance[..., :1] * panorama_solid_angles(width)[patch.row_start : patch.row_stop, None, None]
        centre = (direction * weight).sum((0, 1))
        off = np.arccos(np.clip(centre / np.linalg.norm(centre) @ direction_from_angles(azimuth, elevation), -1, 1))
        assert off < 0.25 * 2 * np.pi / width  # a quarter of a pixel: flux sits at pixel centres


def test_a_clear_disc_does_not_change_with_azimuth() -> None:
    """Rotating by whole pixels moves the columns and nothing else, also over the wrap."""
    width = 720
    one = sun_disc(width, 0.1, 0.4, IRRADIANCE)
    other = sun_disc(width, 0.1 + 2 * np.pi * 539 / width, 0.4, IRRADIANCE)
    assert np.array_equal((one.columns + 539) % width, other.columns)
    assert np.allclose(one.radiance, other.radiance, rtol=1e-3, atol=1)  # cell edges move by rounding


def test_limb_darkening_follows_the_power_law() -> None:
    """Mean over the disc is 2 / (2 + exponent) of the centre: the integral of mu^(a + 1) twice."""
    width = 16384
    patch = sun_disc(width, 0.0, 0.3, np.ones(3))
    disc = np.pi * (SUN_ANGULAR_DIAMETER_RAD / 2) ** 2
    for channel, exponent in enumerate(LIMB_EXPONENT):
        centre = patch.radiance[..., channel].max()
        assert (1 / disc) / centre == pytest.approx(2 / (2 + exponent), rel=0.01)  # pixels of 1/24 of the disc
    assert LIMB_EXPONENT[2] > LIMB_EXPONENT[0]  # the limb is redder than the centre


def test_a_set_sun_has_no_pixels() -> None:
    for elevation in (-SUN_ANGULAR_DIAMETER_RAD / 2 - 1e-6, -0.3, -np.pi / 2):
        patch = sun_disc(512, 1.0, elevation, IRRADIANCE)
        assert patch.row_start == patch.row_stop
        panorama = np.zeros((256, 512, 3))
        panorama[patch.row_start : patch.row_stop, patch.columns] += patch.radiance  # adding it is legal
        assert not panorama.any()


def test_setting_disc_keeps_its_radiance() -> None:
    """With the atmosphere's visible fraction applied once, the half-set disc is as bright as the whole one."""
    whole = sun_disc(8192, 0.0, 0.1, IRRADIANCE).radiance.max()
    half = sun_disc(8192, 0.0, 0.0, IRRADIANCE * sun_visible_fraction(0.0)).radiance.max()
    assert half == pytest.approx(whole, rel=0.01)  # azimuth distortion 0.5 %, pixels of 1/12 of the disc
