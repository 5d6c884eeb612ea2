"""The finished frames and the stills of a film, and what its renderer keeps, within a budget.

Over the budget the oldest finished frame goes first, then the oldest still, noise, and the clouds. What the picture at
hand is carried from stays, and no picture is refused: one that takes more than the budget is drawn, and all of it is
let go afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from ...core.request import SkyRequest
from ..frame.still import Still, sky_rows
from ..frame.sun_record import SkyFrame
from ..kept_memory import DEFAULT_BUDGET_MB, MEGABYTE, Forgetful, MemoryUse, array_bytes, give_back
from .carried_frame import CarriedFrames, Share
from .film_shares import KeptStill

KEPT_DRAWN, KEPT_AHEAD = 2, 3
"""Stills kept of those that were asked for and of those drawn ahead."""
KEPT_FINISHED = 8
"""Frames kept as they are, for whoever comes back to one."""
AT_HAND_S = 0.7
"""Time for which the stills of the last carried frame may be needed for the next one."""


class FilmMemory:
    """What is kept between the pictures of a film.

    Parameters
    ----------
    renderer : object
        Its ``memory``, if it has one, is what it keeps by itself, see :class:`..kept_memory.Forgetful`.
    frames : CarriedFrames
        Keeps the ground of stills.
    """

    def __init__(self, renderer: Any, frames: CarriedFrames) -> None:
        memory = getattr(renderer, "memory", None)
        self._renderer: Forgetful | None = memory if isinstance(memory, Forgetful) else None
        self._frames = frames
        self._lock = threading.Lock()
        self._drawn: deque[KeptStill] = deque(maxlen=KEPT_DRAWN)
        self._ahead: deque[KeptStill] = deque(maxlen=KEPT_AHEAD)
        self._finished: deque[tuple[SkyRequest, SkyFrame, KeptStill | None]] = deque(maxlen=KEPT_FINISHED)
        self._unseen: KeptStill | None = None
        self._at_hand: tuple[float, tuple[Still, ...]] = (-math.inf, ())
        self._picture = 0
        self.budget = DEFAULT_BUDGET_MB * MEGABYTE
        """Bytes of arrays that may be kept."""
        self.use = MemoryUse(0, 0)
        """As it was measured last."""

    def add(self, still: KeptStill, *, ahead: bool) -> None:
        """Keep a still; one drawn ahead is unseen until :meth:`take_unseen`."""
        with self._lock:
            (self._ahead if ahead else self._drawn).append(still)
            self._unseen = still if ahead else self._unseen

    def keep_finished(self, request: SkyRequest, frame: SkyFrame, still: KeptStill | None) -> None:
        """Keep a frame that was truly drawn, and is no draft, with its still; nobody may write to it any more."""
        frame.radiance.flags.writeable = False
        with self._lock:
            self._finished.append((request, frame, still))

    def finished(self, request: SkyRequest) -> SkyFrame | None:
        """The frame of exactly that request, if it is kept; it counts as the newest from now on."""
        with self._lock:
            found = next((kept for kept in self._finished if kept[0] == request), None)
            if found is None:
                return None
            self._finished.remove(found)
            self._finished.append(found)
            return found[1]

    def stills(self) -> list[KeptStill]:
        """All that are kept, each once."""
        with self._lock:
            finished = [still for *_, still in self._finished if still is not None]
            return list(dict.fromkeys([*self._drawn, *self._ahead, *finished]))

    def has_unseen(self) -> bool:
        """Whether a still was finished since a frame was carried last."""
        return self._unseen is not None

    def take_unseen(self) -> KeptStill | None:
        """The still that was finished last; None if it was taken before."""
        with self._lock:
            unseen, self._unseen = self._unseen, None
            return unseen

    def note_carried(self, shares: Sequence[Share]) -> None:
        """A frame was carried from stills, which the next one may need."""
        with self._lock:
            self._at_hand = (time.monotonic(), tuple(share.still for share in shares))

    def note_picture(self, still: KeptStill | None) -> None:
        """A picture was drawn, with or without a still of it; to be called before :meth:`settle`."""
        renderer = [] if self._renderer is None else self._renderer.kept()
        self._picture = array_bytes(*renderer, *_arrays([still] if still is not None else []))

    def settle(self, *, at_rest: bool = False) -> bool:
        """Let go what is over the budget, and measure; returns whether the renderer's clouds are gone.

        To be called by whoever draws. ``at_rest`` says that no picture is likely to follow at once, so that what the
        C library holds goes back too.
        """
        gone = forgotten = False
        while self._bytes() > self.budget and (self._drop_finished() or self._drop_oldest()):
            gone = True
        if self._renderer is not None:
            for noise_only in (True, False):
                if self._bytes() > self.budget:
                    self._renderer.forget(noise_only=noise_only)
                    gone, forgotten = True, not noise_only
        self._measure(trim=gone or at_rest)
        return forgotten

    def clear(self) -> None:
        """Let go all of it. To be called by whoever draws."""
        with self._lock:
            self._drawn.clear()
            self._ahead.clear()
            self._finished.clear()
            self._unseen, self._at_hand = None, (-math.inf, ())
        if self._renderer is not None:
            self._renderer.forget()
        sky_rows.cache_clear()
        self._measure(trim=True)

    def _measure(self, *, trim: bool) -> None:
        if trim:
            give_back()
        self.use = MemoryUse(self._bytes(), self._picture)

    def _bytes(self) -> int:
        with self._lock:
            finished = [frame for _, frame, _ in self._finished]
        things: list[Any] = [*self._frames.kept(), *_arrays(self.stills()), *finished]
        if self._renderer is not None:
            things += [*self._renderer.kept(), *self._renderer.kept_noise()]
        return array_bytes(*things)

    def _drop_finished(self) -> bool:
        """Let go the oldest finished frame; whether there was one."""
        with self._lock:
            if not self._finished:
                return False
            self._finished.popleft()
            return True

    def _drop_oldest(self) -> bool:
        """Let go the oldest still that is not needed; whether there was one."""
        with self._lock:
            at, stills = self._at_hand
            if time.monotonic() - at > AT_HAND_S:
                self._at_hand, stills = (-math.inf, ()), ()
            kept = [one for one in (*self._drawn, *self._ahead) if one is not self._unseen]
            spare = [one for one in kept if not any(one.still is still for still in stills)]
            if not spare:
                return False
            oldest = min(spare, key=lambda one: one.at)
            for row in (self._drawn, self._ahead):
                if oldest in row:
                    row.remove(oldest)
            return True


def _arrays(stills: Sequence[KeptStill]) -> list[Still]:
    return [one.still for one in stills]
