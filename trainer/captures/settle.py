"""From findings to verdicts: duplicates, then a person's overrides, then the manifest."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from trainer.captures.curation.duplicates import mark_duplicates
from trainer.captures.items import read_item, unreadable
from trainer.captures.manifest import Capture, Origin, read_manifest, read_overrides, write_manifest

logger = logging.getLogger(__name__)


def manifest_entry(capture: Capture) -> dict[str, Any]:
    """Line of the manifest for one capture, by its measurement alone."""
    found = capture.found
    return {
        "file": capture.file,
        "sha256": capture.sha256,
        "site": capture.origin.site,
        "licence": capture.origin.licence,
        "source": capture.origin.source,
        "width": found["width"],
        "height": found["height"],
        "verdict": "keep" if found["reason"] is None else "reject",
        "reason": found["reason"],
        "flags": list(found["flags"]),
        "sun": found["sun"],
        "state": dict(found["state"]),
    }


def apply_overrides(entries: dict[str, dict[str, Any]], overrides: dict[str, dict[str, Any]]) -> None:
    """Replace verdicts by a person's, marked with the flag ``override``.

    A wish to keep what cannot be read, or what has no maps yet, is left with a warning.
    """
    for file, wish in overrides.items():
        entry = entries.get(file)
        if entry is None:
            continue
        keep = wish["verdict"] == "keep"
        if keep and "cover" not in entry["state"]:
            unread = "message" in entry["state"]
            why = "it cannot be read" if unread else "run ingest again to make its maps"
            logger.warning("%s: cannot be kept yet: %s", file, why)
            continue
        entry.update(verdict=wish["verdict"], reason=None if keep else wish["reason"])
        if "override" not in entry["flags"]:  # a line that is kept from an earlier run has it already
            entry["flags"] = [*entry["flags"], "override"]


def settle(data: Path, captures: list[Capture], overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Verdicts of all captures, written to the manifest; entries by file."""
    entries = {capture.file: manifest_entry(capture) for capture in captures}
    mark_duplicates(data, entries)
    apply_overrides(entries, overrides)
    write_manifest(data, entries)
    return entries


def settle_again(data: Path) -> dict[str, dict[str, Any]]:
    """Verdicts from the stored findings, without the captures: what a changed override file asks for."""
    captures = []
    for file, entry in read_manifest(data).items():
        origin = Origin(entry["site"], entry["licence"], entry["source"])
        found = read_item(data, entry["sha256"]) if entry["sha256"] else None
        if found is None:
            message = entry["state"].get("message", f"{file}: not measured; run ingest again.")
            found = unreadable(message)
        captures.append(Capture(file, entry["sha256"], origin, found))
    return settle(data, captures, read_overrides(data))
