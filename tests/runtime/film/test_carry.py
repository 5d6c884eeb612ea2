"""Carried pictures: nothing moved is the picture itself, clouds move as geometry says, and nearer to the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skygen_addon.core.geometry import FloatArray, direction_from_angles, shell_distance_km
from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.film.carried_frame import CarriedFrames, Share
from skygen_addon.runtime.film.carry import carried_values, dome_outputs
from skygen_addon.runtime.film.film_path import REACH, apart, place
from skygen_addon.runtime.frame.draft import Draft
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.still import (
    CHANNELS,
    GivenUp,
    LayerPicture,
    LayerPictures,
    Still,
    finished_still,
    mean_height_km,
    sky_rows,
)

Requests = Callable[..., list[SkyRequest]]
HEIGHT_KM = 2.0


@pytest.fixture(scope="module")
def frames(sky_renderer: FrameRenderer) -> CarriedFrames:
    return CarriedFrames(sky_renderer)


def still_of(renderer: FrameRenderer, request: SkyRequest) -> tuple[Still, FloatArray]:
    """A draft kept as a still, and its radiance."""
    pictures = LayerPictures(request.width)
    frame = renderer.render_still(request, pictures, draft=Draft())
    return finished_still(request, pictures), frame.radiance


def blown(request: SkyRequest, later: SkyRequest) -> SkyRequest:
    """The request with the later one's wind, and nothing else of it."""
    low = replace(request.low, displacement_km=later.low.displacement_km)
    return replace(request, low=low, high=replace(request.high, displacement_km=later.high.displacement_km))


def seen_difference(one: FloatArray, other: FloatArray) -> float:
    """Mean difference above the horizon, bright and dark parts alike."""
    sky = one.shape[0] // 2
    return float(np.abs(np.log1p(4 * one[:sky]) - np.log1p(4 * other[:sky])).mean())


@pytest.mark.parametrize(("preset", "width"), [("fair_cumulus", 256), ("high_cirrus", 256), ("fair_cumulus", 512)])
def test_a_carried_picture_is_much_nearer_to_the_truth_than_one_that_stands(
    sky_renderer: FrameRenderer, frames: CarriedFrames, preset_requests: Requests, preset: str, width: int
) -> None:
    """Half a second of film, half a sky minute: by a factor of 3.3 and 2.8 when this was written."""
    first, later = preset_requests(preset, [1, 13], width)
    first = replace(first, sun_disc=False)
    wanted = blown(first, later)
    still, standing = still_of(sky_renderer, first)
    truth = sky_renderer.render_draft(wanted).radiance
    moved = frames.frame(wanted, [Share(still, 1.0)]).radiance
    assert np.isfinite(moved).all() and moved.min() >= 0
    assert seen_difference(moved, truth) < seen_difference(standing, truth) / 2


@pytest.mark.parametrize(("preset", "seconds"), [("endless_day", 2.5), ("storm_front", 1.25)])
def test_a_sky_that_hurries_is_carried_nearer_to_the_truth_than_it_stands_all_the_way_between_two_stills(
    sky_renderer: FrameRenderer, frames: CarriedFrames, preset_requests: Requests, preset: str, seconds: float
) -> None:
    """Over three to four times what is bridged well: the mean error is 0.5 and 0.2 of that of the last still.

    Nearer at each of the moments, though from the first still alone not by much at the end.
    """
    shares = (0.25, 0.5, 0.75)
    asked = [1 + round(24 * seconds * share) for share in (0.0, *shares, 1.0)]
    first, *between, last = (
        replace(one, sun_disc=False) for one in preset_requests(preset, asked, 256, time_scale=240.0)
    )
    assert 3 < apart(place(first), place(last)) < REACH
    (before, standing), (after, _) = still_of(sky_renderer, first), still_of(sky_renderer, last)
    errors = []
    for share, wanted in zip(shares, between, strict=True):
        truth = sky_renderer.render_draft(wanted).radiance
        both = [Share(before, 1 - share), Share(after, share)]
        moved = [frames.frame(wanted, one).radiance for one in (both, [Share(before, 1.0)])]
        assert all(np.isfinite(one).all() and one.min() >= 0 for one in moved)
        errors.append([seen_difference(one, truth) for one in (*moved, standing)])
    faded, alone, stood = np.transpose(errors)
    assert (faded < stood).all() and (alone < stood).all()
    assert faded.mean() < 0.65 * stood.mean()


