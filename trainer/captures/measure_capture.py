"""One capture, of one file or of a bracket, to its finding and its maps: what a worker of ``ingest`` does."""

from __future__ import annotations

import contextlib
import hashlib
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.measuring.measure import examine
from skygen_addon.core.measuring.sun_position import SunPosition
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture
from trainer.captures.curation.duplicates import fingerprint
from trainer.captures.display.picture_output import preview_jpeg
from trainer.captures.items import blank_finding, item_path, read_item, save_arrays, unreadable, write_item
from trainer.captures.known_files import FileMark, file_mark
from trainer.captures.manifest import file_sha256
from trainer.captures.readers.capture_file import read_capture
from trainer.captures.training_maps import plane_maps, training_disc

PREVIEW_WIDTH = 1024
"""Width in pixels of the tone-mapped panorama that is kept for a person's eye."""


@dataclass(frozen=True)
class CaptureJob:
    """What a worker needs to measure one capture."""

    files: tuple[Path, ...]
    """One file, or the exposures of a bracket from short to long."""
    data: Path
    """Folder of the training data."""
    keep: bool
    """A person's verdict: maps are then made although the measurement says otherwise."""
    projection: str | None
    """Of a fisheye still, where it is stated."""


@dataclass(frozen=True)
class MeasuredCapture:
    """What came of a job."""

    digests: tuple[str, ...]
    """sha256 of each file; empty for one that cannot be read."""
    marks: tuple[FileMark | None, ...]
    """Size and time of change of each file as it was read; None where there is no digest."""
    found: dict[str, Any]
    """The finding (`items.blank_finding`)."""
    fresh: bool
    """Whether it was measured now; False if the same content was known."""
    defect: str | None = None
    """Traceback of what went wrong in this program."""
    lost: bool = False
    """Whether the process died over it, twice."""


def capture_key(digests: tuple[str, ...], projection: str | None = None) -> str:
    """Name of a capture's item: its content's sha256; of a bracket, or with a projection, of all of it."""
    if len(digests) == 1 and projection is None:
        return digests[0]
    return hashlib.sha256(" ".join((*digests, projection or "")).encode()).hexdigest()


def measure_capture(job: CaptureJob) -> MeasuredCapture:
    """Measure a capture unless its content is known, and store finding and maps under its content's name.

    Never raises because of what a file holds: that is a verdict.
    """
    digests, marks = [], []
    for path in job.files:
        try:
            marks.append(file_mark(path))
            digests.append(file_sha256(path))
        except OSError as error:
            return _closed(job, f"{path.name}: {error.strerror or error}.")
    key = capture_key(tuple(digests), job.projection)
    found = read_item(job.data, key, job.keep)
    if found is not None:
        return MeasuredCapture(tuple(digests), tuple(marks), found, False)
    try:
        found, arrays = _measure(job, key)
    except Exception:
        name = job.files[0].name
        found = unreadable(f"{name}: measuring it failed by a defect of this program.")
        return MeasuredCapture(tuple(digests), tuple(marks), found, True, traceback.format_exc())
    try:
        changed = [path.name for path, mark in zip(job.files, marks, strict=True) if file_mark(path) != mark]
    except OSError as error:
        return _closed(job, f"{job.files[0].name}: {error.strerror or error}.")
    if changed:
        return _closed(job, f"{changed[0]}: it was written to while it was read.")
    if arrays:
        save_arrays(item_path(job.data, key), arrays)
    write_item(job.data, key, found)
    return MeasuredCapture(tuple(digests), tuple(marks), found, True)


def _closed(job: CaptureJob, message: str) -> MeasuredCapture:
    """What the system, or whoever writes the file, does not let us read now; the next run tries again."""
    nothing = ("",) * len(job.files)
    return MeasuredCapture(nothing, (None,) * len(job.files), {**unreadable(message), "closed": True}, False)


def lost_capture(files: Sequence[Path]) -> MeasuredCapture:
    """In place of a result that no process lived to give."""
    nothing = ("",) * len(files)
    found = unreadable(f"{files[0].name}: reading it crashed, or memory ran out.")
    return MeasuredCapture(nothing, (None,) * len(files), found, False, lost=True)


@contextlib.contextmanager
def _silent_libraries() -> Iterator[None]:
    """Sends what C libraries print on damaged files nowhere: the verdict says it, and says of which file."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)


def _measure(job: CaptureJob, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Finding and arrays of a capture."""
    found = blank_finding()
    stack = {"stack": {"sha256": key, "files": [f.name for f in job.files]}} if _is_named_for_all(job) else {}
    try:
        with _silent_libraries():
            panorama = read_capture(job.files, job.projection or "equidistant")
    except RejectedCapture as error:
        found.update(width=error.width, height=error.height, reason=error.reason)
        found["state"] = {"message": error.message, **stack}
        found["name"] = job.files[0].name
        return found, {}
    measured = examine(panorama, force=job.keep)
    flags, state = list(panorama.flags), measured.state
    figures, sun = state.as_dict(), state.sun
    if figures.get("cover", 0.0) is None:
        flags.append("little_sky")
    if sun is not None and sun.clipped and "sun_clipped" not in flags:
        flags.append("sun_clipped")
    height, width = panorama.radiance.shape[:2]
    found.update(width=width, height=height, reason=measured.reason, flags=flags)
    found.update(has_maps=measured.clouds is not None, sun=None if sun is None else _angles_deg(sun))
    found["state"] = {**figures, **stack}
    if job.keep:
        found["state"]["asked_to_keep"] = True
    if panorama.notes:
        found["state"]["reading"] = dict(panorama.notes)
    preview = preview_jpeg(panorama.radiance, PREVIEW_WIDTH, night=measured.reason == "night")
    arrays: dict[str, Any] = {
        "fingerprint": fingerprint(panorama.radiance),
        "preview": np.frombuffer(preview, dtype=np.uint8),
        "thumbnail": np.minimum(measured.disc[::2, ::2], 6e4).astype(np.float16),
        "thumbnail_sky": measured.sky[::2, ::2],
    }
    if measured.clouds is not None:
        arrays["radiance"], arrays["valid"] = training_disc(panorama, measured)
        arrays["alpha"] = measured.clouds.alpha[::2, ::2].astype(np.float16)
        arrays["alpha_valid"] = measured.clouds.valid[::2, ::2]
        for texel, maps in plane_maps(measured).items():
            arrays[f"plane_{texel}m"] = maps
    return found, arrays


def _angles_deg(sun: SunPosition) -> dict[str, float]:
    azimuth, elevation = (round(float(np.rad2deg(v)), 3) for v in (sun.azimuth_rad, sun.elevation_rad))
    return {"azimuth_deg": azimuth, "elevation_deg": elevation}


def _is_named_for_all(job: CaptureJob) -> bool:
    """Whether the item is not named after the first file's content alone."""
    return len(job.files) > 1 or job.projection is not None
