"""Radiance RGBE pictures (``.hdr``), in numpy: flat, old run-length and new run-length scanlines.

Format: Greg Ward, "Real Pixels", Graphics Gems II, and ray/src/common/color.c of Radiance.
Row 0 of the result is the top of the picture, column 0 its left edge, whatever the file's orientation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .primaries import convert_rows, rec709_matrix
from .rejected_capture import RejectedCapture, block_size, check_size, unreadable

HEADER_BYTES = 65536
"""Longest header that is searched for the resolution line."""

_RESOLUTION = re.compile(rb"([+-])([XY])\s+(\d+)\s+([+-])([XY])\s+(\d+)\s*$")


@dataclass(frozen=True)
class _Header:
    pixels: int
    """Offset of the pixels in bytes."""
    resolution: re.Match[bytes]
    factor: NDArray[np.float64]
    """(3,) by which the EXPOSURE and COLORCORR lines multiplied."""
    primaries: tuple[float, ...]
    """Chromaticities x, y of red, green, blue and white; empty where it tells none."""


def _fail(path: Path, what: str) -> RejectedCapture:
    return unreadable(f"{path.name}: {what}.")


def _numbers(line: bytes) -> NDArray[np.float64]:
    """Those after a header line's equals sign; raises ValueError where they are none."""
    return np.array([float(v) for v in line.split(b"=", 1)[1].split()])


def _read_header(data: bytes, path: Path) -> _Header:
    if not data.startswith(b"#?"):
        raise _fail(path, "not a Radiance picture (no #? signature)")
    factor = np.ones(3)
    primaries: tuple[float, ...] = ()
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
            if not np.all((factor > 1e-30) & (factor < 1e30)):
                raise _fail(path, "exposure lines that make no sense")
            return _Header(position, match, factor, primaries)
        if not line:
            blank_seen = True
        elif line.startswith(b"FORMAT=") and line[7:].strip() != b"32-bit_rle_rgbe":
            raise _fail(path, f"pixel format {line[7:].strip().decode('ascii', 'replace')} is not RGBE")
        elif line.startswith((b"EXPOSURE=", b"COLORCORR=")):
            try:
                values = _numbers(line)
            except ValueError:
                raise _fail(path, "an exposure line that is not a number") from None
            if values.size not in (1, 3) or not np.all((values > 1e-30) & (values < 1e30)):
                raise _fail(path, "an exposure line that makes no sense")
            factor = factor * values
        elif line.startswith(b"PRIMARIES="):
            try:
                primaries = tuple(_numbers(line).tolist())
            except ValueError:
                raise _fail(path, "a line of primaries that are not numbers") from None


def _new_rle_row(data: bytes, position: int, columns: int, path: Path) -> tuple[NDArray[np.uint8], int]:
    """Channels (4, columns) of a scanline, and where the next one starts. Pieces of bytes are joined: few are long."""
    pieces = []
    for _ in range(4):
        filled = 0
        while filled < columns:
            count = data[position]
            if count > 128:
                count -= 128
                pieces.append(data[position + 1 : position + 2] * count)
                position += 2
            else:
                if count == 0:
                    raise _fail(path, "a literal block without bytes")
                pieces.append(data[position + 1 : position + 1 + count])
                position += 1 + count
            filled += count
        if filled > columns:
            raise _fail(path, "a run is longer than its scanline")
    joined = b"".join(pieces)
    if len(joined) < 4 * columns:
        raise IndexError
    return np.frombuffer(joined, dtype=np.uint8).reshape(4, columns), position


def _old_rle_row(data: bytes, position: int, columns: int, path: Path) -> tuple[NDArray[np.uint8], int]:
    """Flat pixels, in which (1, 1, 1, n) repeats the pixel before n times, shifted by 8 bits each time."""
    row = np.empty((columns, 4), dtype=np.uint8)
    filled, shift = 0, 0
    while filled < columns:
        stored = np.frombuffer(data[position : position + 4 * columns], dtype=np.uint8)
        stored = stored[: stored.size // 4 * 4].reshape(-1, 4)
        if not len(stored):
            raise IndexError
        start = 0  # in stored pixels
        for run in [*np.flatnonzero((stored[:, :3] == 1).all(axis=1)).tolist(), len(stored)]:
            literals = min(run - start, columns - filled)
            row[filled : filled + literals] = stored[start : start + literals]
            filled += literals
            start += literals
            shift = 0 if literals else shift
            if filled == columns or run == len(stored):
                break
            count = int(stored[run, 3]) << shift
            if filled == 0 or filled + count > columns or shift > 16:
                raise _fail(path, "a run does not fit its scanline")
            row[filled : filled + count] = row[filled - 1]
            filled += count
            shift += 8
            start = run + 1
        position += 4 * start
    return np.ascontiguousarray(row.T), position


def read_radiance(path: Path, most_width: int | None = None) -> NDArray[np.float32]:
    """Linear RGB of a Radiance picture.

    Parameters
    ----------
    path : Path
        The ``.hdr`` file.
    most_width : int, optional
        Average blocks of pixels while reading, so that a wider picture comes out less than twice as wide as this and
        never takes the memory of all its pixels.

    Returns
    -------
    ndarray, shape (H, W, 3), float32
        Linear radiance in the file's own scale (EXPOSURE and COLORCORR undone). Colours of a PRIMARIES line become
        Rec.709, where those outside of it have a negative part; without one nothing is negative.

    Raises
    ------
    RejectedCapture
        The file is not a Radiance RGBE picture, or it is damaged, truncated or too large.
    OSError
        The file cannot be opened or read.
    """
    with path.open("rb") as stream:
        data = stream.read(HEADER_BYTES)
        header = _read_header(data, path)
        sign1, axis1, length1, sign2, axis2, length2 = header.resolution.groups()
        if axis1 == axis2:
            raise _fail(path, f"the resolution line {header.resolution.group(0).decode()!r} makes no sense")
        rows, columns = int(length1), int(length2)
        check_size(path.name, *((columns, rows) if axis1 == b"Y" else (rows, columns)))
        data = data[header.pixels :] + stream.read(rows * (8 * columns + 4))  # the longest coding is a literal a byte
    scale = np.ldexp(np.float32(1.0), np.arange(256) - 136).astype(np.float32)
    scale[0] = 0.0
    gain = (1.0 / header.factor).astype(np.float32)
    block = 1 if most_width is None else block_size(rows, columns, most_width)
    radiance = np.zeros((rows // block, columns // block, 3), dtype=np.float32)
    position = 0
    for row in range(rows):
        head = data[position : position + 4]
        try:
            if 8 <= columns < 32768 and head[:2] == b"\2\2" and int.from_bytes(head[2:], "big") == columns:
                rgbe, position = _new_rle_row(data, position + 4, columns, path)
            else:
                rgbe, position = _old_rle_row(data, position, columns, path)
        except IndexError:
            raise _fail(path, f"the file is truncated at scanline {row} of {rows}") from None
        with np.errstate(over="ignore"):  # the caller mends what is not finite
            line = ((rgbe[:3] + np.float32(0.5)) * scale[rgbe[3]]).T * gain
            radiance[row // block] += line if block == 1 else line.reshape(-1, block, 3).mean(axis=1) / block
    matrix = rec709_matrix(header.primaries)
    if matrix is not None:
        convert_rows(radiance, matrix)
    if axis1 == b"X":
        radiance = radiance.transpose(1, 0, 2)
        sign1, sign2 = sign2, sign1
    if sign1 == b"+":
        radiance = radiance[::-1]
    if sign2 == b"-":
        radiance = radiance[:, ::-1]
    return np.ascontiguousarray(radiance)
