"""Time-lapse days of a capture folder: measured once, measured again when a frame changes."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from skygen_addon.core.whole_file import whole_file
from trainer.captures.days.timelapse import draw_days, measure_days

logger = logging.getLogger(__name__)

FOLDER = "timelapse"
"""Subfolder of the captures that holds one folder of JPEG frames a day."""
TABLE = "timelapse.npz"
"""States by day and frame, in the data folder."""
ALGORITHM = 1
"""Raise when measuring changes, so that days are measured again."""


def days_digest(folder: Path) -> str:
    """sha256 over the names and contents of every frame, and over ALGORITHM."""
    digest = hashlib.sha256(str(ALGORITHM).encode())
    for frame in sorted(folder.glob("*/*.jpg")):
        digest.update(frame.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(frame.read_bytes()).digest())
    return digest.hexdigest()


def ingest_days(captures: Path, data: Path) -> bool:
    """Measure the days below ``captures``/timelapse into ``data``/timelapse.npz and draw them.

    Returns
    -------
    bool
        Whether days were measured; False when there are none or nothing has changed.

    Raises
    ------
    CaptureError
        If the folder is there but holds no readable days of one camera.
    """
    folder, table, mark = captures / FOLDER, data / TABLE, data / "timelapse.sha256"
    if not folder.is_dir():
        return False
    digest = days_digest(folder)
    if table.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == digest:
        return False
    figures = measure_days(folder, table)
    draw_days(table, data / "timelapse.png")
    with whole_file(mark) as partial:
        partial.write_text(digest, encoding="utf-8")
    logger.info("time-lapse: %(days)d days, %(frames)d frames, mean cover %(mean_cover).2f", figures)
    return True
