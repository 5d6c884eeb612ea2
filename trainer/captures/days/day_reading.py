"""Frames of one day, read once: binned, with their saturated pixels, size, exposure and mark, kept on disk.

Row 0 of a frame is its top. Values are 8-bit and gamma-encoded. Nothing here depends on other days.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.find_days import UNREADABLE, list_frames
from trainer.captures.days.fisheye import Fisheye, find_blob, find_circle
from trainer.captures.days.timeline import name_time, timeline
from trainer.captures.items import save_arrays
from trainer.captures.known_files import FileMark, file_mark
from trainer.captures.manifest import file_sha256

READING = 2
"""Raise when reading changes, so that days are read again."""
SIDE = 210
"""Larger frames are averaged down to about so many pixels along their shorter side, which sees a sun of 15 pixels."""
LEAST_BINNED = 150
"""Frames of this side and more are halved for the cloud maps."""
LEAST_COLOUR = 1.0
"""Mean spread of the channels in the middle of a frame; the grey night mode has less, overcast has more."""
LEAST_LIGHT = 15
"""Mean 8-bit value of a frame by day."""
LEAST_SIDE = 48
"""Smaller frames show neither sun nor cloud."""
SATURATED = 240
"""Smallest 8-bit value of all three channels inside the sun's blob."""

MARK_NAMES = ("measured", "gap", "night", "unreadable", "other_size", "low_sun", "outlier", "unmeasured")
"""What a slot of a day is; a mark is an index of this table. ``gap``: no frame; ``other_size``: not the day's frame
size; ``low_sun``: too warm a light to tell cloud by colour; ``outlier``: leaves both neighbours, its cover is masked;
``unmeasured``: no sky to measure, or a day without circle or sun."""
MEASURED, GAP, NIGHT, UNREAD, OTHER_SIZE, LOW_SUN, OUTLIER, UNMEASURED = range(len(MARK_NAMES))


@dataclass(frozen=True)
class DayReading:
    """What the frames (n) of one day hold."""

    files: NDArray[np.str_]
    """(n,) names in order."""
    sha256: NDArray[np.str_]
    """(n,) of their contents; empty for one that may not be opened."""
    stamp: NDArray[np.int64]
    """(n, 2) size in bytes and time of change in ns; a file that keeps both is not read again."""
    size: NDArray[np.int64]
    """(n, 2) width and height of each file, 0 when unreadable."""
    slot: NDArray[np.int64]
    """(n,) place on the day's even timeline."""
    step_s: NDArray[np.float64]
    """() seconds between slots, NaN when unknown."""
    taken_s: NDArray[np.float64]
    """(n,) time that the camera wrote, NaN when unknown."""
    exposure: NDArray[np.float64]
    """(n,) seconds x ISO / 100 / f-number squared; NaN when unknown."""
    mark: NDArray[np.uint8]
    """(n,) MEASURED for a good frame, else NIGHT, UNREAD or OTHER_SIZE."""
    encoded: NDArray[np.uint8]
    """(n, h, w, 3) binned frames, 0 where there is none."""
    saturated: NDArray[np.uint8]
    """(n, bytes) packed bits of (H, W): all channels at SATURATED or above."""
    shape: NDArray[np.int64]
    """(3,) H, W of a reduced frame, and how many of its pixels a binned one averages along an edge."""
    sample: NDArray[np.uint16]
    """(m, H, W) sum of the channels of some frames."""
    sampled: NDArray[np.int64]
    """(m,) which frames these are."""
    circle: NDArray[np.float64]
    """(3,) column and row of the centre and radius of the sky in reduced frames; NaN if there is none."""
    blobs: NDArray[np.int64]
    """() good frames with a blob in this circle that may be the sun."""
    digest: NDArray[np.str_]
    """() names and contents of all frames."""

    @property
    def slots(self) -> int:
        """Length of the day."""
        return int(self.slot[-1]) + 1

    def saturated_pixels(self, index: int) -> NDArray[np.bool_]:
        """Saturated pixels (H, W) of a frame."""
        return _unpack(self.saturated[index], (int(self.shape[0]), int(self.shape[1])))


