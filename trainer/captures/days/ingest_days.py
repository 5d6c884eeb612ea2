"""Time-lapse days of a capture folder to the table of states, its plots and a line of the manifest per frame."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.captures.days.day_plots import draw_days
from trainer.captures.days.day_reading import (
    LOW_SUN,
    MARK_NAMES,
    MEASURED,
    NIGHT,
    OTHER_SIZE,
    OUTLIER,
    UNMEASURED,
    UNREAD,
    DayReading,
    load_reading,
)
from trainer.captures.days.day_state import CHANNELS, DayState, load_state
from trainer.captures.days.find_days import list_frames
from trainer.captures.days.timelapse import MeasuredDay, measure_archive, write_table
from trainer.captures.manifest import file_sha256, write_text
from trainer.captures.origins import Origin

logger = logging.getLogger(__name__)

TABLE = "timelapse.npz"
"""States by day and frame, in the data folder."""
KEPT = "days"
"""Subfolder of the data folder for what was read and measured of each day."""
REASONS = {NIGHT: "night", UNREAD: "unreadable", OTHER_SIZE: "low_resolution", UNMEASURED: "obstructed"}
"""Why a frame with this mark is rejected; with any other it is kept."""
MESSAGES = {
    NIGHT: "The frame is dark or grey.",
    UNREAD: "The frame is damaged.",
    OTHER_SIZE: "The frame is too small, or has not the day's size.",
    UNMEASURED: "Too little open sky.",
}


def ingest_days(
    folder: Path,
    data: Path,
    days: Sequence[Path],
    origins: Mapping[str, Origin],
    latitude_deg: float = 37.43,
    workers: int = 1,
    *,
    keep_table: bool = False,
) -> list[dict[str, Any]]:
    """Measure days into ``data``/timelapse.npz, draw them (timelapse.png) and say what each frame is.

    What an earlier run measured and has not changed is not measured again; damaged frames and days that
    cannot be measured get their verdict and stop nothing.

    Parameters
    ----------
    folder : Path
        The captures.
    data : Path
        Training data.
    days : sequence of Path
        Folders below ``folder``, as of :func:`.find_days.find_days`.
    origins : mapping
        Rows of CAPTURES.csv by path relative to ``folder``; the nearest folder above a day counts.
    latitude_deg : float
        Of the site. It moves neither cover nor elevation and the azimuth by a degree or two for 10 degrees; only
        its sign must be right.
    workers : int
        Processes.
    keep_table : bool
        Leave table and plots as they are: days that they show cannot be read now.

    Returns
    -------
    list of dict
        Lines of the manifest, a frame each, by day.

    Raises
    ------
    OutputError
        If ``data`` cannot be written.
    """
    if keep_table and (data / TABLE).is_file():
        logger.warning("days in closed folders: %s and its plots stay as they were", TABLE)
    if not days:
        if not keep_table:
            _forget(data)
        return []
    measured = measure_archive(folder, days, data / KEPT, latitude_deg, workers)
    for day in measured:
        if day.refused is not None:
            logger.warning("%s: not measured: %s", day.folder, day.refused.message)
    usable = [day for day in measured if day.refused is None]
    if usable and not (keep_table and (data / TABLE).is_file()):
        _write(usable, data)
    elif not keep_table:
        _forget(data)
    return [line for day in measured for line in _lines(folder, day, origins)]


def _write(days: Sequence[MeasuredDay], data: Path) -> None:
    """Table and plots, unless they show these very measurements already."""
    total = hashlib.sha256()
    for day in days:
        state = load_state(day.state)
        total.update(f"{day.name} {'' if state is None else state.digest}\n".encode("utf-8", "surrogateescape"))
    stamp, table = data / KEPT / "table.sha256", data / TABLE
    known = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    if known == total.hexdigest() and table.is_file() and any(data.glob("timelapse*.png")):
        return
    figures = write_table(days, table)
    for old in data.glob("timelapse*.png"):
        old.unlink()
    draw_days(table, data / "timelapse.png")
    write_text(stamp, total.hexdigest())
    logger.info("time-lapse: %(days)d days, %(frames)d frames, mean cover %(mean_cover).2f", figures)


def _forget(data: Path) -> None:
    """Take away the table and plots of days that are no longer there."""
    for old in (data / TABLE, *data.glob("timelapse*.png")):
        old.unlink(missing_ok=True)


def day_origin(folder: Path, day: Path, origins: Mapping[str, Origin]) -> Origin:
    """Origin of a day: the row of its folder or of the nearest folder above.

    Without one, days beside each other are taken for one camera: their site is the folder that holds them.
    """
    rows = {file.replace("\\", "/").strip("/"): origin for file, origin in origins.items()}
    place = day.relative_to(folder)
    for above in (place, *place.parents):
        if above.as_posix() in rows:
            return rows[above.as_posix()]
    return Origin((place.parent.name or folder.resolve().name) or "timelapse", None, None)


def _lines(folder: Path, day: MeasuredDay, origins: Mapping[str, Origin]) -> Iterator[dict[str, Any]]:
    """Lines of a day's frames in order."""
    origin = day_origin(folder, day.folder, origins)
    place = day.folder.relative_to(folder)
    reading = load_reading(day.reading, pixels=False)
    state = load_state(day.state) if day.refused is None else None
    if reading is None:
        for frame in list_frames(day.folder):
            message = day.refused.message if day.refused is not None else "The day could not be read."
            found = {"reason": "unreadable", "state": {"message": message}}
            try:
                sha256 = file_sha256(frame)
            except OSError:  # its line says that it is unreadable
                sha256 = ""
            yield _line((place / frame.name).as_posix(), sha256, origin, found)
        return
    for index, name in enumerate(reading.files):
        found = _found(reading, index, state, day)
        yield _line((place / str(name)).as_posix(), str(reading.sha256[index]), origin, found)


