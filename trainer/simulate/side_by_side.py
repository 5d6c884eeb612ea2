"""Draws many pictures in processes side by side, with progress lines, until done or out of time."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from skygen_addon.core.errors import RequestError

log = logging.getLogger(__name__)


def check_workers(workers: int, max_minutes: float | None) -> None:
    """Raise RequestError unless the number of processes and the time make sense."""
    if not 1 <= workers <= 256:
        raise RequestError(f"{workers} workers make no sense.", "Give about the number of processor cores.")
    if max_minutes is not None and not max_minutes >= 0:
        raise RequestError(f"max-minutes is {max_minutes}.", "Give minutes from 0 on, or leave it out.")


def draw_side_by_side(
    draw: Callable[..., str], tasks: Sequence[tuple[Any, ...]], *, workers: int, max_minutes: float | None
) -> None:
    """Call ``draw(*task)`` for all tasks, in order, in ``workers`` processes.

    Parameters
    ----------
    draw : callable
        A function of a module; saves what it draws and returns its name for the progress line.
    tasks : sequence of tuple
        Arguments of each call.
    workers : int
        Processes.
    max_minutes : float, optional
        No task begins after this time; those that have begun are finished.
    """
    begin, count = time.monotonic(), 0
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: set[Future[str]] = set()
        waiting = iter(tasks)
        while True:
            spent = time.monotonic() - begin
            while len(running) < workers and (max_minutes is None or spent <= 60 * max_minutes):
                task = next(waiting, None)
                if task is None:
                    break
                running.add(pool.submit(draw, *task))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                count, spent = count + 1, time.monotonic() - begin
                left = spent / count * (len(tasks) - count)
                log.info(
                    "%s (%d of %d), %.0f s, about %.1f min left", future.result(), count, len(tasks), spent, left / 60
                )
