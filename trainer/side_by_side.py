"""Many independent calls in processes side by side: bounded memory, a crash costs one call, interrupts lose nothing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from skygen_addon.core.errors import RequestError

log = logging.getLogger(__name__)

MOST_WORKERS = 61 if sys.platform == "win32" else 256
"""Processes at most; Windows waits for no more at once."""


@dataclass(frozen=True)
class ProcessLost:
    """Stands for the result of a call whose process died, twice: a crash in a library, or memory ran out."""


def check_workers(workers: int, max_minutes: float | None = None) -> None:
    """Raise RequestError unless the number of processes and the time make sense."""
    if not 1 <= workers <= MOST_WORKERS:
        raise RequestError(f"{workers} workers make no sense.", "Give about the number of processor cores.")
    if max_minutes is not None and not max_minutes >= 0:
        raise RequestError(f"max-minutes is {max_minutes}.", "Give minutes from 0 on, or leave it out.")


def _begin() -> None:
    """Leave interrupts to the parent, and do not outlive one that was killed: nobody would take the results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _pool(workers: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin)


def _alone(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    """Result of a call in a process of its own, or ProcessLost."""
    with _pool(1) as pool:
        try:
            return pool.submit(function, *task).result()
        except BrokenProcessPool:
            return ProcessLost()


def call_side_by_side(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    max_minutes: float | None = None,
) -> Iterator[tuple[int, Any]]:
    """Call ``function(*task)`` for all tasks in ``workers`` processes; results as they come.

    Only as many calls are handed out as there are processes, so that nothing piles up. Interrupted, the calls
    that have begun are finished first. A call whose process dies is tried once more in a process of its own.

    Parameters
    ----------
    function : callable
        A function of a module.
    tasks : sequence of tuple
        Arguments of each call.
    workers : int
        Processes.
    max_minutes : float, optional
        No call begins after this time.

    Yields
    ------
    tuple of int and result
        Number of the task, and what the function returned or :class:`ProcessLost`. What it raised is raised here.
    """
    begin = time.monotonic()
    running: dict[Future[Any], int] = {}
    waiting = iter(range(len(tasks)))
    pool = _pool(min(workers, max(len(tasks), 1)))
    try:
        while True:
            lost: list[int] = []
            in_time = max_minutes is None or time.monotonic() - begin <= 60 * max_minutes
            while in_time and len(running) < workers and (number := next(waiting, None)) is not None:
                try:
                    running[pool.submit(function, *tasks[number])] = number
                except BrokenProcessPool:  # a process died while the caller had the last result
                    lost.append(number)
                    break
            if not running and not lost:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), set())
            for future in done:
                number = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    lost.append(number)
                else:
                    yield number, result
            if lost:  # the pool died with one of its calls; which one shows when each runs alone
                lost += running.values()
                running.clear()
                pool.shutdown()
                pool = _pool(workers)
                for number in lost:
                    yield number, _alone(function, tasks[number])
    finally:
        pool.shutdown(cancel_futures=True)


def draw_side_by_side(
    draw: Callable[..., str], tasks: Sequence[tuple[Any, ...]], *, workers: int, max_minutes: float | None
) -> None:
    """Call ``draw(*task)`` for all tasks as :func:`call_side_by_side` does, with a progress line for each.

    Parameters
    ----------
    draw : callable
        A function of a module; saves what it draws and returns its name for the progress line.
    tasks, workers, max_minutes
        As for :func:`call_side_by_side`.

    Raises
    ------
    RequestError
        If a process died twice over the same picture.
    """
    begin = time.monotonic()
    results = call_side_by_side(draw, tasks, workers=workers, max_minutes=max_minutes)
    for count, (_, name) in enumerate(results, 1):
        if isinstance(name, ProcessLost):
            raise RequestError("A process died while it drew.", "Free memory or give fewer --workers, and go on.")
        spent = time.monotonic() - begin
        left = spent / count * (len(tasks) - count)
        log.info("%s (%d of %d), %.0f s, about %.1f min left", name, count, len(tasks), spent, left / 60)
