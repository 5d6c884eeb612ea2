"""``trainer curate DATA``: record a person's verdicts, apply them, and draw contact sheets and the report.

A person overrules the measurement in ``DATA/overrides.json``, by hand or with ``--keep`` and
``--reject``; later runs of ``ingest`` and ``curate`` keep to it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from skygen_addon.core.errors import SkyGenError
from skygen_addon.core.whole_file import output_error, whole_file
from trainer.captures.curation.contact_sheet import draw_sheets, opacity_row, verdict_cell
from trainer.captures.curation.pictures import stored_preview
from trainer.captures.curation.report import in_report_order, report_pages
from trainer.captures.curation.verdict_words import REASON_WORDS
from trainer.captures.items import entry_item, is_sky
from trainer.captures.manifest import read_manifest
from trainer.captures.overrides import record_wishes
from trainer.captures.settle import settle_again
from trainer.captures.shards import assemble

logger = logging.getLogger(__name__)

PER_SHEET = 60
"""Captures on one contact sheet; the next ones go to a further sheet."""

ROWS_PER_SHEET = 12
"""Kept skies on one sheet of opacity maps."""

MAX_OPACITY_ROWS = 200
"""Kept skies up to which opacity maps are drawn unasked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that ingest wrote")
    parser.add_argument("--keep", action="append", default=[], metavar="FILE", help="keep this file from now on")
    parser.add_argument(
        "--reject", action="append", default=[], metavar="FILE=REASON", help="reject this file from now on"
    )
    parser.add_argument("--undo", action="append", default=[], metavar="FILE", help="forget the verdict on this file")
    parser.add_argument("--ldr", type=Path, metavar="DIR", help="write tone-mapped JPEGs of the kept captures there")
    parser.add_argument(
        "--opacity", action="store_true", help=f"draw opacity maps of more than {MAX_OPACITY_ROWS} kept skies too"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    reasons = "\n".join(f"  {reason:15}{words.meaning}" for reason, words in REASON_WORDS.items())
    parser.epilog = f"FILE is named as in manifest.jsonl. REASON is one of\n{reasons}"


def export_previews(data: Path, kept: Sequence[dict[str, Any]], folder: Path) -> int:
    """Write the tone-mapped preview of each capture as JPEG, named after it; count of those written.

    Subfolders are kept; where two captures differ only in their ending, the second keeps its own in the name.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    taken: set[PurePosixPath] = set()
    for entry in kept:
        preview = stored_preview(entry_item(data, entry))
        if preview is None:
            logger.warning("%s: has no preview; run ingest again", entry["file"])
            continue
        name = PurePosixPath(entry["file"])
        place = name.with_suffix(".jpg")
        if place in taken:
            place = name.with_name(f"{name.name}.jpg")
        taken.add(place)
        path = folder / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        with whole_file(path) as temporary:
            temporary.write_bytes(preview)
    return len(taken)


def draw(data: Path, entries: dict[str, dict[str, Any]], opacity: bool) -> None:
    """Draw contact sheets, sheets of opacity maps and the report; each is logged once it is there.

    ``opacity`` asks for opacity maps however many skies are kept.
    """
    listed = in_report_order([e for e in entries.values() if is_sky(e)])
    kept = [e for e in listed if e["verdict"] == "keep"]
    for path in draw_sheets(listed, lambda e: verdict_cell(data, e), PER_SHEET, 6, data / "contact_sheet"):
        logger.info("%s", path)
    if len(kept) > MAX_OPACITY_ROWS and not opacity:
        logger.info("opacity maps of %d kept skies are drawn with --opacity", len(kept))
        kept = []
    for path in draw_sheets(kept, lambda e: opacity_row(data, e), ROWS_PER_SHEET, 1, data / "opacity_sheet"):
        logger.info("%s", path)
    for path in report_pages(data, list(entries.values())):
        logger.info("%s", path)


def run(arguments: argparse.Namespace) -> int:
    """Apply overrides, draw the sheets and write the report. Returns 0."""
    data = Path(arguments.data)
    if not (data / "manifest.jsonl").is_file():
        raise SkyGenError(f"{data} holds no manifest.jsonl.", "Run trainer ingest first.")
    record_wishes(data, read_manifest(data), arguments.keep, arguments.reject, arguments.undo)
    entries = settle_again(data)
    assemble(data, entries)
    draw(data, entries, arguments.opacity)
    if arguments.ldr is not None:
        kept = [e for _, e in sorted(entries.items()) if is_sky(e) and e["verdict"] == "keep"]
        folder = Path(arguments.ldr)
        written = export_previews(data, kept, folder)
        others = sum(1 for _ in folder.rglob("*.jpg")) - written
        beside = f", beside {others} JPEGs that are not of this run" if others > 0 else ""
        logger.info("%d previews in %s%s", written, folder, beside)
    return 0
