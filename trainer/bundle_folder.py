"""The folder of a bundle: what it may be called, what it may replace, and how it is replaced as a whole."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from skygen_addon.core.bundle import CARD_FILE, DESCRIPTION_FILE
from skygen_addon.core.errors import OutputError, RequestError

_REMEDY = "Choose a new or an empty folder with --out."


def check_name(name: str) -> None:
    """Names stand in paths, cards and messages. Raises RequestError if one would not do there."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise RequestError(f"The bundle's name is {name!r}.", "Give --name up to 64 letters, digits, _ and -.")


def check_replaceable(folder: Path) -> None:
    """Make sure that a bundle may be written there: nothing is there, an empty folder, or another bundle.

    Raises
    ------
    OutputError
        If it is no folder, cannot be read, or holds anything but the files of a bundle.
    """
    if not folder.name:
        raise OutputError(f"The bundle's folder is {str(folder)!r}.", "Name one with --out, such as bundles/mine.")
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"{folder} is not a folder.", _REMEDY)
        found = sorted(folder.iterdir()) if folder.exists() else []
        others = [path.name for path in found if not _is_bundle_file(path)]
    except OSError as error:
        raise OutputError(f"{folder} cannot be read: {error}.", _REMEDY) from error
    if others:
        raise OutputError(f"{folder} is not a bundle's folder: it holds {others[0]}.", _REMEDY)
    if found and DESCRIPTION_FILE not in [path.name for path in found]:
        raise OutputError(f"{folder} is not a bundle's folder: it lacks {DESCRIPTION_FILE}.", _REMEDY)


def _is_bundle_file(path: Path) -> bool:
    named = path.name in (DESCRIPTION_FILE, CARD_FILE) or path.suffix == ".onnx"
    return named and path.is_file() and not path.is_symlink()


def replace_bundle(folder: Path, new: Path) -> None:
    """Put the folder ``new`` in the place of ``folder``; what was there is deleted once ``new`` stands there.

    Raises
    ------
    OutputError
        As :func:`check_replaceable`, or if a folder cannot be renamed: then all is as it was.
    """
    check_replaceable(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        if not folder.exists():
            os.replace(new, folder)
            return
        os.replace(folder, aside)
        try:
            os.replace(new, folder)
        except BaseException:
            os.replace(aside, folder)
            raise
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error}.", "Choose another folder with --out.") from error
    try:
        shutil.rmtree(aside)
    except OSError as error:
        raise OutputError(
            f"{folder} is written, but the older bundle in {aside} cannot be deleted: {error}.", "Delete it by hand."
        ) from error
