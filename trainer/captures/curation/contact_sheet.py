"""Contact sheets: every capture with its verdict, and every kept sky with its opacity maps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skygen_addon.core.geometry import REC709_LUMINANCE, direction_from_angles, disc_position
from trainer.captures.measuring.cloud_plane import PLANE_SCALES

CELL = 240
"""Edge of one picture in pixels."""

_LINE = 13
_INVALID = np.array([90, 20, 20], dtype=np.uint8)


def tone_map(radiance: NDArray[np.floating], sky: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Display picture (..., 3) of linear radiance: the sky's median at a middle grey, highlights rolled off."""
    values = np.asarray(radiance, dtype=np.float32)
    luminance = values @ REC709_LUMINANCE
    chosen = luminance[sky] if sky is not None and sky.any() else luminance
    display = (1 - np.exp(-0.7 * values / max(float(np.median(chosen)), 1e-12))) ** (1 / 2.2)
    return np.asarray(np.clip(display * 255 + 0.5, 0, 255), dtype=np.uint8)


def _grey(values: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    grey = np.clip(np.asarray(values, dtype=np.float32) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[~valid] = _INVALID
    return picture


def _cell(pixels: NDArray[np.uint8]) -> Image.Image:
    nearest = pixels.shape[0] < CELL
    return Image.fromarray(pixels).resize((CELL, CELL), Image.Resampling.NEAREST if nearest else Image.Resampling.BOX)


def _mark_sun(picture: Image.Image, sun: dict[str, float]) -> None:
    direction = direction_from_angles(np.deg2rad(sun["azimuth_deg"]), np.deg2rad(sun["elevation_deg"]))
    east, north = disc_position(direction)
    column, row = (1 + east) / 2 * CELL, (1 - north) / 2 * CELL
    draw = ImageDraw.Draw(picture)
    for radius, colour in ((8, (255, 60, 0)), (9, (0, 0, 0))):
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), outline=colour)


def verdict_cell(entry: dict[str, Any], item: Path | None) -> Image.Image:
    """Picture of one manifest line: sky disc, the sun's circle, file, verdict, reason and flags."""
    cell = Image.new("RGB", (CELL, CELL + 4 * _LINE), (24, 24, 24))
    if item is not None:
        with np.load(item) as arrays:
            sky = arrays["thumbnail_sky"]
            picture = tone_map(arrays["thumbnail"], sky)
        picture[~sky] = picture[~sky] // 3
        disc = _cell(picture)
        if entry["sun"]:
            _mark_sun(disc, entry["sun"])
        cell.paste(disc, (0, 0))
    state, sun = entry["state"], entry["sun"]
    kept = entry["verdict"] == "keep"
    lines = [
        Path(entry["file"]).name[:38],
        "KEEP" if kept else f"REJECT {entry['reason']}",
        f"sun az {sun['azimuth_deg']:.1f} el {sun['elevation_deg']:.1f}" if sun else "no sun",
        ", ".join(entry["flags"]) or state.get("message", "")[:38],
    ]
    if "cover" in state:
        lines[2] += f"  cover {state['cover']:.2f}  {state['calibrated_by']}"
    draw = ImageDraw.Draw(cell)
    for number, line in enumerate(lines):
        colour = (200, 200, 200) if number != 1 else (90, 220, 90) if kept else (255, 90, 80)
        draw.text((3, CELL + number * _LINE), line, fill=colour)
    return cell


def opacity_row(entry: dict[str, Any], item: Path) -> Image.Image:
    """Row of a kept sky: disc, opacity on the disc, then opacity and depth on the three cloud planes."""
    with np.load(item) as arrays:
        pictures = [tone_map(arrays["thumbnail"], arrays["thumbnail_sky"])]
        pictures.append(_grey(arrays["alpha"], arrays["alpha_valid"]))
        for scale in PLANE_SCALES:
            depth, valid, _, alpha = arrays[f"plane_{scale.texel_m}m"]
            pictures.append(_grey(alpha, valid > 0))
            pictures.append(_grey(1 - np.exp(-depth / 8), valid > 0))
    row = Image.new("RGB", (CELL * len(pictures), CELL + _LINE), (24, 24, 24))
    for number, pixels in enumerate(pictures):
        row.paste(_cell(pixels), (CELL * number, 0))
    draw = ImageDraw.Draw(row)
    overcast = "  overcast" if entry["state"]["overcast"] else ""
    text = f"{entry['file']}  cover {entry['state']['cover']:.2f}{overcast}"
    draw.text((3, CELL), text, fill=(220, 220, 220))
    for number, scale in enumerate(PLANE_SCALES):
        draw.text((CELL * (2 + 2 * number), CELL), f"alpha {scale.texel_m} m", fill=(150, 200, 255))
        draw.text((CELL * (3 + 2 * number), CELL), f"1 - exp(-depth / 8) {scale.texel_m} m", fill=(150, 200, 255))
    return row


def grid(cells: list[Image.Image], columns: int) -> Image.Image:
    """Cells of one size side by side."""
    rows = -(-len(cells) // columns)
    width, height = cells[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), (24, 24, 24))
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % columns * width, number // columns * height))
    return sheet


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG under a temporary name, then put it in place."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        picture.save(stream, format="PNG")
    os.replace(temporary, path)
