"""How much disk space a bake takes, estimated before it starts.

From frames that are there, else from the preview, which is a frame of the same sky, else from typical frames. How
these compare was measured over the shipped presets: clouds compress worse than clear air or an even sheet, wide
frames better than narrow ones, and full floats hardly at all. The pictures beside them take a part of a frame.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...core.errors import OutputError
from ...core.frames import frames_in_words
from ...core.job import DEFAULT_PATTERN, PICTURE_ENDINGS, SkyJob
from .sequence import frame_name, frame_storage, known_missing_frames

TYPICAL_BYTES_PER_PIXEL = {("zip", True): 1.6, ("zip", False): 9.0, ("dwaa", True): 0.7}
"""By compression and whether half floats are stored: fair-weather clouds."""
WIDE = 0.65
"""Bytes per pixel of a wide frame over those of a preview, half floats and ZIP: 0.48 to 0.70 at 2048 over 512."""
PICTURE_SHARE = {"png": 0.3, "jpeg": 0.15}
"""Size of a picture over that of its frame in half floats and ZIP: 0.22 to 0.36, and 0.10 to 0.18."""
SAMPLES = 3
"""Frames of a folder that are looked at: those after the first are much like it."""
CERTAINTY = {True: 0.9, False: 0.2}
"""Part of an estimate that is needed at least, by whether it was measured on frames of this folder: a clear sky takes
a fifth of one with clouds."""


@dataclass(frozen=True)
class BakeSpace:
    """What a bake still takes."""

    frames: int
    """Frames that are not there yet."""
    bytes: int
    """Estimate of their size with pictures, and of what frames gain that are there and stored in another way."""
    measured: bool
    """Whether it comes from frames of the same folder, width and storage."""
    free_bytes: int
    """Free on the disk of the folder."""
    pictures: int = 0
    """Pictures that are not there yet."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room for what the bake takes at least."""
        return self.bytes * CERTAINTY[self.measured] <= self.free_bytes


def bake_space(
    folder: Path,
    frames: Sequence[int],
    width: int,
    *,
    pixel_format: str,
    compression: str,
    pictures: str = "none",
    preview_bytes_per_pixel: float | None = None,
) -> BakeSpace | None:
    """Estimate for frames of a folder that need not exist; None where the disk does not tell its free space.

    Format, compression and pictures must go together, see :func:`..core.job.check_storage`.

    Frames that are there in this width and storage are counted as kept: one that is written again takes the place of
    its older self. Others are replaced by larger ones, or smaller ones, which free nothing before they are written.
    ``preview_bytes_per_pixel`` is that of a preview of the sky, in half floats and ZIP, if there is one.
    """
    missing = known_missing_frames(folder, frames)
    half = pixel_format != "float"
    present = sorted(set(frames) - set(missing))
    sampled = _sampled(folder, present)
    alike = [size for size, storage in sampled if storage == (width, compression, half)]
    other = [size for size, storage in sampled if storage != (width, compression, half)]
    per_pixel = TYPICAL_BYTES_PER_PIXEL[compression, half]
    if preview_bytes_per_pixel is not None:
        per_pixel *= WIDE * preview_bytes_per_pixel / TYPICAL_BYTES_PER_PIXEL["zip", True]
    each = sum(alike) / len(alike) if alike else per_pixel * width * (width // 2)
    gain = sum(max(0.0, each - size) for size in other) * len(present) / max(1, len(sampled))
    lacking, lacking_bytes = 0, 0.0
    if pictures != "none":
        lacking = len(known_missing_frames(folder, frames, PICTURE_ENDINGS[pictures]))
        usual = each * TYPICAL_BYTES_PER_PIXEL["zip", True] / TYPICAL_BYTES_PER_PIXEL[compression, half]
        lacking_bytes = PICTURE_SHARE[pictures] * usual * lacking
    try:
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
    except (OSError, StopIteration):
        return None
    return BakeSpace(len(missing), round(each * len(missing) + gain + lacking_bytes), bool(alike), free, lacking)


def check_space(job: SkyJob) -> None:
    """Refuse a bake that would fill the disk before its last frame.

    Raises
    ------
    OutputError
        If less is free than the bake takes at least.
    """
    if job.pattern != DEFAULT_PATTERN:
        return
    space = bake_space(
        job.folder,
        job.frames,
        job.requests[0].width,
        pixel_format=job.pixel_format,
        compression=job.compression,
        pictures=job.pictures,
    )
    if space is not None and not space.fits:
        raise OutputError(
            f"Frames {frames_in_words(job.frames)} take about {size_in_words(space.bytes)}, "
            f"but the disk of {job.folder} has {size_in_words(space.free_bytes)} left.",
            "Make room, choose a folder on another disk, a smaller resolution or DWAA compression.",
        )


def size_in_words(size_bytes: float) -> str:
    """A size with two digits, ``1.9 GB``, as disks are sold."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            number = size_bytes / factor
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"


def _sampled(folder: Path, present: Sequence[int]) -> list[tuple[int, tuple[int, str, bool] | None]]:
    """Sizes in bytes of some frames of a folder, spread over the range, and how they are stored."""
    step = max(1, (len(present) - 1) // max(1, SAMPLES - 1))
    found = []
    for frame in present[::step][:SAMPLES]:
        path = folder / frame_name(frame)
        try:
            state = os.stat(path)
        except OSError:
            continue
        found.append((state.st_size, _storage(path, state.st_mtime_ns, state.st_size)))
    return found


@lru_cache(maxsize=64)
def _storage(path: Path, mtime_ns: int, size: int) -> tuple[int, str, bool] | None:
    """Width, compression and whether half floats are stored; time and size tell whether the file has changed."""
    return frame_storage(path)
