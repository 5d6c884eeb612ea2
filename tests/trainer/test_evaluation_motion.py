"""Figures of motion against pictures whose flow, sticking, loop and flicker are known, and of the shipped bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.bundle import installed_bundle
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import FloatArray, direction_from_angles, panorama_directions
from skygen_addon.core.presets import load_preset
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer
from trainer.evaluation.motion.film import Film, cloudless, without_disc
from trainer.evaluation.motion.flow import HALF_SIDE, PLANE_SAMPLES, displacement, flow_of, plane_overhead
from trainer.evaluation.motion.long_run import agreement, counted_sky, fine_part, long_run_of, sticking_of
from trainer.evaluation.motion.loop_figures import loop_end, loop_frames, step_between, steps_of
from trainer.evaluation.motion.motion_figures import accessed_at_random
from trainer.evaluation.motion.resolution_figures import resolution_of
from trainer.evaluation.motion.steadiness import steadiness_of, window_step_s

WHITE = np.ones(3, dtype=np.float32)


def blobs(seed: int, size: int = 512, sigma: float = 5.0) -> NDArray[np.float64]:
    """Periodic smooth noise (size, size) of unit variance."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), sigma, mode="wrap")
    return np.asarray(noise / noise.std())


def grey(luminance: NDArray[np.float64]) -> FloatArray:
    """Panorama of that luminance."""
    return np.asarray(luminance[..., None] * WHITE, dtype=np.float32)


def moved_sky(noise: NDArray[np.float64], east: float, north: float, width: int = 256) -> FloatArray:
    """Panorama of a plane overhead with ``noise`` on it, moved by so many heights of the plane; 64 samples a height."""
    direction = panorama_directions(width).astype(np.float64)
    place = direction[..., :2] / np.maximum(direction[..., 2:], 0.15)
    at = [-(place[..., 1] - north) * 64, (place[..., 0] - east) * 64]
    return grey(np.exp(0.3 * ndimage.map_coordinates(noise, at, order=3, mode="grid-wrap")))


# flow


@pytest.mark.parametrize("toward_deg", [0.0, 60.0, 215.0])
def test_flow_measures_a_known_displacement(toward_deg: float) -> None:
    """A picture on the plane moved by 0.12 heights a frame, through the panorama: speed and direction come back.

    2 percent: a tenth of a sample of 1 / 32 height, over the median of five pairs.
    """
    noise, angle = blobs(1), math.radians(toward_deg)
    ways = [(0.12 * n * math.sin(angle), 0.12 * n * math.cos(angle)) for n in range(6)]
    pictures = [plane_overhead(moved_sky(noise, *way)) for way in ways]
    height_km = 1.4
    figures = flow_of(pictures, [(height_km * e, height_km * n) for e, n in ways], height_km, "low")
    assert figures is not None
    assert figures.pairs == 5
    assert figures.speed_ratio == pytest.approx(1.0, abs=0.02)
    assert figures.cross_share < 0.02
    assert figures.speed_ratio_range[0] > 0.95
    half_speed = flow_of(pictures, [(2 * height_km * e, 2 * height_km * n) for e, n in ways], height_km, "low")
    assert half_speed is not None and half_speed.speed_ratio == pytest.approx(0.5, abs=0.01)


def test_flow_sees_clouds_that_turn_back_or_drift_across() -> None:
    """To and fro has a negative least ratio; motion north under an east wind is all across."""
    noise = blobs(2)
    pictures = [plane_overhead(moved_sky(noise, 0.12 * (n % 2), 0.0)) for n in range(4)]
    asked = [(0.12 * n, 0.0) for n in range(4)]
    turning = flow_of(pictures, asked, 1.0, "low")
    assert turning is not None
    assert turning.speed_ratio_range == pytest.approx((-1.0, 1.0), abs=0.03)
    north = flow_of([plane_overhead(moved_sky(noise, 0.0, 0.12 * n)) for n in range(3)], asked, 1.0, "low")
    assert north is not None
    assert north.cross_share == pytest.approx(1.0, abs=0.03)
    assert north.speed_ratio == pytest.approx(0.0, abs=0.03)