def _found(reading: DayReading, index: int, state: DayState | None, day: MeasuredDay) -> dict[str, Any]:
    """What a line says of one frame."""
    slot = int(reading.slot[index])
    mark = int(state.mark[slot]) if state is not None else int(reading.mark[index])
    found: dict[str, Any] = {"width": int(reading.size[index, 0]), "height": int(reading.size[index, 1])}
    if state is None and mark == MEASURED:
        mark = UNMEASURED
        found["reason"] = "obstructed" if day.refused is None else day.refused.reason
    entry: dict[str, Any] = {"mark": MARK_NAMES[mark], "day": day.name, "slot": slot}
    found.setdefault("reason", REASONS.get(mark))
    if found["reason"] is not None:
        refused = day.refused is not None and mark == UNMEASURED
        entry["message"] = day.refused.message if refused and day.refused is not None else MESSAGES[mark]
    if mark in (LOW_SUN, OUTLIER):
        found["flags"] = [MARK_NAMES[mark]]
    if state is not None:
        told = np.flatnonzero(state.mask[slot])
        entry.update({CHANNELS[c]: round(float(state.values[slot, c]), 4) for c in told})
        if state.seen[slot] and found["reason"] is None:
            azimuth, elevation = (round(float(v), 2) for v in state.sun_deg[slot])
            found["sun"] = {"azimuth_deg": azimuth, "elevation_deg": elevation}
    found["state"] = entry
    return found


def _line(file: str, sha256: str, origin: Origin, found: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the manifest."""
    return {
        "file": file,
        "sha256": sha256,
        "site": origin.site,
        "licence": origin.licence,
        "source": origin.source,
        "width": found.get("width", 0),
        "height": found.get("height", 0),
        "verdict": "keep" if found["reason"] is None else "reject",
        "reason": found["reason"],
        "flags": ["timelapse", *found.get("flags", [])],
        "sun": found.get("sun"),
        "state": found["state"],
    }
