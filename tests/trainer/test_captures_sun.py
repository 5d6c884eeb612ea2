"""The sun's direction against rendered truth, and its absence where nothing that shines is the sun."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from trainer.captures.measuring.calibration import model_radiance
from trainer.captures.measuring.sun_position import SunPosition, _label_around, find_sun
from trainer.captures.readers.panorama_file import mend

PROMISE_DEG = 0.3
"""What the measurement promises of a sun that is visible, at 512 pixels and more."""


def angle_deg(directions: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Angle of unit vectors (..., 3) from the sun; by the chord, which float32 keeps near zero."""
    return np.rad2deg(2 * np.arcsin(np.clip(np.linalg.norm(directions - sun.astype(np.float32), axis=-1) / 2, 0, 1)))


def render(
    width: int,
    azimuth_deg: float,
    elevation_deg: float,
    clip: float = np.inf,
    bloom: float = 0.0,
    cut_deg: float | None = None,
    veil: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Clear sky with a blurred sun over dark ground, and the sun's direction.

    The spot's sigma is 0.35 degrees or half a pixel; ``bloom`` adds the wings of a lens, ``cut_deg`` puts a
    house's edge so far right of the sun, ``veil`` a structured cloud of that mean optical depth before it.
    """
    sun = direction_from_angles(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    d = panorama_directions(width)
    away = angle_deg(d, sun)
    sigma = max(0.35, 180 / width)
    light = 2e4 * (0.35 / sigma) ** 2 * np.exp(-0.5 * (away / sigma) ** 2)
    light = light + 2e4 * bloom * (1 + (away / 0.5) ** 2) ** -1.2
    radiance = model_radiance(np.maximum(d, [-1, -1, 0]), sun, 1.0) + light[..., None]
    if veil:
        noise = np.random.default_rng(seed).standard_normal(d.shape[:2])
        noise = ndimage.gaussian_filter(noise, (width / 170, width / 128), mode=("nearest", "wrap"))
        depth = (veil * np.exp(0.35 * noise / noise.std()))[..., None]
        glow = 0.5 + 12 * np.exp(-away / 4)[..., None] * depth * np.exp(-depth / 3)
        radiance = radiance * np.exp(-depth) + glow * (1 - np.exp(-depth))
    hidden = d[..., 2] <= 0
    if cut_deg is not None:
        right = (np.rad2deg(np.arctan2(d[..., 0], d[..., 1])) - azimuth_deg + 180) % 360 - 180
        hidden |= (right > cut_deg) & (right < cut_deg + 40) & (d[..., 2] < np.sin(np.deg2rad(elevation_deg + 15)))
    radiance = np.where(hidden[..., None], 0.1, radiance)
    return np.minimum(radiance, clip).astype(np.float32), sun


def error_deg(found: SunPosition | None, sun: np.ndarray) -> float:
    assert found is not None
    return float(angle_deg(found.direction, sun))


PLACES = [(203.4, 1.3), (17.1, 8.2), (269.97, 30.6), (90.2, 41.7), (135.5, 85.0)]
"""Azimuth and elevation: at the horizon, low, across the wrap column, in the centre column, near the zenith."""


@pytest.mark.parametrize(("width", "bound_deg"), [(256, 0.36), (512, 0.3), (1024, 0.05), (2048, 0.05), (4096, 0.05)])
def test_a_sharp_sun_is_found_to_a_fraction_of_a_pixel(width: int, bound_deg: float) -> None:
    """256 pixels: a quarter of a pixel, as the spot is sampled with a sigma of half a pixel only."""
    for place in PLACES if width < 2048 else PLACES[1:4:2]:
        assert error_deg(*_found(render(width, *place))) < bound_deg, place


def _found(made: tuple[np.ndarray, np.ndarray]) -> tuple[SunPosition | None, np.ndarray]:
    return find_sun(made[0]), made[1]


@pytest.mark.parametrize("clip", [500.0, 50.0, 10.0])
@pytest.mark.parametrize("place", PLACES[1:])
def test_a_clipped_disc_keeps_its_centre(clip: float, place: tuple[float, float]) -> None:
    assert error_deg(*_found(render(1024, *place, clip=clip))) < PROMISE_DEG


@pytest.mark.parametrize("cut_deg", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("clip", [np.inf, 50.0, 10.0])
def test_a_bloom_that_a_house_cuts_keeps_its_centre(clip: float, cut_deg: float) -> None:
    """Clipped at 10 the bloom is 6 degrees wide; its centroid would be off by up to a degree."""
    found, sun = _found(render(1024, 283.1, 24.4, clip=clip, bloom=0.02, cut_deg=cut_deg))
    assert error_deg(found, sun) < PROMISE_DEG
    assert found is not None and (np.rad2deg(found.radius_rad) > 2) == (clip == 10.0)


@pytest.mark.parametrize("clip", [np.inf, 30.0])
@pytest.mark.parametrize("veil", [0.5, 2.0])
def test_a_sun_behind_thin_cloud_with_structure(veil: float, clip: float) -> None:
    for seed, place in enumerate(PLACES[1:]):
        assert error_deg(*_found(render(1024, *place, veil=veil, clip=clip, seed=seed))) < PROMISE_DEG


def test_a_sun_low_over_the_horizon_that_cuts_its_bloom() -> None:
    for elevation_deg in (2.0, 3.0, 5.0):
        assert error_deg(*_found(render(1024, 61.0, elevation_deg, clip=50.0, bloom=0.02))) < PROMISE_DEG


def test_scale_mirror_and_rotation_move_the_sun_as_they_move_the_picture() -> None:
    made, _ = render(512, 100.0, 33.0, veil=1.0)
    base = find_sun(made)
    scaled, turned = find_sun(made * np.float32(1e-3)), find_sun(np.roll(made, 128, axis=1))
    mirrored = find_sun(np.ascontiguousarray(made[:, ::-1]))
    assert base is not None and scaled is not None and turned is not None and mirrored is not None
    # rounding of float32 moves the fit by less than 0.01 degrees
    assert angle_deg(base.direction, scaled.direction) < 0.01
    assert abs(turned.azimuth_rad - base.azimuth_rad - np.pi / 2) < np.deg2rad(0.02)
    assert abs((np.pi - mirrored.azimuth_rad) % (2 * np.pi) - base.azimuth_rad) < np.deg2rad(0.02)


def test_what_was_not_covered_is_no_sun() -> None:
    made, sun = render(512, 100.0, 33.0)
    covered = np.ones(made.shape[:2], dtype=bool)
    covered[:, :60] = False
    made[:120, 10:20] = 1e6
    assert error_deg(find_sun(made, covered), sun) < PROMISE_DEG


@pytest.mark.parametrize("hole_deg", [0.4, 1.0])
@pytest.mark.parametrize("place", PLACES[1:])
def test_a_sun_whose_core_is_no_number_is_found(place: tuple[float, float], hole_deg: float) -> None:
    made, sun = render(1024, *place, bloom=0.02)
    made[angle_deg(panorama_directions(1024), sun) < hole_deg] = np.nan
    mended, flags = mend("a", made)
    assert "non_finite" in flags and error_deg(find_sun(mended), sun) < PROMISE_DEG


def test_regions_join_across_the_wrap_however_they_are_cut() -> None:
    """One snake that crosses the edge again and again, corners included, is one region wherever the cut lies."""
    mask = np.zeros((9, 12), dtype=bool)
    mask[0, 10:], mask[1, :2], mask[2, 2], mask[3, :2], mask[4, 10:], mask[5, 9], mask[6, 10:], mask[7, 0] = (True,) * 8
    mask[7, 5:7] = True  # another one, apart
    for picture in (mask, mask[:, ::-1], mask[::-1], mask[::-1, ::-1]):
        for turn in range(12):
            labels = _label_around(np.roll(picture, turn, axis=1))
            areas = np.bincount(labels.ravel())[1:]
            assert sorted(areas[areas > 0]) == [2, mask.sum() - 2]
            assert (labels > 0).sum() == mask.sum()


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


def test_a_sun_above_its_reflection_is_found_itself() -> None:
    made, sun = render(1024, 90.0, 4.0, bloom=0.02)
    made = np.minimum(made + spots(1024, (90, -4, 1.5, 400)), 200).astype(np.float32)
    assert error_deg(find_sun(made), sun) < PROMISE_DEG