def test_flow_of_other_pictures_is_none() -> None:
    """Pictures that have nothing in common, and featureless ones, are not measured."""
    others = [plane_overhead(moved_sky(blobs(seed, sigma=3.0), 0, 0)) for seed in range(3, 6)]
    figures = flow_of(others, [(0.12 * n, 0.0) for n in range(3)], 1.0, "low")
    assert figures is None or figures.pairs < 2
    flat = [plane_overhead(grey(np.ones((128, 256)))) for _ in range(2)]
    assert flow_of(flat, [(0.0, 0.0), (0.1, 0.0)], 1.0, "low") is None


def test_displacement_is_read_to_a_fraction_of_a_sample() -> None:
    """A shift by Fourier phases, thus exact, of a periodic picture; 0.05: the parabola through a smooth peak."""
    picture = blobs(6, PLANE_SAMPLES, 4.0)
    moved = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(picture), (-2.3, 4.6))).real
    found = displacement(picture.astype(np.float32), moved.astype(np.float32))
    assert found is not None
    assert found[:2] == pytest.approx((4.6, 2.3), abs=0.05)
    assert 2 * HALF_SIDE / PLANE_SAMPLES * 12 > 0.12 * 2  # the search holds twice the step that is asked for


# loop


def test_steps_of_a_smooth_loop_a_pop_and_a_stop() -> None:
    """Log luminance that grows by 0.1 a frame has equal steps; a jump and a stand-still at the joint show."""
    level = [grey(np.full((8, 16), math.exp(0.1 * n))) for n in range(12)]
    elsewhere = [(level[5], level[6]), (level[8], level[9])]
    assert step_between(level[0], level[3]) == pytest.approx(0.3, rel=1e-5)  # float32
    assert steps_of(level[:4], elsewhere, level[2]) == pytest.approx((0, 1, 1, 1), rel=1e-4, abs=1e-6)
    popping = [level[0], level[1], level[6], level[7]]
    assert steps_of(popping, elsewhere, level[6]) == pytest.approx((0, 5, 5, 1), rel=1e-4, abs=1e-6)
    stopping = [level[0], level[1], level[1], level[2]]
    assert steps_of(stopping, elsewhere, level[4]) == pytest.approx((3, 0, 1, 0), rel=1e-4, abs=1e-6)
    still = [level[0]] * 4
    assert steps_of(still, [(level[0], level[0])], level[0]) == (0, 1, 1, 1)
    assert steps_of([*still[:2], level[1], level[1]], [(level[0], level[0])], level[1])[1] == math.inf


# endlessness and sticking


def test_agreement_of_samples() -> None:
    """Intervals of 95 percent hold the true difference in about that share of trials, here with ten values each.

    0.88 to 1: a percentile interval of ten values is a little narrow, and 200 trials scatter by 2 percent.
    """
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        near, far = rng.normal(0.0, 1.0, 10), rng.normal(0.5, 1.0, 10)
        result = agreement(near.tolist(), far.tolist(), trial)
        held += result.difference[0] <= 0.5 <= result.difference[1]
    assert 0.88 <= held / 200 <= 1.0
    apart = agreement([1.0, 1.1, 0.9, 1.0], [2.0, 2.1, 1.9, 2.0])
    assert apart.near == pytest.approx(1.0)
    assert apart.far == pytest.approx(2.0)
    assert apart.difference[0] > 0.5


def test_sticking_of_independent_and_of_fixed_textures() -> None:
    """1 for independent discs, n for one disc again and again, between for half and half; coarse light does not count.

    0.15: the disc holds about a thousand independent spots, whose squares scatter by a few percent in the mean.
    """
    counted = counted_sky(SkyRequest(sun_azimuth_rad=2.0, sun_elevation_rad=0.8))
    discs = [blobs(seed, 128, 2.0) for seed in range(8)]
    fixed = blobs(99, 128, 2.0)
    glow = 5.0 * np.linspace(0, 1, 128)[:, None] ** 2
    independent = sticking_of([disc + glow for disc in discs], counted)
    assert independent == pytest.approx(1.0, abs=0.15)
    assert sticking_of([fixed] * 8, counted) == pytest.approx(8.0)
    # a variance of 1 that stays and one that changes: n (1 + 1 / n) / 2
    assert sticking_of([disc + fixed for disc in discs], counted) == pytest.approx(4.5, rel=0.1)
    assert sticking_of([glow * 0] * 8, counted) is None
    assert not fine_part(fixed, counted)[~counted].any()


