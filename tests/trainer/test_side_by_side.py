"""Calls in processes side by side: all results, a crash costs one call, limits are kept."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skygen_addon.core.errors import RequestError
from trainer.side_by_side import ProcessLost, call_side_by_side, check_workers, draw_side_by_side


def die_soon() -> None:
    time.sleep(0.2)
    os._exit(5)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_call_gives_its_result(workers: int) -> None:
    results = dict(call_side_by_side(math.sqrt, [(float(n * n),) for n in range(7)], workers=workers))
    assert results == {n: float(n) for n in range(7)}


def test_a_process_that_dies_costs_its_own_call_only() -> None:
    tasks = [(math.sqrt, 4.0), (os._exit, 3), (math.sqrt, 9.0), (os._exit, 4), (math.sqrt, 16.0)]
    results = dict(call_side_by_side(operator.call, tasks, workers=2))
    assert results == {0: 2.0, 1: ProcessLost(), 2: 3.0, 3: ProcessLost(), 4: 4.0}


def test_a_process_may_die_while_the_caller_is_busy() -> None:
    """The pool then breaks between two calls, not while somebody waits for one."""
    tasks = [(math.sqrt, 4.0), (die_soon,), (math.sqrt, 9.0), (math.sqrt, 16.0)]
    results = {}
    for number, result in call_side_by_side(operator.call, tasks, workers=2):
        results[number] = result
        time.sleep(1.0)
    assert results == {0: 2.0, 1: ProcessLost(), 2: 3.0, 3: 4.0}


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="math|nonnegative"):
        dict(call_side_by_side(math.sqrt, [(-1.0,)], workers=1))


def test_without_time_nothing_begins() -> None:
    assert list(call_side_by_side(math.sqrt, [(4.0,)], workers=1, max_minutes=-1)) == []
    assert list(call_side_by_side(math.sqrt, [], workers=4)) == []


def test_a_picture_that_kills_its_process_is_an_error_with_a_remedy() -> None:
    with pytest.raises(RequestError, match="fewer --workers"):
        draw_side_by_side(operator.call, [(os._exit, 1)], workers=1, max_minutes=None)


@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for processes by sending signal 0")
def test_no_process_outlives_a_parent_that_was_killed() -> None:
    """The parent is killed while both of its processes wait for more; they end within the minute that is allowed."""
    script = (
        "import os, time\n"
        "from trainer.side_by_side import call_side_by_side\n"
        "if __name__ == '__main__':\n"
        "    for number, pid in call_side_by_side(os.getpid, [()] * 8, workers=2):\n"
        "        print(pid, flush=True)\n"
        "        time.sleep(0.1 if number < 4 else 600)\n"  # a pool that is done would close its processes
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        children = {int(parent.stdout.readline()) for _ in range(4)}
        parent.kill()
    until = time.monotonic() + 60
    while children and time.monotonic() < until:
        children = {pid for pid in children if _lives(pid)}
        time.sleep(0.2)
    assert not children


def _lives(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.is_file() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(("workers", "minutes"), [(0, None), (257, None), (2, -1.0), (2, math.nan)])
def test_numbers_that_make_no_sense_are_refused(workers: int, minutes: float | None) -> None:
    with pytest.raises(RequestError):
        check_workers(workers, minutes)
