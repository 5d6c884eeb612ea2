"""The manifest: one line of JSON for every file that was seen.

``DATA/manifest.jsonl`` holds `file, sha256, site, licence, source, width, height, verdict, reason,
flags, sun, state`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skygen_addon.core.whole_file import whole_file
from trainer.captures.origins import Origin


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