def test_long_run_of_known_skies() -> None:
    """Skies of one make agree with themselves; twice as bright ones differ by ln 2 and are covered all over."""
    clear = grey(np.full((128, 256), 0.5))
    counted = counted_sky(SkyRequest(sun_azimuth_rad=2.0, sun_elevation_rad=0.8))
    skies = [moved_sky(blobs(seed, sigma=4.0), 0.0, 0.0) for seed in range(8)]
    same = long_run_of(skies[:4], skies[:4], clear, counted)
    for one in (same.mean_log_luminance, same.deviation_log_luminance, same.cover):
        assert one.near == one.far
        assert one.difference[0] <= 0 <= one.difference[1]
    assert same.spectral_slope is not None
    brighter = long_run_of(skies[:4], [2 * sky for sky in skies[:4]], clear, counted)
    shift = brighter.mean_log_luminance
    assert shift.far - shift.near == pytest.approx(math.log(2), rel=1e-4)
    assert shift.difference[0] > 0
    assert brighter.cover.far > 0.95
    uncovered = long_run_of([clear] * 2, [clear] * 2, clear, counted)
    assert uncovered.cover.near == 0
    assert uncovered.spectral_slope is None and uncovered.sticking is None


# flicker and resolution


def test_steadiness_of_trend_flicker_and_pumping() -> None:
    """A steady trend has no roughness, independent flicker the root of 3, and only a common change is pumping."""
    trend = np.exp(0.01 * np.arange(200))
    noise = np.exp(0.01 * np.random.default_rng(3).standard_normal(200))
    still = np.zeros((8, 16))
    cloud = still.copy()
    cloud[:, :7] = 1.0
    smooth = steadiness_of(trend, noise, [still, cloud] * 100, 2.0)
    assert smooth.step_s == 2.0
    assert smooth.change == pytest.approx(0.01, rel=1e-6)
    assert smooth.roughness == pytest.approx(0, abs=1e-6)
    assert smooth.ground_roughness == pytest.approx(math.sqrt(3), rel=0.1)  # 200 values
    assert smooth.ground_change == pytest.approx(0.01 * math.sqrt(2), rel=0.15)
    assert smooth.ground_largest_change > 2 * smooth.ground_change  # 200 values of a normal distribution
    assert smooth.pumping == 0  # a cloud over less than half of the sky
    pumping = steadiness_of(noise, trend, [still + 0.03 * (n % 2) for n in range(200)], 1.0)
    assert pumping.roughness == pytest.approx(math.sqrt(3), rel=0.1)
    assert pumping.largest_second_difference > pumping.second_difference
    assert pumping.pumping == pytest.approx(0.03)
    assert pumping.ground_largest_change == pytest.approx(0.01, rel=1e-6)
    assert steadiness_of(np.ones(5), np.ones(5), [still] * 5, 1.0).roughness is None


def test_resolution_of_a_frame_and_its_average() -> None:
    """Blocks of a frame repeated are it again; 10 percent more light, and noise of 10 percent, come out as such."""
    sun = direction_from_angles(2.0, 0.8)
    small = moved_sky(blobs(4), 0.0, 0.0, 128)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    same = resolution_of(small, large, sun)
    assert (same.rms, same.bias, same.irradiance_bias) == pytest.approx((0, 0, 0), abs=1e-6)
    brighter = resolution_of(small, np.float32(1.1) * large, sun)
    assert (brighter.rms, brighter.bias, brighter.irradiance_bias) == pytest.approx((0.1, 0.1, 0.1), abs=1e-5)
    noise = np.random.default_rng(0).normal(1.0, 0.1, (64, 128, 1)).repeat(4, axis=0).repeat(4, axis=1)
    noisy = resolution_of(small, np.asarray(large * noise, dtype=np.float32), sun)
    assert noisy.rms == pytest.approx(0.1, rel=0.05)  # 4096 pixels of 10 percent
    assert noisy.bias == pytest.approx(0.0, abs=0.01)


# random access


