"""``CAPTURES.csv``: where each capture of a folder comes from, kept together with what others wrote in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from skygen_addon.core.whole_file import whole_file
from trainer.captures.origins import COLUMNS, TABLE, Origin, read_table


def note_origins(folder: Path, origins: Iterable[tuple[str, Origin]]) -> None:
    """Add where files come from to the folder's table, whole or not at all.

    Rows of other files, further columns and cells that are filled already stay as they are: a
    person may have written them. Nothing is written when nothing is new.

    Parameters
    ----------
    folder : Path
        The captures' folder.
    origins : iterable of (str, Origin)
        File, relative to the folder with forward slashes, and where it comes from.

    Raises
    ------
    CaptureError
        As :func:`.origins.read_table`.
    OutputError
        The table cannot be written.
    """
    header, rows = read_table(folder)
    before = [row[:] for row in (header, *rows)]
    header += [column for column in COLUMNS if column not in header]
    place = {column: header.index(column) for column in COLUMNS}
    by_file = {row[place["file"]]: row for row in reversed(rows) if len(row) > place["file"]}
    for file, origin in origins:
        row = by_file.get(file)
        if row is None:
            row = by_file[file] = []
            rows.append(row)
        row += [""] * (len(header) - len(row))
        for column, value in zip(COLUMNS, (file, origin.site, origin.licence, origin.source), strict=True):
            row[place[column]] = row[place[column]] or value or ""
    if [header, *rows] == before:
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    with whole_file(folder / TABLE) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
