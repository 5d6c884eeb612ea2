"""What a film keeps is counted truly, kept within its budget, oldest first, and let go when that is asked for."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.film import film_memory
from skygen_addon.runtime.film.carried_frame import CarriedFrames, Share
from skygen_addon.runtime.film.film import Film
from skygen_addon.runtime.film.film_memory import KEPT_FINISHED, FilmMemory
from skygen_addon.runtime.film.film_shares import KeptStill
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.still import LayerPictures, finished_still
from skygen_addon.runtime.frame.sun_record import SkyFrame, SunLight
from skygen_addon.runtime.kept import Kept
from skygen_addon.runtime.kept_memory import Forgetful, MemoryUse, array_bytes, resident_bytes
from tests.runtime.film.film_stub import StillsOfTime, scene_of

STILL = 50_000
"""Bytes that the tests add to each still; its own are some hundreds, and 15 kB that all share."""


class Clouds:
    """What a renderer keeps: clouds of 100 kB and noise of 50 kB, while it has them."""

    def __init__(self) -> None:
        self.calls: list[bool] = []
        self.clouds, self.noise = [np.zeros(100_000, np.uint8)], [np.zeros(50_000, np.uint8)]

    def kept(self) -> list[Any]:
        return list(self.clouds)

    def kept_noise(self) -> list[Any]:
        return list(self.noise)

    def forget(self, *, noise_only: bool = False) -> None:
        self.calls.append(noise_only)
        self.noise.clear()
        if not noise_only:
            self.clouds.clear()


@pytest.fixture
def renderer() -> Any:
    made: Any = StillsOfTime()
    made.memory = Clouds()
    assert isinstance(made.memory, Forgetful)
    return made


@pytest.fixture
def memory(renderer: Any) -> FilmMemory:
    return FilmMemory(renderer, CarriedFrames(renderer))


def still_at(moment: float) -> KeptStill:
    """A still that was finished at a moment of the clock."""
    request = SkyRequest(time_s=moment, width=64)
    pictures = LayerPictures(64)
    pictures.scene = replace(scene_of(request), sky_view=np.zeros(STILL, np.uint8))  # type: ignore[arg-type]
    one = KeptStill(finished_still(request, pictures))
    one.at = moment
    return one


def kept(memory: FilmMemory) -> list[float]:
    return sorted(one.at for one in memory.stills())


def test_arrays_count_once_and_with_all_that_they_look_into() -> None:
    @dataclass(frozen=True)
    class Pair:
        one: Any
        other: Any
        words: str = "words"

    array = np.zeros(1000, np.float32)
    box: Kept[Any] = Kept()
    assert array_bytes(box, None, 3, "text") == 0
    box.get("key", lambda: Pair(array, None))
    assert array_bytes(box) == array_bytes(array, array, box) == 4000
    assert array_bytes(array[:10]) == array_bytes(array.reshape(10, 100)[2:, ::2].T) == 4000  # views keep the whole
    other = np.zeros(10, np.uint8)
    things = {"a": (array, [other]), "b": deque([Pair(other, array)])}
    assert array_bytes(OrderedDict(things)) == 4010
    assert resident_bytes(os.getpid()) is None or resident_bytes(os.getpid()) > 10**7  # type: ignore[operator]
    assert resident_bytes(2**30) is None
    loop: list[Any] = [other]
    loop.append(loop)
    assert array_bytes(loop) == 10


def test_over_the_budget_the_oldest_stills_go_first(memory: FilmMemory, renderer: Any) -> None:
    for moment in (1.0, 2.0):
        memory.add(still_at(moment), ahead=False)
    for moment in (0.5, 3.0, 4.0):
        memory.add(still_at(moment), ahead=True)
    memory.take_unseen()
    memory.settle()
    everything = memory.use.kept
    assert 150_000 + 5 * STILL < everything < 150_000 + 6 * STILL
    for dropped, left in ((1, [1.0, 2.0, 3.0, 4.0]), (3, [3.0, 4.0]), (4, [4.0])):
        memory.budget = everything - dropped * STILL + 1  # the last of so many stills must go too
        assert not memory.settle() and kept(memory) == left
        assert memory.use.kept <= memory.budget
    assert renderer.memory.calls == []


def test_finished_frames_go_before_stills(memory: FilmMemory, renderer: Any) -> None:
    frames = [SkyFrame(np.zeros((50, 100, 3), np.float32), SunLight(0.0, 0.5, (1.0, 1.0, 1.0), 1.0, 1.0)) for _ in "ab"]
    moments = [SkyRequest(time_s=time_s) for time_s in (1.0, 2.0)]
    still = still_at(1.0)
    memory.add(still, ahead=False)
    memory.settle()
    before = memory.use.kept
    memory.keep_finished(moments[0], frames[0], still)
    memory.keep_finished(moments[1], frames[1], None)
    memory.settle()
    assert memory.use.kept == before + 2 * 60_000 and kept(memory) == [1.0]
    with pytest.raises(ValueError, match="read-only"):
        frames[0].radiance[0] = 1.0
    memory.budget = before + 60_000
    memory.settle()
    assert [memory.finished(one) for one in moments] == [None, frames[1]] and kept(memory) == [1.0]
    memory.budget = before
    memory.settle()
    assert memory.finished(moments[1]) is None and kept(memory) == [1.0] and renderer.memory.calls == []
    memory.keep_finished(moments[0], frames[0], still_at(2.0))
    assert kept(memory) == [1.0, 2.0]
    memory.clear()
    assert memory.finished(moments[0]) is None and kept(memory) == []


def test_a_finished_frame_that_somebody_comes_back_to_is_the_newest(memory: FilmMemory) -> None:
    frame = SkyFrame(np.zeros((2, 4, 3), np.float32), SunLight(0.0, 0.5, (1.0, 1.0, 1.0), 1.0, 1.0))
    moments = [SkyRequest(time_s=float(number)) for number in range(KEPT_FINISHED + 1)]
    for one in moments[:-1]:
        memory.keep_finished(one, frame, None)
    assert memory.finished(moments[0]) is frame
    memory.keep_finished(moments[-1], frame, None)
    assert memory.finished(moments[0]) is frame and memory.finished(moments[1]) is None


def test_then_noise_goes_and_then_the_clouds(memory: FilmMemory, renderer: Any) -> None:
    memory.add(still_at(1.0), ahead=False)
    memory.budget = 120_000
    assert not memory.settle()
    assert kept(memory) == [] and renderer.memory.calls == [True] and memory.use.kept == 100_000
    memory.budget = 1000
    assert memory.settle() and memory.use.kept == 0


def test_what_the_picture_at_hand_is_carried_from_stays(
    memory: FilmMemory, monkeypatch: pytest.MonkeyPatch, renderer: Any
) -> None:
    first, second, unseen = still_at(1.0), still_at(2.0), still_at(3.0)
    memory.add(first, ahead=False)
    memory.add(second, ahead=True)
    memory.add(unseen, ahead=True)
    memory.note_carried([Share(first.still, 1.0)])
    memory.budget = 0
    memory.settle()
    assert kept(memory) == [1.0, 3.0]  # the one that is shown, and the one that nobody has seen yet
    assert renderer.memory.clouds == []
    memory.take_unseen()
    now = time.monotonic()
    monkeypatch.setattr(film_memory.time, "monotonic", lambda: now + 2 * film_memory.AT_HAND_S)
    memory.settle()
    assert kept(memory) == [] and memory.use.kept == 0  # it plays no more


def test_what_one_picture_takes_is_told_though_it_is_let_go(memory: FilmMemory) -> None:
    """Clouds and its own still; no noise and no still of another moment."""
    memory.add(still_at(1.0), ahead=False)
    last = still_at(2.0)
    memory.add(last, ahead=False)
    memory.note_picture(last)
    memory.budget = 0
    memory.settle()
    assert 100_000 + STILL < memory.use.picture < 100_000 + 2 * STILL
    memory.note_picture(None)  # a wide one, of which no still is kept
    memory.settle()
    assert memory.use == MemoryUse(0, 0)


@pytest.fixture
def film(renderer: Any) -> Iterator[Film]:
    made = Film(renderer)
    yield made
    made.close()


def moment(way_km: float) -> SkyRequest:
    low = LayerRequest(cover=0.4, base_km=1.5, displacement_km=(way_km, 0.0))
    return SkyRequest(low=low, time_s=way_km, width=64)


def test_a_cleared_film_goes_on(film: Film, renderer: Any) -> None:
    film.draw(moment(1.0), draft=False)
    assert film.carried(moment(1.0)) is not None and film.memory.kept > 150_000
    assert film.allow(10**9, clear=True).kept == 0 and film.memory.kept == 0
    assert film.carried(moment(1.0)) is None  # nothing to carry
    film.draw(moment(1.0), draft=False)
    assert film.carried(moment(1.0)) is not None and film.memory.kept > 0


def test_a_film_with_no_room_still_draws_what_is_asked_for(film: Film) -> None:
    film.allow(0)
    for way_km in (1.0, 2.0):
        assert float(np.median(film.draw(moment(way_km), draft=True).radiance)) == way_km
        assert film.memory.kept == 0 and film.memory.picture > 0


def test_a_still_that_is_drawn_is_given_up_for_an_order(film: Film, renderer: Any) -> None:
    film.draw(moment(0.0), draft=True)
    renderer.go_on.clear()
    for step in range(6):
        film.note(moment(0.2 * step))
        time.sleep(0.02)
    end = time.monotonic() + 20
    while not film.plays(moment(1.0)):
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(0.1)
    started = time.monotonic()
    assert film.allow(10**9, clear=True).kept == 0
    assert time.monotonic() - started < 5 and len(renderer.given_up) == 1
    renderer.go_on.set()


def test_a_real_renderer_forgets_and_draws_the_same_anew(sky_renderer: FrameRenderer) -> None:
    """Resident memory falls by at least half of what was kept, where the system tells it."""
    request = SkyRequest(seed=4, width=64, low=LayerRequest(cover=0.5), high=LayerRequest(cover=0.3, base_km=8.0))
    assert isinstance(sky_renderer.memory, Forgetful)
    sky_renderer.memory.forget()
    film = Film(sky_renderer)
    try:
        first = film.draw(request, draft=False).radiance
        before, resident = film.memory, resident_bytes(os.getpid())
        assert before.kept > 10**8 > before.kept - before.picture  # noise
        after = film.allow(10**9, clear=True)
        assert after.kept == 0 and array_bytes(sky_renderer.memory.kept(), sky_renderer.memory.kept_noise()) == 0
        smaller = resident_bytes(os.getpid())
        if resident is not None and smaller is not None:
            assert resident - smaller > 0.5 * before.kept
        np.testing.assert_array_equal(film.draw(request, draft=False).radiance, first)
        assert film.memory.kept == before.kept
    finally:
        film.close()
