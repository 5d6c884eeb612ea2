"""The presets that the gallery shows: the shipped ones, then the artist's own, each with its thumbnail.

Blender does not keep the texts of a menu whose items a function makes, and icons live until they are given back; so
:data:`GALLERY` keeps both, and numbers that stay with a preset while Blender runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from ...core.errors import RequestError, SkyGenError
from ...core.own_presets import read_folder, thumbnail_path
from ...core.presets import SHIPPED_PRESETS, Preset, load_preset
from ..settings.choices import PRESET_NUMBERS

OWN_PREFIX = "own/"
"""Own presets are told from shipped ones by this; no file name can begin with it."""
_TOP_PACKAGE = (__package__ or "").rpartition(".blender.")[0]
_UNKNOWN = "unknown"
NO_REFUSAL: tuple[int, SkyGenError | None] = (0, None)

Item = tuple[str, str, str, Any, int]
"""Identifier, name, description, icon (its name or number) and number, as EnumProperty takes them."""


@dataclass(frozen=True)
class Entry:
    """One preset of the gallery."""

    identifier: str
    """Name of a shipped preset, or ``own/`` and that of an own one."""
    preset: Preset
    """Its settings."""
    folder: Path
    """Where its file lies."""

    @property
    def is_own(self) -> bool:
        """Whether it is one of the artist's."""
        return self.identifier.startswith(OWN_PREFIX)

    @property
    def picture(self) -> Path:
        """Its thumbnail, whether it is there or not."""
        return thumbnail_path(self.preset.name, self.folder)


def own_folder(*, create: bool = False) -> Path:
    """Folder of the artist's own presets, which Blender keeps when the extension is updated.

    Raises
    ------
    RequestError
        If SkyGen is not installed as an extension, or the folder cannot be made.
    """
    try:
        folder = bpy.utils.extension_path_user(_TOP_PACKAGE, path="presets", create=create)
    except ValueError as error:
        raise RequestError(
            "Own presets need SkyGen to be installed as an extension.", "Use Install from Disk in Get Extensions."
        ) from error
    if not folder:
        raise RequestError(
            "The folder of own presets cannot be made in Blender's user folder.", "Make that folder writable for you."
        )
    return Path(folder)


class PresetGallery:
    """What is known of the presets; read again when a file in the folder of own ones has changed."""

    def __init__(self) -> None:
        self._shipped: tuple[Entry, ...] = ()
        self._own: tuple[Entry, ...] = ()
        self._own_state: Any = None
        self._icons: Any = None
        self._numbers: dict[str, int] = {}
        self._items: list[Item] = []
        self._texts: dict[str, str] = {}
        self.faults: tuple[SkyGenError, ...] = ()
        """What is wrong with own presets that are not shown."""
        self.refusal: tuple[int, SkyGenError | None] = NO_REFUSAL
        """World for which a thumbnail was picked last, by its number in this session, and why it is not shown."""

    def start(self) -> None:
        """Begin to hold icons."""
        self._icons = bpy.utils.previews.new()

    def stop(self) -> None:
        """Give the icons back."""
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons, self.refusal = None, NO_REFUSAL

    def entries(self) -> tuple[Entry, ...]:
        """Presets in the order in which they are shown."""
        if not self._shipped:
            self._shipped = tuple(Entry(name, load_preset(name), SHIPPED_PRESETS) for name in PRESET_NUMBERS)
        try:
            folder = own_folder()
            state = (folder, _folder_state(folder))
        except SkyGenError as error:
            self._own, self._own_state, self.faults = (), None, (error,)
            return self._shipped
        if state != self._own_state:
            presets, faults = read_folder(folder)
            self._own = tuple(Entry(OWN_PREFIX + preset.name, preset, folder) for preset in presets)
            self._own_state, self.faults = state, tuple(faults)
        return self._shipped + self._own

    def find(self, name: str) -> Entry | None:
        """The preset of an identifier, or the own one of a name; None if it is not on this computer."""
        entries = self.entries()
        known = {entry.identifier: entry for entry in entries}
        return known.get(name) or known.get(OWN_PREFIX + name)

    def number(self, identifier: str) -> int:
        """The number of a preset, which stays the same while Blender runs, whatever comes or goes."""
        return self._numbers.setdefault(identifier, len(self._numbers))

    def shown_number(self, chosen: str) -> int:
        """Number of the item that stands for the chosen preset, or for none."""
        return self.number(chosen or _UNKNOWN)

    def of_number(self, number: int) -> Entry | None:
        """The preset of a number; None if it is gone."""
        return next((entry for entry in self.entries() if self.number(entry.identifier) == number), None)

    def items(self, chosen: str) -> list[Item]:
        """All presets as menu items, and the chosen one even if it is not on this computer."""
        entries = self.entries()
        items = [
            self._item(entry.identifier, entry.preset.label, entry.preset.description, self._icon(entry))
            for entry in entries
        ]
        if chosen not in {entry.identifier for entry in entries}:
            label = f"{chosen.removeprefix(OWN_PREFIX)} (not on this computer)" if chosen else "No Preset"
            items.append(self._item(chosen or _UNKNOWN, label, "The settings came from elsewhere", "QUESTION"))
        if items != self._items:
            self._items = items
        return self._items

    def _item(self, identifier: str, label: str, description: str, icon: Any) -> Item:
        identifier, label, description = (self._kept(text) for text in (identifier, label, description))
        return identifier, label, description, icon, self.number(identifier)

    def _kept(self, text: str) -> str:
        """The text, kept for good: an open menu still reads what it was made of."""
        text = " ".join(text.encode("utf-8", "replace").decode().split())
        return self._texts.setdefault(text, text)

    def _icon(self, entry: Entry) -> Any:
        """Number of an icon; the name of a placeholder while there is no thumbnail."""
        try:
            state = entry.picture.stat()
        except OSError:
            return "IMAGE_DATA"
        if self._icons is None:
            return "IMAGE_DATA"
        key = f"{entry.picture} {state.st_mtime_ns}"
        if key not in self._icons:
            self._icons.load(key, str(entry.picture), "IMAGE")
        return self._icons[key].icon_id


def _folder_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every preset file in a folder; nothing while there is no folder."""
    try:
        with os.scandir(folder) as files:
            listed = [_file_state(f) for f in files if f.name.endswith(".json")]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RequestError(
            f"The presets in {folder} cannot be read: {error.strerror or error}.", "Make that folder readable for you."
        ) from error
    return tuple(sorted(listed))


def _file_state(file: os.DirEntry[str]) -> tuple[str, int, int]:
    """Name, time and size; of a link to nothing, or of what has just gone, the name alone."""
    try:
        state = file.stat()
    except FileNotFoundError:
        return file.name, 0, 0
    return file.name, state.st_mtime_ns, state.st_size


GALLERY = PresetGallery()
"""The one gallery: Blender asks for items and icons through functions, which have nothing else to keep them in."""


def register() -> None:
    """Begin to hold icons."""
    GALLERY.start()


def unregister() -> None:
    """Give the icons back."""
    GALLERY.stop()
