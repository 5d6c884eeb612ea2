"""A look at a frame: tone curve and PNG writer without further packages."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.geometry import REC709_LUMINANCE
from ..core.whole_file import whole_file

_BAND_PIXELS = 1 << 20
"""Pixels that are worked on at a time: bounds memory, does not change results."""
_WHITE = 6.0
SKY_EV = 1.0
"""Stops added by default: a blue sky is some three stops darker than a white card in the sun."""


def tone_map(radiance: NDArray[np.float32], exposure_ev: float = SKY_EV) -> NDArray[np.uint8]:
    """Display picture of linear radiance: extended Reinhard curve on luminance, sRGB encoding.

    ``L' = L (1 + L / white^2) / (1 + L)`` (Reinhard et al. 2002, eq. 4) with a white of 6; colours
    that still leave the display's range are drawn toward grey of the same luminance.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear Rec.709; 1 is a white card under the noon sky.
    exposure_ev : float
        Stops applied first.

    Returns
    -------
    ndarray, shape (H, W, 3), uint8, sRGB
    """
    display = np.empty(radiance.shape, dtype=np.uint8)
    for rows in _bands(*radiance.shape[:2]):
        display[rows] = _tone_mapped(radiance[rows], exposure_ev)
    return display


def _bands(height: int, width: int) -> list[slice]:
    """Rows of a picture in parts of about _BAND_PIXELS, at least one row each."""
    step = max(1, _BAND_PIXELS // max(1, width))
    return [slice(first, min(first + step, height)) for first in range(0, height, step)]


def _tone_mapped(radiance: NDArray[np.float32], exposure_ev: float) -> NDArray[np.uint8]:
    linear = np.asarray(radiance, dtype=np.float32) * np.float32(2.0**exposure_ev)
    luminance = linear @ REC709_LUMINANCE
    mapped = np.minimum(luminance * (1 + luminance / _WHITE**2) / (1 + luminance), 1.0)[..., None]
    colour = linear * (mapped / np.maximum(luminance, 1e-8)[..., None])
    excess = colour.max(axis=-1, keepdims=True)
    keep = np.where(excess > 1, (1 - mapped) / np.maximum(excess - mapped, 1e-8), 1.0)
    display = np.clip(mapped + (colour - mapped) * np.clip(keep, 0, 1), 0, 1)
    encoded = np.where(display <= 0.0031308, 12.92 * display, 1.055 * display ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255 + 0.5, dtype=np.uint8)


def write_png(
    path: Path, display: NDArray[np.uint8], *, differences: bool = False, texts: Mapping[str, str] | None = None
) -> None:
    """Write (H, W, 3) uint8 sRGB as PNG (RFC 2083) under a temporary name, then rename it.

    With ``differences`` pixels are kept as differences to the one at their left (its filter Sub): a quarter smaller.
    ``texts`` are kept before the pixels, by keyword, both ASCII.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    height, width, _ = display.shape
    packer = zlib.compressobj(6)

    def packed(rows: slice) -> bytes:
        part = display[rows]
        kept = np.diff(part, axis=1, prepend=np.uint8(0)) if differences else part  # modulo 256, as it should
        lines = [np.full((len(part), 1), differences, np.uint8), kept.reshape(len(part), width * 3)]
        return packer.compress(np.concatenate(lines, axis=1).tobytes())

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"sRGB", b"\0")
    for keyword, text in (texts or {}).items():
        data += chunk(b"tEXt", f"{keyword}\0{text}".encode("ascii"))
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        pixels = b""
        for rows in _bands(height, width):
            pixels += packed(rows)
            if len(pixels) >= _BAND_PIXELS:
                file.write(chunk(b"IDAT", pixels))
                pixels = b""
        file.write(chunk(b"IDAT", pixels + packer.flush()) + chunk(b"IEND", b""))
