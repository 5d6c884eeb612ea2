"""Folders that frames, presets and pictures go to: whether they can be written, before any work is done; making them.

A folder is tried with a file of its own, because what permissions say is not what network and removable disks do.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...core.whole_file import output_error


def check_folder(folder: Path) -> None:
    """Make sure that :func:`prepare_folder` will succeed, leaving nothing behind.

    Raises
    ------
    OutputError
        If the folder, or the nearest folder above it that exists, cannot be written.
    """
    whole = folder.absolute()
    name = f".skygen.{os.getpid()}.tmp"
    try:
        existing = next((p for p in (whole, *whole.parents) if p.exists()), Path(whole.anchor))
        probe = existing / name
        if existing == whole:
            probe.write_bytes(b"")
            probe.unlink()
        else:  # where folders can be made, files need not be allowed
            probe.mkdir()
            probe.rmdir()
    except OSError as error:
        raise output_error(folder / name, error) from error


def prepare_folder(folder: Path) -> None:
    """Make a folder and make sure that files can be written into it.

    Raises
    ------
    OutputError
        If they cannot.
    """
    probe = folder / f".skygen.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise output_error(probe, error) from error
