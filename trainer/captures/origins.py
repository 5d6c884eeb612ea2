"""Where captures come from: ``CAPTURES.csv`` in their folder, or a guess at the site by the file's name."""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from skygen_addon.core.errors import CaptureError

logger = logging.getLogger(__name__)

TABLE = "CAPTURES.csv"
COLUMNS = ("file", "site", "licence", "origin")
"""Columns that every table has; one more, ``projection``, may tell the lens of a fisheye still."""


@dataclass(frozen=True)
class Origin:
    """Where a capture comes from, as its table says."""

    site: str
    """Files of one site show one sky and stay on one side of any split."""
    licence: str | None
    """SPDX name or words; None when nothing states it."""
    source: str | None
    """Who published it."""
    projection: str | None = None
    """Of a fisheye still, where its table states it: ``equidistant`` or ``equisolid``."""


def read_table(folder: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a folder's ``CAPTURES.csv``; the plain header and no rows without one.

    Raises
    ------
    CaptureError
        It is not comma-separated UTF-8 text, or has no column ``file``.
    """
    path = folder / TABLE
    if not path.is_file():
        return list(COLUMNS), []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets put a byte order mark first
            header, *rows = list(csv.reader(stream)) or [list(COLUMNS)]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise CaptureError(f"{path} cannot be read ({error}).", "Save it as comma-separated UTF-8 text.") from None
    if "file" not in header:
        raise CaptureError(f"{path} has no column named file.", f"Separate by commas: {','.join(COLUMNS)}.")
    return header, rows


def read_origins(folder: Path) -> dict[str, Origin]:
    """Rows of ``CAPTURES.csv`` (columns file, site, licence, origin, projection) by file, relative to the folder.

    Empty without the table. A row whose file is not there counts for the file of that name elsewhere in the folder,
    if there is just one. What has no effect is told in the log.

    Raises
    ------
    CaptureError
        As :func:`read_table`.
    """
    header, rows = read_table(folder)
    origins: dict[str, Origin] = {}
    for cells in rows:
        row = dict(zip(header, cells, strict=False))  # a short row leaves its last columns out
        file = re.sub(r"^(\./)+", "", row.get("file", "").strip().replace("\\", "/")).strip("/")
        if not file:
            continue
        licence, source, projection = (row.get(c) or None for c in ("licence", "origin", "projection"))
        origin = Origin(row.get("site", "").strip() or guess_site(file), licence, source, projection)
        if origins.setdefault(file, origin) != origin:
            logger.warning("%s: %s has two rows; the first counts", TABLE, file)
    missing = {file: origin for file, origin in origins.items() if not (folder / file).exists()}
    if missing:
        places: dict[str, list[str]] = {Path(file).name: [] for file in missing}
        for found in folder.rglob("*"):
            if found.name in places:
                places[found.name].append(found.relative_to(folder).as_posix())
        for file, origin in missing.items():
            there = [place for place in places[Path(file).name] if place not in origins]
            if len(there) == 1:
                origins[there[0]] = origin
            else:
                why = "are several of that name" if there else "is no such file"
                logger.warning("%s: the row %s has no effect, for there %s", TABLE, file, why)
    return origins


def guess_site(file: str) -> str:
    """Site of a file that no table names: its name without resolution and processing words.

    A camera's number says nothing without the folder, whose name then stands before it.
    """
    path = Path(file)
    words = path.stem.lower().split("_")
    dropped = {"puresky", "1k", "2k", "4k", "8k", "16k", "hdr", "exr"}
    site = "_".join(w for w in words if w not in dropped) or path.stem
    if re.fullmatch(r"[a-z]{0,4}[_-]?\d{3,}", site) and path.parent.name:
        return f"{path.parent.as_posix()}/{site}"
    return site