def load_arrays(path: Path, leave_out: Collection[str] = ()) -> dict[str, Any] | None:
    """Arrays of a kept file, those to ``leave_out`` empty; None if it is missing or damaged."""
    try:
        with np.load(path) as kept:
            return {name: np.zeros(0, np.uint8) if name in leave_out else kept[name] for name in kept.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def load_reading(path: Path, *, pixels: bool = True) -> DayReading | None:
    """A kept reading; None if it is missing, damaged or of another version. Without ``pixels`` it is read fast."""
    arrays = load_arrays(path, () if pixels else ("encoded", "saturated", "sample"))
    if arrays is None or set(arrays) != {f.name for f in fields(DayReading)}:
        return None
    return DayReading(**arrays)


def read_day(day: Path, kept: Path) -> str:
    """Read the frames of a folder into the file ``kept``; frames that it holds already are not decoded again.

    Damaged frames are marked; they stop nothing.

    Returns
    -------
    str
        Digest of names and contents.

    Raises
    ------
    CaptureError, OutputError
        If the folder cannot be listed or ``kept`` cannot be written.
    """
    files = list_frames(day)
    old = load_reading(kept, pixels=False)
    stamps, contents = _contents(files, old)
    text = "\n".join(
        [str(READING), *(f"{f.name} {size} {sha}" for f, (size, _), sha in zip(files, stamps, contents, strict=True))]
    )
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    if old is not None and str(old.digest) == digest:
        return digest
    old = load_reading(kept)
    save_arrays(kept, vars(_read(files, stamps, contents, digest, old)))
    return digest


def _contents(files: Sequence[Path], old: DayReading | None) -> tuple[list[FileMark], list[str]]:
    """Marks and digests of files; (-1, -1) and nothing of one that may not be opened."""
    known: dict[tuple[str, FileMark], str] = {}
    if old is not None:
        marks = [(int(size), int(time_ns)) for size, time_ns in old.stamp]
        known = dict(zip(zip(map(str, old.files), marks, strict=True), map(str, old.sha256), strict=True))
    stamps, digests = [], []
    for file in files:
        try:
            stamp = file_mark(file)
            digest = known.get((file.name, stamp)) or file_sha256(file)
        except OSError:
            stamp, digest = (-1, -1), ""
        stamps.append(stamp)
        digests.append(digest)
    return stamps, digests


@dataclass
class _Head:
    """What the head of a picture tells."""

    size: tuple[int, int] = (0, 0)
    taken_s: float = math.nan
    exposure: float = math.nan


def _read_head(file: Path) -> _Head:
    head = _Head()
    try:
        with Image.open(file) as picture:
            head.size = picture.size
            tags = picture.getexif().get_ifd(0x8769)
        taken = name_time(Path(str(tags.get(36867, "")).replace(":", "_").replace(" ", "_")))
        head.taken_s = math.nan if taken is None else taken
        head.exposure = float(tags[33434]) * float(tags[34855]) / 100 / float(tags[33437]) ** 2
    except UNREADABLE:  # of the file or of a tag: what was found before stands
        pass
    return head


def _read(
    files: Sequence[Path], stamps: Sequence[FileMark], contents: Sequence[str], digest: str, old: DayReading | None
) -> DayReading:
    known = {} if old is None else {str(sha): i for i, sha in enumerate(old.sha256) if sha}
    heads = [
        _Head((int(old.size[i, 0]), int(old.size[i, 1])), float(old.taken_s[i]), float(old.exposure[i]))
        if old is not None and (i := known.get(sha)) is not None
        else _read_head(file)
        for file, sha in zip(files, contents, strict=True)
    ]
    sizes = Counter(head.size for head in heads if head.size != (0, 0))
    width, height = sizes.most_common(1)[0][0] if sizes else (SIDE, SIDE)
    by = max(1, round(min(width, height) / SIDE))
    tall, wide = height // by, width // by
    bin_ = 2 if min(tall, wide) >= LEAST_BINNED else 1
    shape = np.array([tall, wide, bin_])
    if old is not None and (not np.array_equal(shape, old.shape) or (width, height) not in map(tuple, old.size)):
        old, known = None, {}
    count = len(files)
    mark = np.full(count, UNREAD, np.uint8)
    encoded = np.zeros((count, tall // bin_, wide // bin_, 3), np.uint8)
    saturated = np.zeros((count, -(-tall * wide // 8)), np.uint8)
    kept_samples = {} if old is None else {int(i): s for i, s in zip(old.sampled, old.sample, strict=True)}
    every = max(1, min(12, count // 8))
    samples: dict[int, NDArray[np.uint16]] = {}
    for index, (file, head) in enumerate(zip(files, heads, strict=True)):
        was = known.get(contents[index])
        if head.size == (0, 0):
            continue
        if head.size != (width, height) or min(tall, wide) < LEAST_SIDE:
            mark[index] = OTHER_SIZE
            continue
        if old is not None and was is not None and (index % every or was in kept_samples or old.mark[was] == UNREAD):
            mark[index], encoded[index], saturated[index] = old.mark[was], old.encoded[was], old.saturated[was]
            if was in kept_samples and index % every == 0:
                samples[index] = kept_samples[was]
            continue
        frame = _decode(file, by)
        if frame is None or frame.shape[:2] != (tall, wide):
            continue
        saturated[index] = np.packbits(frame.min(-1) >= SATURATED)
        rows, columns = tall // bin_, wide // bin_
        binned = frame[: rows * bin_, : columns * bin_].reshape(rows, bin_, columns, bin_, 3).mean((1, 3))
        encoded[index] = np.rint(binned)
        mark[index] = _judge(binned)
        if index % every == 0:
            samples[index] = np.rint(frame.astype(np.float32).sum(-1)).astype(np.uint16)
    sample = np.stack(list(samples.values())) if samples else np.zeros((0, tall, wide), np.uint16)
    circle = _circle(sample)
    taken = [None if math.isnan(head.taken_s) else head.taken_s for head in heads]
    times = timeline(files, taken)
    return DayReading(
        files=np.array([file.name for file in files]),
        sha256=np.array(contents),
        stamp=np.array(stamps),
        size=np.array([head.size for head in heads]),
        slot=times.slot,
        step_s=np.array(times.step_s),
        taken_s=np.array([head.taken_s for head in heads]),
        exposure=np.array([head.exposure for head in heads]),
        mark=mark,
        encoded=encoded,
        saturated=saturated,
        shape=shape,
        sample=sample,
        sampled=np.array(list(samples), np.int64),
        circle=circle,
        blobs=np.array(_count_blobs(saturated[mark == MEASURED], circle, (tall, wide))),
        digest=np.array(digest),
    )


def _unpack(bits: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.bool_]:
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


def _count_blobs(saturated: NDArray[np.uint8], circle: NDArray[np.float64], shape: tuple[int, int]) -> int:
    """Frames (n, bytes) with a blob in the circle that may be the sun."""
    if not np.isfinite(circle).all():
        return 0
    place = Fisheye((float(circle[0]), float(circle[1])), float(circle[2]))
    return sum(find_blob(_unpack(bits, shape), place) is not None for bits in saturated)


def _circle(sample: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Circle (3,) of the sky in sampled frames."""
    try:
        found = find_circle(np.median(sample / 3, axis=0)) if len(sample) else None
    except CaptureError:
        found = None
    return np.full(3, math.nan) if found is None else np.array([*found.centre, found.radius])


def _decode(file: Path, by: int) -> NDArray[Any] | None:
    """Pixels (H, W, 3) of a frame averaged ``by`` to one along each edge; None if it is damaged."""
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as picture:
            whole = picture.convert("RGB")
    except UNREADABLE:
        return None
    if by == 1:
        return np.asarray(whole)
    tall, wide = whole.height // by, whole.width // by
    pixels = np.asarray(whole)[: tall * by, : wide * by].reshape(tall, by, wide, by, 3)
    return np.asarray(pixels.mean((1, 3), dtype=np.float32))


def _judge(binned: NDArray[np.float64]) -> int:
    """Mark of a decoded frame (h, w, 3)."""
    height, width = binned.shape[:2]
    middle = binned[height // 4 : -height // 4, width // 4 : -width // 4]
    if binned.mean() <= LEAST_LIGHT:
        return NIGHT
    if binned.std((0, 1)).max() < 1:
        return UNREAD  # one colour all over: no picture reached the file
    return MEASURED if np.ptp(middle, axis=-1).mean() > LEAST_COLOUR else NIGHT
