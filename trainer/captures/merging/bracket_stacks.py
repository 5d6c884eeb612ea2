"""Which pictures of a folder are exposures of one view.

File names that state an exposure decide first (`exposure_names`); then EXIF does: pictures of one camera and size,
taken within seconds of each other or, where no clock tells, numbered one after the other, whose exposures all
differ. Only headers are read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import exifread
from PIL import Image

from trainer.captures.merging.exposure_names import named_exposure

logger = logging.getLogger(__name__)

HDR_SUFFIXES = (".hdr", ".pic", ".exr")
"""Already hold the whole range: never part of a stack."""
MIN_STEP = 2**0.45
"""Ratio of two exposures of a stack at least; less is one exposure again, or a camera on automatic."""
MIN_SPAN = 2.0
"""Ratio of a stack's longest to its shortest exposure at least."""
MAX_FRAMES = 16
"""Exposures of a stack at most; more are a sequence."""
MAX_PAUSE_S = 10.0
"""Between the end of one exposure and the start of the next, seconds."""

_PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_MARKED = (30, 25, 20, 15, 13, 10, 8, 6, 5, 4, 3.2, 2.5, 2, 1.6, 1.3, 1, 0.8, 0.6, 0.5, 0.4, 0.3)
_MARKED_PARTS = (4, 5, 6, 8, 10, 13, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800)
_MARKED_SHORT = (1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400, 8000)
_SHUTTERS = (*_MARKED, *(1 / part for part in (*_MARKED_PARTS, *_MARKED_SHORT)))
"""Shutter times in thirds of a stop as cameras mark them, from 2^(15/3) s down."""


@dataclass(frozen=True)
class _Header:
    path: Path
    kind: tuple[str, ...]
    shutter_s: float
    exposure: float | None
    taken_s: float | None
    series: str
    number: int


def real_shutter_s(marked_s: float) -> float:
    """Seconds that a shutter really opens for its marked time: 1/64 s for 1/60 s, 2^(n/3) in general.

    Times that are no mark of the scale in thirds of a stop are returned as they are.
    """
    for n, mark in enumerate(_SHUTTERS):
        if abs(marked_s / mark - 1) < 0.004:
            return float(2.0 ** ((15 - n) / 3))
    return marked_s


def _number(value: Any) -> float:
    """A positive number out of EXIF's ratios and lists, else 0."""
    try:
        value = value[0] if isinstance(value, (list, tuple)) else value
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError, ArithmeticError):
        return 0.0
    return number if 0 < number < 1e9 else 0.0


