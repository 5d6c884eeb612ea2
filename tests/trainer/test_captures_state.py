"""The state of made skies whose exposure, white balance, haze, cover, texture and brightness are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, special
from scipy.spatial import cKDTree

from skygen_addon.core.geometry import (
    direction_from_angles,
    disc_directions,
    panorama_directions,
    shell_distance_km,
)
from skygen_addon.core.measuring.calibration import PRIOR_MEDIAN_LUMINANCE, model_radiance
from skygen_addon.core.measuring.cloud_opacity import CloudEstimate
from skygen_addon.core.measuring.cloud_texture import autocorrelation, texture_size_km
from skygen_addon.core.measuring.measure import examine, measure
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.sky_state import VISIBLE_OPACITY, SkyState, cloud_brightness

WIDTH = 1024
SUN = direction_from_angles(np.deg2rad(126.0), np.deg2rad(38.0))


def cloudy_sky(
    cover: float, haze: float = 1.0, sun: np.ndarray = SUN, seed: int = 3, width: int = WIDTH
) -> tuple[np.ndarray, np.ndarray]:
    """Clear sky with clouds of opacity 1 and soft edges, a sun and dark ground; the opacity (H, W)."""
    d = panorama_directions(width)
    noise = np.random.default_rng(seed).standard_normal((width // 4, width // 2))
    noise = ndimage.zoom(ndimage.gaussian_filter(noise, (6, 9), mode=("nearest", "wrap")), 2, order=1, mode="grid-wrap")
    z = d[..., 2]
    up = z > np.sin(np.deg2rad(15.0))
    level = np.quantile(noise[up], 1 - cover) if cover > 0 else np.inf
    edge = 0.5 * noise.std()
    opacity = np.clip((noise - level) / edge + 0.5, 0, 1) if cover > 0 else np.zeros_like(noise)
    opacity[z < np.sin(np.deg2rad(6.0))] = 0
    lit = 0.9 - 0.5 * np.clip((noise - level) / (1.5 * edge), 0, 1) if cover > 0 else np.zeros_like(noise)
    cloud = lit[..., None] * np.array([0.99, 1.0, 1.05])
    radiance = (
        model_radiance(np.maximum(d, [-1, -1, 0]), sun, haze) * (1 - opacity[..., None]) + cloud * opacity[..., None]
    )
    near = d @ sun.astype(np.float32) > np.cos(np.deg2rad(0.5))
    radiance = np.where(near[..., None], 2e4, radiance)
    return np.where(z[..., None] > 0, radiance, 0.05).astype(np.float32), opacity


@pytest.mark.parametrize(
    ("exposure", "balance", "haze"),
    [(0.02, (1.15, 0.9), 0.5), (300.0, (0.87, 1.12), 0.7), (0.02, (0.87, 1.12), 2.0), (300.0, (1.25, 0.85), 4.0)],
)
def test_exposure_balance_and_haze_of_a_partly_clouded_sky(
    exposure: float, balance: tuple[float, float], haze: float
) -> None:
    """Scale within 5 %, balance within 3 %, haze within a step: what soft cloud edges and the fit's scatter leave."""
    made, _ = cloudy_sky(0.35, haze)
    camera = np.array([balance[0], 1.0, balance[1]]) * exposure
    state = measure(Panorama((made * camera).astype(np.float32), ()))
    found = state.calibration
    assert state.reason is None and found is not None and found.source == "model"
    assert found.scale * exposure == pytest.approx(1.0, rel=0.05)
    assert found.balance[0] * balance[0] == pytest.approx(1.0, rel=0.03)
    assert found.balance[2] * balance[1] == pytest.approx(1.0, rel=0.03)
    assert found.haze is not None and 0.5 <= found.haze / haze <= 2


@pytest.mark.parametrize("haze", [0.7, 1.4, 3.0])
def test_haze_between_those_that_are_tried(haze: float) -> None:
    """Linear in the log between two tables: 2 % of scale and 5 % of haze are left."""
    made, _ = cloudy_sky(0.2, haze, width=512)
    found = measure(Panorama(made, ())).calibration
    assert found is not None and found.haze is not None
    assert found.scale == pytest.approx(1.0, rel=0.02) and found.haze == pytest.approx(haze, rel=0.05)


@pytest.mark.parametrize("cover", [0.0, 0.2, 0.4])
def test_cover_of_opaque_clouds_is_their_share_of_the_sky(cover: float) -> None:
    """Within 0.05: the rims, whose opacity lies between, and the sun's surroundings, which are not judged."""
    made, opacity = cloudy_sky(cover)
    z = panorama_directions(WIDTH)[..., 2]
    weight = np.cos(np.arcsin(z)) * (z > np.sin(np.deg2rad(15.0)))
    state = measure(Panorama(made, ()))
    visible = opacity > VISIBLE_OPACITY
    assert state.cover == pytest.approx(float((visible * weight).sum() / weight.sum()), abs=0.05)
    assert state.opacity == pytest.approx(float((opacity * weight).sum() / weight.sum()), abs=0.05)
    assert state.overcast is False and state.sun is not None
    if cover == 0:
        assert state.texture_km is None and state.lit_radiance is None and state.base_radiance is None


