"""Which stills a moment of a film is carried from, and with which shares.

Between two stills, one behind and one ahead, each has the share of its nearness, so the picture is the still itself
where the sky comes to one. Beyond the last one that one stands alone. A still that is new fades in, for where the sky
has not waited for it, it shows clouds that differ a little from those carried so far.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..frame.still import Still
from .carried_frame import Share
from .film_path import apart, place

FADE_S = 0.3
"""Time in which a new still fades in."""
_LEAST_SHARE = 1e-3
"""A smaller one is not worth the work."""


class KeptStill:
    """A still, where it lies on the path, and when it was finished."""

    def __init__(self, still: Still) -> None:
        self.still, self.place, self.at = still, place(still.request), time.monotonic()


def shares_of(stills: Sequence[KeptStill], here: NDArray[np.float64], now: float, reach: float = 1.0) -> list[Share]:
    """Stills to carry a place's frame from, one or two of them; none where all are too far away.

    Parameters
    ----------
    stills : sequence of KeptStill
        Those of the same sky.
    here : ndarray
        As :func:`.film_path.place` has it.
    now : float
        Time by the clock of ``KeptStill.at``.
    reach : float
        How far clouds are carried, see :func:`.film_path.apart`.
    """
    ways = [(apart(one.place, here, reach), one) for one in stills]
    # Of stills at one place the wider, then the newer one is sharper.
    near = sorted(
        (pair for pair in ways if pair[0] <= 1), key=lambda pair: (pair[0], -pair[1].still.rows.width, -pair[1].at)
    )
    if not near:
        return []
    first, *others = (one for _, one in near)
    second, share = None, 0.0
    for other in sorted(others, key=lambda one: apart(one.place, first.place)):
        step = other.place - first.place
        length2 = float(step @ step)
        part = float((here - first.place) @ step) / length2 if length2 > 0 else 0.0
        if part > 0:
            second, share = other, min(part, 0.5)
            break
    if second is None and others:
        second = max(others, key=lambda one: one.at)
    if second is None:
        return [Share(first.still, 1.0)]
    # What came last takes no more than its age allows; the rest is the other's.
    grown = [min(max((now - one.at) / FADE_S, 0.0), 1.0) for one in (first, second)]
    share = min(share, grown[1]) if second.at > first.at else max(share, 1 - grown[0])
    if share <= _LEAST_SHARE:
        return [Share(first.still, 1.0)]
    return [Share(first.still, 1 - share), Share(second.still, share)]
