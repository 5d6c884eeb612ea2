"""Figures of single skies against pictures whose suns, seams, poles, spectra and irradiance are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.sampling import shrink_panorama
from skygen_addon.core.sun import sun_disc
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from trainer.evaluation.looks.sky_figures import (
    SkyFigures,
    dynamic_range_stops,
    horizontal_irradiance,
    seam_ratio,
    sky_figures,
    spectral_slope,
    summarise,
    sun_count,
    zenith_ratio,
)

HDRI = Path(__file__).parents[3] / "shared" / "captures" / "hdri"
WHITE = np.ones(3, dtype=np.float32)


def clear_sky(width: int, sun_azimuth_deg: float = 130.0, sun_elevation_deg: float = 40.0) -> NDArray[np.float32]:
    """Clear sky over dark ground, without the sun's disc."""
    sun = direction_from_angles(math.radians(sun_azimuth_deg), math.radians(sun_elevation_deg))
    direction = panorama_directions(width)
    radiance = model_radiance(np.maximum(direction, [-1, -1, 0]), sun, 1.0)
    return np.where(direction[..., 2:] > 0, radiance, 0.05).astype(np.float32)


def with_disc(
    sky: NDArray[np.float32], azimuth_deg: float, elevation_deg: float, irradiance: float
) -> NDArray[np.float32]:
    """A sky with one more sun, as the engine draws it."""
    patch = sun_disc(sky.shape[1], math.radians(azimuth_deg), math.radians(elevation_deg), irradiance * WHITE)
    result = sky.copy()
    result[patch.row_start : patch.row_stop, patch.columns] += patch.radiance
    return result


def spot(width: int, azimuth_deg: float, elevation_deg: float, radius_deg: float) -> NDArray[np.bool_]:
    """Pixels (H, W) of a round spot."""
    centre = direction_from_angles(math.radians(azimuth_deg), math.radians(elevation_deg))
    return np.asarray(panorama_directions(width) @ centre > math.cos(math.radians(radius_deg)))


def plane_noise(exponent: float, seed: int, size: int = 512) -> NDArray[np.float64]:
    """Periodic Gaussian noise (size, size) of unit variance whose power spectral density is k^exponent."""
    k = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.fftfreq(size, 1 / size))
    k[0, 0] = np.inf
    white = np.random.default_rng(seed).standard_normal((size, size))
    noise: NDArray[np.float64] = np.fft.ifft2(k ** (exponent / 2) * np.fft.fft2(white)).real
    return np.asarray(noise / noise.std())


def cloud_plane(exponent: float, seed: int, width: int) -> NDArray[np.float32]:
    """Panorama, averaged from 1024 columns, of a plane overhead that carries such noise in log luminance."""
    noise = plane_noise(exponent, seed)
    direction = panorama_directions(1024).astype(np.float64)
    place = direction[..., :2] / np.maximum(direction[..., 2:], 0.17) * (noise.shape[0] / 8.0)
    values = ndimage.map_coordinates(noise, [place[..., 1], place[..., 0]], order=1, mode="grid-wrap")
    return shrink_panorama((np.exp(0.4 * values)[..., None] * WHITE).astype(np.float32), width)


