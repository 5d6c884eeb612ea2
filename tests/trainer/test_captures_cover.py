"""Cloud cover against skies whose cloud is known: computed shares, veils over the model, marched clouds, a person."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import direction_from_angles, disc_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.clear_colour import model_blueness
from skygen_addon.core.measuring.cloud_opacity import CloudEstimate, estimate_clouds
from skygen_addon.core.measuring.measure import measure
from skygen_addon.core.measuring.sky_state import cloud_cover, mean_opacity
from skygen_addon.core.request import CLOUD_TYPES, LayerRequest, SkyRequest
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from tests.comparison.cover_by_eye import main, seen_covers
from trainer.simulate.marcher import Marcher
from trainer.simulate.simulated_captures import as_measured
from trainer.simulate.volume_states import SkyState

SHARED = Path(__file__).parents[3] / "shared" / "captures" / "hdri"
SIZE = 320
DIRECTIONS = disc_directions(SIZE)
SKY = DIRECTIONS[..., 2] > 0.02
BALANCES = [(1.0, 1.0, 1.0), (1.2, 1.0, 0.87), (0.85, 1.0, 1.18)]
"""Of red, green and blue: tungsten to shade, as captures differ."""


def estimate_of(alpha: np.ndarray, valid: np.ndarray | None = None) -> CloudEstimate:
    alpha = alpha.astype(np.float32)
    return CloudEstimate(alpha, alpha, SKY if valid is None else valid, False, alpha, 0.0)


@pytest.mark.parametrize("top_deg", [20.0, 40.0, 65.0])
def test_cover_is_a_share_of_solid_angle(top_deg: float) -> None:
    """A cap about the zenith down to an elevation takes (1 - sin) of the hemisphere's heights."""
    z = DIRECTIONS[..., 2]
    low, top = np.sin(np.deg2rad(15.0)), np.sin(np.deg2rad(top_deg))
    cap = estimate_of(np.where(z > top, 0.4, 0.05))
    share = (1 - top) / (1 - low)
    assert cloud_cover(cap) == pytest.approx(share, abs=0.005)  # rims of the circles are counted by whole pixels
    assert mean_opacity(cap) == pytest.approx(0.05 + 0.35 * share, abs=0.002)


def test_a_thin_veil_covers_all_of_the_sky_and_is_hardly_opaque() -> None:
    veil = estimate_of(np.full((SIZE, SIZE), 0.3))
    assert cloud_cover(veil) == 1 and mean_opacity(veil) == pytest.approx(0.3, abs=1e-5)
    assert cloud_cover(estimate_of(np.full((SIZE, SIZE), 0.02))) == 0
    assert cloud_cover(estimate_of(np.ones((SIZE, SIZE)), np.zeros_like(SKY))) is None  # nothing was judged


def test_the_models_colour_is_that_of_its_radiance() -> None:
    """Logarithm of interpolated radiance against interpolated logarithm: a step of the table apart, steep there."""
    sun = direction_from_angles(2.0, 0.6)
    radiance = model_radiance(DIRECTIONS[SKY], sun, 2.0)
    expected = np.log(radiance[:, 2] / radiance[:, 0])
    assert np.abs(model_blueness(DIRECTIONS[SKY], sun, 2.0) - expected).max() < 1e-2


def clouded(
    alpha: np.ndarray, sun: np.ndarray, haze: float, balance: tuple[float, float, float], noise: float = 0.004
) -> np.ndarray:
    """Clear-sky model behind grey cloud of that opacity (N, N), brighter toward the sun, as a camera saw it."""
    gamma = np.arccos(np.clip(DIRECTIONS @ sun.astype(np.float32), -1, 1))
    lit = 0.35 + 0.9 * np.exp(-gamma / 0.5)
    cloud = lit[..., None] * np.array([0.98, 1.0, 1.05])
    sky = model_radiance(DIRECTIONS, sun, haze) * (1 - alpha[..., None]) + cloud * alpha[..., None]
    grain = 1 + noise * np.random.default_rng(4).standard_normal((SIZE, SIZE, 3))
    return np.asarray(sky * np.array(balance) * np.clip(grain, 0.5, 1.5), dtype=np.float32)


