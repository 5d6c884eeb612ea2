"""Thumbnails of the artist's own presets, made one after the other in a process beside Blender.

A thumbnail is due where there is none, or where the preset is newer than it. So a preset that comes from another
computer as a single file gets its picture too, as soon as a panel shows the gallery.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import bpy

from ...core.errors import SkyGenError
from ..engine.child import Child
from ..engine.interpreter import bake_command, bake_environment
from ..engine.model import bundle_folder
from ..engine.preferences_access import engine_options
from ..engine.redraw import redraw_panels
from .preset_gallery import GALLERY, Entry

_LOOK_EVERY_S = 0.5

Version = tuple[Path, int]
"""A preset's file and its time of change in nanoseconds."""


def preset_path(entry: Entry) -> Path:
    """The file of a preset."""
    return entry.folder / f"{entry.preset.name}.json"


class ThumbnailProcess:
    """One thumbnail being made; it ends when Blender does.

    Parameters
    ----------
    entry : Entry
        The preset.
    changed_ns : int
        When its file was changed last: the state that the thumbnail shows.

    Raises
    ------
    SkyGenError
        If there is no Python, library or bundle to make it with, or no temporary file can be made.
    """

    def __init__(self, entry: Entry, changed_ns: int) -> None:
        self._preset, self._picture = preset_path(entry), entry.picture
        self._changed_ns = changed_ns
        command, environment = bake_command(), bake_environment()
        command += [
            "thumbnails",
            "--preset",
            str(self._preset),
            "--out",
            str(entry.folder),
            "--bundle",
            str(bundle_folder()),
        ]
        half = ["--threads", str(max(1, (os.cpu_count() or 2) // 2))]  # an artist is at work meanwhile
        command += [*half, *engine_options(), "--stop-at-end-of-input"]
        self.name = entry.preset.name
        self._process = Child(command, environment, answers=False)

    def is_running(self) -> bool:
        """Whether it is still being made."""
        return self._process.is_running()

    def fault(self) -> str | None:
        """After its end: why there is no thumbnail; None if there is one, or its preset is gone by now."""
        code, lines = self._process.wait(), self._process.complaints().splitlines()
        if not self._preset.exists():  # deleted or renamed meanwhile: a later one of that name has another sky
            with contextlib.suppress(OSError):
                self._picture.unlink()
            return None
        if code == 0:
            with contextlib.suppress(OSError):  # both have just been deleted
                os.utime(self._picture, ns=(self._changed_ns, self._changed_ns))  # it shows that state of the preset
            return None
        return lines[-1].removeprefix("skygen: ") if lines else f"it ended with code {code}"

    def stop(self) -> None:
        """End it now, and remove what it could not remove itself."""
        self._process.kill()
        self._process.complaints()
        for path in self._picture.parent.glob(f".*.{self._process.pid}.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


class ThumbnailWork:
    """Makes what is due, one at a time; a thumbnail that failed is not tried again until its preset changes."""

    def __init__(self) -> None:
        self._process: ThumbnailProcess | None = None
        self._tried: set[Version] = set()
        self._timer = self._look  # Blender knows a timer by its very object
        self.faults: dict[str, str] = {}
        """Why presets, by name, have no thumbnail."""

    @property
    def busy_with(self) -> str | None:
        """Name of the preset whose thumbnail is being made."""
        return self._process.name if self._process is not None else None

    def look_after(self, entries: Iterable[Entry]) -> None:
        """Begin to make thumbnails if some are due and there is a window; quick enough for a panel."""
        if bpy.app.background or bpy.app.timers.is_registered(self._timer):
            return
        if any(self._due_version(entry) is not None for entry in entries):
            bpy.app.timers.register(self._timer, first_interval=_LOOK_EVERY_S, persistent=True)

    def advance(self) -> bool:
        """Take note of a thumbnail that is finished and begin with the next; whether there is still work."""
        if self._process is not None:
            if self._process.is_running():
                return True
            fault = self._process.fault()
            if fault is not None:
                self.faults[self._process.name] = fault
            self._process = None
        for entry in GALLERY.entries():
            version = self._due_version(entry)
            if version is None:
                continue
            self._tried.add(version)
            self.faults.pop(entry.preset.name, None)
            try:
                self._process = ThumbnailProcess(entry, version[1])
                return True
            except SkyGenError as error:
                self.faults[entry.preset.name] = f"{error.message} {error.remedy}"
        return False

    def stop(self) -> None:
        """End what is being made and forget the rest."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        if self._process is not None:
            self._process.stop()
        self._process = None
        self._tried.clear()
        self.faults.clear()

    def _due_version(self, entry: Entry) -> Version | None:
        """The version of an own preset whose thumbnail is to be made."""
        if not entry.is_own:
            return None
        path = preset_path(entry)
        try:
            changed = path.stat().st_mtime_ns
        except OSError:  # just deleted
            return None
        with contextlib.suppress(OSError):
            if entry.picture.stat().st_mtime_ns >= changed:
                return None
        return None if (path, changed) in self._tried else (path, changed)

    def _look(self) -> float | None:
        """The timer: seconds until it is called again."""
        before = self.busy_with
        working = self.advance()
        if self.busy_with != before:
            redraw_panels(bpy.context)
        return _LOOK_EVERY_S if working else None


WORK = ThumbnailWork()
"""Timers are functions that Blender calls: the process that they look after has to be kept somewhere."""


def unregister() -> None:
    """End what is being made."""
    WORK.stop()
