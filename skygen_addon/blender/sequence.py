"""Baked frames as image data: which files are there, and loading them so that they animate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import bpy

from ..core.errors import OutputError
from ..core.frames import frames_in_words as frames_in_words
from ..core.job import DEFAULT_PATTERN
from .world_nodes import ROLE

COLOUR_SPACE = "Linear Rec.709"


def frame_name(frame: int) -> str:
    """File name of a baked frame, ``sky_0001.exr``."""
    return DEFAULT_PATTERN.format(frame=frame)


def missing_frames(folder: Path, frames: Sequence[int]) -> list[int]:
    """Frames of ``frames`` whose file is not in ``folder``."""
    try:
        present = set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return list(frames)
    return [f for f in frames if frame_name(f) not in present]


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
