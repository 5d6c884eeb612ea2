"""The manifest: one line of JSON for every file that was seen, and the manual overrides.

``DATA/manifest.jsonl`` holds `file, sha256, site, licence, source, width, height, verdict, reason,
flags, sun, state`; ``DATA/overrides.json`` maps a file to the verdict that a person gave it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skygen_addon.core.errors import SkyGenError
from skygen_addon.core.whole_file import whole_file
from trainer.captures.measuring.verdict import REASONS


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


@dataclass(frozen=True)
class Capture:
    """One file, or one bracket of exposures, with what was found on its content."""

    file: str
    """Path relative to the folder, with forward slashes; of a bracket its shortest exposure's."""
    sha256: str
    """Of its content; empty when the system does not let us read it."""
    origin: Origin
    """Where it comes from."""
    found: dict[str, Any]
    """The finding (`items.blank_finding`)."""
    further: tuple[tuple[str, str], ...] = ()
    """The other exposures of a bracket: path and sha256."""


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_origins(folder: Path) -> dict[str, Origin]:
    """Rows of ``CAPTURES.csv`` (columns file, site, licence, origin, projection) by file, relative to the folder.

    Empty without the table.

    A row whose file is not there counts for a file of that name anywhere in the folder.
    """
    table = folder / "CAPTURES.csv"
    if not table.is_file():
        return {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets write a byte order mark
            rows = list(csv.DictReader(stream, restval=""))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise SkyGenError(f"{table} cannot be read ({error}).", "Save it as comma-separated UTF-8 text.") from None
    if rows and not {"file", "site"} <= rows[0].keys():
        raise SkyGenError(f"{table.name} has no file and site columns.", "Give it at least these two.")
    origins = {}
    for row in rows:
        file = row["file"].strip().replace("\\", "/").strip("/")
        if file:
            licence, source, projection = (row.get(c) or None for c in ("licence", "origin", "projection"))
            origins[file] = Origin(row["site"].strip() or guess_site(file), licence, source, projection)
    missing = {Path(file).name: origin for file, origin in origins.items() if not (folder / file).exists()}
    if missing:
        for found in folder.rglob("*"):
            if found.name in missing:
                origins.setdefault(found.relative_to(folder).as_posix(), missing[found.name])
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


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; raises OutputError if it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_manifest(data: Path) -> dict[str, dict[str, Any]]:
    """Lines of the manifest by file; empty when there is none. A damaged line is dropped and measured again."""
    path = data / "manifest.jsonl"
    entries: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return entries
    for line in path.read_text(encoding="utf-8").split("\n"):  # splitlines would cut at U+2028 within a name
        try:
            entry = json.loads(line)
            entries[entry["file"]] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def _json_line(entry: dict[str, Any]) -> str:
    """JSON with letters as they are, but for a file name that is no valid text: that is escaped."""
    line = json.dumps(entry, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(entry)
    return line


def write_manifest(data: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Write the manifest, sorted by file."""
    lines = [_json_line(entries[name]) for name in sorted(entries)]
    write_text(data / "manifest.jsonl", "".join(line + "\n" for line in lines))


def read_overrides(data: Path) -> dict[str, dict[str, Any]]:
    """Manual verdicts by file: ``{"verdict": "keep" | "reject", "reason": ...}``.

    Raises
    ------
    SkyGenError
        The file is not such a table.
    """
    path = data / "overrides.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SkyGenError(f"{path.name} is not JSON ({error}).", "Mend or delete it.") from None
    if not isinstance(table, dict):
        raise SkyGenError(f"{path.name} is not a table.", 'Write {"file": {"verdict": "keep", "reason": null}}.')
    for file, entry in table.items():
        if not isinstance(entry, dict) or entry.get("verdict") not in ("keep", "reject"):
            raise SkyGenError(f"{path.name}: {file} has no verdict.", 'Write "keep" or "reject".')
        if entry["verdict"] == "reject" and entry.get("reason") not in REASONS:
            raise SkyGenError(f"{path.name}: {file} has no known reason.", f"Use one of {', '.join(REASONS)}.")
    return table
