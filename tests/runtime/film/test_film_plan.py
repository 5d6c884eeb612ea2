"""What a film plans: how its path goes on, which moment is drawn next, and for which moment its clouds are made."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.film.film_moments import EVOLUTION_TOLERANCE, WIND_TOLERANCE_KM, KeptMoments, hurries
from skygen_addon.runtime.film.film_path import apart, gone_on, is_steady, place, same_sky
from skygen_addon.runtime.film.film_plan import LEAST_ASKS, FilmPlan

Requests = Callable[..., list[SkyRequest]]


def moment(way_km: float) -> SkyRequest:
    """A sky whose clouds have gone a way, at as many sky seconds."""
    low = LayerRequest(cover=0.4, base_km=1.5, displacement_km=(way_km, 0.0))
    return SkyRequest(low=low, time_s=way_km, width=64)


@pytest.mark.parametrize(
    ("preset", "loop_frames"), [("storm_front", None), ("fair_cumulus", 240), ("endless_day", None)]
)
def test_a_film_goes_on_as_its_frames_do(preset: str, loop_frames: int | None, preset_requests: Requests) -> None:
    first, second, third, tenth = preset_requests(preset, [3, 4, 5, 10], 64, loop_frames=loop_frames)
    assert same_sky(first, tenth) and is_steady([first, second, third], [0.0, 0.04, 0.08])
    assert apart(place(gone_on(first, second, 6.0)), place(tenth)) < 1e-6
    assert gone_on(first, second, 6.0).time_s == pytest.approx(tenth.time_s)
    assert not is_steady([first, third, second], [0.0, 0.04, 0.08]) and not is_steady([first, second], [0.0, 0.04])
    (late,) = preset_requests(preset, [40], 64, loop_frames=loop_frames)
    busy = [first, second, late]
    assert is_steady(busy, [0.0, 0.04, 1.5]) and not is_steady(busy, [0.0, 0.04, 0.08])
    assert place(first).shape == place(tenth).shape == (12,)


def test_clouds_are_made_ahead_and_last_while_the_sky_goes_there_and_beyond() -> None:
    moments, wind_km, made = KeptMoments(), 0.3, list[LayerRequest]()
    layers = [LayerRequest(cover=0.5, displacement_km=(wind_km * i, 0.0), evolution_phase=0.01 * i) for i in range(40)]
    for layer in layers:
        one = moments(0, layer, layer)
        assert moments(1, LayerRequest(), LayerRequest()) == LayerRequest()
        assert abs(one.displacement_km[0] - layer.displacement_km[0]) <= 1.01 * WIND_TOLERANCE_KM
        assert abs(one.evolution_phase - layer.evolution_phase) <= EVOLUTION_TOLERANCE
        assert moments.last_for((layer, LayerRequest()), None)
        made += [] if made and made[-1] == one else [one]
    assert len(made) <= 2 + len(layers) * wind_km / (1.4 * WIND_TOLERANCE_KM)
    hazier = replace(layers[-1], density=1.05, cover=0.51)  # as weather changes it meanwhile
    assert moments(0, hazier, hazier) == made[-1]
    denser = replace(layers[-1], density=2.0)
    assert moments(0, denser, denser) == replace(made[-1], density=2.0)  # the same clouds, which let through less
    for other in (replace(layers[-1], cover=0.6), replace(layers[-1], stretch=2.0)):
        assert moments(0, other, other) not in made
    assert [moments.grain(grain) for grain in (0.05, 0.3, 0.25)] == [0.0, 0.3, 0.3]


def test_a_hurried_sky_gets_clouds_that_do_for_two_stills() -> None:
    """Made for the middle between them, in wind, evolution and what weather makes of their cover."""
    moments, made = KeptMoments(), list[LayerRequest]()
    layers = [
        LayerRequest(cover=0.5 + 0.05 * i, displacement_km=(2.4 * i, 0.0), evolution_phase=0.2 * i) for i in range(7)
    ]
    clear = LayerRequest()
    assert hurries((layers[0], clear), (layers[1], clear))
    assert not hurries((layers[0], clear), (replace(layers[0], displacement_km=(1.8, 0.0)), clear))
    assert not hurries((layers[0], clear), (replace(layers[0], displacement_km=(6.5, 0.0)), clear))  # a jump
    for layer, later in itertools.pairwise(layers):
        there = moments.last_for((layer, clear), (later, clear))
        moments.begin((later, clear), 0.2)
        one = moments(0, layer, layer)
        moments(1, clear, clear)
        assert moments.made_anew != there and moments.grain(0.0) == pytest.approx(0.1)
        assert one.displacement_km[0] - layer.displacement_km[0] == pytest.approx(-1.2 if there else 1.2)
        assert one.evolution_phase - layer.evolution_phase == pytest.approx(-0.1 if there else 0.1)
        assert one.cover - layer.cover == pytest.approx(-0.025 if there else 0.025)
        made += [] if there else [one]
    assert len(made) == 3


@pytest.mark.parametrize(("goes_on_at_s", "kept"), [(0.3, 3), (60.0, 6)])
def test_after_a_pause_the_pace_is_that_of_what_is_asked_for_anew(goes_on_at_s: float, kept: int) -> None:
    """But where requests were lost for a minute while the sky played on, it is as it was."""
    plan, pace = FilmPlan(), apart(place(moment(0.0)), place(moment(0.3)))
    for second in (0.0, 0.1, 0.2):
        plan.note(moment(0.3 * second), second)
    for second in (0.0, 0.1, 0.2):
        plan.note(moment(0.3 * (goes_on_at_s + second)), 60.0 + second)
    assert len(plan.asked) == kept
    assert plan.pace() == pytest.approx(pace, rel=1e-6)


@pytest.mark.parametrize("before", [[(0.0, 0.0)], [(-9.0, 3.0), (0.0, 0.0)], [(-0.2, 9.8), (-0.1, 9.9), (0.0, 10.0)]])
@pytest.mark.parametrize("rested_s", [1.0, 20.0])
def test_what_was_shown_before_a_sky_plays_does_not_slow_its_plan(
    before: list[tuple[float, float]], rested_s: float
) -> None:
    """One picture that stood, two that were turned to by hand, or the end of a film that is rewound."""
    plan = FilmPlan()
    for at_s, way_km in before:
        plan.note(moment(way_km), at_s)
    pace = apart(place(moment(0.0)), place(moment(1.7)))
    for tenth in range(LEAST_ASKS):
        plan.note(moment(0.17 * tenth), rested_s + 0.1 * tenth)
    assert plan.pace() == pytest.approx(pace, rel=1e-6)
    planned = plan.next_moment(rested_s + 0.2, [], KeptMoments().last_for)
    assert planned is not None and planned.moment.time_s > 1.7 * 2


def test_a_sky_that_is_put_elsewhere_by_hand_has_not_played_on() -> None:
    for jump_s, goes_on in ((3.0, True), (2.0, False), (9.0, False)):
        plan = FilmPlan()
        for tenth in range(12):
            plan.note(moment(0.17 * tenth), 0.1 * tenth)
        plan.note(moment(1.7 * (1.1 + jump_s)), 1.1 + 3.0)
        assert (plan.pace() > 0) == goes_on


def test_a_machine_that_asks_once_a_second_plays() -> None:
    plan = FilmPlan()
    for second in range(6):
        plan.note(moment(1.7 * second), 1.0 * second)
    assert len(plan.asked) == 6 and plan.pace() > 0


@pytest.mark.parametrize("other_km", [[], [-400.0], [400.0]])
def test_stills_that_a_loop_has_left_far_away_do_not_move_the_plan(other_km: list[float]) -> None:
    """From its last frame a film jumps to its first one, and its stills of the end are kept for a while."""
    plan, moments = FilmPlan(), KeptMoments()
    for tenth in range(LEAST_ASKS):
        plan.note(moment(0.17 * tenth), 0.1 * tenth)
    planned = plan.next_moment(0.2, [place(moment(way_km)) for way_km in (0.0, *other_km)], moments.last_for)
    assert planned is not None and planned.following is not None
    assert planned.moment.time_s == pytest.approx(1.7 * (0.2 + 2.0 + 1.35))  # drawn, and a step of a hurried sky ahead


def test_stills_of_a_hurried_sky_lie_as_far_apart_as_it_goes_in_their_mean_time() -> None:
    """Whatever the first ones were late: the first of two takes 2.4 s, the second 0.6 s."""
    plan, moments, now, drawn = FilmPlan(), KeptMoments(), 0.0, [place(moment(0.0))]
    clear, finished, times = LayerRequest(), list[float](), list[float]()
    moments.take(moment(0.0).low, clear, 0.0)
    while len(times) < 16:
        while len(plan.asked) < LEAST_ASKS:
            now += 0.1
            plan.note(moment(1.7 * now), now)
        planned = plan.next_moment(now, drawn, moments.last_for)
        assert planned is not None and planned.following is not None
        moments.begin((planned.following.low, clear), 0.0)
        moments(0, planned.moment.low, planned.moment.low)
        moments(1, clear, clear)
        took_s = 2.4 if moments.made_anew else 0.6
        while took_s > 1e-9:  # the sky plays meanwhile
            step_s = min(took_s, 0.1)
            now, took_s = now + step_s, took_s - step_s
            plan.note(moment(1.7 * now), now)
        plan.learn(not moments.made_anew, 2.4 if moments.made_anew else 0.6)
        drawn.append(place(planned.moment))
        times.append(planned.moment.time_s / 1.7)
        finished.append(now)
    assert [round(step, 1) for step in np.diff(times)[-6:]] == [1.5] * 6
    late_s = [finish - before for finish, before in zip(finished[6:], times[5:-1], strict=True)]
    assert max(late_s[-4:]) < 0.05  # when one is finished, the sky has only just come to the one before it
