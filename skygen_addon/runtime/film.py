"""A sky that plays: stills are drawn ahead of it in a thread of its own, and what comes between is carried from them.

Drawing takes longer than a frame of a film lasts, carrying does not. So the film draws the moment to which the sky
will have come when the next still but one is finished, and shows meanwhile what lies between the last two. A sky that
is turned by hand goes nowhere in particular: then the moment is drawn that was asked for last.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

from ..core.request import SkyRequest, composed_as
from .carried_frame import CarriedFrames, Composer, Share
from .draft import Draft
from .film_memory import AT_HAND_S, FilmMemory
from .film_moments import KeptMoments
from .film_path import apart, gone_on, is_steady, place, same_sky
from .film_shares import KeptStill, shares_of
from .kept_memory import MemoryUse
from .still import GivenUp, LayerPictures, finished_still
from .sun_record import SkyFrame

STILL_WIDTHS = (256, 384, 512)
"""Widths of the stills that are drawn while a sky plays."""
STILL_S = 0.8
"""Time that one may take; the widest is drawn that does, or the narrowest."""
STILL_DISC_SHARE = 4
"""They are shaded on this share of the disc's side."""
WIDEST_STILL = 1024
"""A frame wider than this is not kept as a still."""
LEAST_STEP = 0.1
"""Stills are not drawn closer to one another, as :func:`.film_path.apart` has it."""
FARTHEST_STEP = 0.9
"""Nor so far ahead that the sky could not be carried from them when they are finished."""
PLAYS_S = AT_HAND_S
"""Time after the last moment asked for in which the sky still counts as playing."""
PATIENCE = 6
"""Steps by which drawing ahead is less urgent than carrying, which shows at once."""
ASKS = 12
"""Requests by which the pace of a sky is told."""
_FIRST_GUESS_S = {True: 0.7, False: 2.0}
"""Time that a still takes by clouds that are there, and by others, before one was drawn."""


@runtime_checkable
class StillRenderer(Composer, Protocol):
    """A renderer whose frames can be kept as stills."""

    def render_still(
        self, request: SkyRequest, pictures: LayerPictures | None = None, *, draft: Draft | None = None
    ) -> SkyFrame:
        """A frame, or a draft drawn in some way; its layers are put into ``pictures`` too."""


