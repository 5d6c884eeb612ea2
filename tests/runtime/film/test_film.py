"""Films: what they carry and what not, what they draw ahead, and what becomes of a still that nobody waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.film.film import WIDEST_STILL, Film
from skygen_addon.runtime.film.film_memory import KEPT_FINISHED
from skygen_addon.runtime.film.film_path import REACH, SEEN_DEG, SUN_LIMIT_DEG, apart, place
from skygen_addon.runtime.film.film_plan import LEAST_ASKS, PLAYS_S
from skygen_addon.runtime.film.film_shares import FADE_S, KeptStill, shares_of
from skygen_addon.runtime.frame.still import LayerPictures, finished_still
from skygen_addon.runtime.serve.serve import _tell
from skygen_addon.runtime.serve.serve_protocol import Ask, ask_line
from tests.runtime.film.film_stub import StillsOfTime, scene_of

Requests = Callable[..., list[SkyRequest]]
LIMIT_KM = 1.5 / math.tan(math.radians(SEEN_DEG))


def moment(way_km: float, **changes: float) -> SkyRequest:
    """A sky whose clouds have gone a way, at as many sky seconds."""
    low = LayerRequest(cover=0.4, base_km=1.5, displacement_km=(way_km, 0.0))
    return SkyRequest(low=low, time_s=way_km, width=64, **changes)  # type: ignore[arg-type]


def bright(frame: object) -> float:
    """Of a stub's frame: the sky time of its stills."""
    return float(np.median(frame.radiance))  # type: ignore[attr-defined]


@pytest.fixture
def stub() -> StillsOfTime:
    return StillsOfTime()


@pytest.fixture
def film(stub: StillsOfTime) -> Iterator[Film]:
    made = Film(stub)
    yield made
    made.close()


def kept(way_km: float, at: float, width: int = 64) -> KeptStill:
    """A still that was finished at some time."""
    pictures, request = LayerPictures(width), replace(moment(way_km), width=width)
    pictures.scene = scene_of(request)
    one = KeptStill(finished_still(request, pictures))
    one.at = at
    return one


def play_to(film: Film, way_km: float, **changes: float) -> None:
    """As many moments as tell where a sky goes."""
    for step in range(LEAST_ASKS):
        film.note(moment(way_km - 0.1 * (LEAST_ASKS - 1 - step), **changes))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.005)


def test_a_frame_that_was_finished_is_not_drawn_again(film: Film, stub: StillsOfTime) -> None:
    """Unlike a draft, or another width, or one that was finished many frames ago."""
    first = film.draw(moment(1.0), draft=False)
    assert film.draw(moment(1.0), draft=False) is first and len(stub.drawn) == 1
    film.draw(moment(1.0), draft=True)
    assert film.draw(moment(1.0), draft=False) is first
    film.draw(replace(moment(1.0), width=128), draft=False)
    assert len(stub.drawn) == 3
    for step in range(KEPT_FINISHED):
        film.draw(moment(2.0 + step), draft=False)
    assert film.draw(moment(1.0), draft=False) is not first
    film.draw(moment(5.0), draft=True)
    number = len(stub.drawn)
    film.draw(moment(5.0), draft=False)
    assert len(stub.drawn) == number  # it was kept all the same
    film.draw(moment(50.0), draft=True)
    film.draw(moment(50.0), draft=False)
    assert len(stub.drawn) == number + 2  # a draft is no finished frame


def test_of_a_frame_that_was_finished_there_is_a_sharp_still(film: Film) -> None:
    for way_km in (1.0, 20.0, 40.0):
        film.draw(replace(moment(way_km), width=128), draft=False)
    film.draw(moment(60.0), draft=True)
    film.draw(moment(80.0), draft=True)
    widths = [one.still.rows.width for one in film._stills(moment(1.0))]
    assert sorted(widths) == [64, 64, 128, 128, 128]
    assert bright(film.carried(replace(moment(1.0), width=128))) == 1.0


def test_a_moment_is_carried_from_a_still_of_the_same_sky_that_is_near(film: Film, stub: StillsOfTime) -> None:
    assert film.carried(moment(0.0)) is None
    assert bright(film.draw(moment(3.0), draft=True)) == 3.0
    assert bright(film.carried(moment(3.0 + 0.9 * LIMIT_KM))) == 3.0
    assert film.carried(moment(3.0 + 1.1 * LIMIT_KM)) is None
    assert film.carried(moment(3.0, haze=2.0)) is None and film.carried(moment(3.0, seed=4)) is None
    wide = film.carried(replace(moment(3.0), width=128, exposure_ev=1.0))
    assert wide is not None and wide.radiance.shape == (64, 128, 3) and bright(wide) == 6.0
    assert [ahead for _, ahead in stub.drawn] == [False]  # nobody has said that the sky goes anywhere


