"""A mark beside the frames of a bake that has begun and not ended: after a crash it tells what to go on with."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import OutputError
from ...core.whole_file import whole_file
from .sequence import known_missing_frames

_LOG = logging.getLogger(__name__)

MARKER_FILE = "unfinished_bake.json"


@dataclass(frozen=True)
class BakeMarker:
    """A bake as its mark describes it."""

    fingerprint: str
    """:func:`.sequence_state.bake_fingerprint` of the settings that it bakes."""
    first: int
    """First frame."""
    last: int
    """Last frame."""

    @property
    def frames(self) -> range:
        """All frames of the bake."""
        return range(self.first, self.last + 1)


def write_marker(folder: Path, marker: BakeMarker) -> None:
    """Mark a folder, which must exist. The bake goes on where that fails: only the mark is missing then."""
    content = {"fingerprint": marker.fingerprint, "first": marker.first, "last": marker.last}
    try:
        with whole_file(folder / MARKER_FILE) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OutputError as error:  # a full disk: the next frame tells of it
        _LOG.info("SkyGen: the bake is not marked as begun: %s", error)


def clear_marker(folder: Path) -> None:
    """The bake has ended with its last frame."""
    try:
        (folder / MARKER_FILE).unlink(missing_ok=True)
    except OSError as error:  # it then tells of a bake that stopped; another one that keeps all frames ends that
        _LOG.info("SkyGen: %s stays: %s", folder / MARKER_FILE, error)


def read_marker(folder: Path) -> BakeMarker | None:
    """The mark of a folder; None if it has none or one that cannot be read."""
    try:
        data = json.loads((folder / MARKER_FILE).read_text(encoding="utf-8"))
        marker = BakeMarker(str(data["fingerprint"]), int(data["first"]), int(data["last"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return marker if 0 <= marker.first <= marker.last else None


def stopped_in_words(folder: Path, fingerprint: str | None) -> str | None:
    """What the panel says of a bake that stopped on the way; None if none did.

    ``fingerprint`` is what a bake would have now; None where that is not known.
    """
    marker = read_marker(folder)
    if marker is None:
        return None
    total = len(marker.frames)
    there = total - len(known_missing_frames(folder, marker.frames))
    stopped = f"The bake stopped: {there} of {total} frames are there"
    if there >= total:  # older ones among them, which the bake was to replace
        stopped = f"Frames {marker.first}-{marker.last} are partly of a bake that stopped"
    if fingerprint == marker.fingerprint:
        return f"{stopped}, Bake goes on"
    return f"{stopped}, of other settings than now"
