"""Frame lists as people write them: ``1-48``, ``5``, ``1-10x2``, ``1,3,7``."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable

from .errors import RequestError

MAX_FRAME = 1_048_574
"""Blender's last frame."""
MAX_FRAMES = 100_000
"""Most frames in one list; longer animations are baked in parts."""

_MOST_DIGITS = 9
"""More digits are no frame; Python itself refuses to read thousands."""
_PART = re.compile(r"(\d+)(?:-(\d+)(?:x(\d+))?)?")


def parse_frames(text: str) -> tuple[int, ...]:
    """Frames of a list, in the order written, each once.

    Parameters
    ----------
    text : str
        Comma-separated parts: a frame, ``first-last``, or ``first-lastxstep``.

    Returns
    -------
    tuple of int
        From 0 to 1,048,574, at most 100,000 of them.

    Raises
    ------
    RequestError
        If the list is empty, unreadable, backwards or absurdly long.
    """
    remedy = "Give frames such as 1-48, 5, 1-10x2 or 1,3,7."
    frames: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise RequestError(f"The frame list {reprlib.repr(text)} cannot be read.", remedy)
        if max(len(number or "") for number in match.groups()) > _MOST_DIGITS:
            raise RequestError(
                f"The frame list {reprlib.repr(text)} has a number of more than {_MOST_DIGITS} digits.", remedy
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if last < first:
            raise RequestError(f"The frame range {part.strip()} runs backwards.", f"Write {last}-{first}.")
        if step < 1:
            raise RequestError(f"The step of {part.strip()} is 0.", "Give a step of 1 or more.")
        if last > MAX_FRAME:
            raise RequestError(f"Frame {last} is beyond {MAX_FRAME}.", remedy)
        if len(frames) + (last - first) // step + 1 > MAX_FRAMES:
            raise RequestError(
                f"The frame list {reprlib.repr(text)} has more than {MAX_FRAMES} frames.", "Bake it in parts."
            )
        frames.update(dict.fromkeys(range(first, last + 1, step)))
    return tuple(frames)


def frames_in_words(frames: Iterable[int]) -> str:
    """Short list of frames, for example ``3, 5-9``; after six parts ``and more``."""
    runs: list[list[int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return ", ".join(words[:6]) + (" and more" if len(words) > 6 else "")