def sphere_noise(seed: int, waves: float, width: int = 512) -> NDArray[np.float32]:
    """Panorama of a function that is smooth on the sphere: noise in space, so many lattice cells a radius."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((64, 64, 64)), 1.0, mode="wrap")
    place = (panorama_directions(width).astype(np.float64) * waves).transpose(2, 0, 1)
    values = ndimage.map_coordinates(noise / noise.std(), place, order=3, mode="grid-wrap")
    return np.asarray(np.exp(0.3 * values)[..., None] * WHITE, dtype=np.float32)


# suns


@pytest.mark.parametrize("width", [128, 256, 1024])
@pytest.mark.parametrize("place", [(40.0, 25.0), (269.9, 50.0), (200.0, 86.0), (75.0, 3.0)])
def test_one_drawn_sun_is_one(width: int, place: tuple[float, float]) -> None:
    """Also across the wrap column (270 degrees), beside the zenith and near the horizon."""
    sky = clear_sky(width, *place)
    assert sun_count(sky) == 0
    assert sun_count(with_disc(sky, *place, 2.0)) == 1


@pytest.mark.parametrize("width", [128, 512])
def test_two_and_three_suns_are_counted(width: int) -> None:
    """A second sun counts even where it is a hundredth of the first one, which a display shows as white as it."""
    sky = with_disc(clear_sky(width), 130, 40, 4.0)
    two = with_disc(sky, 300, 30, 0.04)
    assert sun_count(two) == 2
    assert sun_count(with_disc(two, 200, 60, 1.0)) == 3
    assert sun_count(1e-3 * two) == 2  # whatever the scale
    assert sun_count(np.roll(two, width // 3, axis=1)) == 2  # whatever the direction


def test_white_spots_of_one_exposure_count() -> None:
    """In a picture whose values end at 1 a sun is a round white spot, wider than the disc."""
    sky = np.full((64, 128, 3), 0.25, dtype=np.float32)
    sky[spot(128, 100, 40, 5)] = 1.0
    assert sun_count(sky) == 1
    sky[spot(128, 270, 55, 5)] = 1.0
    assert sun_count(sky) == 2


def test_what_is_no_sun_does_not_count() -> None:
    """White clouds in a deep blue sky, white noise, a uniform sky, black, lamps and a bright quarter of the sky."""
    rng = np.random.default_rng(4)
    clouds = clear_sky(512)
    for azimuth in range(0, 360, 24):
        clouds[spot(512, azimuth, 20 + azimuth % 50, 4)] = 1.0
    clouds[60:66, 100:124] = 2.0
    lamp = clear_sky(512)
    lamp[spot(512, 250, 10, 0.6)] = 3.0
    quarter = clear_sky(512)
    quarter[:128, :128] = 1.0
    noise = rng.uniform(0, 1, (64, 128, 3)).astype(np.float32)
    uniform = np.ones((64, 128, 3), dtype=np.float32)
    for sky in (clouds, lamp, quarter, noise, uniform, 0 * uniform):
        assert sun_count(sky) == 0


@pytest.mark.skipif(not HDRI.is_dir(), reason="the captures are not here")
@pytest.mark.parametrize(
    ("name", "suns"),
    [
        ("kloofendal_48d_partly_cloudy_puresky_1k", 1),
        ("wasteland_clouds_puresky_1k", 1),
        ("aristea_wreck_puresky_1k", 1),
        ("chinese_garden_1k", 1),
        ("mud_road_puresky_1k", 0),
        ("forest_slope_1k", 0),
    ],
)
def test_suns_of_captures(name: str, suns: int) -> None:
    """As a viewer counts them: bloom, low sun among clouds, clipped sun, gaps in trees, overcast, forest."""
    assert sun_count(read_panorama(HDRI / f"{name}.hdr").radiance) == suns


# range and irradiance


def test_dynamic_range_of_two_tones_is_their_ratio() -> None:
    """A quarter of the sky 8 times as bright as the rest: 3 stops; uniform: 0; the scale does not matter."""
    sky = np.full((128, 256, 3), 0.1, dtype=np.float32)
    assert dynamic_range_stops(sky) == pytest.approx(0, abs=1e-6)  # float rounding
    sky[:, :64] = 0.8
    assert dynamic_range_stops(sky) == pytest.approx(3, abs=1e-6)
    assert dynamic_range_stops(50 * sky) == pytest.approx(3, abs=1e-6)


def test_dynamic_range_of_a_sun_does_not_depend_on_the_width() -> None:
    """A sun of irradiance E on a sky of radiance 1 adds E / 0.006 sr to the brightest 0.006 sr.

    0.05 stops: at 128 columns the disc may take in part of four pixels, of which two count whole.
    """
    for width in (128, 512, 2048):
        sky = with_disc(np.ones((width // 2, width, 3), dtype=np.float32), 93, 38, 3.0)
        assert dynamic_range_stops(sky) == pytest.approx(math.log2(1 + 3.0 / 0.006), abs=0.05)


@pytest.mark.parametrize("height", [50, 64, 255])
def test_uniform_sky_has_irradiance_pi(height: int) -> None:
    """Exactly, also where the horizon cuts through a row (255); the ground does not count."""
    sky = np.ones((height, 2 * height, 3), dtype=np.float32)
    sky[(height + 1) // 2 :] = 7.0
    np.testing.assert_allclose(horizontal_irradiance(sky), math.pi, rtol=1e-12)


def test_irradiance_of_a_sun_is_its_cosine() -> None:
    """The engine's disc of irradiance 2 at 30 degrees; 1e-3: its pixels lie up to half a degree off its centre."""
    black = np.zeros((512, 1024, 3), dtype=np.float32)
    np.testing.assert_allclose(horizontal_irradiance(with_disc(black, 93, 30, 2.0)), 1.0, rtol=1e-3)


def test_irradiance_of_a_cosine_sky() -> None:
    """Radiance that equals the sine of elevation gives 2 pi / 3; 1e-4: a row has its middle's sine."""
    sky = np.maximum(panorama_directions(512)[..., 2:], 0) * WHITE
    np.testing.assert_allclose(horizontal_irradiance(sky), 2 * math.pi / 3, rtol=1e-4)


# seam and pole


def test_seam_ratio_is_one_without_a_seam() -> None:
    """Exactly for a uniform sky; a smooth function on the sphere has no seam wherever the wrap cuts it."""
    assert seam_ratio(np.ones((64, 128, 3), dtype=np.float32)) == 1.0
    sky = sphere_noise(1, 6.0)
    ratios = [seam_ratio(np.roll(sky, shift, axis=1)) for shift in range(0, 512, 4)]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)  # steps over their own running mean
    assert max(ratios) < 1.5  # and neighbouring columns of a smooth picture have steps alike