def _tags(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """EXIF fields by their name, and what tells cameras and sizes apart."""
    if path.suffix.lower() in _PICTURES:
        with Image.open(path) as picture:
            size = picture.size
            exif = picture.getexif()
            inner = exif.get_ifd(0x8769)
        tags = {
            "ExposureTime": inner.get(0x829A),
            "FNumber": inner.get(0x829D),
            "ISO": inner.get(0x8827),
            "DateTime": inner.get(0x9003) or exif.get(0x0132),
            "SubSec": inner.get(0x9291),
        }
        return tags, (str(exif.get(0x0110)), *map(str, size))
    with path.open("rb") as stream:
        found = exifread.process_file(stream, details=False, extract_thumbnail=False)

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
    return tags, tuple(str(field(n)) for n in ("Model", "ExifImageWidth", "ExifImageLength"))


def _header(path: Path) -> _Header | None:
    """What one file's header says; None where it cannot be read, whose verdict comes later."""
    try:
        tags, kind = _tags(path)
    except Exception as error:  # damaged headers make the parsers raise whatever comes
        logger.debug("%s: no header (%s)", path.name, error)
        return None
    shutter = _number(tags["ExposureTime"])
    exposure = None
    if shutter:
        exposure = (
            real_shutter_s(shutter) * (_number(tags["ISO"]) or 100.0) / 100 / (_number(tags["FNumber"]) or 1) ** 2
        )
    taken = None
    try:
        moment = datetime.strptime(str(tags["DateTime"])[:19], "%Y:%m:%d %H:%M:%S")
        fraction = _number(f"0.{tags['SubSec']}") if tags["SubSec"] else 0.0
        taken = (moment - datetime(1970, 1, 1)).total_seconds() + fraction
    except ValueError:
        pass
    found = re.search(r"(\d+)(\D*)$", path.stem)
    series, number = (path.stem[: found.start()] + "#" + found[2], int(found[1])) if found else (path.stem, -1)
    return _Header(path, (path.suffix.lower(), *kind), shutter, exposure, taken, series, number)


def exposure_of(path: Path) -> float | None:
    """Relative exposure of one picture: by EXIF, else by its name, else None.

    Parameters
    ----------
    path : Path

    Returns
    -------
    float or None
        By EXIF: seconds x ISO / 100 / f-number squared, the shutter's real time for its marked one.
    """
    header = _header(path)
    if header is not None and header.exposure is not None:
        return header.exposure
    named = named_exposure(path.stem)
    return None if named is None else named.exposure


def stack_exposures(files: Sequence[Path]) -> list[float | None]:
    """Relative exposures of the pictures of one stack, all from the same source.

    Names go before EXIF: pictures developed brighter and darker from one raw share its EXIF.

    Parameters
    ----------
    files : sequence of Path

    Returns
    -------
    list of float or None
        None for all where neither all names nor all headers tell.
    """
    named = [named_exposure(f.stem) for f in files]
    if all(n is not None for n in named) and len({n.kind for n in named if n}) == 1:
        return [n.exposure for n in named if n is not None]
    headers = [_header(f) for f in files]
    exposures = [None if h is None else h.exposure for h in headers]
    return exposures if None not in exposures else [None] * len(files)


def _is_bracket(exposures: Sequence[float]) -> bool:
    """Whether exposures differ by a bracket's steps."""
    if not 2 <= len(exposures) <= MAX_FRAMES:
        return False
    ordered = sorted(exposures)
    steps = [b / a for a, b in zip(ordered[:-1], ordered[1:], strict=True)]
    return min(steps) >= MIN_STEP and ordered[-1] / ordered[0] >= MIN_SPAN


def _natural(path: Path) -> tuple[Any, ...]:
    """Sorts numbers in names by value."""
    return tuple((int(p), "") if p.isdigit() else (-1, p.lower()) for p in re.split(r"(\d+)", path.name)) + (path.name,)


def _follows(before: _Header, after: _Header) -> bool:
    """Whether one picture was taken right after another by the same camera."""
    if before.kind != after.kind:
        return False
    if before.taken_s is not None and after.taken_s is not None:
        return 0 <= after.taken_s - before.taken_s <= MAX_PAUSE_S + before.shutter_s
    return before.series == after.series and after.number == before.number + 1


def _by_name(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    views: dict[tuple[str, ...], list[tuple[float, Path]]] = {}
    for path in files:
        if (named := named_exposure(path.stem)) is not None:
            key = (str(path.parent), path.suffix.lower(), named.kind, named.rest)
            views.setdefault(key, []).append((named.exposure, path))
    return [tuple(p for _, p in sorted(view)) for view in views.values() if _is_bracket([e for e, _ in view])]


def _by_header(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    stacks: list[tuple[Path, ...]] = []
    current: list[tuple[float, _Header]] = []

    def close() -> None:
        if _is_bracket([e for e, _ in current]):
            stacks.append(tuple(h.path for _, h in sorted(current, key=lambda c: (c[0], c[1].path))))
        current.clear()

    for path in sorted(files, key=_natural):
        header = _header(path)
        if header is None:
            close()
            continue
        named = named_exposure(path.stem)
        exposure = header.exposure or (named.exposure if named else None)
        if exposure is None:
            close()
            continue
        repeats = any(max(e / exposure, exposure / e) < MIN_STEP for e, _ in current)
        if current and (repeats or not _follows(current[-1][1], header)):
            close()
        current.append((exposure, header))
    close()
    return stacks


def group_brackets(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Sort the pictures of one folder into captures.

    Parameters
    ----------
    files : sequence of Path
        Pictures and raws of one folder; HDR files among them stay single.

    Returns
    -------
    list of tuple of Path
        Each file once, in the order of the first of each tuple by name. A stack holds its exposures from short to
        long; everything else, unreadable files too, is a tuple of one.
    """
    pictures = [f for f in files if f.suffix.lower() not in HDR_SUFFIXES]
    stacks = _by_name(sorted(pictures, key=_natural))
    taken = {f for stack in stacks for f in stack}
    stacks += _by_header([f for f in pictures if f not in taken])
    taken = {f for stack in stacks for f in stack}
    groups = stacks + [(f,) for f in files if f not in taken]
    return sorted(groups, key=lambda group: min(_natural(f) for f in group))