class Film:
    """Frames of a sky that moves, by one renderer which nobody else uses meanwhile.

    Parameters
    ----------
    renderer : StillRenderer
        Draws stills and puts frames together.
    """

    def __init__(self, renderer: StillRenderer) -> None:
        self._renderer, self._frames = renderer, CarriedFrames(renderer)
        self._moments, self._memory = KeptMoments(), FilmMemory(renderer, self._frames)
        self._changed = threading.Condition()
        self._drawing = threading.Lock()
        """Held by whoever draws."""
        self._wanted = 0
        """How many want to draw what was asked for; the thread gives up what it draws then."""
        self._asked: deque[tuple[float, SkyRequest]] = deque(maxlen=ASKS)
        self._under_way: SkyRequest | None = None
        self._takes_s = dict(_FIRST_GUESS_S)
        self._width = STILL_WIDTHS[0]
        self._failure: tuple[SkyRequest, Exception] | None = None
        """What has failed in the thread, and of which moment."""
        self._closed = False
        threading.Thread(target=self._work, name="SkyGen stills", daemon=True).start()

    def note(self, request: SkyRequest) -> None:
        """A request has come, which may be overtaken by a newer one before anybody looks at it: the sky goes there."""
        with self._changed:
            if self._asked and not same_sky(self._asked[-1][1], request):
                self._asked.clear()
            if not self._asked or self._asked[-1][1] != request:
                self._asked.append((time.monotonic(), request))
            self._changed.notify_all()

    def draw(self, request: SkyRequest, *, draft: bool) -> SkyFrame:
        """The frame or draft of a request, truly drawn and kept as a still; the thread gives up what it draws."""
        pictures, still = LayerPictures(request.width) if request.width <= WIDEST_STILL else None, None
        with self._alone():
            frame = self._renderer.render_still(request, pictures, draft=Draft() if draft else None)
            if pictures is not None and pictures.made is not None:
                self._moments.take(*pictures.made)
            if pictures is not None:
                still = KeptStill(finished_still(request, pictures))
                self._memory.add(still, ahead=False)
            self._memory.note_picture(still)
            self._settle(at_rest=not draft)
        return frame

    @property
    def memory(self) -> MemoryUse:
        """What is kept, as it was measured after the last picture."""
        return self._memory.use

    def allow(self, budget: int, *, clear: bool = False) -> MemoryUse:
        """Keep as many bytes from now on, and with ``clear`` nothing of what is kept now; returns what is kept then."""
        with self._alone():
            self._memory.budget = budget
            if clear:
                self._memory.clear()
                self._moments.forget()
            self._settle()
        return self.memory

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Context in which nobody else draws: the thread gives up what it draws."""
        with self._changed:
            self._wanted += 1
        try:
            with self._drawing:
                yield
        finally:
            with self._changed:
                self._wanted -= 1
                self._changed.notify_all()

    def _settle(self, *, at_rest: bool = False) -> None:
        if self._memory.settle(at_rest=at_rest):
            self._moments.forget()

    def carried(self, request: SkyRequest) -> SkyFrame | None:
        """The frame of a request by stills of moments close by; None where there are none.

        A sky that plays faster than stills come shows each of them once, as it is. Where it has jumped, none is shown.

        Raises
        ------
        Exception
            What has failed in the thread meanwhile on this sky, once.
        """
        here = place(request)
        with self._changed:
            failed, self._failure = self._failure, None
            if failed is not None and same_sky(failed[0], request):
                raise failed[1]
            shares = shares_of(self._stills(request), here, time.monotonic())
            unseen = self._memory.take_unseen()
            goes_on = self._pace() > 0
        if not shares and unseen is not None and goes_on and same_sky(unseen.still.request, request):
            shares = [Share(unseen.still, 1.0)]
            request = composed_as(unseen.still.request, request)
        self._memory.note_carried(shares)
        return self._frames.frame(request, shares) if shares else None

    def plays(self, request: SkyRequest) -> bool:
        """Whether the sky of a request plays, so that a still that is being drawn will show more of it than a draft."""
        with self._changed:
            steady = self._pace() > 0 and same_sky(self._asked[-1][1], request)
            return steady and (self._under_way is not None or self._next() is not None)

    def wait(self, timeout_s: float) -> None:
        """Wait so long for a still to be finished."""
        with self._changed:
            self._changed.wait_for(lambda: self._memory.has_unseen() or self._failure is not None, timeout_s)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _stills(self, request: SkyRequest) -> list[KeptStill]:
        return [one for one in self._memory.stills() if same_sky(one.still.request, request)]

    def _pace(self) -> float:
        """How fast the sky moves along its path, a second; 0 where it stands, or is turned by hand."""
        moments = [request for _, request in self._asked]
        if not is_steady(moments):
            return 0.0
        return apart(place(moments[0]), place(moments[-1])) / max(self._asked[-1][0] - self._asked[0][0], 1e-3)

    def _next(self) -> SkyRequest | None:
        """The moment to be drawn next; None while there is nothing to draw, or whoever asks has to draw it.

        That is so after a jump, from which nobody knows where the sky goes on to.
        """
        now = time.monotonic()
        if self._wanted or not self._asked or now - self._asked[-1][0] > PLAYS_S:
            return None
        (first_at, first), (last_at, last) = self._asked[0], self._asked[-1]
        moment, pace = last, self._pace()
        for there in (True, False) if pace > 0 else ():
            takes_s = self._takes_s[there]
            lead_s = takes_s + min(takes_s, FARTHEST_STEP / pace)
            moment = gone_on(first, last, (now - last_at + lead_s) / max(last_at - first_at, 1e-3))
            if there == self._moments.last_for((moment.low, moment.high)):
                break
        point = place(moment)
        near = min((apart(one.place, point) for one in self._stills(moment)), default=math.inf)
        return moment if near >= LEAST_STEP and (pace > 0 or near <= 1) else None

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere the threads of a process are as urgent as one another
            with contextlib.suppress(OSError):  # a sandbox may forbid it; then it is as urgent, too
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + PATIENCE)
        while True:
            try:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._next() is not None)
                    if self._closed:
                        return
                    moment = self._under_way = self._next()
                if moment is not None:
                    self._draw_ahead(replace(moment, width=self._width))
            except GivenUp:
                pass
            except Exception as error:  # whoever asks next is told
                with self._changed:
                    moment = self._under_way or (self._asked[-1][1] if self._asked else None)
                    self._failure = None if moment is None else (moment, error)
                    self._asked.clear()
            finally:
                with self._changed:
                    self._under_way = None
                    self._changed.notify_all()

    def _learn(self, there: bool, took_s: float) -> None:
        """How long a still has taken, by clouds that were there or not; the next one is as wide as time allows."""
        self._takes_s[there] = 0.5 * (self._takes_s[there] + took_s)
        if there:
            second_s = self._takes_s[True] / self._width**2
            fitting = [width for width in STILL_WIDTHS if width**2 * second_s <= STILL_S]
            self._takes_s[True] *= (max(fitting, default=STILL_WIDTHS[0]) / self._width) ** 2
            self._width = max(fitting, default=STILL_WIDTHS[0])

    def _draw_ahead(self, moment: SkyRequest) -> None:
        pictures = LayerPictures(moment.width, lambda: self._wanted > 0 or self._closed)
        with self._drawing:
            pictures.check()
            started = time.monotonic()
            there = self._moments.last_for((moment.low, moment.high))
            self._renderer.render_still(
                moment, pictures, draft=Draft(self._moments, self._moments.grain, STILL_DISC_SHARE)
            )
            still = KeptStill(finished_still(moment, pictures))
            self._memory.add(still, ahead=True)
            self._memory.note_picture(still)
            took_s = time.monotonic() - started
            self._settle()
        with self._changed:
            self._learn(there, took_s)
