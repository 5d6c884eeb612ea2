"""Tone-map baked frames: single pictures for the film, and one sheet that shows the sky over time.

python demo_pictures.py DEMO DISPLAY    DEMO/sky/*.exr -> DISPLAY/display_0001.png ..., DEMO/contact.png
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from skygen_addon.runtime.exr import read_exr  # noqa: E402
from skygen_addon.runtime.preview import tone_map  # noqa: E402

COLUMNS, TILES = 2, 8
TILE_WIDTH = 800
CAPTION = 18
SHOWN_HEIGHT = 0.55
"""Part of the panorama that is shown, from the zenith: the sky and a strip of ground."""


def frame_number(path: Path) -> int:
    """Number in ``sky_0001.exr``."""
    return int(path.stem.rsplit("_", 1)[1])


def display_frames(frames: list[Path], folder: Path) -> list[Path]:
    """Write one tone-mapped PNG per frame; those newer than their frame are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"display_{frame_number(path):04d}.png" for path in frames}
    for stale in set(folder.glob("display_*.png")) - wanted:
        stale.unlink()
    for path, target in zip(frames, sorted(wanted), strict=True):
        if not target.is_file() or target.stat().st_mtime < path.stat().st_mtime:
            display = tone_map(read_exr(path).radiance)
            rows = int(display.shape[0] * SHOWN_HEIGHT) // 2 * 2  # the film's encoder wants even sizes
            save(Image.fromarray(display[:rows]), target)
    return sorted(wanted)


def contact_sheet(pictures: list[Path]) -> Image.Image:
    """Evenly spaced frames, first and last included, in reading order with their numbers."""
    chosen = sorted({round(i) for i in np.linspace(0, len(pictures) - 1, TILES)})
    rows = -(-len(chosen) // COLUMNS)
    with Image.open(pictures[0]) as picture:
        tile_height = round(TILE_WIDTH * picture.height / picture.width)
    height = tile_height + CAPTION
    sheet = Image.new("RGB", (COLUMNS * TILE_WIDTH, rows * height), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for place, index in enumerate(chosen):
        left, top = place % COLUMNS * TILE_WIDTH, place // COLUMNS * height
        with Image.open(pictures[index]) as picture:
            tile = picture.resize((TILE_WIDTH, tile_height), Image.Resampling.LANCZOS)
        sheet.paste(tile, (left, top + CAPTION))
        draw.text((left + 4, top + 3), f"frame {frame_number(pictures[index])}", fill=(230, 230, 230))
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG under a temporary name, then rename it."""
    temporary = path.with_name(path.name + ".tmp")
    picture.save(temporary, format="PNG")
    os.replace(temporary, path)


def main(demo: str, display: str) -> None:
    """Make every picture of the demo."""
    frames = sorted(Path(demo, "sky").glob("sky_*.exr"))
    if not frames:
        raise SystemExit(f"No frames in {demo}/sky: bake first.")
    pictures = display_frames(frames, Path(display))
    save(contact_sheet(pictures), Path(demo) / "contact.png")
    print(f"  @ contact.png shows {min(TILES, len(frames))} of {len(frames)} frames", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
