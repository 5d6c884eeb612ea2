"""OpenEXR frames: written whole or not at all, linear Rec.709, lossless ZIP or small DWAA, nothing clipped.

OpenEXR buffers its last bytes and drops the error when they do not fit on the disk, so a written
file is measured against its own chunk table before it takes its final name.
"""

from __future__ import annotations

import errno
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import OutputError
from ..core.job import COMPRESSIONS, PIXEL_FORMATS
from ..core.whole_file import whole_file

HALF_MAX = 65504.0
"""Largest finite half float."""
REQUEST_ATTRIBUTE = "skygenRequest"
"""String attribute with the digest of the request and the bundle that made a frame."""

_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_LINES_PER_CHUNK = {"zip": 16, "dwaa": 32}


@dataclass(frozen=True)
class Frame:
    """What an EXR file holds."""

    radiance: NDArray[np.float32]
    """(H, W, 3), linear Rec.709, row 0 on top."""
    half: bool
    """Whether the file stores half floats."""
    compression: str
    """zip, dwaa, or what another maker used, as OpenEXR calls it in lower case."""
    request_digest: str | None
    """The skygenRequest attribute, or None in files of other makers."""


def write_exr(
    path: Path,
    radiance: NDArray[np.float32],
    *,
    pixel_format: str = "auto",
    compression: str = "zip",
    request_digest: str | None = None,
) -> bool:
    """Write one frame under a temporary name in the same folder, then rename it.

    Parameters
    ----------
    path : Path
        File to write or replace; its folder must exist.
    radiance : ndarray, shape (H, W, 3), float32
        Linear Rec.709, finite, not negative.
    pixel_format : {"auto", "half", "float"}
        ``auto`` is half while the peak fits into 65504, else float.
    compression : {"zip", "dwaa"}
        DWAA is lossy (0.3 % of a pixel's radiance in the mean) and keeps half floats only.
    request_digest : str, optional
        Stored as the attribute skygenRequest.

    Returns
    -------
    bool
        Whether half floats were written.

    Raises
    ------
    OutputError
        If the file cannot be written, or ``half`` or DWAA cannot hold the peak.
    ValueError
        If the radiance has another shape or type, or is not finite and non-negative: a defect
        of the renderer, not of the user.
    """
    peak = _checked_peak(radiance)
    if pixel_format not in PIXEL_FORMATS:
        raise ValueError(f"Unknown pixel format {pixel_format!r}.")
    if compression not in COMPRESSIONS:
        raise ValueError(f"Unknown compression {compression!r}.")
    if pixel_format == "half" and peak > HALF_MAX:
        raise OutputError(
            f"{path.name} has a peak of {peak:g}, beyond the largest half float ({HALF_MAX:g}).",
            "Use the format auto or float, or lower the exposure.",
        )
    if compression == "dwaa" and (peak > HALF_MAX or pixel_format == "float"):
        raise OutputError(
            f"{path.name} needs full floats (its peak is {peak:g}), which DWAA compression does not keep.",
            "Use ZIP compression, or half floats and a lower exposure.",
        )
    half = pixel_format == "half" or (pixel_format == "auto" and peak <= HALF_MAX)
    pixels = np.ascontiguousarray(radiance, dtype=np.float16 if half else np.float32)
    with whole_file(path) as temporary:
        _write(temporary, pixels, compression, request_digest)
        if not _is_whole(temporary, radiance.shape[0], _LINES_PER_CHUNK[compression]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return half


def read_exr(path: Path) -> Frame:
    """Read a frame back, whole.

    Raises
    ------
    OutputError
        If the file is missing, damaged, truncated, or has no red, green and blue.
    """
    import OpenEXR

    try:
        with OpenEXR.File(str(path)) as file:
            header = dict(file.header())  # closing the file empties its own
            pixels = np.asarray(file.channels()["RGB"].pixels)
    except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
        raise OutputError(f"{path} is not a readable RGB EXR: {error}.", "Bake the frame again.") from error
    digest = header.get(REQUEST_ATTRIBUTE)
    return Frame(
        radiance=pixels.astype(np.float32),
        half=pixels.dtype == np.float16,
        compression=str(header.get("compression")).rpartition(".")[2].removesuffix("_COMPRESSION").lower(),
        request_digest=digest if isinstance(digest, str) else None,
    )


def _checked_peak(radiance: NDArray[np.float32]) -> float:
    if radiance.ndim != 3 or radiance.shape[2] != 3 or radiance.dtype != np.float32:
        raise ValueError(f"Radiance must be (H, W, 3) float32, not {radiance.shape} {radiance.dtype}.")
    low, peak = float(radiance.min()), float(radiance.max())  # both are NaN if any value is
    if not (math.isfinite(low) and math.isfinite(peak)):
        raise ValueError("The rendered radiance is not finite.")
    if low < 0:
        raise ValueError(f"The rendered radiance is negative ({low:g}).")
    return peak


def _write(path: Path, pixels: NDArray[Any], compression: str, request_digest: str | None) -> None:
    import OpenEXR

    header: dict[str, Any] = {  # OpenEXR adds to the dictionary it is given: a new one each time
        "compression": OpenEXR.DWAA_COMPRESSION if compression == "dwaa" else OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "chromaticities": _REC709,
    }
    if request_digest is not None:
        header[REQUEST_ATTRIBUTE] = request_digest
    try:
        with OpenEXR.File(header, {"RGB": pixels}) as file:
            file.write(str(path))
    except RuntimeError as error:  # carries the system's text, not its number
        codes = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR)
        code = next((c for c in codes if os.strerror(c) in str(error)), errno.EIO)
        raise OSError(code, str(error).rstrip(".")) from error


def _is_whole(path: Path, height: int, lines_per_chunk: int) -> bool:
    """Whether the file ends where its last chunk ends (OpenEXR file layout, scan-line parts)."""
    with path.open("rb") as file:
        data = file.read(65536)
    try:
        position = 8  # magic number, version
        while data[position] != 0:
            for _ in range(2):  # name, type
                position = data.index(b"\0", position) + 1
            position += 4 + struct.unpack_from("<i", data, position)[0]
        chunks = -(-height // lines_per_chunk)
        last = max(struct.unpack_from(f"<{chunks}Q", data, position + 1))
        with path.open("rb") as file:
            file.seek(last)
            _, packed = struct.unpack("<ii", file.read(8))
    except (IndexError, ValueError, struct.error):
        return False
    return bool(path.stat().st_size == last + 8 + packed)
