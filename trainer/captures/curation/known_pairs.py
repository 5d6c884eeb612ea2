"""Pairs of captures that were compared already: ``DATA/compared.json``, which can be deleted at any time.

Comparing ten thousand captures takes minutes; one more capture should cost its own comparisons only.
"""

from __future__ import annotations

import json
from pathlib import Path

from trainer.captures.curation.agreement import Agreement
from trainer.captures.items import ALGORITHM
from trainer.captures.manifest import write_text

MAKE = 1
"""Raised when the comparison changes, so that pairs are compared again."""

_DIGITS = 16
"""Of a content's hash that name it here."""


class KnownPairs:
    """Results of earlier comparisons, by the content of both captures.

    Parameters
    ----------
    data : Path
        Folder of the training data.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / "compared.json"
        self._make = f"{MAKE}.{ALGORITHM}"
        self._known: dict[str, list[float]] = {}
        self._used: dict[str, list[float]] = {}
        try:
            table = json.loads(self._path.read_text(encoding="utf-8"))
            if table["make"] == self._make:
                self._known = {str(pair): [float(v) for v in values] for pair, values in table["pairs"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or damaged: compare again
            self._known = {}

    def find(self, copy_key: str, original_key: str) -> Agreement | None:
        """What an earlier run found on this pair, or None."""
        pair = f"{copy_key[:_DIGITS]} {original_key[:_DIGITS]}"
        values = self._known.get(pair)
        if values is None or len(values) not in (0, 3):
            return None
        self._used[pair] = values
        if not values:
            return Agreement(float("inf"), False, False)
        return Agreement(values[0], bool(values[1]), bool(values[2]))

    def learn(self, copy_key: str, original_key: str, agreement: Agreement) -> None:
        """Note a result; of captures that do not agree, only that."""
        agreed = agreement.same_scene or agreement.same_sky
        distance = round(agreement.distance, 4) if agreement.same_scene else 1.0
        values = [distance, float(agreement.same_scene), float(agreement.same_sky)] if agreed else []
        self._used[f"{copy_key[:_DIGITS]} {original_key[:_DIGITS]}"] = values

    def save(self) -> None:
        """Write the pairs that this run asked for; raises OutputError if they cannot be written."""
        if self._used != self._known:
            write_text(self._path, json.dumps({"make": self._make, "pairs": self._used}, separators=(",", ":")))
