"""Measurements on made skies whose sun, clouds, exposure and planes are known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from skygen_addon.core.geometry import (
    EARTH_RADIUS_KM,
    direction_from_angles,
    disc_directions,
    panorama_directions,
    panorama_solid_angles,
    shell_distance_km,
)
from skygen_addon.core.measuring.calibration import calibrate, model_radiance
from skygen_addon.core.measuring.cloud_opacity import estimate_clouds
from skygen_addon.core.measuring.cloud_plane import BASE_KM, PlaneScale, plane_directions
from skygen_addon.core.measuring.measure import examine
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.sampling import sample_disc, sample_panorama, shrink_panorama
from skygen_addon.core.measuring.sun_position import find_sun
from trainer.captures.training_maps import training_disc, unproject

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


@pytest.mark.parametrize("columns", [258, 770, 1000, 1026])
def test_any_width_is_averaged_by_area(columns: int) -> None:
    """Against the integral over the pixels up to each edge, which is linear within a pixel: two routes."""
    row, column = np.mgrid[: columns // 2, :columns] + 0.5
    picture = np.stack([np.full(row.shape, 7.3), row / (columns // 2), column / columns], axis=-1).astype(np.float32)
    small = shrink_panorama(picture, 256)

    def averaged(values: np.ndarray, parts: int) -> np.ndarray:
        integral = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        return np.diff(np.interp(np.linspace(0, len(values), parts + 1), np.arange(len(values) + 1), integral)) * (
            parts / len(values)
        )

    # rounding of float32 is left; a gradient's steps are smaller than a fourth of a source pixel beside its line
    assert np.abs(small[..., 0] - 7.3).max() < 1e-6
    assert np.abs(small[..., 1] - averaged(picture[:, 0, 1], 128)[:, None]).max() < 1e-6
    assert np.abs(small[..., 2] - averaged(picture[0, :, 2], 256)).max() < 1e-6
    assert np.abs(small[0, :, 2] - (np.arange(256) + 0.5) / 256).max() < 0.25 / columns
    noise = np.random.default_rng(1).uniform(size=picture.shape).astype(np.float32)
    assert shrink_panorama(noise, 256).mean() == pytest.approx(noise.mean(), rel=1e-5)
    smooth = model_radiance(np.abs(panorama_directions(columns)), SUN, 1.0)
    weight, fine = (panorama_solid_angles(w)[:, None, None] for w in (256, columns))
    # the fall of the solid angle within a row of 1.4 degrees, where radiance is steep at the horizon
    kept = (shrink_panorama(smooth, 256) * weight).mean(axis=(0, 1)) / (smooth * fine).mean(axis=(0, 1))
    assert np.allclose(kept * 256**2 / columns**2, 1.0, rtol=1e-3)


def test_averaging_takes_memory_for_its_result_not_for_its_source() -> None:
    peaks = []
    for columns in (3000, 12000):
        picture = np.broadcast_to(np.float32(1.5), (columns // 2, columns, 3))  # takes none itself
        tracemalloc.start()
        shrink_panorama(picture, 512)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the larger is 864 MB; 25 of its rows in float and double are 11 MB, the result 1.6 MB
    assert peaks[1] < 20e6 and peaks[0] < 8e6


def test_no_sky_overhead_is_no_error() -> None:
    """An open belt of sky from 5 to 29 degrees, as in a courtyard."""
    radiance, _ = patchy_sky(0.3)
    z = disc_directions(320)[..., 2]
    found = estimate_clouds(radiance, (z > np.sin(np.deg2rad(5))) & (z < np.sin(np.deg2rad(29))), SUN)
    assert found.valid.any() and np.isfinite(found.alpha).all()


def test_disc_turns_the_sun_to_the_north() -> None:
    measured = examine(Panorama(made_sky(), ()))
    assert measured.reason is None and measured.sun is not None
    panorama = Panorama(made_sky(), ())
    radiance, valid = training_disc(panorama, measured)
    assert radiance.max() < 5  # the sun of 2e4 is taken out
    luminance = np.where(valid > 0, radiance.mean(axis=-1), 0)
    row, column = np.unravel_index(int(luminance[:250].argmax()), (250, 512))
    # what is left of the glow is brightest up to 4 degrees from the sun: 153 pixels a radian at this elevation
    place = 255.5 - 256 * np.tan((np.pi / 2 - np.arcsin(SUN[2])) / 2)
    assert np.hypot(column - 255.5, row - place) < 153 * np.deg2rad(4.0) + 1
    # the sky is symmetric about the sun's azimuth; two bilinear readings of steep glow leave some percent
    glow = disc_directions(512) @ direction_from_angles(0.0, float(np.arcsin(SUN[2]))) > np.cos(np.deg2rad(12.0))
    assert np.abs(luminance - luminance[:, ::-1])[glow].max() < 2e-2 * luminance[glow].mean()
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
    # rims are blurred by half a pixel and a few of the clear sky's pixels depart from its fit: a hundredth of all
    assert found.alpha[use & mask].mean() > 0.99
    assert found.alpha[use & ~mask].mean() < 0.01
    # opacity 1 is read as a depth of 3.5 and more along the ray, of the clear sky a hundredth of opacity as 0.01
    assert found.tau_vertical[use & mask].mean() > 100 * found.tau_vertical[use & ~mask].mean()
    assert 0 <= found.tau_vertical.min() and found.tau_vertical.max() <= 30


def test_clear_and_overcast_skies_read_as_such() -> None:
    directions = disc_directions(320)
    sky = directions[..., 2] > 0.02
    clear = estimate_clouds(model_radiance(directions, SUN, 1.0), sky, SUN)
    high = clear.valid & (directions[..., 2] > np.sin(np.deg2rad(15)))
    assert clear.alpha[high].mean() < 0.01  # what the smooth fit of the clear sky's colour leaves
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
