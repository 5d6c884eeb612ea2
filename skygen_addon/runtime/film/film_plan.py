"""Which moment of a sky that plays is drawn next, and how wide, by its pace and by how long drawing takes.

A still is drawn for the moment to which the sky will have come when the next still but one is finished, so that there
is one behind and one ahead of what is shown. Where a sky hurries, so that clouds do for two stills, the first of which
takes long and the second not, they lie one as far from the other as the sky goes in the mean of both times. A sky that
is turned by hand goes nowhere in particular: then the moment is drawn that was asked for last.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.request import SkyRequest
from .film_memory import AT_HAND_S
from .film_moments import Layers, hurries
from .film_path import apart, gone_on, is_steady, place, same_sky

STILL_WIDTHS = (256, 384, 512)
"""Widths of the stills that are drawn while a sky plays."""
STILL_S = 0.8
"""Time that one may take; the widest is drawn that does, or the narrowest."""
LEAST_STEP = 0.1
"""Stills are not drawn closer to one another, as :func:`.film_path.apart` has it."""
FARTHEST_STEP = 0.9
"""Nor so far ahead that the sky could not be carried well from them when they are finished."""
PLAYS_S = AT_HAND_S
"""Time after the last moment asked for in which the sky still counts as playing."""
PLAYED_ON = 1.25
"""How much farther or less far a sky that has played on may have come than its pace has it."""
LEAST_ASKS, ASKS = 3, 12
"""Requests by which the pace of a sky is told. Before so many have come, a sky that begins to play would wait for a
still of the moment that it has just left."""
_FIRST_GUESS_S = {True: 0.7, False: 2.0}
"""Time that a still takes by clouds that are there, and by others, before one was drawn."""
Place = NDArray[np.float64]
"""As :func:`.film_path.place` has it."""


@dataclass(frozen=True)
class Planned:
    """What is drawn next."""

    moment: SkyRequest
    following: SkyRequest | None
    """The still after it, where the sky hurries, so that clouds are made for both."""


def _layers(moment: SkyRequest) -> Layers:
    return moment.low, moment.high


class FilmPlan:
    """What is known of where a sky goes and of the time that its stills take. Times are of a clock in seconds."""

    def __init__(self) -> None:
        self.asked: deque[tuple[float, SkyRequest]] = deque(maxlen=ASKS)
        """When moments were asked for, oldest first; all of one sky."""
        self.takes_s = dict(_FIRST_GUESS_S)
        """Time that a still takes, by clouds that are there (True) and by others."""
        self.width = STILL_WIDTHS[0]
        """Of the next still, in pixels."""

    def note(self, request: SkyRequest, now: float) -> None:
        """A moment is asked for."""
        if self.asked and (not same_sky(self.asked[-1][1], request) or self._rested(request, now)):
            self.asked.clear()
        if not self.asked or self.asked[-1][1] != request:
            self.asked.append((now, request))
            if self._begun_after_a_pause():
                last_two = list(self.asked)[-2:]
                self.asked.clear()
                self.asked.extend(last_two)
        elif now - self.asked[-1][0] > PLAYS_S:  # it has stood there until now
            self.asked[-1] = (now, request)

    def _rested(self, request: SkyRequest, now: float) -> bool:
        """Whether a sky that played has not played on; a busy machine may only have lost what was asked for."""
        pause_s, pace = now - self.asked[-1][0], self.pace()
        way = apart(place(self.asked[-1][1]), place(request))
        return pause_s > PLAYS_S and pace > 0 and not 1 / PLAYED_ON < way / (pace * pause_s) < PLAYED_ON

    def _begun_after_a_pause(self) -> bool:
        """Whether the sky had stood, or was put somewhere else, before its last two moments."""
        if len(self.asked) < 3:
            return False
        (before_s, before), (begun_s, begun), (now_s, now) = list(self.asked)[-3:]
        pause_s, step_s = begun_s - before_s, now_s - begun_s
        if pause_s <= max(PLAYS_S, 2 * step_s):
            return False
        jump, step = place(begun) - place(before), place(now) - place(begun)
        slower = np.linalg.norm(jump) * step_s < 0.5 * np.linalg.norm(step) * pause_s
        return bool(slower or jump @ step < 0)

    def pace(self) -> float:
        """How fast the sky moves along its path, a second; 0 where it stands, or is turned by hand."""
        times_s, moments = [at for at, _ in self.asked], [request for _, request in self.asked]
        if not is_steady(moments, times_s):
            return 0.0
        return apart(place(moments[0]), place(moments[-1])) / max(times_s[-1] - times_s[0], 1e-3)

    def next_moment(
        self, now: float, drawn: Sequence[Place], last_for: Callable[[Layers, Layers | None], bool]
    ) -> Planned | None:
        """The moment to be drawn next; None while there is nothing to draw, or whoever asks has to draw it.

        That is so after a jump, from which nobody knows where the sky goes on to.

        Parameters
        ----------
        now : float
            The time.
        drawn : sequence of ndarray
            Places, as :func:`.film_path.place` has them, of stills of the sky that there are.
        last_for : callable
            Whether the clouds that there are do for layers, by those of the following still where the sky hurries.
        """
        if len(self.asked) < LEAST_ASKS or now - self.asked[-1][0] > PLAYS_S:
            return None
        pace, moment, following = self.pace(), self.asked[-1][1], None
        between_s = 0.5 * (self.takes_s[True] + self.takes_s[False])
        hurried = pace > 0 and hurries(_layers(moment), _layers(self._after(between_s, now)))
        for there in (True, False) if pace > 0 else ():
            takes_s = self.takes_s[there]
            lead_s = takes_s + min(takes_s, FARTHEST_STEP / pace)
            if hurried:
                late_s = takes_s if there else takes_s + between_s  # the next one is there sooner by the same clouds
                farthest_s = self.takes_s[False] + between_s  # what lies beyond was not drawn for now
                lead_s = max(late_s, self._ahead_s(now, drawn, farthest_s) + between_s)
                following = self._after(lead_s + between_s, now)
            moment = self._after(lead_s, now)
            if there == last_for(_layers(moment), None if following is None else _layers(following)):
                break
        point = place(moment)
        near = min((apart(one, point) for one in drawn), default=math.inf)
        return Planned(moment, following) if near >= LEAST_STEP and (pace > 0 or near <= 1) else None

    def _after(self, lead_s: float, now: float) -> SkyRequest:
        """The moment to which a sky that plays will have come so many seconds from now."""
        (first_at, first), (last_at, last) = self.asked[0], self.asked[-1]
        return gone_on(first, last, (now - last_at + lead_s) / max(last_at - first_at, 1e-3))

    def _ahead_s(self, now: float, drawn: Sequence[Place], farthest_s: float) -> float:
        """In how many seconds a sky that plays will come to the last of its stills up to then; -inf without any."""
        (first_at, first), (last_at, last) = self.asked[0], self.asked[-1]
        way = place(last) - place(first)
        shares = [float((one - place(last)) @ way) / float(way @ way) for one in drawn]
        ahead_s = [share * (last_at - first_at) + last_at - now for share in shares]
        return max((one for one in ahead_s if one <= farthest_s), default=-math.inf)

    def learn(self, there: bool, took_s: float) -> None:
        """How long a still has taken, by clouds that were there or not; the next one is as wide as time allows."""
        self.takes_s[there] = 0.5 * (self.takes_s[there] + took_s)
        if there:
            second_s = self.takes_s[True] / self.width**2
            fitting = [width for width in STILL_WIDTHS if width**2 * second_s <= STILL_S]
            self.takes_s[True] *= (max(fitting, default=STILL_WIDTHS[0]) / self.width) ** 2
            self.width = max(fitting, default=STILL_WIDTHS[0])