def test_between_two_stills_each_has_the_share_of_its_nearness(film: Film) -> None:
    film.draw(moment(1.0), draft=True)
    film.draw(moment(2.0), draft=True)
    time.sleep(FADE_S)
    for way_km in (1.0, 1.25, 1.5, 1.9, 2.0):
        assert bright(film.carried(moment(way_km))) == pytest.approx(way_km, abs=2e-3)
    assert bright(film.carried(moment(2.4))) == 2.0


def test_a_new_still_fades_in() -> None:
    stills, here = [kept(1.0, 0.0), kept(1.6, 100.0)], place(moment(1.8))
    for age, share in ((0.0, 0.0), (0.5 * FADE_S, 0.5), (FADE_S, 1.0)):
        shares = {one.still.request.time_s: one.weight for one in shares_of(stills, here, 100.0 + age)}
        assert shares.get(1.6, 0.0) == pytest.approx(share, abs=2e-3)
        assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("way_km", [1.0, 1.4])
@pytest.mark.parametrize("width", [64, 128])
def test_of_a_coarse_and_a_sharp_still_of_one_moment_the_sharp_one_is_carried(way_km: float, width: int) -> None:
    """The wider one or, of the same width, the one that was drawn last."""
    stills = [kept(1.0, 0.0), kept(1.0, 99.0, width=width)]
    for given in (stills, stills[::-1]):
        (share,) = shares_of(given, place(moment(way_km)), 100.0)
        assert share.still is stills[1].still and share.weight == 1.0


def test_a_sky_that_plays_is_drawn_ahead(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0), draft=False)
    for step in range(40):
        film.note(moment(0.02 * step))
        assert film.carried(moment(0.02 * step)) is not None
        time.sleep(0.01)
    ahead = [request for request, drawn_ahead in stub.drawn if drawn_ahead]
    assert ahead and all(request.time_s > 0.1 for request in ahead)
    assert ahead[0].low.displacement_km[0] == pytest.approx(ahead[0].time_s)  # on the path, not beside it
    before = len(stub.drawn)
    time.sleep(1.0)
    film.note(moment(0.79))
    time.sleep(0.2)
    assert len(stub.drawn) <= before + 1  # it stands


def test_a_sky_that_is_turned_by_hand_is_drawn_where_it_is(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0), draft=True)
    for way_km in (0.3, 0.1, 0.6, 0.5):
        film.note(moment(way_km))
        time.sleep(0.02)
    until(lambda: any(ahead for _, ahead in stub.drawn))
    assert all(request.time_s in (0.3, 0.6, 0.5) for request, ahead in stub.drawn if ahead)
    assert not film.plays(moment(0.5))


def test_after_a_jump_whoever_asks_draws(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0), draft=True)
    for request in (moment(40.0), moment(0.0, haze=2.0)):
        film.note(request)
        time.sleep(0.1)
        assert film.carried(request) is None and not film.plays(request)
    assert len(stub.drawn) == 1


def test_a_still_is_given_up_for_what_is_asked_for(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0), draft=True)
    stub.go_on.clear()
    for step in range(6):
        film.note(moment(0.2 * step))
        time.sleep(0.02)
    until(lambda: film.plays(moment(1.0)))
    time.sleep(0.1)
    assert bright(film.draw(moment(50.0), draft=False)) == 50.0
    assert len(stub.given_up) == 1


def test_a_sky_that_plays_too_fast_shows_each_still_once_as_it_is(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0), draft=True)
    for step in range(6):
        film.note(moment(40.0 * step))
        time.sleep(0.01)
    film.wait(5.0)
    time.sleep(PLAYS_S + 0.3)  # it stands again
    until(lambda: film._under_way is None)
    last = [request for request, ahead in stub.drawn if ahead][-1]
    assert bright(film.carried(moment(-40.0))) == pytest.approx(last.time_s)
    assert film.carried(moment(-40.0)) is None


