"""How urgent drawing ahead is: less than carrying, which shows at once, while the processors are ours.

Where others keep them busy, what is less urgent does not get on at all, holds the interpreter meanwhile, and the sky
goes on without a new still. Linux has steps of urgency for single threads; elsewhere all are alike.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 6
"""Steps by which drawing ahead is less urgent."""
BUSY = 0.2
"""Share of all processors that others may take; Blender, which draws its windows and perhaps renders, is one."""
RECENT_S = 5.0
"""What they took longer ago says little of now."""
_TICKS = Path("/proc/stat")


def others_share(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Share of all processors that others have taken between two calls of :func:`processor_seconds`, 0 to 1."""
    busy_s, idle_s, own_s = (late - early for early, late in zip(before, after, strict=True))
    return min(max((busy_s - own_s) / max(busy_s + idle_s, 1e-9), 0.0), 1.0)


def processor_seconds() -> tuple[float, float, float] | None:
    """Seconds that all processors together have been busy and idle, and busy with this process; None if not known."""
    try:
        ticks = [int(word) for word in _TICKS.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        second = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    idle = sum(ticks[3:5])  # waiting for a disk is idle too
    return (sum(ticks) - idle) / second, idle / second, time.process_time()


class Patience:
    """Does work less urgently if the processors are ours, as they were while it did the last."""

    def __init__(self) -> None:
        self._others, self._ended = 1.0, -math.inf

    def steps(self) -> int:
        """Steps by which work is to be less urgent; none where nothing is known of others."""
        return PATIENCE if self._others <= BUSY and time.monotonic() - self._ended <= RECENT_S else 0

    def do(self, work: Callable[[], None]) -> None:
        """Call ``work``, less urgently or not, and raise what it raises."""
        steps, before = self.steps(), processor_seconds()
        try:
            self._do(work, steps)
        finally:
            after, self._ended = processor_seconds(), time.monotonic()
            self._others = 1.0 if before is None or after is None else others_share(before, after)

    @staticmethod
    def _do(work: Callable[[], None], steps: int) -> None:
        if not steps or sys.platform != "linux":
            work()
            return
        failures: list[BaseException] = []

        def run() -> None:
            with contextlib.suppress(OSError):  # a sandbox may forbid it; then it is as urgent
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + steps)
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, name="SkyGen still", daemon=True)  # what is less urgent stays so for good
        thread.start()
        thread.join()
        if failures:
            raise failures.pop()  # a list that held it would be held by it, and all that was drawn with it
