"""Compare local tone-mapping with one curve for the whole picture, over all captures: TMQI table and sheet.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.tone_sheet ../shared/captures/hdri build/comparison/tones.png

Prints quality Q, structural fidelity S and naturalness N (tmqi.py) of each capture, averaged down to
1024 columns, under each operator, then the means. The sheet has a row for each capture and a column
for each operator; the best Q of a row is drawn in green.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.measuring.sampling import shrink_panorama
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.panoramas.panorama_file import SUFFIXES, read_panorama
from trainer.captures.display.exposure_fusion import fuse_exposures
from trainer.captures.display.global_curves import global_reinhard, plain_gamma
from trainer.captures.display.tmqi import Quality, tone_mapped_quality

OPERATORS: dict[str, Callable[[FloatArray], NDArray[np.uint8]]] = {
    "exposure fusion": fuse_exposures,
    "plain gamma": plain_gamma,
    "Reinhard": global_reinhard,
}
WIDTH = 1024
CELL = (640, 320)
LINE = 14


def row(name: str, displays: list[NDArray[np.uint8]], qualities: list[Quality]) -> Image.Image:
    """One capture under each operator, with its figures."""
    strip = Image.new("RGB", (CELL[0] * len(displays), CELL[1] + LINE), (24, 24, 24))
    draw = ImageDraw.Draw(strip)
    best = max(quality.quality for quality in qualities)
    for number, (display, quality) in enumerate(zip(displays, qualities, strict=True)):
        strip.paste(Image.fromarray(display).resize(CELL, Image.Resampling.BOX), (number * CELL[0], LINE))
        colour = (110, 220, 110) if quality.quality == best else (200, 200, 200)
        text = f"{name}  {list(OPERATORS)[number]}  {figures(quality)}"
        draw.text((number * CELL[0] + 3, 1), text, fill=colour)
    return strip


def figures(quality: Quality) -> str:
    """Q, S and N in one cell of the table."""
    return f"{quality.quality:.3f} {quality.fidelity:.3f} {quality.naturalness:.3f}"


def main(captures: Path, out: Path) -> None:
    """Print the table and draw the sheet."""
    rows, table = [], []
    print(f"{'Q S N':44s}" + "".join(f"{name:20s}" for name in OPERATORS))
    for path in sorted(p for p in captures.iterdir() if p.suffix in SUFFIXES):
        radiance = shrink_panorama(read_panorama(path).radiance, WIDTH)
        displays = [operator(radiance) for operator in OPERATORS.values()]
        qualities = [tone_mapped_quality(radiance, display) for display in displays]
        print(f"{path.stem:44s}" + "".join(f"{figures(quality):20s}" for quality in qualities), flush=True)
        rows.append(row(path.stem, displays, qualities))
        table.append([(q.quality, q.fidelity, q.naturalness) for q in qualities])
    means = np.mean(table, axis=0)  # (operators, 3)
    print(f"{'mean':44s}" + "".join(f"{figures(Quality(*mean)):20s}" for mean in means))
    best = np.argmax(np.array(table)[..., 0], axis=1)
    print(f"{'best Q':44s}" + "".join(f"{int((best == number).sum()):<20d}" for number in range(len(OPERATORS))))
    sheet = Image.new("RGB", (rows[0].width, sum(strip.height for strip in rows)))
    for number, strip in enumerate(rows):
        sheet.paste(strip, (0, number * strip.height))
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        sheet.save(temporary, format="PNG")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