@pytest.mark.parametrize("level", [0.01, 40.0])
def test_an_overcast_sky_takes_the_stated_prior(level: float) -> None:
    up = panorama_directions(512)[..., 2:]
    grey = np.where(up > 0, (1 + 2 * np.maximum(up, 0)) / 3, 0.2) * np.ones(3) * level
    state = measure(Panorama(grey.astype(np.float32), ()))
    assert state.sun is None and state.overcast is True and state.cover == pytest.approx(1, abs=0.01)
    assert state.calibration is not None and state.calibration.source == "prior"
    assert state.calibration.haze is None and state.calibration.balance == (1, 1, 1)
    # half of the sky disc's area lies below 19.5 degrees, z = 1 / 3, where this sky has (1 + 2 / 3) / 3 of its zenith
    assert state.calibration.scale * level * 5 / 9 == pytest.approx(PRIOR_MEDIAN_LUMINANCE, rel=0.03)
    assert state.texture_km is None


def strewn_discs(diameter_km: float, share: float = 0.35) -> np.ndarray:
    """Opacity (640, 640) on a sky disc of round clouds of one size at 1.5 km, strewn at random."""
    d = disc_directions(640).astype(np.float64)
    reach = shell_distance_km(np.maximum(d[..., 2], 0.1), 1.5)
    place = d[..., :2] * reach[..., None]
    half = 16.0
    count = int(-np.log(1 - share) * (2 * half) ** 2 / (np.pi * diameter_km**2 / 4))
    centres = np.random.default_rng(4).uniform(-half, half, (count, 2))
    distance, _ = cKDTree(centres).query(place.reshape(-1, 2))
    return (distance < diameter_km / 2).reshape(640, 640).astype(np.float32)


@pytest.mark.parametrize("diameter_km", [0.4, 0.8, 1.6, 3.2])
def test_texture_is_the_diameter_of_strewn_discs(diameter_km: float) -> None:
    """Within 25 %: discs touch and merge, and the widest fit only some times into what is seen."""
    d = disc_directions(640)
    found = texture_size_km(strewn_discs(diameter_km), d[..., 2] > np.sin(np.deg2rad(5.0)))
    assert found == pytest.approx(diameter_km, rel=0.25)


def test_texture_does_not_see_the_camera_turned_and_needs_a_pattern() -> None:
    d = disc_directions(640)
    valid = d[..., 2] > np.sin(np.deg2rad(5.0))
    alpha = strewn_discs(1.0)
    assert texture_size_km(np.rot90(alpha), np.rot90(valid)) == pytest.approx(texture_size_km(alpha, valid), rel=0.01)
    for flat in (0.0, 1.0):
        assert texture_size_km(np.full_like(alpha, flat), valid) is None
    assert texture_size_km(alpha, np.zeros_like(valid)) is None


def test_autocorrelation_of_stripes_is_a_bessel_function() -> None:
    """The azimuthal mean of cos(k x) is J0(k r); what was not seen changes neither level nor shape much."""
    stripes = np.broadcast_to(np.cos(np.arange(256) * 2 * np.pi / 32), (256, 256)).astype(np.float32)
    seen = np.ones((256, 256), dtype=bool)
    truth = special.j0(np.arange(48) * 2 * np.pi / 32)
    assert np.abs(autocorrelation(stripes, seen)[:48] - truth).max() < 0.06  # distances are rounded to whole texels
    seen[:, :60] = seen[200:] = False
    spoilt = np.where(seen, stripes, 99).astype(np.float32)
    assert np.abs(autocorrelation(spoilt, seen)[:48] - truth).max() < 0.1


def test_brightness_of_lit_cloud_and_of_bases() -> None:
    z = disc_directions(640)[..., 2]
    rank = np.random.default_rng(2).uniform(size=(640, 640)).astype(np.float32)
    level = np.where(rank < 0.1, 0.2, np.where(rank < 0.5, 0.5, 0.9)).astype(np.float32)
    alpha = np.where(z > 0.5, 1.0, 0.0).astype(np.float32)
    empty = np.zeros_like(alpha)
    clouds = CloudEstimate(alpha, empty, z > 0.05, False, empty, 0.0)
    found = cloud_brightness(np.repeat(level[..., None], 3, axis=-1), clouds)
    assert found is not None and found == pytest.approx((0.9, 0.2), abs=0.01)  # shares of random ranks scatter
    assert cloud_brightness(np.ones((640, 640, 3), np.float32), replace(clouds, alpha=empty)) is None


def test_the_state_is_json_and_keeps_its_names() -> None:
    made, _ = cloudy_sky(0.3, width=512)
    measured = examine(Panorama(made, ()))
    state = json.loads(json.dumps(measured.state.as_dict()))
    names = "sky_share overhead_share foliage stars ground_ratio blueness cover overcast scale balance calibrated_by"
    assert set(state) == {*names.split(), "opacity", "haze", "residual", "texture_km", "lit_radiance", "base_radiance"}
    assert state["cover"] == pytest.approx(measured.cover, abs=1e-4) and state["calibrated_by"] == "model"
    assert state["lit_radiance"] > state["base_radiance"] > 0
    night = measure(Panorama(np.full((256, 512, 3), 0.01, np.float32), ("single_channel",)))
    assert night.reason == "graded" and isinstance(night, SkyState)


def test_brightness_is_in_the_projects_unit_at_any_exposure() -> None:
    """Clouds were painted from 0.4 to 0.9."""
    made, _ = cloudy_sky(0.4)
    one, other = (measure(Panorama((made * np.float32(k)).astype(np.float32), ())) for k in (1.0, 1e-3))
    for state in (one, other):
        assert state.base_radiance == pytest.approx(0.4, rel=0.1)
        assert state.lit_radiance is not None and 0.55 < state.lit_radiance < 0.8
    assert one.texture_km == pytest.approx(other.texture_km, rel=0.05)
