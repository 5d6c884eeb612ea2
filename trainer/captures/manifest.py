"""The manifest: one line of JSON for every file that was seen, and the manual overrides.

``DATA/manifest.jsonl`` holds `file, sha256, site, licence, source, width, height, verdict, reason,
flags, sun, state`; ``DATA/overrides.json`` maps a file to the verdict that a person gave it.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import json
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


@dataclass(frozen=True)
class Capture:
    """One file of the folder with what was found on its content."""

    file: str
    """Path relative to the folder, with forward slashes."""
    sha256: str
    """Of its content; empty when the system does not let us read it."""
    origin: Origin
    """Where it comes from."""
    found: dict[str, Any]
    """The finding (`items.blank_finding`)."""


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_origins(folder: Path) -> dict[str, Origin]:
    """Rows of ``CAPTURES.csv`` (columns file, site, licence, origin) by file, relative to the folder; empty without it.

    A row whose file is not there counts for a file of that name anywhere in the folder.
    """
    table = folder / "CAPTURES.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if rows and not {"file", "site"} <= rows[0].keys():
        raise SkyGenError(f"{table.name} has no file and site columns.", "Give it at least these two.")
    origins = {r["file"]: Origin(r["site"], r.get("licence") or None, r.get("origin") or None) for r in rows}
    for file, origin in list(origins.items()):
        if not (folder / file).is_file():
            for found in folder.rglob(glob.escape(Path(file).name)):
                origins.setdefault(found.relative_to(folder).as_posix(), origin)
    return origins


def guess_site(file: str) -> str:
    """Site of a file that no table names: its name without resolution and processing words."""
    words = Path(file).stem.lower().split("_")
    dropped = {"puresky", "1k", "2k", "4k", "8k", "16k", "hdr", "exr"}
    return "_".join(w for w in words if w not in dropped) or Path(file).stem


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; raises OutputError if it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_manifest(data: Path) -> dict[str, dict[str, Any]]:
    """Lines of the manifest by file; empty when there is none. A damaged line is dropped and measured again."""
    path = data / "manifest.jsonl"
    entries: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return entries
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            entries[entry["file"]] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def write_manifest(data: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Write the manifest, sorted by file."""
    lines = [json.dumps(entries[name], ensure_ascii=False) for name in sorted(entries)]
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
