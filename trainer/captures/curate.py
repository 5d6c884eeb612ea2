"""``trainer curate DATA``: draw the contact sheets, record a person's verdicts and apply them.

A person overrules the measurement in ``DATA/overrides.json``, by hand or with ``--keep`` and
``--reject``; later runs of ``ingest`` and ``curate`` keep to it.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from PIL import Image

from skygen_addon.core.errors import SkyGenError
from trainer.captures.curation.contact_sheet import grid, opacity_row, save_picture, verdict_cell
from trainer.captures.items import item_path
from trainer.captures.manifest import read_manifest, read_overrides, write_text
from trainer.captures.settle import settle_again
from trainer.captures.shards import assemble

logger = logging.getLogger(__name__)

PER_SHEET = 60
"""Captures on one contact sheet; the next ones go to a further sheet."""

ROWS_PER_SHEET = 12
"""Kept skies on one sheet of opacity maps."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that ingest wrote")
    parser.add_argument("--keep", action="append", default=[], metavar="FILE", help="keep this file from now on")
    parser.add_argument(
        "--reject", action="append", default=[], metavar="FILE=REASON", help="reject this file from now on"
    )
    parser.add_argument("--undo", action="append", default=[], metavar="FILE", help="forget the verdict on this file")


def _record_wishes(arguments: argparse.Namespace, data: Path, files: set[str]) -> None:
    """Write the verdicts given on the command line into the override file, then read it back to check it."""
    if not (arguments.keep or arguments.reject or arguments.undo):
        return
    overrides = read_overrides(data)
    named = [*arguments.keep, *arguments.undo, *(r.partition("=")[0] for r in arguments.reject)]
    unknown = sorted(set(named) - files)
    if unknown:
        raise SkyGenError(f"{unknown[0]} is not in the manifest.", "Name files as manifest.jsonl does.")
    before = json.dumps(overrides, indent=1, sort_keys=True)
    for file in arguments.keep:
        overrides[file] = {"verdict": "keep", "reason": None}
    for wish in arguments.reject:
        file, _, reason = wish.partition("=")
        overrides[file] = {"verdict": "reject", "reason": reason}
    for file in arguments.undo:
        overrides.pop(file, None)
    path = data / "overrides.json"
    write_text(path, json.dumps(overrides, indent=1, sort_keys=True))
    try:
        read_overrides(data)
    except SkyGenError:
        write_text(path, before)
        raise


def _sheets(cells: list[Image.Image], per_sheet: int, columns: int, stem: Path) -> list[Path]:
    paths = []
    for number, start in enumerate(range(0, len(cells), per_sheet)):
        suffix = f"-{number:03d}" if len(cells) > per_sheet else ""
        path = stem.with_name(f"{stem.name}{suffix}.png")
        save_picture(grid(cells[start : start + per_sheet], columns), path)
        paths.append(path)
    return paths


def run(arguments: argparse.Namespace) -> int:
    """Apply overrides and draw the sheets. Returns 0."""
    data = Path(arguments.data)
    if not (data / "manifest.jsonl").is_file():
        raise SkyGenError(f"{data} holds no manifest.jsonl.", "Run trainer ingest first.")
    _record_wishes(arguments, data, set(read_manifest(data)))
    entries = settle_again(data)
    assemble(data, entries)

    def order(entry: dict[str, Any]) -> tuple[bool, str, str]:
        return entry["verdict"] != "keep", entry["reason"] or "", entry["file"]

    listed = sorted(entries.values(), key=order)
    cells = [verdict_cell(e, path if (path := item_path(data, e["sha256"])).is_file() else None) for e in listed]
    rows = [opacity_row(e, item_path(data, e["sha256"])) for e in listed if e["verdict"] == "keep"]
    paths = _sheets(cells, PER_SHEET, 6, data / "contact_sheet")
    paths += _sheets(rows, ROWS_PER_SHEET, 1, data / "opacity_sheet")
    for path in paths:
        logger.info("%s", path)
    return 0
