"""One HDR panorama file to one panorama: shape and finite values.

Panorama rows run from the zenith down, as in ``core.geometry``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.measuring.nearest import nearest_inside
from ...core.measuring.panorama import Panorama
from .open_exr import read_exr
from .radiance_hdr import read_radiance
from .rejected_capture import MAX_WIDTH, RejectedCapture, unreadable

__all__ = [
    "MAX_WIDTH",
    "MIN_WIDTH",
    "SUFFIXES",
    "HdrPicture",
    "Panorama",
    "RejectedCapture",
    "holds_hdr",
    "mend",
    "read_hdr",
    "read_panorama",
    "to_panorama",
]

SUFFIXES = (".hdr", ".pic", ".exr")
"""Endings of such files, in small letters."""

MIN_WIDTH = 256
"""Narrowest panorama that holds enough sky to learn from, pixels."""

EXR_MAGIC = b"\x76\x2f\x31\x01"
RADIANCE_MAGIC = b"#?"

_BESIDE = np.array([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c]).T
_BLOCK_PIXELS = 1 << 18


@dataclass(frozen=True)
class HdrPicture:
    """A linear picture of any shape and projection, as stored."""

    radiance: NDArray[np.float32]
    """(H, W, 3), any values."""
    covered: NDArray[np.bool_] | None
    """(H, W) where there is data, or None where all of it is."""
    notes: Mapping[str, Any]
    """Part, channels and primaries of an OpenEXR file that needs telling."""


def holds_hdr(path: Path) -> bool:
    """Whether a file holds a Radiance or OpenEXR picture, by its first bytes.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: it is empty, or cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise unreadable(f"{path.name}: {error}.", "Check the file and its permissions.") from error
    if not magic:
        raise unreadable(f"{path.name}: the file is empty.", "Copy it again.")
    return magic == EXR_MAGIC or magic.startswith(RADIANCE_MAGIC)


def read_hdr(path: Path, most_width: int | None = None) -> HdrPicture:
    """Read a Radiance or OpenEXR picture; the content decides, not the name. ``most_width`` as for `read_radiance`.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: neither of them, damaged, too large, or it cannot be opened.
    """
    if not holds_hdr(path):
        raise unreadable(f"{path.name}: neither Radiance nor OpenEXR inside.", "Convert it to .hdr or .exr.")
    try:
        with path.open("rb") as stream:
            is_exr = stream.read(4) == EXR_MAGIC
        if not is_exr:
            return HdrPicture(read_radiance(path, most_width), None, {})
        exr = read_exr(path, most_width)
        told: dict[str, Any] = {} if exr.channels == ("R", "G", "B") else {"channels": list(exr.channels)}
        told |= {} if exr.primaries is None else {"primaries": list(exr.primaries)}
        return HdrPicture(exr.radiance, exr.covered, told | ({"part": exr.part} if exr.part else {}))
    except (OSError, MemoryError) as error:
        raise unreadable(f"{path.name}: {error}.", "Check the file and its permissions.") from error


def _fill_holes(radiance: NDArray[np.float32], holes: NDArray[np.bool_]) -> None:
    """Fill pixels ``holes`` (H, W) of (H, W, 3) by the median of their neighbours outside, deeper by the nearest."""
    rows = np.flatnonzero(holes.any(axis=1))
    band = slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2)  # holds pixels outside: half of the picture is finite
    values, inside = radiance[band], holes[band]
    row, column = np.nonzero(inside)
    filled = values[nearest_inside(~inside)]
    values[row, column] = np.nan
    for start in range(0, len(row), _BLOCK_PIXELS):
        part = slice(start, start + _BLOCK_PIXELS)
        beside_row = np.clip(row[part, None] + _BESIDE[0], 0, inside.shape[0] - 1)
        beside_column = np.clip(column[part, None] + _BESIDE[1], 0, inside.shape[1] - 1)
        near = ~inside[beside_row, beside_column].all(axis=1)
        filled[part][near] = np.nanmedian(values[beside_row[near], beside_column[near]], axis=1)
    values[row, column] = filled


def mend(name: str, radiance: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Finite, non-negative radiance (H, W, 3), and flags that say what had to be done.

    A pixel with NaN or minus infinity takes the values around it, infinity becomes the largest finite value, what is
    negative 0.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: more than half of the pixels are not finite.
    """
    flags = []
    height, width = radiance.shape[:2]
    finite = np.isfinite(radiance)
    if not finite.all():
        if finite.all(axis=-1).mean() < 0.5:
            message = f"{name}: more than half of it is not finite."
            raise RejectedCapture("unreadable", message, "Export it again.", width, height)
        flags.append("non_finite")
        top = np.max(radiance, where=finite, initial=0.0)
        radiance = np.where(np.isposinf(radiance), np.float32(top), radiance)
        holes = np.asarray(~np.isfinite(radiance).all(axis=-1))
        if holes.any():
            _fill_holes(radiance, holes)
    if radiance.min() < 0:
        flags.append("negative")
        radiance = np.maximum(radiance, np.float32(0.0))
    if np.array_equal(radiance[..., 0], radiance[..., 2]) and np.array_equal(radiance[..., 0], radiance[..., 1]):
        flags.append("single_channel")
    return radiance, tuple(flags)


def to_panorama(name: str, picture: HdrPicture) -> Panorama:
    """Check that a picture is a panorama, and mend its values.

    Raises
    ------
    RejectedCapture
        Reason ``not_panorama`` (not 2:1), ``low_resolution`` or ``unreadable`` (hardly a finite value).
    """
    height, width = picture.radiance.shape[:2]
    size = f"{width}x{height}"
    if width != 2 * height:
        message = f"{name}: {size} is not 2:1."
        raise RejectedCapture("not_panorama", message, "Use a full equirectangular panorama.", width, height)
    if width < MIN_WIDTH:
        message = f"{name}: {size} is below {MIN_WIDTH} pixels."
        raise RejectedCapture("low_resolution", message, "Use a larger one.", width, height)
    radiance, flags = mend(name, picture.radiance)
    return Panorama(radiance, flags, picture.covered, {"projection": "panorama", **picture.notes})


def read_panorama(path: Path, most_width: int | None = None) -> Panorama:
    """Read and check one HDR panorama file.

    Parameters
    ----------
    path : Path
        A ``.hdr``, ``.pic`` or ``.exr`` file; the content decides, not the name.
    most_width : int, optional
        Average blocks of pixels of a wider one while reading; it comes out less than twice as wide as this.

    Returns
    -------
    Panorama

    Raises
    ------
    RejectedCapture
        With reason ``unreadable``, ``not_panorama`` or ``low_resolution``.
    """
    return to_panorama(path.name, read_hdr(path, most_width))