@pytest.mark.parametrize("width", [128, 512])
def test_seam_ratio_sees_a_seam(width: int) -> None:
    """Smooth skies of which each half comes from another picture; and a step of 5 percent in a clear sky."""
    sky, other = sphere_noise(2, 6.0, width), sphere_noise(3, 6.0, width)
    sky[:, : width // 2] = other[:, : width // 2]
    assert seam_ratio(sky) > 3.0
    clear = clear_sky(width)
    tinted = clear * np.linspace(1.0, 1.05, width, dtype=np.float32)[:, None]
    assert seam_ratio(tinted) > 3.0 * seam_ratio(clear)
    assert seam_ratio(np.roll(tinted, width // 2, axis=1)) < 1.5


def test_zenith_ratio_is_one_on_the_sphere() -> None:
    """Smooth functions on the sphere have no pole, uniform skies exactly; clear skies change slowly everywhere.

    The mean over 12 skies scatters by about 0.1: each has few features around its zenith.
    """
    assert zenith_ratio(np.ones((64, 128, 3), dtype=np.float32)) == 1.0
    ratios = np.array([[zenith_ratio(sphere_noise(seed, 8.0, width)) for seed in range(12)] for width in (256, 512)])
    np.testing.assert_allclose(ratios.mean(axis=1), 1.0, atol=0.25)
    assert ratios.max() < 2.0
    assert zenith_ratio(clear_sky(512)) < 1.5


def test_zenith_ratio_sees_a_pinch() -> None:
    """Noise that is smooth on the picture instead of the sphere: all its columns meet at the zenith. And a dot."""
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal((128, 256))
        flat = ndimage.gaussian_filter(noise, 6.0, mode=("nearest", "wrap"))
        assert zenith_ratio((np.exp(0.3 * flat / flat.std())[..., None] * WHITE).astype(np.float32)) > 3.0
    dotted = sphere_noise(5, 8.0)
    before = zenith_ratio(dotted)
    dotted[0] *= 0.5
    assert zenith_ratio(dotted) > 2.0 * before


# spectrum


@pytest.mark.parametrize("exponent", [-2.0, -3.0, -4.0])
def test_spectral_slope_of_power_law_noise(exponent: float) -> None:
    """The exponent of the noise that the plane carries, the same at all widths.

    One sky scatters by 0.23, so the mean of six by 0.1; the window flattens what is steep by less than that.
    """
    slopes = np.array(
        [[spectral_slope(cloud_plane(exponent, seed, width)) for seed in range(6)] for width in (1024, 256)], np.float64
    )
    assert slopes[0].mean() == pytest.approx(exponent, abs=0.35)
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-3)  # both averaged to 256 columns, in one step or two


def test_spectral_slope_does_not_see_the_sun_or_the_scale() -> None:
    """Taking out the sun moves a slope by its scatter; the mean of six by 0.15 +- 0.07, as coarse structure goes with
    the glow. Left in, the sun's peak would be all that is seen: white, a slope near 0."""
    skies = [cloud_plane(-3.0, seed, 256) for seed in range(6)]
    plain = np.array([spectral_slope(sky) for sky in skies], dtype=np.float64)
    sunny = np.array([spectral_slope(with_disc(sky, 130, 60, 3.0)) for sky in skies], dtype=np.float64)
    assert (sunny - plain).mean() == pytest.approx(0.0, abs=0.35)
    assert spectral_slope(100 * skies[0]) == pytest.approx(plain[0], abs=1e-4)


def test_spectral_slope_of_no_clouds_is_none() -> None:
    """Clear skies have a glow but no clouds; a square hidden from view has nothing to measure."""
    assert spectral_slope(with_disc(clear_sky(512), 130, 40, 2.0)) is None
    assert spectral_slope(np.ones((128, 256, 3), dtype=np.float32)) is None
    assert spectral_slope(cloud_plane(-3.0, 1, 256), np.zeros((128, 256), dtype=np.bool_)) is None


# all of them


def test_sky_figures_of_a_known_sky() -> None:
    figures = sky_figures(with_disc(clear_sky(256), 130, 40, 2.0))
    assert figures.suns == 1
    assert figures.spectral_slope is None
    assert all(isinstance(value, float) for value in figures.irradiance_rgb)


def test_summary() -> None:
    """Shares and quantiles of five skies by hand: one without a sun, one with two."""
    skies = [
        SkyFigures(suns, float(n), 1.0, 2.0, None if n == 0 else -float(n), (1.0, 1.0, 1.0))
        for n, suns in enumerate((0, 1, 1, 2, 1))
    ]
    summary = summarise(skies)
    assert summary["share_with_sun"] == pytest.approx(0.8)
    assert summary["share_several_suns_of_those"] == pytest.approx(0.25)
    assert summary["dynamic_range_stops_median"] == 2.0
    assert summary["dynamic_range_stops_mean"] == 2.0
    assert summary["skies_with_clouds"] == 4
    assert summary["spectral_slope_mean"] == pytest.approx(-2.5)
    assert summary["irradiance_mean"] == pytest.approx(1.0)
    assert "share_several_suns_of_those" not in summarise(skies[:1])
    with pytest.raises(RequestError):
        summarise([])