@pytest.mark.parametrize(("preset", "loop_frames", "asked"), [
    ("fair_cumulus", 480, (97, 132, 166, 201, 235)), ("endless_day", 240, (49, 62, 75, 88, 101)),
])  # fmt: skip
def test_a_loop_that_fades_is_carried_as_far(
    sky_renderer: FrameRenderer,
    frames: CarriedFrames,
    preset_requests: Requests,
    preset: str,
    loop_frames: int,
    asked: tuple[int, ...],
) -> None:
    """Where most of the way is the fading of the loop's two states: 0.58 and 0.48 of the last still's error."""
    requests = preset_requests(preset, list(asked), 256, loop_frames=loop_frames)
    first, *between, last = (replace(one, sun_disc=False) for one in requests)
    assert 3 < apart(place(first), place(last)) < REACH
    (before, standing), (after, _) = still_of(sky_renderer, first), still_of(sky_renderer, last)
    faded, stood = [], []
    for share, wanted in zip((0.25, 0.5, 0.75), between, strict=True):
        truth = sky_renderer.render_draft(wanted).radiance
        moved = frames.frame(wanted, [Share(before, 1 - share), Share(after, share)]).radiance
        faded.append(seen_difference(moved, truth))
        stood.append(seen_difference(standing, truth))
    assert (np.array(faded) < stood).all() and np.mean(faded) < 0.7 * np.mean(stood)


def test_nothing_moved_is_the_picture_itself_with_its_sun(
    sky_renderer: FrameRenderer, frames: CarriedFrames, preset_requests: Requests
) -> None:
    """But for rounding: depths go through their exponential and back. Exposure is the request's own."""
    request = preset_requests("storm_front", [5], 64)[0]
    pictures = LayerPictures(64)
    truth = sky_renderer.render_still(request, pictures, draft=Draft())
    still = finished_still(request, pictures)
    moved = frames.frame(request, [Share(still, 1.0)])
    np.testing.assert_allclose(moved.radiance, truth.radiance, rtol=2e-5, atol=1e-6)
    assert moved.sun.transmittance == truth.sun.transmittance
    brighter = replace(request, exposure_ev=request.exposure_ev + 1.0)
    twice = frames.frame(brighter, [Share(still, 0.5), Share(still, 0.5)])
    np.testing.assert_allclose(twice.radiance, 2 * truth.radiance, rtol=2e-5, atol=1e-6)


def test_clear_sky_and_sun_stand_still(sky_renderer: FrameRenderer, frames: CarriedFrames) -> None:
    """Without clouds the wind moves nothing; the sun stands where the request has it, a column farther."""
    clear = SkyRequest(low=LayerRequest(), width=64, sun_elevation_rad=0.5)
    still, _ = still_of(sky_renderer, clear)
    later = replace(clear, low=LayerRequest(displacement_km=(3.0, 1.0)), sun_azimuth_rad=math.tau / 64, time_s=60.0)
    moved, truth = frames.frame(later, [Share(still, 1.0)]), sky_renderer.render_draft(later)
    np.testing.assert_allclose(moved.radiance, truth.radiance, rtol=2e-5, atol=1e-6)
    assert moved.sun.transmittance == 1.0 and moved.sun.azimuth_rad == later.sun_azimuth_rad


def test_clouds_that_nobody_waits_for_are_given_up_between_the_layers(
    sky_renderer: FrameRenderer, preset_requests: Requests
) -> None:
    """A sky of two layers takes seconds; whoever has changed a setting waits for one of them at most."""
    request = preset_requests("fair_cumulus", [1], 64, high={"cover": 0.3})[0]
    asked = list[int]()

    def nobody_waits() -> bool:
        asked.append(len(sky_renderer.memory._layers))
        return True

    sky_renderer.memory.forget()
    with pytest.raises(GivenUp):
        sky_renderer.render_still(request, LayerPictures(64, nobody_waits), draft=Draft())
    assert asked == [1]


def spot(elevation_deg: float, azimuth_deg: float, width: int = 256) -> LayerPicture:
    """A layer at HEIGHT_KM that is opaque only within three degrees of a direction."""
    rows = sky_rows(width)
    values = np.zeros((*rows.direction.shape[:2], CHANNELS), dtype=np.float32)
    toward = direction_from_angles(math.radians(azimuth_deg), math.radians(elevation_deg))
    inside = rows.direction @ toward.astype(np.float32) > math.cos(math.radians(3))
    values[..., 0] = 1 - inside
    values[..., 4] = inside
    return LayerPicture(values, np.full(rows.sine.size, HEIGHT_KM, dtype=np.float32))


