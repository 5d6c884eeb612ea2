"""Match real captures and draw each beside its match, and print figures over all of them.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.match_sheet ../shared/captures/hdri build/comparison/matches.png

Half a minute or more for a sky. Left is the capture, right the sky that was matched to it, both under one exposure.
What is no sky by day is left out, with its reason. Names after the picture limit it to captures that hold one of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from skygen_addon.core.bundle import installed_bundle
from skygen_addon.core.errors import SkyGenError
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.match.match import MatchedSky, match
from skygen_addon.runtime.match.match_report import difference_lines, found_lines, side_by_side
from skygen_addon.runtime.panoramas.panorama_file import SUFFIXES, read_panorama

COLUMNS = 2


def titled(name: str, sky: MatchedSky) -> np.ndarray:
    """The pair (276, 1032, 3) under its name and what it was taken for."""
    picture = Image.new("RGB", (1032, 276), "white")
    left = sky.differences
    cover = "" if left.cover is None else f"cover {sky.wanted.cover:.2f} -> {sky.shown.cover:.2f}, "
    balance = f"{sky.controls.white_balance_k:.0f} K, tint {sky.controls.white_balance_tint:+.0f}"
    text = f"{name}: {sky.kind}, {cover}red to blue {left.red_to_blue:.2f}, {balance}"
    ImageDraw.Draw(picture).text((4, 4), text, "black")
    picture.paste(Image.fromarray(side_by_side(sky)), (0, 20))
    return np.asarray(picture)


def main(captures: Path, out: Path, *wanted: str) -> None:
    """Draw the sheet."""
    renderer = FrameRenderer(installed_bundle())
    pairs, figures = [], []
    for file in sorted(p for p in captures.iterdir() if p.suffix.lower() in SUFFIXES):
        if wanted and not any(name in file.name for name in wanted):
            continue
        started = time.perf_counter()
        try:
            sky = match(read_panorama(file), renderer)
        except SkyGenError as error:
            print(f"{file.name}: {error}", flush=True)
            continue
        left = sky.differences
        print(f"{file.name} ({time.perf_counter() - started:.0f} s)", *found_lines(sky), sep="\n    ", flush=True)
        print(*(f"  - {line}" for line in difference_lines(sky)), sep="\n", flush=True)
        print(f"    {left} seed {sky.seed} low {sky.controls.low} high {sky.controls.high.cover}", flush=True)
        known = (left.cover, left.opacity, left.median_ev, float(np.log2(left.red_to_blue)), float(np.log2(left.green)))
        figures.append([np.nan if value is None else abs(value) for value in known])
        pairs.append(titled(file.name, sky))
    if not pairs:
        return
    pairs += [np.full_like(pairs[0], 255)] * (-len(pairs) % COLUMNS)
    rows = [np.concatenate(pairs[i : i + COLUMNS], axis=1) for i in range(0, len(pairs), COLUMNS)]
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(out)
    names = ("cover", "opacity", "median EV", "red to blue EV", "green EV")
    for name, values in zip(names, np.array(figures).T, strict=True):
        middle, mean, most = np.nanmedian(values), np.nanmean(values), np.nanmax(values)
        print(f"{name:15s} off by {middle:.2f} in the middle, {mean:.2f} on average, {most:.2f} at most")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
