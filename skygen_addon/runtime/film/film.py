"""A sky that plays: stills are drawn ahead of it in a thread of its own, and what comes between is carried from them.

Drawing takes longer than a frame of a film lasts, carrying does not. So the film draws moments to come, as
:mod:`.film_plan` chooses them, and shows meanwhile what lies between the last two.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol, runtime_checkable

from ...core.request import SkyRequest, composed_as
from ..frame.draft import Draft
from ..frame.still import GivenUp, LayerPictures, finished_still
from ..frame.sun_record import SkyFrame
from ..kept_memory import MemoryUse
from .carried_frame import CarriedFrames, Composer, Share
from .film_memory import FilmMemory
from .film_moments import KeptMoments
from .film_path import REACH, place, same_sky
from .film_patience import Patience
from .film_plan import FilmPlan, Planned
from .film_shares import KeptStill, shares_of

STILL_DISC_SHARE = 4
"""They are shaded on this share of the disc's side."""
WIDEST_STILL = 1024
"""A frame wider than this is not kept as a still."""


@runtime_checkable
class StillRenderer(Composer, Protocol):
    """A renderer whose frames can be kept as stills."""

    def weather(self, request: SkyRequest) -> tuple[SkyRequest, float]:
        """The request after the weather has acted on it, and the grain that it asks for."""

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
        self._plan = FilmPlan()
        self._under_way: Planned | None = None
        self._failure: tuple[SkyRequest, Exception] | None = None
        """What has failed in the thread, and of which moment."""
        self._closed = False
        threading.Thread(target=self._work, name="SkyGen stills", daemon=True).start()

    def note(self, request: SkyRequest) -> None:
        """A request has come, which may be overtaken by a newer one before anybody looks at it: the sky goes there."""
        with self._changed:
            self._plan.note(request, time.monotonic())
            self._changed.notify_all()

    def draw(self, request: SkyRequest, *, draft: bool) -> SkyFrame:
        """The frame or draft of a request, truly drawn and kept as a still; the thread gives up what it draws.

        A frame that was drawn before, and is kept, is not drawn again.
        """
        if not draft and (finished := self._memory.finished(request)) is not None:
            return finished
        pictures, still = LayerPictures(request.width) if request.width <= WIDEST_STILL else None, None
        with self._alone():
            frame = self._renderer.render_still(request, pictures, draft=Draft() if draft else None)
            if pictures is not None and pictures.made is not None:
                self._moments.take(*pictures.made)
            if pictures is not None:
                still = KeptStill(finished_still(request, pictures))
                self._memory.add(still, ahead=False)
            if not draft:
                self._memory.keep_finished(request, frame, still)
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
            plays = self._plan.pace() > 0
            reach = REACH if plays else 1.0  # of a sky that plays the next still is under way
            shares = shares_of(self._stills(request), here, time.monotonic(), reach)
            unseen = self._memory.take_unseen()
        if not shares and unseen is not None and plays and same_sky(unseen.still.request, request):
            shares = [Share(unseen.still, 1.0)]
            request = composed_as(unseen.still.request, request)
        self._memory.note_carried(shares)
        return self._frames.frame(request, shares) if shares else None

    def plays(self, request: SkyRequest) -> bool:
        """Whether the sky of a request plays, so that a still that is being drawn will show more of it than a draft."""
        with self._changed:
            steady = self._plan.pace() > 0 and same_sky(self._plan.asked[-1][1], request)
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

    def _next(self) -> Planned | None:
        """What is to be drawn next, if there is something and nobody else wants to draw."""
        asked = self._plan.asked
        if self._wanted or not asked:
            return None
        drawn = [one.place for one in self._stills(asked[-1][1])]
        return self._plan.next_moment(time.monotonic(), drawn, self._moments.last_for)

    def _work(self) -> None:
        patience = Patience()
        while True:
            try:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._next() is not None)
                    if self._closed:
                        return
                    planned = self._under_way = self._next()
                if planned is not None:
                    as_wide = replace(planned.moment, width=self._plan.width)
                    patience.do(partial(self._draw_ahead, as_wide, planned.following))
            except GivenUp:
                pass
            except Exception as error:  # whoever asks next is told
                with self._changed:
                    asked, planned = self._plan.asked, self._under_way
                    moment = planned.moment if planned is not None else asked[-1][1] if asked else None
                    self._failure = None if moment is None else (moment, error)
                    asked.clear()
            finally:
                with self._changed:
                    self._under_way = None
                    self._changed.notify_all()

    def _draw_ahead(self, moment: SkyRequest, following: SkyRequest | None) -> None:
        pictures = LayerPictures(moment.width, lambda: self._wanted > 0 or self._closed)
        with self._drawing:
            pictures.check()
            started = time.monotonic()
            later, grain = (None, 0.0) if following is None else self._renderer.weather(following)
            self._moments.begin(None if later is None else (later.low, later.high), grain)
            self._renderer.render_still(
                moment, pictures, draft=Draft(self._moments, self._moments.grain, STILL_DISC_SHARE)
            )
            still = KeptStill(finished_still(moment, pictures))
            self._memory.add(still, ahead=True)
            self._memory.note_picture(still)
            took_s = time.monotonic() - started
            self._settle()
        with self._changed:
            self._plan.learn(not self._moments.made_anew, took_s)
