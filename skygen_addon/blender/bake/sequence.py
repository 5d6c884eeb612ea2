"""Baked frames as image data: which files are there, and loading them so that they animate."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import bpy

from ...core.errors import OutputError
from ...core.frames import frames_in_words as frames_in_words
from ...core.job import DEFAULT_PATTERN
from ...runtime.exr import REQUEST_ATTRIBUTE
from ..world.world_nodes import ROLE

COLOUR_SPACE = "Linear Rec.709"
EXR = ".exr"
"""Ending of the baked frames."""
HEADER_BYTES = 4096
"""More than the header of a baked frame takes."""
_SETTLED_NS = 3_000_000_000
"""File systems round time stamps of folders by up to two seconds."""
_COMPRESSIONS = {3: "zip", 8: "dwaa"}


def frame_name(frame: int, ending: str = EXR) -> str:
    """File name of a baked frame, ``sky_0001.exr``, or of the picture beside it."""
    return DEFAULT_PATTERN.format(frame=frame).removesuffix(EXR) + ending


def folder_of_sequence(image: bpy.types.Image) -> Path:
    """Absolute folder of a bound sequence's files; in a linked image // is the folder of its own .blend."""
    return Path(bpy.path.abspath(image.filepath, library=image.library)).parent


def missing_frames(folder: Path, frames: Sequence[int], ending: str = EXR) -> list[int]:
    """Frames of ``frames`` whose file, with this ending, is not in ``folder``."""
    try:
        present = set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return list(frames)
    return [f for f in frames if frame_name(f, ending) not in present]


def longest_run(folder: Path, frames: Sequence[int]) -> list[int]:
    """The most of ``frames``, which follow each other, that are in ``folder`` without a gap; the first such run."""
    missing, runs = set(missing_frames(folder, frames)), [list[int]()]
    for frame in frames:
        if frame in missing:
            runs.append([])
        else:
            runs[-1].append(frame)
    return max(runs, key=len)


def known_missing_frames(folder: Path, frames: Sequence[int], ending: str = EXR) -> list[int]:
    """:func:`missing_frames` for a panel that is drawn often: a folder is listed again only when it has changed.

    A folder that has changed a moment ago is listed every time, because its time stamp may be that of the next change.
    """
    try:
        changed_ns = folder.stat().st_mtime_ns
    except OSError:
        return list(frames)
    if abs(time.time_ns() - changed_ns) < _SETTLED_NS:
        return missing_frames(folder, frames, ending)
    asked = frames if isinstance(frames, range) else tuple(frames)
    return list(_missing_frames(folder, changed_ns, asked, ending))


@lru_cache(maxsize=16)
def _missing_frames(folder: Path, changed_ns: int, frames: range | tuple[int, ...], ending: str) -> tuple[int, ...]:
    return tuple(missing_frames(folder, frames, ending))


def check_complete(folder: Path, frames: Sequence[int]) -> None:
    """Refuse a sequence with gaps: Blender renders a missing frame in pure magenta.

    Raises
    ------
    OutputError
        If a file is missing.
    """
    missing = missing_frames(folder, frames)
    if missing:
        raise OutputError(
            f"{folder} lacks frames {frames_in_words(missing)}.", "Bake them, or choose the folder of the baked frames."
        )


def _header_value(path: Path, name: str) -> bytes | None:
    """An attribute in the header of an OpenEXR file; None if it has none, or is no such file.

    Read byte by byte, because this process must not load the OpenEXR library (see ``interpreter.py``).
    """
    try:
        with path.open("rb") as file:
            data = file.read(HEADER_BYTES)
        position = 8 if data.startswith(b"\x76\x2f\x31\x01") else len(data)  # magic number, version
        while data[position] != 0:
            name_end = data.index(b"\0", position)
            value = data.index(b"\0", name_end + 1) + 5  # after the type's name and the size
            end = value + int(struct.unpack_from("<I", data, value - 4)[0])
            if data[position:name_end] == name.encode():
                return data[value:end]
            position = end
    except (OSError, IndexError, ValueError, struct.error):
        pass
    return None


def frame_width(path: Path) -> int | None:
    """Width in pixels that the header of an OpenEXR file states (its dataWindow); None if that cannot be read."""
    window = _header_value(path, "dataWindow")
    if window is None or len(window) != 16:
        return None
    left, _, right, _ = struct.unpack("<4i", window)
    return int(right - left + 1)


def frame_storage(path: Path) -> tuple[int, str, bool] | None:
    """Width in pixels, compression (``zip``, ``dwaa``) and whether half floats are stored; None for other files."""
    width = frame_width(path)
    compression, channels = _header_value(path, "compression"), _header_value(path, "channels")
    if width is None or compression is None or not channels:
        return None
    kind = channels.index(b"\0") + 1  # after the name of the first channel: 1 is half, 2 is float
    known = _COMPRESSIONS.get(compression[0])
    return None if known is None else (width, known, channels[kind] == 1)


def frame_request(path: Path) -> str | None:
    """Digest of the request that a baked frame was made from; None if the file does not state it."""
    digest = _header_value(path, REQUEST_ATTRIBUTE)
    return None if digest is None else digest.decode("ascii", errors="replace")


def frames_by_width(folder: Path, frames: Sequence[int]) -> dict[int | None, list[int]]:
    """Which of ``frames`` are how wide; None gathers files that are missing or no frames."""
    found: dict[int | None, list[int]] = {}
    for frame in frames:
        found.setdefault(frame_width(folder / frame_name(frame)), []).append(frame)
    return found


def check_one_width(folder: Path, frames: Sequence[int]) -> None:
    """Refuse a sequence whose sky would change its sharpness on the way.

    Raises
    ------
    OutputError
        If the frames are of several widths, or a file is no OpenEXR file.
    """
    found = frames_by_width(folder, frames)
    unreadable = found.pop(None, [])
    if unreadable:
        raise OutputError(f"Frames {frames_in_words(unreadable)} in {folder} cannot be read.", "Bake them again.")
    if len(found) > 1:
        words = "; ".join(
            f"{width} pixels: {frames_in_words(found[width])}" for width in sorted(w for w in found if w is not None)
        )
        raise OutputError(
            f"The frames in {folder} are of several widths ({words}).",
            "Bake all of them at one resolution, or choose a range or folder with one.",
        )


def load_sequence(folder: Path, first: int) -> bpy.types.Image:
    """New image data-block of the sequence that starts with frame ``first`` in ``folder``.

    The path is relative when the .blend is saved, so that both can move together. Always a new
    data-block: an existing one would go on showing frames from its cache.

    Raises
    ------
    OutputError
        If the first file cannot be read.
    """
    image = load_panorama(folder / frame_name(first), f"SkyGen {folder.name}")
    image.source = "SEQUENCE"
    if bpy.data.filepath:
        try:
            image.filepath = bpy.path.relpath(str(folder / frame_name(first)))
        except ValueError:  # another drive on Windows: only the absolute path exists
            image.filepath = str(folder / frame_name(first))
    return image


def load_panorama(path: Path, name: str) -> bpy.types.Image:
    """New image data-block of one linear panorama, marked as ours.

    Raises
    ------
    OutputError
        If the file cannot be read.
    """
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        raise OutputError(f"{path} cannot be read: {str(error).strip()}.", "Bake the frame again.") from error
    image.name = name
    image[ROLE] = "sky"
    cast(Any, image.colorspace_settings).name = COLOUR_SPACE
    image.alpha_mode = "NONE"
    return image
