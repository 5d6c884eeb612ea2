"""Compare measured cloud cover with what a person sees: table, and a sheet of discs beside opacity maps.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.cover_by_eye ../shared/captures/hdri [build/comparison/cover.png]

The person looked at tone-mapped sky discs before any estimate of them was drawn, and wrote down
(cover_by_eye.csv) which share of the sky above 15 degrees holds visible cloud, thick or thin: least,
best and most. Prints that interval, measured cover and mean opacity for each capture, then the mean
absolute difference from the best and how many lie outside. On the sheet the tone-mapped disc, opacity
and visible cloud stand side by side; red was not judged, the circle stands at 15 degrees.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.measuring.measure import Measurement, examine
from skygen_addon.core.measuring.sky_state import MIN_ELEVATION_RAD, VISIBLE_OPACITY
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from trainer.captures.display.exposure_fusion import fuse_disc

TABLE = Path(__file__).with_suffix(".csv")
CELL = 300
LINE = 14
ACROSS = 2
"""Captures side by side on the sheet."""
NOT_JUDGED = (96, 0, 0)


@dataclass(frozen=True)
class SeenCover:
    """What a person saw of one capture's sky."""

    name: str
    """Stem of the file."""
    low: float
    """Least share of the sky above 15 degrees that may be said to hold cloud."""
    best: float
    """The share that was found likeliest."""
    high: float
    """The greatest share."""
    words: str
    """What was seen."""


def seen_covers(table: Path = TABLE) -> list[SeenCover]:
    """Rows of the table, in its order; raises CaptureError where one is out of order or range."""
    with table.open(newline="") as file:
        rows = [
            SeenCover(
                row["name"],
                float(row["cover_low"]),
                float(row["cover_best"]),
                float(row["cover_high"]),
                row["seen"],
            )
            for row in csv.DictReader(file)
        ]
    for row in rows:
        if not 0 <= row.low <= row.best <= row.high <= 1:
            raise CaptureError(f"The covers of {row.name} in {table} are not in order.", "Give low <= best <= high.")
    return rows


def cell(measured: Measurement, seen: SeenCover) -> Image.Image:
    """Tone-mapped disc, opacity and visible cloud of one capture, with its figures above."""
    clouds, state = measured.clouds, measured.state
    assert clouds is not None
    visible = (clouds.alpha > VISIBLE_OPACITY).astype(np.float32)
    pictures = [fuse_disc(measured.disc)]
    for values in (clouds.alpha, visible):
        grey = np.repeat(np.round(255 * values)[..., None], 3, axis=-1).astype(np.uint8)
        pictures.append(np.where(clouds.valid[..., None], grey, np.array(NOT_JUDGED, dtype=np.uint8)))
    strip = Image.new("RGB", (len(pictures) * CELL, CELL + LINE), (24, 24, 24))
    draw = ImageDraw.Draw(strip)
    for number, picture in enumerate(pictures):
        strip.paste(_shown(picture), (number * CELL, LINE))
    colour = (110, 220, 110) if seen.low <= (state.cover or 0.0) <= seen.high else (240, 120, 90)
    draw.text((3, 1), f"{seen.name}   {figures(measured, seen)}   {seen.words}"[:140], fill=colour)
    return strip


def _shown(picture: NDArray[np.uint8]) -> Image.Image:
    small = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.BOX)
    radius = CELL / 2 * np.tan((np.pi / 2 - MIN_ELEVATION_RAD) / 2)
    box = (CELL / 2 - radius, CELL / 2 - radius, CELL / 2 + radius, CELL / 2 + radius)
    ImageDraw.Draw(small).ellipse(box, outline=(200, 60, 60))
    return small


def figures(measured: Measurement, seen: SeenCover) -> str:
    """By eye low, best, high; measured cover; mean opacity."""
    state = measured.state
    interval = f"{seen.low:5.3f} {seen.best:4.2f} {seen.high:5.3f}"
    return f"{interval}   {state.cover or 0.0:5.3f}   {state.opacity or 0.0:5.3f}"


def main(captures: Path, out: Path | None = None) -> None:
    """Print the table and, with ``out``, draw the sheet."""
    cells: list[Image.Image] = []
    differences: list[float] = []
    outside: list[str] = []
    print(f"{'':40s}by eye             cover   opacity")
    for seen in seen_covers():
        found = sorted(captures.glob(f"{seen.name}.*"))
        if not found:
            raise CaptureError(f"{seen.name} is not in {captures}.", "Give the folder of the captures in the table.")
        measured = examine(read_panorama(found[0]), force=True)
        cover = measured.state.cover
        if cover is None:
            raise CaptureError(f"No cover was measured in {found[0]}.", "Take it from the table: it is no sky by day.")
        differences.append(abs(cover - seen.best))
        if not seen.low <= cover <= seen.high:
            outside.append(seen.name)
        print(f"{seen.name:40s}{figures(measured, seen)}{'  outside' if seen.name in outside else ''}", flush=True)
        if out is not None:
            cells.append(cell(measured, seen))
    print(f"mean absolute difference {np.mean(differences):.3f}, outside {len(outside)} of {len(differences)}")
    if out is not None:
        _write_sheet(cells, out)


def _write_sheet(cells: list[Image.Image], out: Path) -> None:
    width, height = cells[0].size
    sheet = Image.new("RGB", (ACROSS * width, -(-len(cells) // ACROSS) * height))
    for number, picture in enumerate(cells):
        sheet.paste(picture, (number % ACROSS * width, number // ACROSS * height))
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        sheet.save(temporary, format="PNG")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
