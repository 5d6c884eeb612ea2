"""Radiance RGBE pictures (``.hdr``), in numpy: flat, old run-length and new run-length scanlines.

Format: Greg Ward, "Real Pixels", Graphics Gems II, and ray/src/common/color.c of Radiance.
Row 0 of the result is the top of the picture, column 0 its left edge, whatever the file's orientation.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError

MAX_SIDE = 65536
"""Longest side in pixels that is accepted; a larger one is a damaged header."""

_RESOLUTION = re.compile(rb"([+-])([XY])\s+(\d+)\s+([+-])([XY])\s+(\d+)\s*$")
_REMEDY = "Export the picture again or remove the file."


def _fail(path: Path, what: str) -> CaptureError:
    return CaptureError(f"{path.name}: {what}.", _REMEDY)


def _read_header(data: bytes, path: Path) -> tuple[int, re.Match[bytes], float, NDArray[np.float32]]:
    """Offset of the pixels, resolution line, product of EXPOSURE lines and of COLORCORR lines."""
    if not data.startswith((b"#?RADIANCE", b"#?RGBE", b"#?")):
        raise _fail(path, "not a Radiance picture (no #? signature)")
    exposure = 1.0
    correction = np.ones(3, dtype=np.float32)
    position = 0
    blank_seen = False
    while True:
        end = data.find(b"\n", position, position + 4096)
        if end < 0:
            raise _fail(path, "the header does not end")
        line = data[position:end].strip()
        position = end + 1
        if blank_seen:
            match = _RESOLUTION.match(line)
            if match is None:
                raise _fail(path, "no resolution line after the header")
            return position, match, exposure, correction
        if not line:
            blank_seen = True
        elif line.startswith(b"FORMAT=") and line[7:].strip() != b"32-bit_rle_rgbe":
            raise _fail(path, f"pixel format {line[7:].strip().decode('ascii', 'replace')} is not RGBE")
        elif line.startswith((b"EXPOSURE=", b"COLORCORR=")):
            try:
                values = np.array([float(v) for v in line.split(b"=", 1)[1].split()], dtype=np.float32)
            except ValueError:
                raise _fail(path, "an exposure line that is not a number") from None
            if values.size not in (1, 3) or not np.all(np.isfinite(values)) or np.any(values <= 0):
                raise _fail(path, "an exposure line that makes no sense")
            if line.startswith(b"EXPOSURE="):
                exposure *= float(values[0])
            else:
                correction = correction * values


def _new_rle_channel(data: bytes, position: int, row: NDArray[np.uint8], path: Path) -> int:
    filled, width = 0, row.size
    while filled < width:
        if position + 1 >= len(data):
            raise _fail(path, "the file is truncated")
        count = data[position]
        if count > 128:
            count -= 128
            if filled + count > width:
                raise _fail(path, "a run is longer than its scanline")
            row[filled : filled + count] = data[position + 1]
            position += 2
        else:
            if count == 0 or filled + count > width:
                raise _fail(path, "a literal block does not fit its scanline")
            block = data[position + 1 : position + 1 + count]
            if len(block) < count:
                raise _fail(path, "the file is truncated")
            row[filled : filled + count] = np.frombuffer(block, dtype=np.uint8)
            position += 1 + count
        filled += count
    return position


def _old_rle_row(data: bytes, position: int, row: NDArray[np.uint8], path: Path) -> int:
    """Flat pixels, in which (1, 1, 1, n) repeats the pixel before n times, shifted by 8 bits each time."""
    filled, width, shift = 0, row.shape[0], 0
    while filled < width:
        pixel = data[position : position + 4]
        if len(pixel) < 4:
            raise _fail(path, "the file is truncated")
        position += 4
        if pixel[0] == 1 and pixel[1] == 1 and pixel[2] == 1:
            count = pixel[3] << shift
            if filled == 0 or filled + count > width or shift > 16:
                raise _fail(path, "a run does not fit its scanline")
            row[filled : filled + count] = row[filled - 1]
            filled += count
            shift += 8
        else:
            row[filled] = np.frombuffer(pixel, dtype=np.uint8)
            filled += 1
            shift = 0
    return position


def read_radiance(path: Path) -> NDArray[np.float32]:
    """Linear RGB of a Radiance picture.

    Parameters
    ----------
    path : Path
        The ``.hdr`` file.

    Returns
    -------
    ndarray, shape (H, W, 3), float32
        Linear radiance in the file's own scale (EXPOSURE and COLORCORR undone), never negative.

    Raises
    ------
    CaptureError
        The file is not a Radiance RGBE picture, or it is damaged or truncated.
    """
    data = path.read_bytes()
    position, match, exposure, correction = _read_header(data, path)
    sign1, axis1, length1, sign2, axis2, length2 = match.groups()
    rows, columns = int(length1), int(length2)
    if axis1 == axis2 or not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE):
        raise _fail(path, f"the resolution line {match.group(0).decode()!r} makes no sense")
    if len(data) - position < rows * 4:
        raise _fail(path, "the file is truncated")
    rgbe = np.zeros((rows, columns, 4), dtype=np.uint8)
    planes = np.zeros((4, columns), dtype=np.uint8)
    for row in range(rows):
        head = data[position : position + 4]
        if len(head) < 4:
            raise _fail(path, f"the file is truncated at scanline {row} of {rows}")
        if 8 <= columns < 32768 and head[0] == 2 and head[1] == 2 and (head[2] << 8 | head[3]) == columns:
            position += 4
            for channel in range(4):
                position = _new_rle_channel(data, position, planes[channel], path)
            rgbe[row] = planes.T
        else:
            position = _old_rle_row(data, position, rgbe[row], path)
    mantissa = rgbe[..., :3].astype(np.float32) + np.float32(0.5)
    exponent = rgbe[..., 3].astype(np.int32)
    radiance = np.ldexp(mantissa, exponent[..., None] - 136)
    radiance[exponent == 0] = 0.0
    radiance /= np.float32(exposure) * correction
    if axis1 == b"X":
        radiance = radiance.transpose(1, 0, 2)
        sign1, sign2 = sign2, sign1
    if sign1 == b"+":
        radiance = radiance[::-1]
    if sign2 == b"-":
        radiance = radiance[:, ::-1]
    return np.ascontiguousarray(radiance, dtype=np.float32)
