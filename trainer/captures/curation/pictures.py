"""Small JPEG pictures of a capture for contact sheets and reports, made once: ``DATA/pictures``.

The folder can be deleted at any time.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.core.geometry import REC709_LUMINANCE
from skygen_addon.core.whole_file import whole_file
from trainer.captures.items import entry_item

DISC_PIXELS = 240
"""Edge of the picture of the sky disc: zenith in the middle, north up, east to the right."""

VIEW_SIZE = (432, 216)
"""Width and height of the picture of the whole panorama."""


@dataclass(frozen=True)
class CapturePictures:
    """JPEG files of one capture."""

    disc: bytes
    """Sky disc, DISC_PIXELS square; what is not sky is darkened."""
    view: bytes | None
    """Whole panorama of VIEW_SIZE, tone-mapped locally; None for an item without a preview."""


def tone_map(radiance: NDArray[np.floating], sky: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Display picture (..., 3) of linear radiance: the sky's median at a middle grey, highlights rolled off."""
    values = np.asarray(radiance, dtype=np.float32)
    luminance = values @ REC709_LUMINANCE
    chosen = luminance[sky] if sky is not None and sky.any() else luminance
    display = (1 - np.exp(-0.7 * values / max(float(np.median(chosen)), 1e-12))) ** (1 / 2.2)
    return np.asarray(np.clip(display * 255 + 0.5, 0, 255), dtype=np.uint8)


def encode_jpeg(picture: Image.Image, quality: int = 82) -> bytes:
    """A picture as JPEG."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format="JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def stored_preview(item: Path) -> bytes | None:
    """JPEG of the whole panorama that ingest stored in an item; None without one."""
    if not item.is_file():
        return None
    with np.load(item) as arrays:
        return arrays["preview"].tobytes() if "preview" in arrays else None


def _draw(item: Path) -> CapturePictures:
    with np.load(item) as arrays:
        sky = arrays["thumbnail_sky"]
        disc = tone_map(arrays["thumbnail"], sky)
    disc[~sky] //= 2
    small = Image.fromarray(disc).resize((DISC_PIXELS, DISC_PIXELS), Image.Resampling.BOX)
    preview = stored_preview(item)
    view = None
    if preview is not None:
        with Image.open(io.BytesIO(preview)) as picture:
            view = encode_jpeg(picture.resize(VIEW_SIZE, Image.Resampling.LANCZOS), 78)
    return CapturePictures(encode_jpeg(small), view)


def capture_pictures(data: Path, entry: dict[str, Any]) -> CapturePictures | None:
    """Pictures of a line of the manifest, drawn if they are not there yet; None if the file could not be read.

    Raises
    ------
    OutputError
        If they cannot be stored.
    """
    item = entry_item(data, entry)
    if not item.is_file():
        return None
    folder = data / "pictures"
    paths = folder / f"{item.stem}.disc.jpg", folder / f"{item.stem}.view.jpg"
    made = item.stat().st_mtime_ns
    if paths[0].is_file() and paths[0].stat().st_mtime_ns >= made:
        return CapturePictures(paths[0].read_bytes(), paths[1].read_bytes() if paths[1].is_file() else None)
    drawn = _draw(item)
    folder.mkdir(exist_ok=True)
    paths[1].unlink(missing_ok=True)
    for path, content in zip(reversed(paths), (drawn.view, drawn.disc), strict=True):  # the disc last: it is asked for
        if content is not None:
            with whole_file(path) as temporary:
                temporary.write_bytes(content)
    return drawn
