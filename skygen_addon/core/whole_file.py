"""Files that appear whole or not at all: written under a temporary name beside them, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError

HELD_OPEN = (5, 32)
"""Windows' error numbers for a file that another program has open at the moment: Blender reading the frame that is
baked anew, a virus scanner, an indexer."""
PATIENCE_S, TRY_AGAIN_S = 3.0, 0.05
"""How long such a program is waited for, and how often it is looked at."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Context that hands out a temporary name and renames it to ``path`` when all went well.

    Raises
    ------
    OutputError
        If the body or the renaming raises OSError. Whatever is raised, ``path`` is as it was
        and no temporary file stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _rename(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # most often it is gone; the first error is the one to tell
            temporary.unlink()


def _rename(temporary: Path, path: Path) -> None:
    """Put the finished file in its place; on Windows that waits for whoever reads the older one."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            os.replace(temporary, path)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD_OPEN or time.monotonic() >= end:
                raise
        time.sleep(TRY_AGAIN_S)


def output_error(path: Path, error: OSError) -> OutputError:
    """What a failed write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {path} was not written.", "Free some space, then go on with the rest.")
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) and not path.parent.is_dir():
        return OutputError(f"{path.parent} is not a folder.", "Choose another output folder.")
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}.", "Choose a folder that you may write to."
    )
