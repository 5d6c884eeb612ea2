"""Drawing ahead is less urgent than carrying while the processors are ours, and as urgent where others take them."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from skygen_addon.runtime.film import film_patience
from skygen_addon.runtime.film.film_patience import BUSY, PATIENCE, RECENT_S, Patience, others_share, processor_seconds


def test_others_have_taken_what_was_busy_and_not_ours() -> None:
    before = (100.0, 50.0, 7.0)
    assert others_share(before, (108.0, 52.0, 9.0)) == pytest.approx(0.6)  # 8 s busy of 10 s, 2 s of them ours
    assert others_share(before, (102.0, 58.0, 9.1)) == 0.0
    assert others_share(before, before) == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_systems_seconds_grow_with_ours() -> None:
    before = processor_seconds()
    assert before is not None
    while (after := processor_seconds()) is not None and after[2] - before[2] < 0.3:
        sum(range(100_000))
    assert after is not None
    assert after[0] - before[0] > 0.25 and after[1] >= before[1] and 0 <= others_share(before, after) < 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Time, and seconds busy, idle and ours; to be set by the test."""
    now = [0.0, 0.0, 0.0, 0.0]
    monkeypatch.setattr(film_patience, "processor_seconds", lambda: tuple(now[1:]))
    monkeypatch.setattr(film_patience.time, "monotonic", lambda: now[0])
    yield now


def test_there_is_patience_where_others_left_us_the_processors(clock: list[float]) -> None:
    """During the last work, however long that was; what was long before the next says nothing."""
    patience = Patience()
    assert patience.steps() == 0  # nothing is known

    def work(others: float, takes_s: float) -> None:
        clock[0] += takes_s
        clock[1] += 1.8 * takes_s  # of two processors
        clock[2] += 0.2 * takes_s
        clock[3] += (1.8 - 2 * others) * takes_s

    patience.do(partial(work, BUSY - 0.01, 3 * RECENT_S))
    assert patience.steps() == PATIENCE
    patience.do(partial(work, BUSY + 0.01, 1.0))
    assert patience.steps() == 0
    patience.do(partial(work, BUSY - 0.01, 1.0))
    clock[0] += RECENT_S
    assert patience.steps() == PATIENCE
    clock[0] += 0.1
    assert patience.steps() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="threads are as urgent as one another")
@pytest.mark.parametrize("steps", [0, 3])
def test_work_is_less_urgent_and_whoever_has_it_done_stays_as_urgent(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patience, "steps", lambda self: steps)
    patience, seen = Patience(), list[int]()

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = niceness()
    patience.do(lambda: seen.append(niceness()))
    assert seen == [min(here + steps, 19)] and niceness() == here
    with pytest.raises(ZeroDivisionError):
        patience.do(lambda: print(1 // 0))


@pytest.mark.parametrize("steps", [0, 3])
def test_what_a_work_that_fails_has_made_is_let_go_at_once(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "steps", lambda self: steps)
    made = list[weakref.ref[np.ndarray]]()

    def work() -> None:
        pixels = np.zeros(10)
        made.append(weakref.ref(pixels))
        raise ZeroDivisionError

    gc.disable()
    try:
        with contextlib.suppress(ZeroDivisionError):
            Patience().do(work)
        assert made[0]() is None
    finally:
        gc.enable()


def test_where_the_system_does_not_tell_all_is_as_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_patience, "processor_seconds", lambda: None)
    patience = Patience()
    patience.do(lambda: None)
    assert patience.steps() == 0
