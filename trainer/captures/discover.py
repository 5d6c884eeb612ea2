"""What lies in a folder of captures: panoramas, exposure brackets, time-lapse days, and what is none of these.

Brackets are one capture of several files; a folder of many pictures of one view is a day. Files with other
endings are not captures; they are counted, not judged.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.find_days import MIN_FRAMES, find_days, list_frames
from trainer.captures.merging.bracket_stacks import group_brackets
from trainer.captures.readers.capture_file import HDR_SUFFIXES, PICTURE_SUFFIXES, RAW_SUFFIXES

CAPTURE_SUFFIXES = (*HDR_SUFFIXES, *PICTURE_SUFFIXES, *RAW_SUFFIXES)
"""File name endings that are looked at."""

CHANCE = 3
"""Exposures of a bracket from which on it is none of the pairs that a camera on automatic exposure makes by chance."""

BRACKETED_SHARE = 0.1
"""Least share of a large folder's pictures in such brackets; a few in a long row of frames are chance too."""

MADE_HERE = ("manifest.jsonl", "items")
"""What marks a folder of training data: its pictures are no captures."""


@dataclass(frozen=True)
class CaptureFolder:
    """The captures below a folder."""

    captures: tuple[tuple[Path, ...], ...]
    """One file, or the exposures of one view from short to long; in the order of the first file by name."""
    days: tuple[Path, ...]
    """Folders whose pictures are the frames of one day."""
    closed: tuple[Path, ...]
    """Folders that the system does not let us list."""
    ignored: dict[str, int]
    """Files of other kinds: name ending -> count."""


def find_captures(folder: Path) -> CaptureFolder:
    """Look through a folder and its subfolders.

    Links to folders, hidden folders and folders of training data are passed by.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CaptureError
        The folder is missing, cannot be listed, or holds no capture.
    """
    if not folder.is_dir():
        raise CaptureError(f"{folder} is not a folder.", "Give the folder that holds the captures.")
    closed: list[Path] = []
    ignored: Counter[str] = Counter()
    singles: list[Path] = []
    brackets: list[tuple[Path, ...]] = []
    seen_places = set()
    for place, files in _listings(folder, closed):
        seen_places.add(place)
        seen = [f for f in files if f.suffix.lower() in CAPTURE_SUFFIXES]
        ignored.update(f.suffix.lower() or "no ending" for f in files if f.suffix.lower() not in CAPTURE_SUFFIXES)
        stacks = _brackets([f for f in seen if f.suffix.lower() not in HDR_SUFFIXES])
        bracketed = {f for stack in stacks for f in stack}
        brackets += stacks
        singles += [f for f in seen if f not in bracketed]
    if folder in closed:
        raise CaptureError(f"{folder} cannot be listed.", "Give yourself permission to read it.")
    taken = {f for stack in brackets for f in stack}
    mixed = {f.parent for f in taken}
    days = [day for day in find_days(folder, taken) if day in seen_places and day not in mixed]
    frames = {f for day in days for f in list_frames(day)}
    captures = sorted([(f,) for f in singles if f not in frames] + brackets, key=min)
    if not captures and not days and not closed:
        raise CaptureError(
            f"{folder} holds no capture.", f"Put panoramas ({', '.join(HDR_SUFFIXES)}), pictures or day folders there."
        )
    return CaptureFolder(tuple(captures), tuple(days), tuple(closed), dict(sorted(ignored.items())))


def _brackets(pictures: list[Path]) -> list[tuple[Path, ...]]:
    """Brackets among the pictures of one folder, without those that chance makes among the frames of a day."""
    stacks = [group for group in group_brackets(pictures) if len(group) > 1]
    if len(pictures) < MIN_FRAMES:
        return stacks
    stacks = [stack for stack in stacks if len(stack) >= CHANCE]
    return stacks if sum(map(len, stacks)) >= BRACKETED_SHARE * len(pictures) else []


def _listings(folder: Path, closed: list[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder with its files, sorted; folders that cannot be listed are added to ``closed``.

    Pipes and devices are left out: reading one would wait for ever. A link to nowhere is a file that cannot be read.
    """

    def note(error: OSError) -> None:
        closed.append(Path(error.filename))

    for name, subfolders, names in os.walk(folder, onerror=note):
        place = Path(name)
        if all(mark in (*subfolders, *names) for mark in MADE_HERE):
            subfolders.clear()
            continue
        subfolders[:] = sorted(n for n in subfolders if not n.startswith("."))
        yield place, sorted(p for p in (place / n for n in names if not n.startswith(".")) if _is_file(p))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_symlink() and not path.exists())
    except OSError:  # its folder may be listed but not entered: the file is closed to us, and is told so
        return True