@pytest.mark.parametrize(
    ("elevation_deg", "azimuth_deg", "way_km", "there_deg"),
    [
        (89.0, 0.0, (HEIGHT_KM, 0.0), (45.0, 90.0)),  # from overhead as far east as the clouds are high
        (45.0, 0.0, (0.0, -2 * HEIGHT_KM), (45.0, 180.0)),  # across the zenith
        (45.0, 180.0, (0.0, HEIGHT_KM), (89.0, 0.0)),
    ],
)
def test_a_cloud_goes_where_the_wind_takes_it(
    elevation_deg: float, azimuth_deg: float, way_km: tuple[float, float], there_deg: tuple[float, float]
) -> None:
    """Over a few kilometres the Earth is flat to a hundredth of a degree."""
    rows = sky_rows(256)
    values = carried_values(spot(elevation_deg, azimuth_deg), rows, way_km, rows)
    opacity = 1 - values[..., 0]
    pixel = np.cos(np.arcsin(rows.sine))[:, None] * opacity
    mean = (rows.direction * pixel[..., None]).sum((0, 1)).astype(np.float64)
    toward = direction_from_angles(math.radians(there_deg[1]), math.radians(there_deg[0]))
    assert math.degrees(math.acos(min(mean @ toward / np.linalg.norm(mean), 1.0))) < 2.0
    distance_km = dome_outputs(values, rows, np.array([0.0, 0.0, 1.0], np.float32))[4][opacity > 0.99]
    assert distance_km == pytest.approx(HEIGHT_KM / math.sin(math.radians(there_deg[0])), rel=0.15)  # of 3 degrees


@settings(max_examples=40, deadline=None)
@given(st.floats(-500, 500), st.floats(-500, 500), st.floats(0.1, 15), st.sampled_from([64, 128]))
def test_a_uniform_layer_stays_uniform_however_far_it_moves(
    east_km: float, north_km: float, height_km: float, width: int
) -> None:
    """No hole and no streak at the zenith, at the horizon, or where columns meet; even from beyond the horizon."""
    rows, seen = sky_rows(64), sky_rows(width)
    picture = LayerPicture(
        np.full((rows.sine.size, 64, CHANNELS), 0.25, np.float32), np.full(rows.sine.size, height_km, np.float32)
    )
    values = carried_values(picture, rows, (east_km, north_km), seen)
    np.testing.assert_allclose(values[..., [0, 1, 2, 3, 5]], 0.25, rtol=1e-5)
    expected = 0.25 * shell_distance_km(seen.sine, float(np.float32(height_km)))[:, None]
    np.testing.assert_allclose(values[..., 4], np.broadcast_to(expected, values.shape[:2]), rtol=1e-4)


def test_sampled_rows_are_those_of_a_frame_and_fold_to_its_rows() -> None:
    rows = sky_rows(128)
    folded = rows.folded(np.repeat(rows.sine[:, None, None], 3, axis=2))
    assert folded.shape == (32, 1, 3)
    expected = np.sin(math.pi / 2 - (np.arange(32) + 0.5) * math.pi / 64)
    np.testing.assert_allclose(folded[:, 0, 0], expected, atol=1e-4)  # a sine's mean over a row is nearly its middle
    assert (np.diff(rows.elevation_rad) < 0).all()


def test_rows_beside_one_another_are_carried_by_nearly_the_same_way() -> None:
    """Even where clouds begin at a row: before, the mean height jumped there, and the picture tore."""
    rows, layer = sky_rows(512), LayerRequest(cover=0.5, base_km=1.0, thickness_km=2.0)
    cloudy = (np.degrees(rows.elevation_rad) < 47) & (np.arange(rows.sine.size) % 3 > 0)
    values = np.zeros((rows.sine.size, 512, CHANNELS), np.float32)
    opacity = np.where(cloudy, 0.2, 0.0).astype(np.float32)[:, None] * np.ones((1, 512), np.float32)
    values[..., 0], values[..., 4] = 1 - opacity, opacity * (2.9 / rows.sine)[:, None]
    height_km = mean_height_km(values, opacity, rows, layer)
    below = np.degrees(rows.elevation_rad) < 30
    assert height_km[below & (rows.elevation_rad > 0.1)].min() > 2.5
    degrees = -np.diff(np.degrees(rows.elevation_rad))
    assert (np.abs(np.diff(height_km)) < 0.2 * degrees + 1e-3).all()
