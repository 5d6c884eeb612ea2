"""No sun is found where nothing that shines is the sun."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.sun_position import find_sun


def angle_deg(directions: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Angle of unit vectors (..., 3) from a direction (3,)."""
    return np.rad2deg(2 * np.arcsin(np.clip(np.linalg.norm(directions - place, axis=-1) / 2, 0, 1)))


def spots(width: int, *lamps: tuple[float, float, float, float]) -> np.ndarray:
    """Sum (H, W, 1) of Gaussian spots: azimuth, elevation and sigma in degrees, peak."""
    d = panorama_directions(width)
    total = np.zeros(d.shape[:2])
    for azimuth, elevation, sigma, peak in lamps:
        place = direction_from_angles(*np.deg2rad([azimuth, elevation]))
        total += peak * np.exp(-0.5 * (angle_deg(d, place) / sigma) ** 2)
    return total[..., None]


def no_suns() -> dict[str, Any]:
    width = 1024
    d = panorama_directions(width)
    up = d[..., 2:] > 0
    elevation = np.rad2deg(np.arcsin(d[..., 2]))
    azimuth = np.rad2deg(np.arctan2(d[..., 0], d[..., 1])) % 360
    sun = direction_from_angles(np.deg2rad(200), np.deg2rad(40))
    away = angle_deg(d, sun)[..., None]
    clear = model_radiance(np.maximum(d, [-1, -1, 0]), sun, 1.0)
    noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(d.shape[:2]), (6, 8), mode="wrap")[
        ..., None
    ]
    noise /= noise.std()
    overcast = (1 + 2 * np.maximum(d[..., 2:], 0)) / 3
    cloud = noise > 0.8
    rim = cloud & ~ndimage.binary_erosion(cloud[..., 0], iterations=2)[..., None]
    grey = np.where(up, 0.5, 0.1)

    def window(half_width: float, height: float) -> np.ndarray:
        return (np.abs(azimuth - 90) < half_width)[..., None] & (np.abs(elevation - 15) < height / 2)[..., None]

    streak = np.exp(-0.5 * (((azimuth - 90) / 1.0) ** 2 + ((elevation + 4) / 3) ** 2))[..., None] * ~up
    return {
        "black": np.zeros_like(grey),
        "clear sky, sun hidden": np.where(up, clear, 0.1),
        "overcast": np.where(up, overcast, 0.1),
        "glow in a structured overcast": np.where(up, (overcast + 3 * np.exp(-away / 12)) * np.exp(0.3 * noise), 0.1),
        "street lamps": 1e-3 + spots(width, (20, 5, 0.2, 50), (100, 7, 0.2, 20), (260, 4, 0.3, 60)),
        "window": np.where(window(3, 6), 8.0, 0.02),
        "wide window": np.where(window(15, 20), 8.0, 0.02),
        "glint on water": grey + spots(width, (90, -6, 0.5, 3e3)),
        "streak on water up to the horizon": grey + 200 * streak,
        "lit cloud edges": np.where(up, np.where(rim, 4.0, np.where(cloud, 1.5, clear)), 0.1),
        "bright edges near a hidden sun": np.where(
            up, np.where(rim, 1 + 8 * np.exp(-away / 10), np.where(cloud | (away < 8), 1, clear)), 0.1
        ),
        "clouds clipped white": np.minimum(np.where(up, np.where(cloud, 1.5, clear), 0.1), 1.0),
    }


def test_no_sun_is_found_where_none_is_seen() -> None:
    found = {name: find_sun((radiance * np.ones(3)).astype(np.float32)) for name, radiance in no_suns().items()}
    assert {name: sun for name, sun in found.items() if sun is not None} == {}


def night_skies() -> dict[str, np.ndarray]:
    """Luminance (H, W, 1) of dark skies that do not know of a lamp: even, bright at the horizon, cloudy."""
    d = panorama_directions(1024)
    noise = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(d.shape[:2]), (12, 16), mode="wrap")
    return {
        "even": np.full((*d.shape[:2], 1), 1e-3),
        "glow of a town all around": 1e-3 * (1 + 3 * np.exp(-6 * np.maximum(d[..., 2:], 0))),
        "cloud": 1e-3 * np.exp(0.3 * noise / noise.std())[..., None],
    }


@pytest.mark.parametrize("sky", list(night_skies()))
def test_a_lone_lamp_is_no_sun(sky: str) -> None:
    """As strong as a sun is beside its sky, but the sky is no brighter toward it than elsewhere."""
    for elevation_deg, sigma_deg, peak in ((5, 0.2, 5.0), (5, 0.3, 200.0), (12, 0.5, 20.0), (30, 0.2, 50.0)):
        lit = night_skies()[sky] + spots(1024, (100, elevation_deg, sigma_deg, peak))
        assert find_sun((lit * np.ones(3)).astype(np.float32)) is None, (elevation_deg, peak)


@pytest.mark.parametrize("elevation_deg", [3.0, 20.0, 50.0, 80.0])
def test_the_faintest_aureole_of_the_clear_sky_is_enough(elevation_deg: float) -> None:
    """Whatever stands on one side: a wall there hides half of the aureole."""
    d = panorama_directions(1024)
    sun = direction_from_angles(np.deg2rad(60), np.deg2rad(elevation_deg))
    clear = model_radiance(np.maximum(d, [-1, -1, 0]), sun, 0.5) + spots(1024, (60, elevation_deg, 0.35, 2e4))
    azimuth = np.rad2deg(np.arctan2(d[..., 0], d[..., 1])) % 360
    wall = (azimuth > 62) & (azimuth < 100) & (d[..., 2] < 0.9)
    hidden = wall | (d[..., 2] <= 0)
    assert find_sun(np.where(hidden[..., None], 0.05, clear).astype(np.float32)) is not None


def test_the_full_moon_passes_for_a_sun() -> None:
    """Its sky is the sunlit one at another scale, and the scale of a panorama is unknown."""
    d = panorama_directions(512)
    moon = direction_from_angles(np.deg2rad(60), np.deg2rad(40))
    lit = model_radiance(np.maximum(d, [-1, -1, 0]), moon, 1.0) + spots(512, (60, 40, 0.35, 2e4))
    by_day, by_night = find_sun(lit.astype(np.float32)), find_sun((lit / 4e5).astype(np.float32))
    assert by_day is not None and by_night is not None
    assert angle_deg(by_day.direction, by_night.direction) < 1e-3  # float32 rounds the two alike to 1e-7
    assert by_day.energy_ratio == pytest.approx(by_night.energy_ratio, rel=1e-4)
