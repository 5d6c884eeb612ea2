"""Presets that artists keep in a folder of their own: listed, saved, renamed, deleted.

A preset is ``<name>.json`` with its thumbnail ``<name>.png`` beside it. Names are what artists type, so they are
checked for what file systems refuse; two names that differ only in case are one, as on Windows and macOS.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from .controls import SkyControls
from .errors import OutputError, RequestError, SkyGenError
from .presets import Preset, load_preset, preset_names, read_preset, write_preset
from .whole_file import output_error

LONGEST_NAME = 60
"""Characters of a name; a few more would be cut off in the gallery."""
LONGEST_NAME_BYTES = 180
"""Bytes of it as UTF-8: file systems end at 255, and a file is written under a longer name first."""
_FORBIDDEN = '<>:"/\\|?*'
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"),
}
"""Names that Windows keeps for devices, with any ending."""


def read_folder(folder: Path) -> tuple[list[Preset], list[SkyGenError]]:
    """All presets of a folder by name, and what is wrong with the files that are none.

    A folder that does not exist is empty. Hidden files are left alone.
    """
    presets: list[Preset] = []
    faults: list[SkyGenError] = []
    try:
        names = sorted((n for n in preset_names(folder) if not n.startswith(".")), key=str.casefold)
    except OSError as error:
        return [], [RequestError(f"{folder} cannot be read: {error.strerror or error}.", "Make it readable for you.")]
    for name in names:
        try:
            name.encode("utf-8")
            presets.append(read_preset(folder / f"{name}.json"))
        except UnicodeEncodeError:
            text = ascii(name)
            faults.append(RequestError(f"The file name {text} in {folder} is no text.", "Rename or delete the file."))
        except SkyGenError as error:
            faults.append(RequestError(error.message, "Mend or delete the file."))
    return presets, faults


def thumbnail_path(name: str, folder: Path) -> Path:
    """Where the thumbnail of a preset lies, whether it is there or not."""
    return folder / f"{name}.png"


def checked_name(text: str) -> str:
    """A name as it is kept: composed characters, single spaces, nothing that a file system refuses.

    Raises
    ------
    RequestError
        If it is empty, too long, has a forbidden character or is that of a shipped preset.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise RequestError("The preset has no name.", "Type one.")
    if len(name) > LONGEST_NAME or len(name.encode("utf-8", "replace")) > LONGEST_NAME_BYTES:
        raise RequestError(f"The name {name[:20]!r}... is too long.", f"Use at most {LONGEST_NAME} letters.")
    bad = dict.fromkeys(letter for letter in name if letter in _FORBIDDEN or not letter.isprintable())
    if bad:
        shown = " ".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in bad)
        raise RequestError(f"A file name cannot hold {shown}", f"Name the preset without {_FORBIDDEN}")
    if name.startswith(".") or name.endswith("."):
        raise RequestError(f"The name {name!r} begins or ends with a full stop.", "Leave the full stop out.")
    if name.split(".")[0].rstrip().casefold() in _DEVICES:
        raise RequestError(f"Windows keeps the name {name!r} for a device.", "Choose another name.")
    for shipped in preset_names():
        if name.casefold() in (shipped.casefold(), load_preset(shipped).label.casefold()):
            raise RequestError(f"{name!r} is the name of a preset that SkyGen ships.", "Choose another name.")
    return name


def existing_name(name: str, folder: Path) -> str | None:
    """The name under which a folder holds this preset, in whatever case; None if it does not."""
    kept = _same_names(name, folder)
    return name if name in kept else next(iter(kept), None)


def _same_names(name: str, folder: Path) -> list[str]:
    """All names of a folder's presets that are this one in another case; more than one where case counts."""
    wanted = unicodedata.normalize("NFC", name).casefold()
    return [n for n in preset_names(folder) if unicodedata.normalize("NFC", n).casefold() == wanted]


def save_preset(name: str, description: str, controls: SkyControls, folder: Path, *, overwrite: bool = False) -> Preset:
    """Save a preset of one's own.

    Parameters
    ----------
    name : str
        As typed; the preset's name is what :func:`checked_name` makes of it.
    description : str
        What the sky looks like, perhaps nothing.
    controls : SkyControls
        The settings.
    folder : Path
        Made if it does not exist.
    overwrite : bool
        Replace a preset of that name, in whatever case; its name stays.

    Raises
    ------
    RequestError
        If the name is no name, or taken and not to be overwritten.
    OutputError
        If the file cannot be written; an older one is then as it was.
    """
    name = checked_name(name)
    taken = existing_name(name, folder)
    if taken is not None and not overwrite:
        raise RequestError(f"There is a preset {taken!r} already.", "Choose another name, or overwrite it.")
    name = taken or name
    preset = Preset(name, name, " ".join(description.split()), controls)
    with _writable(folder):
        write_preset(preset, folder)
    return preset


def rename_preset(old: str, new: str, folder: Path) -> str:
    """Give a preset and its thumbnail another name, which is returned as it is kept.

    Raises
    ------
    RequestError
        If there is no such preset, it is damaged, or the new name is none or taken by another one.
    OutputError
        If the folder cannot be written.
    """
    preset, name = _own(old, folder), checked_name(new)
    taken = [other for other in _same_names(name, folder) if other != old]
    if taken:
        raise RequestError(f"There is a preset {taken[0]!r} already.", "Choose another name.")
    source, target = folder / f"{old}.json", folder / f"{name}.json"
    with _writable(folder):
        try:
            os.rename(source, target)  # first: where case does not count, both are one file
        except OSError as error:
            raise output_error(target, error) from error
        try:
            write_preset(Preset(name, name, preset.description, preset.controls), folder)
        except OutputError:
            with contextlib.suppress(OSError):
                os.rename(target, source)  # under its old name with its old label
            raise
    picture = thumbnail_path(name, folder)
    with contextlib.suppress(OSError):  # without it the thumbnail is made again
        os.replace(thumbnail_path(old, folder), picture)
        os.utime(picture)  # it is that of the file just written
    return name


def delete_preset(name: str, folder: Path) -> None:
    """Delete a preset and its thumbnail; it may be damaged.

    Raises
    ------
    RequestError
        If there is no such preset.
    OutputError
        If it cannot be deleted.
    """
    if name not in preset_names(folder):
        raise _unknown(name)
    path = folder / f"{name}.json"
    with _writable(folder):
        try:
            path.unlink()
        except OSError as error:
            raise output_error(path, error) from error
    with contextlib.suppress(OSError):  # a picture without a preset is never shown
        thumbnail_path(name, folder).unlink()


def _own(name: str, folder: Path) -> Preset:
    if name not in preset_names(folder):
        raise _unknown(name)
    return read_preset(folder / f"{name}.json")


def _unknown(name: str) -> RequestError:
    return RequestError(f"There is no preset {name!r} of your own.", "Choose another one in the gallery.")


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Errors of writing with a remedy for a folder that nobody has chosen."""
    try:
        yield
    except OutputError as error:
        raise OutputError(
            error.message, f"Free some space, or make {folder} a folder that you may write to."
        ) from error
