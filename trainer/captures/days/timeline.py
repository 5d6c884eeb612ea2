"""When the frames of a day were taken: even slots, and which of them are gaps."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EVEN_SHARE = 0.8
"""Share of the steps that must be about equal; else the values tell no spacing."""
EVEN = 0.25
"""Part of a step by which an even spacing may jitter."""
LONGEST = 4
"""A timeline is not stretched to more than so many slots for each frame."""
NAME_TIME = re.compile(r"((?:19|20)\d\d)[-_]?(\d\d)[-_]?(\d\d)[-_T ]?(\d\d)[-_:h]?(\d\d)[-_:m]?(\d\d)")
"""Date and time in a file name."""


@dataclass(frozen=True)
class Timeline:
    """When the frames of one day were taken, in even steps."""

    slot: NDArray[np.int64]
    """(frames,) increasing from 0; what is left out is a gap."""
    step_s: float
    """Seconds between slots; NaN when neither names nor cameras tell."""


def _even(values: Sequence[float | None]) -> tuple[NDArray[np.int64], float] | None:
    """Slots and step of values that mostly rise by one step; None if they do not."""
    if any(v is None for v in values):
        return None
    number = np.array(values, np.float64)
    rise = np.diff(number)
    if len(rise) == 0 or rise.min() <= 0:
        return None
    step = float(np.median(rise))
    if (np.abs(rise / step - 1) < EVEN).mean() < EVEN_SHARE:
        return None
    step = float(rise[np.abs(rise / step - 1) < EVEN].mean())  # cameras' clocks tell whole seconds
    jump = np.maximum(np.rint(rise / step), 1).astype(np.int64)
    slot = np.r_[0, np.cumsum(jump)]
    return (slot, step) if slot[-1] < LONGEST * len(slot) else None


def name_time(path: Path) -> float | None:
    """Seconds since 1970 of the date and time in a file's name, taken as UTC; None without one."""
    found = NAME_TIME.search(path.stem)
    if found is None:
        return None
    try:
        return datetime(*map(int, found.groups()), tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    except ValueError:
        return None


def _number(path: Path) -> float | None:
    digits = re.findall(r"\d+", path.stem)
    return float(digits[-1]) if digits else None


def timeline(frames: Sequence[Path], taken_s: Sequence[float | None]) -> Timeline:
    """Slots of frames in order, by the first of these that runs evenly: time in the name, the camera's time
    (``taken_s``, seconds, None where unknown), number in the name, time of the file; else one after another.

    Numbers and file times tell gaps only, not the step: files are renumbered, and copied at any pace.
    """
    for times in ([name_time(path) for path in frames], taken_s):
        told = _even(times)
        if told is not None:
            return Timeline(*told)
    for values in ([_number(path) for path in frames], [path.stat().st_mtime for path in frames]):
        told = _even(values)
        if told is not None:
            return Timeline(told[0], math.nan)
    return Timeline(np.arange(len(frames)), math.nan)