def test_a_still_that_is_shown_as_it_is_has_the_exposure_of_now_and_is_not_shown_after_a_jump(
    film: Film, stub: StillsOfTime
) -> None:
    film.draw(moment(0.0), draft=True)
    for jump in (False, True):
        for step in range(6):
            film.note(moment(40.0 * step))
            time.sleep(0.01)
        time.sleep(PLAYS_S + 0.3)  # it stands again
        until(lambda: film._under_way is None)
        shown = [request.time_s for request, ahead in stub.drawn if ahead][-1]
        if jump:
            film.note(moment(-4000.0))
            assert film.carried(moment(-4000.0)) is None
        else:
            frame = film.carried(moment(-40.0, exposure_ev=1.0))  # the stub's ground has it, its sky has none
            assert frame is not None and frame.radiance[-1] == pytest.approx(2 * shown)


def test_the_lower_the_sun_the_less_far_is_its_light_carried(film: Film) -> None:
    """Two degrees are a third more light at eight, and a sevenfold in twilight."""
    for elevation_deg, carried in ((40.0, True), (10.0, True), (2.0, False), (-4.0, False)):
        film.draw(moment(0.0, sun_elevation_rad=math.radians(elevation_deg)), draft=True)
        later = moment(0.0, sun_elevation_rad=math.radians(elevation_deg - 2.0))
        assert (film.carried(later) is not None) == carried
    night = [place(moment(0.0, sun_elevation_rad=math.radians(elevation))) for elevation in (-40.0, -41.0)]
    assert apart(*night) == pytest.approx(1 / SUN_LIMIT_DEG, rel=1e-3)


def test_what_fails_in_the_thread_is_told_once_and_ends_nothing(film: Film, stub: StillsOfTime) -> None:
    film.draw(moment(0.0, seed=666), draft=True)
    play_to(film, 0.5, seed=666)
    until(lambda: film._failure is not None)
    with pytest.raises(ZeroDivisionError):
        film.carried(moment(0.5, seed=666))
    assert film.carried(moment(0.5, seed=666)) is not None
    play_to(film, 0.6, seed=666)
    until(lambda: film._failure is not None)
    film.draw(moment(0.0), draft=True)
    assert film.carried(moment(0.0)) is not None  # what failed was another sky
    play_to(film, 0.5)
    until(lambda: any(ahead for _, ahead in stub.drawn))


def test_a_defect_while_a_film_is_told_of_a_request_does_not_end_the_reading_thread(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would read any more, and the process would outlive its input."""
    told = list[SkyRequest]()

    def note(request: SkyRequest) -> None:
        told.append(request)
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(film, "note", note)
    _tell([film], ask_line(Ask(1, moment(0.0), (64,), True, 64)))
    assert told == [moment(0.0)]


def test_a_frame_that_is_very_wide_is_drawn_and_not_kept(film: Film) -> None:
    film.draw(replace(moment(0.0), width=2 * WIDEST_STILL), draft=False)
    assert film.carried(moment(0.0)) is None


@pytest.mark.parametrize("reach_units", [3.5, -3.5])
def test_a_sky_that_plays_is_carried_farther_than_one_that_is_turned_by_hand_but_not_its_light(
    reach_units: float,
) -> None:
    still = kept(0.0, 0.0)
    here = place(moment(reach_units * LIMIT_KM))
    assert not shares_of([still], here, 100.0) and shares_of([still], here, 100.0, REACH)
    assert not shares_of([still], place(moment(1.2 * REACH * LIMIT_KM)), 100.0, REACH)
    lower = place(moment(0.0, sun_elevation_rad=moment(0.0).sun_elevation_rad - math.radians(1.5 * SUN_LIMIT_DEG)))
    assert not shares_of([still], lower, 100.0, REACH)


def test_a_film_goes_on_while_a_still_takes_long_and_stands_at_the_end_of_its_reach(
    film: Film, stub: StillsOfTime
) -> None:
    """Three units after the start, with nothing but the first picture to be carried from."""
    film.draw(moment(0.0), draft=True)
    stub.go_on.clear()
    for step in range(LEAST_ASKS):
        film.note(moment((2.8 + 0.1 * step) * LIMIT_KM))
        time.sleep(0.02)
    assert bright(film.carried(moment(3.0 * LIMIT_KM))) == 0.0
    assert film.carried(moment(1.1 * REACH * LIMIT_KM)) is None
    stub.go_on.set()
    until(lambda: any(ahead for _, ahead in stub.drawn))
