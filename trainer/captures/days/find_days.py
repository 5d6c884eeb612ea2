"""Which folders hold a time-lapse day, and the order of its frames."""

from __future__ import annotations

import logging
import math
import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from PIL import Image

from skygen_addon.core.errors import CaptureError

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Display-encoded pictures."""
MIN_FRAMES = 24
"""Fewer pictures, or fewer good ones, are no day."""
PROBED = 48
"""So many pictures of a folder are opened to learn its frame size."""
ONE_SIZE = 0.8
"""Share of the readable pictures that have the frame size; a folder of mixed pictures is no time-lapse."""
UNREADABLE = (
    *(OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError),
    *(struct.error, zlib.error, LookupError, TypeError, ArithmeticError),
)
"""What Pillow raises on damaged pictures."""


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height from the head of a picture; None if it is damaged."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except UNREADABLE:
        return None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorting key that puts 2 before 10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts]


def list_frames(day: Path) -> list[Path]:
    """Pictures directly in a folder, in the order of their numbers.

    Raises
    ------
    CaptureError
        The folder cannot be listed.
    """
    try:
        return sorted((p for p in day.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()), key=_natural)
    except OSError as error:
        raise CaptureError(f"{day} cannot be listed ({error.strerror}).", "Allow to read it.") from None


def find_days(folder: Path, taken: Collection[Path]) -> list[Path]:
    """Folders anywhere below ``folder`` (itself included) that directly hold a time-lapse day, sorted.

    A day is at least MIN_FRAMES pictures, nearly all of one size that is not 2:1 (a panorama).
    Hidden folders and those that may not be listed are passed by.

    Parameters
    ----------
    folder : Path
        The captures.
    taken : collection of Path
        Pictures that belong to something else (exposure brackets), as paths below ``folder``.
    """
    others = set(taken)
    days = []
    for place, inside, _ in os.walk(folder, onerror=lambda error: logger.warning("%s is not listed", error.filename)):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        try:
            frames = [path for path in list_frames(Path(place)) if path not in others]
        except CaptureError:
            continue  # told by os.walk
        if len(frames) < MIN_FRAMES:
            continue
        probed = frames[:: math.ceil(len(frames) / PROBED)]
        sizes = Counter(size for size in map(picture_size, probed) if size is not None)
        if not sizes:
            continue
        (width, height), count = sizes.most_common(1)[0]
        if count >= ONE_SIZE * sizes.total() and not 1.96 < width / height < 2.04:
            days.append(Path(place))
    return sorted(days)