class Counting:
    """A renderer whose frames are right, or lean on how many it has rendered, or on its threads."""

    def __init__(self, threads: int | None, fault: str) -> None:
        self.threads, self.fault, self.rendered = threads, fault, 0

    def render(self, request: SkyRequest) -> FloatArray:
        """(4, 8, 3)."""
        value = float(request.seed)
        if self.fault == "history":
            value += 1e-6 * self.rendered
        if self.fault == "threads" and self.threads == 1:
            value = float(np.nextafter(np.float32(value), np.float32(9.0)))
        self.rendered += 1
        return np.full((4, 8, 3), value, dtype=np.float32)


@pytest.mark.parametrize(("fault", "expected"), [("", True), ("history", False), ("threads", False)])
def test_random_access_sees_history_and_threads(fault: str, expected: bool) -> None:
    """Seven frames; a change of the last bit is enough."""
    rendered: list[str] = []
    requests = [SkyRequest(seed=seed) for seed in (1, 2, 3)]
    make = cast(Callable[[int | None], FrameRenderer], lambda threads: Counting(threads, fault))
    assert accessed_at_random(make, requests, rendered.append) is expected
    assert len(rendered) == 7


# the film, with the shipped bundle


@pytest.fixture(scope="module")
def film() -> Film:
    """The shipped bundle's film of fair_cumulus."""
    return Film(FrameRenderer(installed_bundle(), 1), load_preset("fair_cumulus").controls, 11)


def test_a_film_asks_for_what_it_says(film: Film) -> None:
    """Steps of sky time, the moving layer, a loop long enough for the lattice, and what is left out."""
    assert film.moving_layer() == "low"
    first, second = film.requests([1, 2], 64, frame_s=7.5, time_offset_s=100.0)
    assert (first.time_s, second.time_s) == pytest.approx((100.0, 107.5))
    near, far = film.requests([1, 25], 64)
    assert far.time_s - near.time_s == pytest.approx(24 * film.frame_s)
    moved_km = math.dist(far.low.displacement_km, near.low.displacement_km)
    assert moved_km == pytest.approx(7e-3 * 24 * film.frame_s)  # the preset's wind of 7 m/s
    assert not without_disc([near])[0].sun_disc
    bare = cloudless(near)
    assert (bare.low.cover, bare.high.cover, bare.sun_disc) == (0.0, 0.0, False)
    count = loop_frames(film)
    start, again, end = (film.requests([n], 64, loop_frames=count)[0] for n in (1, count + 1, count))
    assert start == again
    period = math.dist(start.low.displacement_km, start.low.loop_displacement_km)
    assert period == pytest.approx(7e-3 * count * film.frame_s, rel=0.25)  # rounded to cells, of which it has 2.5
    arrived = loop_end(start)  # continues the loop's last frame by one frame
    assert arrived.low.evolution_phase - end.low.evolution_phase == pytest.approx(2.0 / 3600 * film.frame_s)
    assert arrived.loop_angle_rad - end.loop_angle_rad == pytest.approx(math.pi / 2 / count)
    lattice = film.renderer.bundle.lattice
    crossed = window_step_s(film) * 7e-3 * math.sin(math.radians(60.0))  # east, the larger part of the wind's way
    assert crossed == pytest.approx(0.5 * lattice.snap_texels * lattice.texel_km)


def test_a_film_that_stands_still_is_refused(film: Film) -> None:
    """Without time there is no motion; without clouds or wind no layer moves."""
    controls = film.controls
    with pytest.raises(RequestError):
        Film(film.renderer, replace(controls, time_scale=0.0), 1)
    calm = Film(film.renderer, replace(controls, low=replace(controls.low, wind_speed_m_s=0.0)), 1)
    assert calm.moving_layer() is None
    assert window_step_s(calm) == 0.0


def test_a_frame_of_the_shipped_bundle(film: Film) -> None:
    """Rendered through the film with and without clouds: counted, clouds seen, and plain numbers come out."""
    before = film.rendered
    request = without_disc(film.requests([1], 64))[0]
    sky, clear = (film.render(one, "test") for one in (request, cloudless(request)))
    assert film.rendered == before + 2
    figures = long_run_of([sky] * 2, [clear] * 2, clear, counted_sky(request))
    assert figures.cover.near > 0.05
    assert figures.cover.far == 0
    json.dumps(asdict(figures))
