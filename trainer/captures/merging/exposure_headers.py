"""How a picture was exposed, by its header: EXIF of PNG, JPEG and TIFF, and of camera raws.

Only headers are read. Raws without EXIF that exifread finds (CR3 and RAF keep it in boxes of their own) are
asked through LibRaw.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import exifread
import rawpy
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

logger = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
"""File name endings of display-encoded pictures; what else comes here is raw."""

_FAMILIES = {".jpeg": ".jpg", ".tiff": ".tif"}
_OPENERS: tuple[tuple[bytes, Any], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG", PngImagePlugin.PngImageFile),
    (b"II", TiffImagePlugin.TiffImageFile),
    (b"MM", TiffImagePlugin.TiffImageFile),
)
_MARKED = (30, 25, 20, 15, 13, 10, 8, 6, 5, 4, 3.2, 2.5, 2, 1.6, 1.3, 1, 0.8, 0.6, 0.5, 0.4, 0.3)
_MARKED_PARTS = (4, 5, 6, 8, 10, 13, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800)
_MARKED_SHORT = (1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400, 8000)
_SHUTTERS = (*_MARKED, *(1 / part for part in (*_MARKED_PARTS, *_MARKED_SHORT)))
"""Shutter times in thirds of a stop as cameras mark them, from 2^(15/3) s down."""
_WIDE = (1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3.2, 3.5, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9, 10, 11, 13, 14, 16)
_APERTURES = (*_WIDE, 18, 20, 22, 25, 29, 32)
"""F-numbers in thirds of a stop as lenses mark them, from 2^(0/6) up."""


@dataclass(frozen=True)
class ExposureHeader:
    """What one file's header says."""

    path: Path
    kind: tuple[str, ...]
    """What tells cameras apart: folder, family of file endings, model, size."""
    shutter_s: float
    """As marked; 0 where it is not told."""
    exposure: float | None
    """Relative: seconds x ISO / 100 / f-number squared."""
    taken_s: float | None
    """By the camera's clock, seconds since 1970 of whatever zone."""
    series: str
    """The file name without its last number."""
    number: int
    """That number, or -1."""


def real_shutter_s(marked_s: float) -> float:
    """Seconds that a shutter really opens for its marked time: 1/64 s for 1/60 s, 2^(n/3) in general.

    Times that are no mark of the scale in thirds of a stop are returned as they are.
    """
    for n, mark in enumerate(_SHUTTERS):
        if abs(marked_s / mark - 1) < 0.004:
            return float(2.0 ** ((15 - n) / 3))
    return marked_s


def real_f_number(marked: float) -> float:
    """The f-number that a mark stands for: 5.657 for 5.6, 2^(n/6) in general; others as they are."""
    for n, mark in enumerate(_APERTURES):
        if abs(marked / mark - 1) < 0.004:
            return float(2.0 ** (n / 6))
    return marked


def _number(value: Any) -> float:
    """A positive number out of EXIF's ratios and lists, else 0."""
    try:
        value = value[0] if isinstance(value, (list, tuple)) else value
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError, ArithmeticError):
        return 0.0
    return number if 0 < number < 1e9 else 0.0


Tags = dict[str, Any]


def _picture_tags(path: Path) -> tuple[Tags, tuple[str, ...]]:
    """EXIF fields of a display-encoded picture, its model and size."""
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(0)
        opener = next(opener for start, opener in _OPENERS if head.startswith(start))
        picture = opener(stream)  # not Image.open, which refuses stitched panoramas as too large
        size = picture.size
        exif = Image.Image.getexif(picture)  # not the PNG's own, which decodes all pixels to look behind them
        inner = exif.get_ifd(0x8769)
    tags = {
        "ExposureTime": inner.get(0x829A),
        "FNumber": inner.get(0x829D),
        "ISO": inner.get(0x8827),
        "DateTime": inner.get(0x9003) or exif.get(0x0132),
        "SubSec": inner.get(0x9291),
    }
    return tags, (str(exif.get(0x0110)), *map(str, size))


def _raw_tags(path: Path) -> tuple[Tags, tuple[str, ...]]:
    """EXIF fields of a raw picture, its model and size as far as exifread tells."""
    with path.open("rb") as stream:
        try:
            found = exifread.process_file(stream, details=False, extract_thumbnail=False)
        except Exception as error:  # of a kind that it does not know
            logger.debug("%s: exifread finds nothing (%s)", path.name, error)
            found = {}

    def field(name: str) -> Any:
        tag = found.get(f"EXIF {name}") or found.get(f"Image {name}")
        return None if tag is None else tag.values

    tags = {
        "ExposureTime": field("ExposureTime"),
        "FNumber": field("FNumber"),
        "ISO": field("ISOSpeedRatings"),
        "DateTime": field("DateTimeOriginal") or field("DateTime"),
        "SubSec": field("SubSecTimeOriginal"),
    }
    if _number(tags["ExposureTime"]):
        return tags, tuple(str(field(n)) for n in ("Model", "ExifImageWidth", "ExifImageLength"))
    return _libraw_tags(path)


def _libraw_tags(path: Path) -> tuple[Tags, tuple[str, ...]]:
    """The same through LibRaw, which knows every raw but tells no model; no pixel is unpacked."""
    with rawpy.imread(str(path)) as raw:
        shot, sizes = raw.other, raw.sizes
        taken = shot.timestamp
        tags = {
            "ExposureTime": shot.shutter_speed,
            "FNumber": shot.aperture,
            "ISO": shot.iso_speed,
            "DateTime": taken.strftime("%Y:%m:%d %H:%M:%S") if taken and taken.year > 1970 else None,
            "SubSec": None,
        }
        return tags, ("raw", str(sizes.raw_width), str(sizes.raw_height))


def read_header(path: Path) -> ExposureHeader | None:
    """What one file's header says; None where it cannot be read, whose verdict comes later."""
    suffix = path.suffix.lower()
    try:
        tags, kind = _picture_tags(path) if suffix in PICTURES else _raw_tags(path)
    except Exception as error:  # damaged headers make the parsers raise whatever comes
        logger.debug("%s: no header (%s)", path.name, error)
        return None
    shutter = _number(tags["ExposureTime"])
    exposure = None
    if shutter:
        aperture = real_f_number(_number(tags["FNumber"])) or 1.0
        exposure = real_shutter_s(shutter) * (_number(tags["ISO"]) or 100.0) / 100 / aperture**2
    taken = None
    try:
        moment = datetime.strptime(str(tags["DateTime"])[:19], "%Y:%m:%d %H:%M:%S")
        fraction = _number(f"0.{tags['SubSec']}") if tags["SubSec"] else 0.0
        taken = (moment - datetime(1970, 1, 1)).total_seconds() + fraction
    except ValueError:
        pass
    found = re.search(r"(\d+)(\D*)$", path.stem)
    series, number = (path.stem[: found.start()] + "#" + found[2], int(found[1])) if found else (path.stem, -1)
    family = (str(path.parent), _FAMILIES.get(suffix, suffix), *kind)
    return ExposureHeader(path, family, shutter, exposure, taken, series, number)
