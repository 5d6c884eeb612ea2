"""Measured captures by content: ``DATA/items/<sha>.json`` what was found, ``<sha>.npz`` its maps.

They make a second run cheap: what is there and was measured by the same algorithm is not measured again.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.whole_file import whole_file
from trainer.captures.manifest import write_text

ALGORITHM = 13
"""Raised when a measurement changes, so that older results are made again."""

ABANDONED_S = 3600.0
"""Age in seconds from which on no run can still be writing an item or a shard."""

_HALF_WRITTEN = re.compile(r"\.([0-9a-f]{20}|(discs|planes)-(train|held_out)-\d+)\.(npz|json)\.\d+\.tmp")
"""Names that `whole_file` gives to items and shards until they are whole."""


def item_path(data: Path, sha256: str) -> Path:
    """Path of the maps of a capture with this content."""
    return data / "items" / f"{sha256[:20] or 'none'}.npz"


def item_key(entry: dict[str, Any]) -> str:
    """Name under which the finding on a line of the manifest is kept: its content's, or that of all its exposures."""
    stack = entry["state"].get("stack")
    return str(stack["sha256"] if stack else entry["sha256"])


def entry_item(data: Path, entry: dict[str, Any]) -> Path:
    """Path of the maps of a line of the manifest; they need not be there."""
    return item_path(data, item_key(entry))


def is_sky(entry: dict[str, Any]) -> bool:
    """Whether a line stands for a capture of its own: no further exposure of a bracket, no frame of a day."""
    return "merged_into" not in entry["state"] and "timelapse" not in entry["flags"]


def blank_finding() -> dict[str, Any]:
    """A finding before anything is known."""
    return {
        "algorithm": ALGORITHM,
        "width": 0,
        "height": 0,
        "reason": None,
        "flags": [],
        "sun": None,
        "state": {},
        "has_maps": False,
    }


def unreadable(message: str) -> dict[str, Any]:
    """The finding on a file that the system does not let us read."""
    return {**blank_finding(), "reason": "unreadable", "state": {"message": message}}


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write a compressed ``.npz``, whole or not at all; raises OutputError if it cannot be written."""
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def write_item(data: Path, sha256: str, found: dict[str, Any]) -> None:
    """Store a finding beside its maps, which must be there already."""
    write_text(item_path(data, sha256).with_suffix(".json"), json.dumps(found))


def read_item(data: Path, sha256: str, maps_wanted: bool = False) -> dict[str, Any] | None:
    """What an earlier run found on the same content, or None where it must be measured again.

    ``maps_wanted`` asks for training maps although the measurement rejected the capture.
    """
    path = item_path(data, sha256)
    try:
        found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("algorithm") != ALGORITHM:
        return None
    if "message" in found["state"]:
        return found
    settled = found["has_maps"] or found["state"].get("asked_to_keep")
    if not _is_whole(path) or (maps_wanted and not settled):
        return None
    return found


def _is_whole(path: Path) -> bool:
    """Whether a file of arrays can be opened; a disk that ran full may have left less."""
    try:
        with zipfile.ZipFile(path) as arrays:
            return bool(arrays.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def sweep_abandoned(data: Path) -> None:
    """Remove items and shards that runs which were killed left half written; no other file."""
    for path in (*data.glob(".*.tmp"), *(data / "items").glob(".*.tmp")):
        if _HALF_WRITTEN.fullmatch(path.name) is None:
            continue
        with contextlib.suppress(OSError):  # another run's file that got its name just now, or a closed one
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()
