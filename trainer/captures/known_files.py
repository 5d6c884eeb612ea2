"""Files whose content is known from an earlier run, by size and time of change: ``DATA/files.json``.

Reading tens of thousands of captures only to find that nothing changed would take hours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from trainer.captures.manifest import write_text

FileMark = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


def file_mark(path: Path) -> FileMark:
    """Size and time of change of a file; raises OSError if it is closed to us."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


class KnownFiles:
    """Content of files as they were when last read.

    Parameters
    ----------
    data : Path
        Folder of the training data.
    folder : Path
        Folder of the captures; files are known by their path in it.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        self._path = data / "files.json"
        self._folder = folder
        self._known: dict[str, list[object]] = {}
        try:
            table = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, or damaged: files are read again
            return
        if isinstance(table, dict):
            self._known = {file: mark for file, mark in table.items() if isinstance(mark, list) and len(mark) == 3}

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def sha256(self, files: Sequence[Path]) -> tuple[str, ...] | None:
        """Digests of files that are as they were, or None if any of them is not."""
        digests = []
        for path in files:
            known = self._known.get(self._name(path))
            try:
                mark = file_mark(path)
            except OSError:
                return None
            if known is None or tuple(known[:2]) != mark:
                return None
            digests.append(str(known[2]))
        return tuple(digests)

    def learn(self, files: Sequence[Path], marks: Sequence[FileMark | None], digests: Sequence[str]) -> None:
        """Note the digests of files as they were when read; an empty digest is not noted."""
        for path, mark, digest in zip(files, marks, digests, strict=True):
            if digest and mark is not None:
                self._known[self._name(path)] = [*mark, digest]

    def save(self) -> None:
        """Write the table, whole or not at all; raises OutputError if it cannot be written."""
        write_text(self._path, json.dumps(self._known))
