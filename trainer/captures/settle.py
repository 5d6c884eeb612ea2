"""From findings to the manifest: verdicts in their order, and how a person's wish overrules them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from skygen_addon.core.errors import CaptureError
from trainer.captures.curation.duplicates import mark_duplicates
from trainer.captures.items import is_sky, item_key, read_item, unreadable
from trainer.captures.manifest import Capture, read_manifest, write_manifest
from trainer.captures.origins import Origin
from trainer.captures.overrides import follow_moved, read_overrides

logger = logging.getLogger(__name__)

Entries = dict[str, dict[str, Any]]
"""Lines of the manifest by file."""


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
        "state": {**found["state"], "stated_site": capture.origin.site},
    }


def apply_overrides(entries: Entries, overrides: dict[str, dict[str, Any]]) -> None:
    """Replace verdicts by a person's, marked with the flag ``override``.

    A wish to keep what cannot be read, or what has no maps yet, is left with a warning, and so is one on a
    frame of a day: it has no verdict of its own.
    """
    for file, wish in overrides.items():
        entry = entries.get(file)
        if entry is None:
            continue
        if not is_sky(entry):
            logger.warning("%s: a frame of a time-lapse day has no verdict of its own", file)
            continue
        keep = wish["verdict"] == "keep"
        if keep and "cover" not in entry["state"]:
            if "message" in entry["state"]:
                why = "it cannot be read"
            else:
                why = "no sky was found in it" if entry["state"].get("asked_to_keep") else "run ingest to make its maps"
            logger.warning("%s: cannot be kept: %s", file, why)
            continue
        entry.update(verdict=wish["verdict"], reason=None if keep else wish["reason"])
        if "override" not in entry["flags"]:  # a line that is kept from an earlier run has it already
            entry["flags"] = [*entry["flags"], "override"]


def settle(
    data: Path,
    captures: Iterable[Capture],
    overrides: dict[str, dict[str, Any]],
    days: Iterable[dict[str, Any]] = (),
) -> Entries:
    """Verdicts of all captures, written to the manifest; entries by file.

    What a person rejects is not the original of a duplicate; what a person keeps is no duplicate. A wish on any
    exposure of a bracket counts for the bracket. ``days`` are the lines of time-lapse frames, which are judged already.
    """
    entries = {}
    further = []
    for capture in captures:
        entries[capture.file] = manifest_entry(capture)
        further += [(file, sha256, capture.file) for file, sha256 in capture.further]
    leads = {file: lead for file, _, lead in further}
    there = {**entries, **{file: {"sha256": sha256} for file, sha256, _ in further}}
    overrides = {leads.get(file, file): wish for file, wish in follow_moved(overrides, there).items()}
    unwanted = {file: wish for file, wish in overrides.items() if wish["verdict"] == "reject"}
    apply_overrides(entries, unwanted)
    mark_duplicates(data, entries)
    apply_overrides(entries, {file: wish for file, wish in overrides.items() if file not in unwanted})
    for file, sha256, lead in further:
        state = {"merged_into": lead}
        entries[file] = {**entries[lead], "file": file, "sha256": sha256, "flags": ["bracket_member"], "state": state}
        if Path(file).name in entries[lead]["state"].get("reading", {}).get("unreadable", ()):
            state["message"] = "The picture is damaged and was left out of the bracket."
            entries[file].update(verdict="reject", reason="unreadable")
    entries.update({line["file"]: line for line in days})
    beside = {file: wish for file, wish in overrides.items() if file in entries and not is_sky(entries[file])}
    apply_overrides(entries, beside)  # says why they have no effect
    write_manifest(data, entries)
    return entries


def settle_again(data: Path) -> Entries:
    """Verdicts from the stored findings, without the captures: what a changed override file asks for.

    Raises
    ------
    CaptureError
        A capture that was measured is not known any more; nothing is changed then.
    """
    before = read_manifest(data)
    days = [entry for entry in before.values() if "timelapse" in entry["flags"]]
    return settle(data, known_captures(data, before), read_overrides(data), days)


def known_captures(data: Path, before: Entries, *, closed: bool = False) -> list[Capture]:
    """Captures of an earlier manifest with what was found on them.

    Parameters
    ----------
    data : Path
    before : dict
        Lines of the manifest by file.
    closed : bool
        Whether the captures cannot be read now: those whose findings are gone are unreadable until they can.

    Raises
    ------
    CaptureError
        What was measured of one that is not closed is gone.
    """
    further: dict[str, list[tuple[str, str]]] = {}
    for file, entry in before.items():
        if "merged_into" in entry["state"]:
            further.setdefault(entry["state"]["merged_into"], []).append((file, entry["sha256"]))
    captures = []
    for file, entry in before.items():
        if not is_sky(entry):
            continue
        origin = Origin(entry["state"].get("stated_site", entry["site"]), entry["licence"], entry["source"])
        found = read_item(data, item_key(entry)) if entry["sha256"] else None
        if found is None:
            if closed:
                words = "its folder is closed, and what was measured of it is gone or of another version."
                entry = {**entry, "state": {**entry["state"], "message": f"{Path(file).name}: {words}"}}
            if "message" not in entry["state"]:
                raise CaptureError(
                    f"What was measured of {file} is gone, or another version measured it.", "Run trainer ingest again."
                )
            found = unreadable(entry["state"]["message"])
        captures.append(Capture(file, entry["sha256"], origin, found, tuple(further.get(file, ()))))
    return captures
