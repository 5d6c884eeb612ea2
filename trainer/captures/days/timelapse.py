"""Many time-lapse days to one table: each is read once, cameras are fitted, each day is measured once.

``kept`` is a folder of files that can be deleted at any time: ``<day>.npz`` what was read,
``<day>.state.npz`` what was measured, ``camera_<n>.npz``. One day is in memory at a time.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.camera_groups import Refusal, group_days
from trainer.captures.days.camera_model import load_model
from trainer.captures.days.day_reading import GAP, MARK_NAMES, load_reading, read_day
from trainer.captures.days.day_state import CHANNELS, load_state, measure_day, state_digest
from trainer.captures.items import save_arrays
from trainer.side_by_side import ProcessLost, call_side_by_side

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeasuredDay:
    """One day and where its kept files lie."""

    folder: Path
    """Of its frames."""
    name: str
    """In the table: the folder's name, or its path where two have the same name."""
    reading: Path
    """What was read."""
    state: Path
    """What was measured; not there when refused."""
    refused: Refusal | None
    """Why it is not measured."""
    fresh: bool
    """Whether it was measured just now."""


def measure_archive(
    root: Path, days: Sequence[Path], kept: Path, latitude_deg: float, workers: int = 1
) -> list[MeasuredDay]:
    """Read and measure days below ``root``; what is kept of an earlier run and still holds is not done again.

    Interrupted, it loses the days in work. Days that cannot be measured are refused; they stop nothing.

    Raises
    ------
    OutputError
        If ``kept`` cannot be written.
    """
    kept.mkdir(parents=True, exist_ok=True)
    keys = {_key(root, day): day for day in days}
    for old in kept.glob("*.npz"):
        if old.name.split(".")[0] not in keys:
            old.unlink()
    readings = {key: kept / f"{key}.npz" for key in keys}
    refused: dict[str, Refusal] = {}
    tasks = {key: (day, readings[key]) for key, day in keys.items()}
    for key, outcome in _each(read_day, tasks, workers, "read"):
        if isinstance(outcome, ProcessLost):
            refused[key] = Refusal("unreadable", "Reading the day crashed, or memory ran out.")
    states = {key: kept / f"{key}.state.npz" for key in keys}
    groups, more = group_days({k: p for k, p in readings.items() if k not in refused}, states, kept, latitude_deg)
    refused.update(more)
    stale: dict[str, tuple[Any, ...]] = {}
    for group in groups:
        model = load_model(group.model)
        for key in group.days:
            state, reading = load_state(states[key]), load_reading(readings[key], pixels=False)
            if model is None or reading is None:
                raise CaptureError(f"Files in {kept} vanished.", "Leave the data folder alone while ingest runs.")
            if state is None or str(state.digest) != state_digest(str(reading.digest), model[0]):
                stale[key] = (readings[key], group.model, states[key])
    for key, outcome in _each(measure_day, stale, workers, "measured"):
        if isinstance(outcome, ProcessLost):
            refused[key] = Refusal("unreadable", "Measuring the day crashed, or memory ran out.")
    names = [day.name for day in days]
    return [
        MeasuredDay(
            folder=day,
            name=day.name if names.count(day.name) == 1 else day.relative_to(root).as_posix(),
            reading=readings[key],
            state=states[key],
            refused=refused.get(key),
            fresh=key in stale,
        )
        for key, day in keys.items()
    ]


def _key(root: Path, day: Path) -> str:
    """Name of a day's kept files: readable, and its own for each path."""
    path = day.relative_to(root).as_posix()
    readable = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in day.name)[:40]
    return f"{readable}-{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _each(
    function: Callable[..., Any], tasks: dict[str, tuple[Any, ...]], workers: int, word: str
) -> Iterator[tuple[str, Any]]:
    """Results by key as they come, with a line in the log now and then."""
    keys, begin, told = list(tasks), time.monotonic(), time.monotonic()
    few = workers <= 1 or len(tasks) < 2
    calls = (
        ((number, function(*tasks[key])) for number, key in enumerate(keys))
        if few
        else call_side_by_side(function, [tasks[key] for key in keys], workers=workers)
    )
    for count, (number, outcome) in enumerate(calls, 1):
        if time.monotonic() - told > 5:
            told = time.monotonic()
            left = (told - begin) / count * (len(keys) - count)
            logger.info("time-lapse: %d/%d days %s (%.0f s left)", count, len(keys), word, left)
        yield keys[number], outcome


def write_table(days: Sequence[MeasuredDay], out: Path) -> dict[str, float]:
    """Write the measured days as one table; refused ones are left out.

    The file holds ``names`` (days,), ``channels`` (c,), ``values`` (days, frames, c), ``mask`` of the same shape
    (False: not measured or not measurable there), ``frame_s`` (days,), ``mark`` (days, frames) indices of
    ``mark_names``, ``sun_deg`` (days, frames, 2) azimuth and elevation. Frames are in even steps: gaps are marked.

    Returns
    -------
    dict
        ``days``, ``frames``, ``measured_fraction``, ``mean_cover``.

    Raises
    ------
    CaptureError
        If no day is measured.
    """
    states = [(day.name, load_state(day.state)) for day in days if day.refused is None]
    held = [(name, state) for name, state in states if state is not None]
    if not held:
        why = next((day.refused.message for day in days if day.refused is not None), "There are none.")
        raise CaptureError(f"No time-lapse day could be measured. {why}", "Give days of an upward fisheye camera.")
    length = max(len(state.mark) for _, state in held)
    values = np.zeros((len(held), length, len(CHANNELS)), np.float32)
    mask = np.zeros(values.shape, bool)
    mark = np.full(values.shape[:2], GAP, np.uint8)
    sun_deg = np.full((len(held), length, 2), np.nan, np.float32)
    for day, (_, state) in enumerate(held):
        count = len(state.mark)
        values[day, :count], mask[day, :count], mark[day, :count] = state.values, state.mask, state.mark
        sun_deg[day, :count] = state.sun_deg
    out.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "names": np.array([name for name, _ in held]),
        "channels": np.array(CHANNELS),
        "values": values,
        "mask": mask,
        "frame_s": np.array([float(state.frame_s) for _, state in held]),
        "mark": mark,
        "mark_names": np.array(MARK_NAMES),
        "sun_deg": sun_deg,
    }
    save_arrays(out, table)
    cover = values[..., 0][mask[..., 0]]
    return {
        "days": len(held),
        "frames": int((mark != GAP).sum()),
        "measured_fraction": float(mask[..., 0].mean()),
        "mean_cover": float(cover.mean()) if cover.size else 0.0,
    }
