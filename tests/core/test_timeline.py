"""The timeline: integrals against closed forms, frames in any order, loops that close."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skygen_addon.core.controls import LayerControls, SkyControls
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import plane_matrix
from skygen_addon.core.loop import LoopMotion
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.timeline import loop_motions, requests_for_frames

STEADY = SkyControls(
    low=LayerControls(wind_speed_m_s=8, wind_toward_deg=60, evolution_per_hour=2),
    high=LayerControls(base_km=9, wind_speed_m_s=30, wind_toward_deg=200, stretch=4, evolution_per_hour=0.5),
)
SNAP = (1.28, 0.64)


def keyframed(frame: int) -> SkyControls:
    """Controls of which everything that is integrated changes from frame to frame."""
    low = dataclasses.replace(STEADY.low, wind_speed_m_s=5 + 0.1 * frame, wind_toward_deg=3.0 * frame)
    return dataclasses.replace(STEADY, low=low, time_scale=30 + frame, sun_elevation_deg=0.5 * frame)


def steady(frame: int) -> SkyControls:
    return STEADY


def requests(controls_at=keyframed, frames=range(1, 49), **options) -> list[SkyRequest]:  # type: ignore[no-untyped-def]
    return requests_for_frames(controls_at, list(frames), **{"fps": 24.0, "seed": 3, "width": 1024, **options})


@pytest.mark.parametrize("controls_at", [steady, keyframed])
def test_a_frame_alone_equals_the_same_frame_of_a_sequence(controls_at) -> None:  # type: ignore[no-untyped-def]
    whole = requests(controls_at)
    for frame in (1, 2, 30, 48):
        assert requests(controls_at, [frame]) == [whole[frame - 1]]
    shuffled = list(range(1, 49))
    random.Random(1).shuffle(shuffled)
    assert requests(controls_at, shuffled) == [whole[f - 1] for f in shuffled]


@given(frames=st.lists(st.integers(-30, 90), min_size=1, max_size=6), first=st.integers(-5, 40))
@settings(max_examples=40, deadline=None)
def test_a_request_does_not_depend_on_its_company(frames: list[int], first: int) -> None:
    together = requests(frames=frames, first_frame=first)
    assert together == [requests(frames=[f], first_frame=first)[0] for f in frames]


def test_constant_rates_give_rate_times_time() -> None:
    (request,) = requests(steady, [49], time_offset_s=100.0)
    sky_s = 48 / 24 * 60 + 100.0
    assert request.time_s == pytest.approx(sky_s, rel=1e-12)
    distance = 8e-3 * sky_s
    expected = (distance * math.sin(math.radians(60)), distance * math.cos(math.radians(60)))
    assert request.low.displacement_km == pytest.approx(expected, rel=1e-12)
    assert request.low.evolution_phase == pytest.approx(2 * sky_s / 3600, rel=1e-12)
    assert request.high.evolution_phase == pytest.approx(0.5 * sky_s / 3600, rel=1e-12)


def test_an_offset_shows_a_later_stretch_of_the_same_steady_sky() -> None:
    (early,) = requests(steady, [25])
    (late,) = requests(steady, [1], time_offset_s=60.0)
    assert late.low.displacement_km == pytest.approx(early.low.displacement_km, rel=1e-12)
    assert late.high.evolution_phase == pytest.approx(early.high.evolution_phase, rel=1e-12)


def test_keyframed_wind_follows_the_closed_form() -> None:
    """Speed 6 + 4 sin(w t) m/s eastward has the integral 6 t + 4 (1 - cos(w t)) / w."""
    omega, fps, time_scale = 0.7, 24.0, 60.0

    def controls_at(frame: int) -> SkyControls:
        speed = 6 + 4 * math.sin(omega * (frame - 1) / fps)
        return SkyControls(low=LayerControls(wind_speed_m_s=speed, wind_toward_deg=90), time_scale=time_scale)

    for request, frame in zip(requests(controls_at, [13, 100, 241]), (13, 100, 241), strict=True):
        t = (frame - 1) / fps
        exact_km = (6 * t + 4 * (1 - math.cos(omega * t)) / omega) * time_scale * 1e-3
        # The trapezoid rule errs by h^2 / 12 x (change of the rate's slope) = 1.5e-4 of 1e-3 x 4 x omega at most.
        assert request.low.displacement_km[0] == pytest.approx(exact_km, abs=5e-5)
        assert request.low.displacement_km[1] == pytest.approx(0, abs=1e-9)


def test_keyframed_time_scale_drives_time_wind_and_evolution_alike() -> None:
    """A linear time scale 60 + 10 (frame - 1) is integrated exactly by the trapezoid rule."""
    requested = requests(lambda f: dataclasses.replace(STEADY, time_scale=60 + 10 * (f - 1)), [25])[0]
    sky_s = (60 * 24 + 10 * 24**2 / 2) / 24
    assert requested.time_s == pytest.approx(sky_s, rel=1e-12)
    assert requested.low.evolution_phase == pytest.approx(2 * sky_s / 3600, rel=1e-12)
    assert math.hypot(*requested.high.displacement_km) == pytest.approx(30e-3 * sky_s, rel=1e-12)


@pytest.mark.parametrize(
    "changed",
    [
        lambda f: {"wind_toward_deg": 60.0 + f, "stretch": 3.0},
        lambda f: {"stretch": 1 + 0.01 * f},
        lambda f: {"texture_scale": 1 + 0.005 * f},
    ],
    ids=["direction", "stretch", "texture_scale"],
)
def test_a_keyframed_lattice_does_not_move_the_clouds_by_the_way_they_came(changed) -> None:  # type: ignore[no-untyped-def]
    def controls_at(frame: int) -> SkyControls:
        return dataclasses.replace(STEADY, low=dataclasses.replace(STEADY.low, **changed(frame)))

    frames = range(1, 200)
    places = []
    for request in requests(controls_at, frames, time_offset_s=86400.0):  # 690 km behind them
        low = request.low
        matrix = plane_matrix(low.stretch, low.stretch_azimuth_rad) / low.texture_scale
        places.append(matrix @ low.displacement_km)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    own_km = 8e-3 * 60 / 24  # what the wind moves clouds in one frame
    assert steps.max() < own_km * (1 + 1e-6) and steps.min() > own_km / 3.1  # stretch 3, texture scale 2


def test_frames_before_the_first_run_backwards() -> None:
    before, first, after = requests(steady, [-9, 1, 11])
    assert first.time_s == 0 and first.low.displacement_km == (0, 0)
    assert before.time_s == -after.time_s
    assert before.low.displacement_km == tuple(-v for v in after.low.displacement_km)
    moved = requests(keyframed, [5, 25], first_frame=25)  # backwards from 25 to 5 = - (forwards from 5 to 25)
    forward = requests(keyframed, [25], first_frame=5)[0]
    assert moved[0].low.displacement_km == pytest.approx([-v for v in forward.low.displacement_km], rel=1e-12)


def test_controls_become_radians_and_type_weights() -> None:
    controls = SkyControls(
        sun_azimuth_deg=90,
        sun_elevation_deg=30,
        low=LayerControls(types={"stratus": 0.25, "altocumulus": 0.5}, wind_toward_deg=180, stretch=2),
    )
    (request,) = requests(lambda _: controls, [1])
    assert request.sun_azimuth_rad == pytest.approx(math.pi / 2) and request.sun_elevation_rad == pytest.approx(
        math.pi / 6
    )
    assert request.low.type_mix == (0, 0, 0.5, 0.25, 0, 0)
    assert request.low.stretch_azimuth_rad == pytest.approx(math.pi)
    assert (request.seed, request.width, request.loop_angle_rad) == (3, 1024, 0.0)


def periodic(frame: int) -> SkyControls:
    """Keyframes of period 96 from frame 1."""
    phase = 2 * math.pi * (frame - 1) / 96
    low = dataclasses.replace(
        STEADY.low, wind_speed_m_s=20 + 5 * math.sin(phase), wind_toward_deg=60 + 20 * math.cos(phase)
    )
    return dataclasses.replace(STEADY, low=low)


@pytest.mark.parametrize("controls_at", [steady, periodic])
def test_a_loop_closes_bit_for_bit(controls_at) -> None:  # type: ignore[no-untyped-def]
    options = {"loop_frames": 96, "loop_snap_km": SNAP}
    first, again, before, last = requests(controls_at, [1, 97, 0, 96], **options)
    assert first == again and before == last
    assert first.loop_angle_rad == 0.0
    assert last.loop_angle_rad == pytest.approx(math.pi / 2 * 95 / 96)


@pytest.mark.parametrize("controls_at", [steady, periodic])
def test_the_motion_runs_through_the_joint(controls_at) -> None:  # type: ignore[no-untyped-def]
    """At the joint the second term, all that is seen of frame N, goes on as the first term of frame 1."""
    loop = requests(controls_at, range(1, 97), loop_frames=96, loop_snap_km=SNAP)
    for name in ("low", "high"):
        seen = [getattr(loop[94], name).loop_displacement_km, getattr(loop[95], name).loop_displacement_km]
        seen += [getattr(loop[0], name).displacement_km, getattr(loop[1], name).displacement_km]
        steps = np.diff(np.array(seen), axis=0)
        wind = np.diff([getattr(r, name).displacement_km for r in loop], axis=0)
        # Neighbouring steps of these controls differ by at most a few per cent; a halt would be a difference of 1.
        assert np.abs(steps - steps[0]).max() < 0.05 * np.linalg.norm(wind, axis=1).mean()
        ends = [getattr(loop[95], name).loop_evolution_phase, getattr(loop[0], name).evolution_phase]
        rate = getattr(loop[1], name).evolution_phase - getattr(loop[0], name).evolution_phase
        assert ends[1] - ends[0] == pytest.approx(rate, rel=1e-9)
    assert loop[0].time_s - loop[95].loop_weather_time_s == pytest.approx(2.5)


@given(
    speed=st.floats(3, 40),
    toward=st.floats(0, 360),
    stretch=st.sampled_from([1.0, 1.5, 4.0]),
    frames=st.integers(100, 400),
)
@settings(max_examples=40, deadline=None)
def test_both_terms_of_a_loop_share_the_lattice(speed: float, toward: float, stretch: float, frames: int) -> None:
    low = LayerControls(wind_speed_m_s=speed, wind_toward_deg=toward, stretch=stretch)
    controls = dataclasses.replace(STEADY, low=low)
    for request in requests(lambda _: controls, [1, 2, 77], loop_frames=frames, loop_snap_km=SNAP):
        layer = request.low
        apart = np.subtract(layer.displacement_km, layer.loop_displacement_km)
        cells = plane_matrix(layer.stretch, layer.stretch_azimuth_rad) @ apart / SNAP[0]
        assert np.abs(cells - np.round(cells)).max() < 1e-9
    motion = loop_motions(lambda _: controls, fps=24.0, loop_frames=frames, loop_snap_km=SNAP)[0]
    difference = np.subtract(motion.given_km, motion.asked_km)
    lattice_error = plane_matrix(stretch, math.radians(toward)) @ difference
    assert np.abs(lattice_error).max() <= SNAP[0] / 2 + 1e-9  # the nearest cell, not any cell


def test_the_deviation_of_a_loop_is_stated() -> None:
    motion = LoopMotion("low", (3.0, 4.0), (3.0, 4.5), True)
    assert motion.deviation == pytest.approx(0.1)
    assert "instead of 5.00 km" in motion.in_words()
    still = loop_motions(steady, fps=24.0, loop_frames=4, loop_snap_km=SNAP)[0]
    assert still.deviation == 1.0 and "stands still" in still.in_words()
    exact = requests(steady, [96], loop_frames=96)[0].low  # without a lattice nothing is rounded
    asked = loop_motions(steady, fps=24.0, loop_frames=96, loop_snap_km=SNAP)[0].asked_km
    apart = np.subtract(exact.displacement_km, exact.loop_displacement_km)
    assert apart == pytest.approx(asked, rel=1e-12)


@pytest.mark.parametrize("changed", [{"texture_scale": 2.0}, {"stretch": 2.0}])
def test_a_loop_refuses_a_changing_lattice(changed: dict[str, float]) -> None:
    other = dataclasses.replace(STEADY, low=dataclasses.replace(STEADY.low, **changed))
    with pytest.raises(RequestError, match="low layer"):
        requests(lambda f: other if f == 7 else STEADY, loop_frames=48, loop_snap_km=SNAP)


@pytest.mark.parametrize(
    "options",
    [
        {"frames": []}, {"fps": 0.0}, {"fps": math.nan}, {"fps": -24.0}, {"fps": 1e9}, {"loop_frames": 1},
        {"loop_frames": 0}, {"time_offset_s": math.inf}, {"width": 1001}, {"seed": -4},
    ],
)  # fmt: skip
def test_absurd_timing_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        requests(steady, **options)


def test_plane_matrix_is_the_identity_without_stretch_and_divides_along_the_azimuth() -> None:
    assert (plane_matrix(1.0, 2.345) == np.eye(2)).all()
    along = np.array([math.sin(0.8), math.cos(0.8)])
    across = np.array([math.cos(0.8), -math.sin(0.8)])
    matrix = plane_matrix(4.0, 0.8)
    assert matrix @ along == pytest.approx(along / 4)
    assert matrix @ across == pytest.approx(across)
    assert np.linalg.det(matrix) == pytest.approx(0.25)


def test_a_million_frames_stay_exact() -> None:
    """2.5 s a frame is exact in binary, so the sum of a million of them must be too."""
    (request,) = requests(steady, [1_000_001])
    assert request.time_s == 2_500_000.0
    assert request.low.evolution_phase == pytest.approx(2 * 2_500_000 / 3600, rel=1e-10)
