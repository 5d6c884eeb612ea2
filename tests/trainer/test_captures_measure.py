"""Measurements on made skies whose sun, clouds, exposure and planes are known."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core.geometry import (
    EARTH_RADIUS_KM,
    direction_from_angles,
    disc_directions,
    panorama_directions,
    shell_distance_km,
)
from trainer.captures.measuring.calibration import calibrate, model_radiance
from trainer.captures.measuring.cloud_opacity import estimate_clouds
from trainer.captures.measuring.cloud_plane import BASE_KM, PlaneScale, plane_directions, unproject
from trainer.captures.measuring.measure import examine, training_disc
from trainer.captures.measuring.sampling import sample_disc, sample_panorama, shrink_panorama
from trainer.captures.measuring.sun_position import find_sun
from trainer.captures.readers.panorama_file import Panorama

WIDTH = 512
SUN = direction_from_angles(np.deg2rad(200.3), np.deg2rad(41.7))


def made_sky(sun: np.ndarray | None = SUN, width: int = WIDTH, disc_radiance: float = 2e4) -> np.ndarray:
    """Clear-sky model over dark ground, with the sun's light in a small round spot of half a degree radius."""
    directions = panorama_directions(width)
    model_sun = SUN if sun is None else sun
    sky = model_radiance(np.maximum(directions, [-1, -1, 0]), model_sun, 1.0)
    sky = np.where(directions[..., 2:] > 0, sky, np.float32(0.05))
    if sun is not None:
        fine = panorama_directions(width * 2)
        spot = (fine @ sun.astype(np.float32) > np.cos(np.deg2rad(0.5))).astype(np.float32)
        sky = sky + disc_radiance * spot.reshape(width // 2, 2, width, 2).mean(axis=(1, 3))[..., None]
    return np.ascontiguousarray(sky, dtype=np.float32)


@pytest.mark.parametrize("clip", [np.inf, 50.0])
@pytest.mark.parametrize("angles", [(200.3, 41.7), (269.9, 8.2), (15.0, 84.0)])
def test_sun_direction_to_a_fraction_of_a_pixel(angles: tuple[float, float], clip: float) -> None:
    truth = direction_from_angles(*np.deg2rad(angles))
    found = find_sun(np.minimum(made_sky(truth), clip).astype(np.float32))
    assert found is not None
    error = np.rad2deg(np.arccos(np.clip(found.direction @ truth, -1, 1)))
    assert error < 0.3  # a pixel is 0.7 degrees
    assert found.clipped == np.isfinite(clip)


def test_no_sun_where_none_is() -> None:
    assert find_sun(made_sky(None)) is None
    overcast = np.ones((WIDTH // 2, WIDTH, 3), dtype=np.float32) * (1 + panorama_directions(WIDTH)[..., 2:]) / 2
    assert find_sun(overcast.astype(np.float32)) is None


def test_sampling_keeps_a_linear_picture() -> None:
    """A panorama of the direction itself reads back the direction, also averaged and on the disc."""
    picture = panorama_directions(1024)
    disc = sample_disc(picture, 128, substeps=2)
    assert np.abs(disc - disc_directions(128))[disc_directions(128)[..., 2] > 0].max() < 3e-3
    assert np.abs(shrink_panorama(picture, 256) - panorama_directions(256)).max() < 1e-3
    assert np.abs(sample_panorama(picture, panorama_directions(100)) - panorama_directions(100)).max() < 3e-3


def test_disc_turns_the_sun_to_the_north() -> None:
    measured = examine(Panorama(made_sky(), ()))
    assert measured.reason is None and measured.sun is not None
    panorama = Panorama(made_sky(), ())
    radiance, valid = training_disc(panorama, measured)
    assert radiance.max() < 5  # the sun of 2e4 is taken out
    luminance = np.where(valid > 0, radiance.mean(axis=-1), 0)
    row, column = np.unravel_index(int(luminance[:250].argmax()), (250, 512))
    assert abs(column - 255.5) < 25 and row < 255
    assert valid[256, 256] == 1 and valid[0, 0] == 0


def test_calibration_finds_exposure_and_balance_of_its_own_model() -> None:
    directions = disc_directions(320)
    sky = directions[..., 2] > 0.02
    truth = model_radiance(directions, SUN, 1.0)
    factor = np.array([1.1, 1.0, 0.9], dtype=np.float32) / 7
    clouds = estimate_clouds(truth * factor, sky, SUN)
    found = calibrate(truth * factor, sky, clouds, SUN)
    assert found.source == "model" and found.haze == pytest.approx(1.0, rel=0.02)  # between two tables
    assert np.allclose(found.apply(truth * factor)[sky], truth[sky], rtol=0.01)


def patchy_sky(cover_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Clear sky with round grey clouds of opacity 1 of a stated area share, and their mask, on a disc."""
    directions = disc_directions(320)
    rng = np.random.default_rng(5)
    mask = np.zeros((320, 320), dtype=bool)
    up = directions[..., 2] > np.sin(np.deg2rad(15))
    while mask[up].mean() < cover_fraction:
        centre = rng.normal(size=3)
        centre[2] = abs(centre[2]) + 0.5
        mask |= directions @ (centre / np.linalg.norm(centre)).astype(np.float32) > np.cos(rng.uniform(0.03, 0.1))
    radiance = model_radiance(directions, SUN, 1.0)
    texture = 1 + 0.25 * rng.standard_normal((320, 320, 1)).astype(np.float32)
    grey = np.array([0.98, 1.0, 1.06], dtype=np.float32) * 0.6
    return np.where(mask[..., None], grey * np.clip(texture, 0.5, 1.5), radiance).astype(np.float32), mask


@pytest.mark.parametrize("exposure", [0.02, 300.0])
def test_opacity_finds_the_clouds_at_any_exposure(exposure: float) -> None:
    radiance, mask = patchy_sky(0.3)
    directions = disc_directions(320)
    sky = directions[..., 2] > 0.02
    found = estimate_clouds(radiance * np.float32(exposure), sky, SUN)
    use = found.valid & (directions[..., 2] > np.sin(np.deg2rad(15)))
    assert not found.overcast
    assert found.alpha[use & mask].mean() > 0.75
    assert found.alpha[use & ~mask].mean() < 0.08
    assert found.tau_vertical[use & mask].mean() > 5 * found.tau_vertical[use & ~mask].mean()
    assert 0 <= found.tau_vertical.min() and found.tau_vertical.max() <= 30


def test_clear_and_overcast_skies_read_as_such() -> None:
    directions = disc_directions(320)
    sky = directions[..., 2] > 0.02
    clear = estimate_clouds(model_radiance(directions, SUN, 1.0), sky, SUN)
    high = clear.valid & (directions[..., 2] > np.sin(np.deg2rad(15)))
    assert clear.alpha[high].mean() < 0.03
    grey = np.ones((320, 320, 3), dtype=np.float32) * (1 + 2 * np.maximum(directions[..., 2:], 0)) / 3
    cloudy = estimate_clouds(grey.astype(np.float32), sky, None)
    assert cloudy.overcast and cloudy.alpha[sky].min() > 0.99


def test_plane_directions_meet_the_shell_at_their_distance() -> None:
    """The chord to the shell along each direction spans the ground distance of the texel: two routes."""
    d = plane_directions(64, 0.4)
    reach = shell_distance_km(d[..., 2], BASE_KM)
    across = reach * np.hypot(d[..., 0], d[..., 1])
    ground = EARTH_RADIUS_KM * np.arcsin(across / (EARTH_RADIUS_KM + BASE_KM))
    axis = (np.arange(64) - 31.5) * 0.4
    assert np.allclose(ground, np.hypot(axis[None], axis[:, None]), atol=1e-6)
    assert d[0, 0, 0] < 0 < d[0, 0, 1]  # row 0 north, column 0 west


def test_unprojected_stripes_keep_their_wavelength() -> None:
    """Stripes of 800 m on the plane, painted on the disc, come back with 8 texels of 100 m."""
    directions = disc_directions(640).astype(np.float64)
    reach = shell_distance_km(np.maximum(directions[..., 2], 0.05), BASE_KM)
    east_km = directions[..., 0] * reach
    disc = (0.5 + 0.5 * np.cos(2 * np.pi * east_km / 0.8)).astype(np.float32)[..., None]
    scale = PlaneScale(100, 64, 12.0)
    stripes, share = unproject(disc, np.ones((640, 640), dtype=np.float32), scale)
    middle = stripes[16:48, 16:48, 0]
    assert share[16:48, 16:48].min() > 0.99
    spectrum = np.abs(np.fft.rfft(middle - middle.mean(), axis=1)).mean(axis=0)
    assert spectrum.argmax() == 4  # 32 texels of 100 m hold four waves of 800 m
    assert middle.std(axis=0).max() < 0.05  # stripes run north to south
    flat, _ = unproject(np.full((640, 640, 1), 3.0, np.float32), np.ones((640, 640), np.float32), scale)
    assert np.allclose(flat[16:48, 16:48], 3.0, atol=1e-4)
