"""Where captures come from: ``CAPTURES.csv`` in their folder, or a guess at the site by the file's name."""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from skygen_addon.core.errors import CaptureError

logger = logging.getLogger(__name__)


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


def read_origins(folder: Path) -> dict[str, Origin]:
    """Rows of ``CAPTURES.csv`` (columns file, site, licence, origin, projection) by file, relative to the folder.

    Empty without the table. A row whose file is not there counts for the file of that name elsewhere in the folder,
    if there is just one. What has no effect is told in the log.

    Raises
    ------
    CaptureError
        The table is not UTF-8 text, or has no columns file and site.
    """
    table = folder / "CAPTURES.csv"
    if not table.is_file():
        return {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets write a byte order mark
            reader = csv.DictReader(stream, restval="")
            rows, columns = list(reader), reader.fieldnames or ("file", "site")
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise CaptureError(f"{table} cannot be read ({error}).", "Save it as comma-separated UTF-8 text.") from None
    if not {"file", "site"} <= set(columns):
        raise CaptureError(f"{table.name} has no file and site columns.", "Give it at least these two.")
    origins: dict[str, Origin] = {}
    for row in rows:
        file = re.sub(r"^(\./)+", "", row["file"].strip().replace("\\", "/")).strip("/")
        if not file:
            continue
        licence, source, projection = (row.get(c) or None for c in ("licence", "origin", "projection"))
        origin = Origin(row["site"].strip() or guess_site(file), licence, source, projection)
        if origins.setdefault(file, origin) != origin:
            logger.warning("%s: %s has two rows; the first counts", table.name, file)
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
                logger.warning("%s: the row %s has no effect, for there %s", table.name, file, why)
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
