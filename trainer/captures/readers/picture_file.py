"""Camera pictures in PNG, JPEG, TIFF and raw: pixel values as stored, and how they were exposed.

An orientation tag is not applied, whatever the kind of file: a camera that looks up cannot tell how it is
turned, and stitchers copy the tag of a frame to a panorama that is upright already.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from skygen_addon.runtime.panoramas.rejected_capture import check_packing, check_size, unreadable
from trainer.captures.merging.bracket_stacks import exposure_of
from trainer.captures.readers.camera_raw import holds_raw, read_raw

COLOUR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr", "I;16", "I;16B", "I;16L", "I;16N")
"""Pixel kinds, in Pillow's words, that hold grey, a palette or RGB in 8 or 16 bits."""

_ORIENTATION = 274  # tag of TIFF and EXIF

_OPENERS: dict[str, Any] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}


@dataclass(frozen=True)
class Picture:
    """One exposure as a camera stored it. Row 0 is the top."""

    name: str
    """File name, for messages."""
    values: NDArray[Any]
    """(H, W, 3) red, green, blue; uint8 or uint16 code values of the full range of their type."""
    linear: bool
    """Whether code values are proportional to light (raw); else a response curve lies between."""
    exposure: float | None
    """Relative exposure: seconds x ISO / 100 / f-number squared; None where neither the file nor its name tells."""


def picture_kind(head: bytes) -> str | None:
    """PNG, JPEG or TIFF by the first bytes of a file, else None. A raw picture may be a TIFF too."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    return None


@contextlib.contextmanager
def _quiet_decoder() -> Iterator[None]:
    """OpenCV writes a line to the terminal for each damaged file; the verdict already tells."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _untagged(data: bytes) -> bytes:
    """A TIFF with its orientation tag set to upright: OpenCV and Pillow turn it whatever they are told."""
    order = "<" if data.startswith(b"II") else ">"
    if struct.unpack_from(f"{order}H", data, 2)[0] == 43:  # BigTIFF
        at = struct.unpack_from(f"{order}Q", data, 8)[0]
        count, first, size, value = struct.unpack_from(f"{order}Q", data, at)[0], at + 8, 20, 12
    else:
        at = struct.unpack_from(f"{order}I", data, 4)[0]
        count, first, size, value = struct.unpack_from(f"{order}H", data, at)[0], at + 2, 12, 8
    for entry in range(first, first + size * min(count, 4096), size):
        if struct.unpack_from(f"{order}H", data, entry)[0] == _ORIENTATION:
            return data[: entry + value] + struct.pack(f"{order}H", 1) + data[entry + value + 2 :]
    return data


def _check_chunks(name: str, data: bytes) -> None:
    """Refuse a PNG whose chunks reach beyond its end: OpenCV takes as much memory as a chunk claims to have."""
    position, kind = 8, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise unreadable(f"{name}: its chunks are damaged or truncated.")
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
    if position > len(data):
        raise unreadable(f"{name}: its chunks are damaged or truncated.")


def _read_coded(path: Path, data: bytes, kind: str) -> Picture:
    name = path.name
    if kind == "PNG":
        _check_chunks(name, data)
    try:
        data = _untagged(data) if kind == "TIFF" else data
        header = _OPENERS[kind](io.BytesIO(data))  # not Image.open: any of its many formats could answer there
        width, height, mode = header.width, header.height, header.mode
    except Exception as error:  # Pillow's parsers raise many kinds on damage
        raise unreadable(f"{name}: its {kind} header is damaged or of a kind that is not read ({error}).") from error
    check_size(name, width, height)
    check_packing(name, 3 * width * height, len(data))
    if mode not in COLOUR_MODES:
        raise unreadable(f"{name}: {mode} pixels are not read.", "Save it as RGB with 8 or 16 bits, or as OpenEXR.")
    with _quiet_decoder():
        try:
            flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
            values = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        except cv2.error as error:
            raise unreadable(f"{name}: OpenCV cannot read it ({error.err}).") from error
    if values is None or values.shape != (height, width, 3):
        raise unreadable(f"{name}: its pixels are damaged or truncated.")
    if values.dtype not in (np.uint8, np.uint16):
        raise unreadable(f"{name}: {values.dtype} pixels are not read.", "Save it with 8 or 16 bits, or as OpenEXR.")
    if "A" in mode and not values.any():
        raise unreadable(f"{name}: only its alpha channel holds anything.", "Export its colours.")
    return Picture(name, np.ascontiguousarray(values[..., ::-1]), linear=False, exposure=exposure_of(path))


def read_picture(path: Path) -> Picture:
    """Read one PNG, JPEG, TIFF or raw picture; the content decides, not the name.

    Grey and palettes become RGB, alpha is dropped, an orientation tag is left alone. Size and kind are
    checked in the header, before pixels take memory.

    Parameters
    ----------
    path : Path
        The picture.

    Returns
    -------
    Picture

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: empty, of another kind, damaged, truncated, too large, of CMYK, floating or
        other pixels that no camera writes, nothing but alpha, or it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
        if not head:
            raise unreadable(f"{path.name}: the file is empty.", "Copy it again.")
        if holds_raw(path):
            values, exposure = read_raw(path)
            return Picture(path.name, values, linear=True, exposure=exposure)
        kind = picture_kind(head)
        if kind is None:
            raise unreadable(
                f"{path.name}: not a picture of a kind that is read.", "Convert it to OpenEXR, PNG or TIFF."
            )
        return _read_coded(path, path.read_bytes(), kind)
    except (OSError, MemoryError) as error:
        raise unreadable(f"{path.name}: {error}.", "Check the file and its permissions.") from error
