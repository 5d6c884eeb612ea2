"""A person's verdicts, which overrule the machine's for good: ``DATA/overrides.json``.

It maps a file to ``{"verdict": "keep" | "reject", "reason": ..., "sha256": ...}``; the content's sha256, where it
stands there, lets the verdict follow a file that was moved or renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.measuring.verdict import REASONS
from trainer.captures.items import is_sky
from trainer.captures.manifest import write_text

Overrides = dict[str, dict[str, Any]]
"""Verdicts by file."""


def read_overrides(data: Path) -> Overrides:
    """Manual verdicts by file: ``{"verdict": "keep" | "reject", "reason": ...}``.

    Raises
    ------
    CaptureError
        The file is not such a table.
    """
    path = data / "overrides.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CaptureError(f"{path.name} is not JSON ({error}).", "Mend or delete it.") from None
    if not isinstance(table, dict):
        raise CaptureError(f"{path.name} is not a table.", 'Write {"file": {"verdict": "keep", "reason": null}}.')
    for file, entry in table.items():
        if not isinstance(entry, dict) or entry.get("verdict") not in ("keep", "reject"):
            raise CaptureError(f"{path.name}: {file} has no verdict.", 'Write "keep" or "reject".')
        if entry["verdict"] == "reject" and entry.get("reason") not in REASONS:
            raise CaptureError(f"{path.name}: {file} has no known reason.", f"Use one of {', '.join(REASONS)}.")
    return table


def record_wishes(
    data: Path, entries: Mapping[str, dict[str, Any]], keep: Sequence[str], reject: Sequence[str], undo: Sequence[str]
) -> None:
    """Add verdicts to the override file.

    Parameters
    ----------
    data : Path
    entries : mapping
        Lines of the manifest by file.
    keep, undo : sequence of str
        Files.
    reject : sequence of str
        ``FILE=REASON``.

    Raises
    ------
    CaptureError
        A wish names no file of the manifest or no reason, or has no effect, or there is no verdict to undo; nothing
        is changed then.
    """
    if not (keep or reject or undo):
        return
    overrides = read_overrides(data)
    wishes: Overrides = {_plain(file): {"verdict": "keep", "reason": None} for file in keep}
    for wish in reject:
        file, equals, reason = wish.rpartition("=")
        if not equals or reason.lower() not in REASONS:
            raise CaptureError(f"--reject {wish} names no known reason.", f"Write FILE=REASON: {', '.join(REASONS)}.")
        if _plain(file) in wishes:
            raise CaptureError(f"{file} is to be kept and rejected.", "Say one of the two.")
        wishes[_plain(file)] = {"verdict": "reject", "reason": reason.lower()}
    forgotten = {_plain(file) for file in undo}
    unknown = sorted((wishes.keys() - entries.keys()) | (forgotten - entries.keys() - overrides.keys()))
    if unknown:
        raise CaptureError(f"{unknown[0]} is not in the manifest.", "Name files as manifest.jsonl does.")
    for file in forgotten:
        named = [f for f in (file, *_former_names(overrides, entries, file)) if overrides.pop(f, None) is not None]
        if not named:
            raise CaptureError(f"{file} has no verdict by hand.", "See overrides.json for those that have one.")
    for file, verdict in wishes.items():
        entry = entries[file]
        if not is_sky(entry) and "merged_into" not in entry["state"]:
            raise CaptureError(f"{file} is a frame of a day, which has no verdict of its own.", "Move it away.")
        if verdict["verdict"] == "keep" and "message" in entry["state"]:
            raise CaptureError(f"{file} cannot be kept: {entry['state']['message']}", "Replace the file.")
        for former in _former_names(overrides, entries, file):
            del overrides[former]
        overrides[file] = {**verdict, "sha256": entry["sha256"]}
    write_text(data / "overrides.json", json.dumps(overrides, indent=1, sort_keys=True))


def _former_names(overrides: Overrides, entries: Mapping[str, dict[str, Any]], file: str) -> list[str]:
    """Names that are gone under which a file of the same content has a verdict."""
    sha256 = entries[file]["sha256"] if file in entries else ""
    return [f for f, wish in overrides.items() if f not in entries and sha256 and wish.get("sha256") == sha256]


def follow_moved(overrides: Overrides, entries: Mapping[str, dict[str, Any]]) -> Overrides:
    """Verdicts by file as files are named now: those on files that are gone go to the one of the same content.

    A verdict on the file itself counts before one that followed it.
    """
    by_content = {entry["sha256"]: file for file, entry in entries.items() if entry["sha256"]}
    moved = {f: by_content.get(wish.get("sha256", ""), f) for f, wish in overrides.items() if f not in entries}
    followed = {moved[file]: overrides[file] for file in moved}
    return {**followed, **{file: wish for file, wish in overrides.items() if file in entries}}


def _plain(file: str) -> str:
    """A file's name as the manifest writes it."""
    return PurePosixPath(file.replace("\\", "/")).as_posix()
