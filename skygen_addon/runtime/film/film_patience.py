"""How urgent drawing ahead is: less than carrying, which shows at once, while the processors are ours.

Where others keep them busy, what is less urgent does not get on at all, holds the interpreter meanwhile, and the sky
goes on without a new still. Linux has steps of urgency for single threads; elsewhere all are alike.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 6
"""Steps by which drawing ahead is less urgent."""
BUSY = 0.2
"""Share of all processors that others may take."""
RECENT_S = 5.0
"""What they have taken since longer ago says little of now."""
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
    """Does work less urgently if the processors are ours."""

    def __init__(self) -> None:
        self._before, self._at = processor_seconds(), time.monotonic()

    def steps(self) -> int:
        """Steps by which work is to be less urgent, by what others have taken since the last call."""
        before, self._before = self._before, processor_seconds()
        since, self._at = self._at, time.monotonic()
        if before is None or self._before is None or self._at - since > RECENT_S:
            return 0
        return PATIENCE if others_share(before, self._before) <= BUSY else 0

    def do(self, work: Callable[[], None]) -> None:
        """Call ``work``, less urgently or not, and raise what it raises."""
        steps = self.steps()
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
            raise failures[0]