def texture(seed: int, size_px: float) -> np.ndarray:
    """Smooth noise (N, N) of mean 0 and deviation 1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIZE, SIZE)), size_px, mode="wrap")
    return np.asarray((noise - noise.mean()) / noise.std())


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize(("elevation_deg", "haze"), [(8.0, 1.0), (20.0, 4.0), (45.0, 0.5), (60.0, 3.0), (85.0, 1.0)])
def test_clear_skies_have_no_cover(elevation_deg: float, haze: float, balance: tuple[float, float, float]) -> None:
    """White glow about the sun and grey air above the horizon are no cloud, whatever the white balance."""
    sun = direction_from_angles(2.1, math.radians(elevation_deg))
    found = estimate_clouds(clouded(np.zeros((SIZE, SIZE)), sun, haze, balance), SKY, sun)
    assert not found.overcast
    assert cloud_cover(found) < 0.02


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("haze", [0.6, 1.0])
def test_a_sheet_around_the_sun_does_not_pass_for_clear_sky(haze: float, balance: tuple[float, float, float]) -> None:
    """It hides all clear sky within 60 degrees of the sun; the model tells what is behind it."""
    sun = direction_from_angles(2.1, math.radians(45.0))
    gamma = np.arccos(np.clip(DIRECTIONS @ sun.astype(np.float32), -1, 1))
    alpha = np.clip((math.radians(60.0) - gamma) / 0.05, 0, 1) * np.clip(0.65 + 0.1 * texture(2, 4.0), 0.3, 1.0)
    found = estimate_clouds(clouded(alpha, sun, haze, balance), SKY, sun)
    assert not found.overcast
    assert cloud_cover(found) == pytest.approx(cloud_cover(estimate_of(alpha, found.valid)), abs=0.03)  # a blurred rim
    clear = model_radiance(DIRECTIONS, sun, haze) * np.array(balance)
    ratio = (clear[..., 2] - clear[..., 0]) / (clear[..., 2] + clear[..., 0])
    near = found.valid & (gamma < math.radians(50.0)) & (gamma > math.radians(15.0))
    # the sheet's own ratio lies 0.15 to 0.4 lower; its opacity would be nought where the fit followed it
    assert abs(float((found.s_clear - ratio)[near].mean())) < 0.05


@pytest.mark.parametrize("opacity", [0.2, 0.35, 0.6])
@pytest.mark.parametrize("balance", BALANCES)
def test_thin_cloud_counts_with_its_share_of_the_sky(opacity: float, balance: tuple[float, float, float]) -> None:
    """Half of the sky holds cloud, thin overhead and opaque lower down."""
    sun = direction_from_angles(4.0, math.radians(38.0))
    body = np.clip(texture(7, 14.0) / 0.15 + 0.5, 0, 1)
    thin = body * np.clip(opacity * (1 + 0.15 * texture(8, 4.0)), 0, 1)
    alpha = np.where(DIRECTIONS[..., 2] < 0.7, body, thin)
    found = estimate_clouds(clouded(alpha, sun, 1.0, balance), SKY, sun)
    truth = estimate_of(alpha, found.valid)
    assert cloud_cover(found) == pytest.approx(cloud_cover(truth), abs=0.03)  # rims of a pixel or two
    # one factor for how much brighter cloud is than sky stands for all directions
    assert mean_opacity(found) == pytest.approx(mean_opacity(truth), abs=0.1)


@pytest.mark.parametrize(("kind", "asked"), [("cumulus", 0.35), ("stratocumulus", 0.6)])
def test_cover_of_marched_clouds_is_that_of_their_depth(kind: str, asked: float) -> None:
    """The simulator knows the optical depth along each ray, from which the same share of the sky follows."""
    torch.set_num_threads(1)
    mix = tuple(float(name == kind) for name in CLOUD_TYPES)
    low = LayerRequest(cover=asked, type_mix=mix, base_km=1.2, thickness_km=0.6)
    request = SkyRequest(seed=21, sun_elevation_rad=0.7, sun_azimuth_rad=1.0, low=low)
    state = SkyState(request, 0.0)
    sky = Marcher(128).march(state, 192)
    truth = as_measured(sky, state).clouds
    assert truth is not None and 0.1 < cloud_cover(truth) < 0.95
    sun = direction_from_angles(1.0, 0.7) if sky.sun_transmittance > 1e-3 else None
    found = estimate_clouds(sky.radiance, disc_directions(192)[..., 2] > 0.02, sun)
    # rims of pixels that hold both, and the sun's glare, which is not judged
    assert cloud_cover(found) == pytest.approx(cloud_cover(truth), abs=0.06)


REAL = ("aristea_wreck_1k", "immenstadter_horn_1k", "spruit_sunrise_1k")


@pytest.mark.parametrize("name", REAL)
def test_real_captures_have_the_cover_that_a_person_sees(name: str) -> None:
    files = sorted(SHARED.glob(f"{name}.*"))
    if not files:
        pytest.skip(f"{name} is not in {SHARED}")
    seen = next(row for row in seen_covers() if row.name == name)
    state = measure(read_panorama(files[0]))
    assert state.cover is not None and seen.low <= state.cover <= seen.high
    assert state.opacity is not None and state.opacity <= state.cover + 0.1  # what lies below the threshold adds little


def test_covers_by_eye_are_read_and_checked(tmp_path: Path) -> None:
    names = [row.name for row in seen_covers()]
    assert len(names) == len(set(names)) > 0
    table = tmp_path / "covers.csv"
    table.write_text("name,cover_low,cover_best,cover_high,seen\nsky,0.5,0.4,0.9,clouds\n")
    with pytest.raises(CaptureError, match="not in order"):
        seen_covers(table)
    with pytest.raises(CaptureError, match="is not in"):
        main(tmp_path)
