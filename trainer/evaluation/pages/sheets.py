"""Sheets of real and generated skies under one tone curve: shuffled without labels, and the same with labels.

The blind sheet shows views of the sky alone: on whole panoramas houses and trees would tell the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skygen_addon.core.whole_file import whole_file

COLUMNS, BLIND_COLUMNS, GAP = 4, 8, 6
"""Pictures in a row of panoramas and of views, and pixels between them."""

CAPTION = 14
"""Pixels of the line below a picture; on the unlabelled sheet it holds the picture's number."""

BACKGROUND = (40, 40, 40)


def draw_sheet(
    pictures: Sequence[NDArray[np.uint8]], captions: Sequence[str], path: Path, columns: int = COLUMNS
) -> None:
    """Write a PNG of pictures (H, W, 3) of one size with a caption each.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell_width, cell_height = width + GAP, height + CAPTION + GAP
    sheet = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = GAP + number % columns * cell_width, GAP + number // columns * cell_height
        sheet.paste(Image.fromarray(picture), (left, top))
        pen.text((left + 2, top + height + 1), caption, fill=(220, 220, 220))
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def chosen_evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` numbers below ``count``, spread evenly."""
    if count <= wanted:
        return list(range(count))
    return [int(k) for k in np.floor((np.arange(wanted) + 0.5) * count / wanted)]


def write_blind_sheets(
    real: Sequence[tuple[str, NDArray[np.uint8]]],
    generated: Sequence[tuple[str, NDArray[np.uint8]]],
    out: Path,
    *,
    each: int = 16,
    seed: int = 0,
) -> None:
    """``sheet_unlabelled.png`` and ``sheet_labelled.png``: the same shuffled pictures, ``each`` of both kinds.

    Parameters
    ----------
    real, generated : sequences of (label, picture)
    out : Path
        Folder.
    """
    count = min(each, len(real), len(generated))
    both = [
        (f"{kind} {label}", picture)
        for kind, skies in (("real", real), ("generated", generated))
        for label, picture in (skies[k] for k in chosen_evenly(len(skies), count))
    ]
    order = np.random.default_rng(seed).permutation(len(both))
    pictures = [both[k][1] for k in order]
    draw_sheet(pictures, [str(number + 1) for number in range(len(order))], out / "sheet_unlabelled.png", BLIND_COLUMNS)
    labels = [f"{number + 1} {both[k][0]}" for number, k in enumerate(order)]
    draw_sheet(pictures, labels, out / "sheet_labelled.png", BLIND_COLUMNS)
