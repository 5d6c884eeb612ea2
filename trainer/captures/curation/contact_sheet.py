"""Contact sheets: every capture with its verdict, and every kept sky with its opacity maps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from skygen_addon.core.geometry import direction_from_angles, disc_position
from skygen_addon.core.measuring.cloud_plane import PLANE_SCALES
from skygen_addon.core.whole_file import whole_file
from trainer.captures.curation.pictures import DISC_PIXELS, capture_pictures, tone_map
from trainer.captures.items import entry_item

CELL = DISC_PIXELS
"""Edge of one picture in pixels."""

_MARGIN = 6
_LINE = 16
_TEXT_LINES = 5
_BACKGROUND = (24, 24, 24)
_KEPT, _REJECTED = (90, 220, 90), (255, 110, 100)
_INVALID = np.array([90, 20, 20], dtype=np.uint8)


def _font(size: int = 13) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Text that fits into a width in pixels; the middle of a longer one gives way."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if font.getlength(text) <= width:
        return text
    kept = len(text) - 1
    while kept > 4 and font.getlength(text[: kept - kept // 3] + "…" + text[-(kept // 3) :]) > width:
        kept -= 1
    return text[: kept - kept // 3] + "…" + text[-(kept // 3) :]


def _grey(values: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    grey = np.clip(np.asarray(values, dtype=np.float32) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[~valid] = _INVALID
    return picture


def _cell(pixels: NDArray[np.uint8]) -> Image.Image:
    nearest = pixels.shape[0] < CELL
    return Image.fromarray(pixels).resize((CELL, CELL), Image.Resampling.NEAREST if nearest else Image.Resampling.BOX)


def sun_on_disc(sun: dict[str, float]) -> tuple[float, float]:
    """Column and row of the sun on the disc's picture, 0 to 1 from its upper left corner."""
    direction = direction_from_angles(np.deg2rad(sun["azimuth_deg"]), np.deg2rad(sun["elevation_deg"]))
    east, north = disc_position(direction)
    return float(1 + east) / 2, float(1 - north) / 2


def _mark_sun(picture: Image.Image, sun: dict[str, float]) -> None:
    column, row = (CELL * v for v in sun_on_disc(sun))
    draw = ImageDraw.Draw(picture)
    for radius, colour, width in ((9, (0, 0, 0), 4), (8, (255, 90, 0), 2)):
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), outline=colour, width=width)


def _no_picture() -> Image.Image:
    """What stands for a file of which there is nothing to show."""
    picture = Image.new("RGB", (CELL, CELL), (44, 40, 40))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((3, 3, CELL - 4, CELL - 4), outline=(110, 90, 90), width=2)
    draw.line((CELL * 0.15, CELL * 0.15, CELL * 0.85, CELL * 0.85), fill=(110, 90, 90), width=2)
    draw.text((CELL / 2, CELL / 2), "no picture", fill=(220, 200, 200), anchor="mm", font=_font(16))
    return picture


def _lines(entry: dict[str, Any]) -> list[str]:
    """File, verdict, figures, flags and message of a cell."""
    state, sun = entry["state"], entry["sun"]
    figures = f"sun {sun['azimuth_deg']:.0f}° high {sun['elevation_deg']:.1f}°" if sun else "no sun"
    if state.get("cover") is not None:
        figures += f"   cover {state['cover']:.2f}"
    verdict = "KEEP" if entry["verdict"] == "keep" else f"REJECT: {str(entry['reason']).replace('_', ' ')}"
    note = state.get("message") or (f"as {state['duplicate_of']}" if "duplicate_of" in state else "")
    return [entry["file"], verdict, figures, ", ".join(entry["flags"]), str(note)]


def verdict_cell(data: Path, entry: dict[str, Any]) -> Image.Image:
    """Picture of one manifest line: sky disc, the sun's circle, file, verdict, reason and flags."""
    pictures = capture_pictures(data, entry)
    if pictures is None:
        disc = _no_picture()
    else:
        with Image.open(io.BytesIO(pictures.disc)) as stored:
            disc = stored.convert("RGB")
        if entry["sun"]:
            _mark_sun(disc, entry["sun"])
    colour = _KEPT if entry["verdict"] == "keep" else _REJECTED
    cell = Image.new("RGB", (CELL + 2 * _MARGIN, CELL + _TEXT_LINES * _LINE + 2 * _MARGIN), _BACKGROUND)
    cell.paste(disc, (_MARGIN, _MARGIN))
    draw, font = ImageDraw.Draw(cell), _font()
    draw.rectangle((_MARGIN, CELL + _MARGIN, CELL + _MARGIN - 1, CELL + _MARGIN + 2), fill=colour)
    for number, line in enumerate(_lines(entry)):
        ink = colour if number == 1 else (235, 235, 235) if number == 0 else (170, 170, 170)
        place = (_MARGIN, CELL + _MARGIN + 4 + number * _LINE)
        draw.text(place, _shortened(line, CELL, font), fill=ink, font=font)
    return cell


def opacity_row(data: Path, entry: dict[str, Any]) -> Image.Image:
    """Row of a kept sky: disc, opacity on the disc, then opacity and depth on the three cloud planes."""
    with np.load(entry_item(data, entry)) as arrays:
        pictures = [tone_map(arrays["thumbnail"], arrays["thumbnail_sky"])]
        pictures.append(_grey(arrays["alpha"], arrays["alpha_valid"]))
        for scale in PLANE_SCALES:
            depth, valid, _, alpha = arrays[f"plane_{scale.texel_m}m"]
            pictures.append(_grey(alpha, valid > 0))
            pictures.append(_grey(1 - np.exp(-depth / 8), valid > 0))
    row = Image.new("RGB", (CELL * len(pictures), CELL + _LINE), _BACKGROUND)
    for number, pixels in enumerate(pictures):
        row.paste(_cell(pixels), (CELL * number, 0))
    draw, font = ImageDraw.Draw(row), _font()
    overcast = "  overcast" if entry["state"]["overcast"] else ""
    cover = entry["state"]["cover"]
    tail = f"  cover {'not told' if cover is None else f'{cover:.2f}'}{overcast}"
    text = _shortened(entry["file"], 2 * CELL - 10 - int(font.getlength(tail)), font) + tail
    draw.text((3, CELL), text, fill=(220, 220, 220), font=font)
    for number, scale in enumerate(PLANE_SCALES):
        draw.text((CELL * (2 + 2 * number), CELL), f"alpha {scale.texel_m} m", fill=(150, 200, 255), font=font)
        text = f"1 - exp(-depth / 8) {scale.texel_m} m"
        draw.text((CELL * (3 + 2 * number), CELL), text, fill=(150, 200, 255), font=font)
    return row


def grid(cells: Sequence[Image.Image], columns: int) -> Image.Image:
    """Cells of one size side by side."""
    rows = -(-len(cells) // columns)
    width, height = cells[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), _BACKGROUND)
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % columns * width, number // columns * height))
    return sheet


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all; raises OutputError if it cannot be written."""
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG", compress_level=2)  # three times as fast, a tenth larger


def draw_sheets(
    entries: Sequence[dict[str, Any]],
    draw: Callable[[dict[str, Any]], Image.Image],
    per_sheet: int,
    columns: int,
    stem: Path,
) -> Iterator[Path]:
    """Draw lines of the manifest on sheets, one sheet in memory at a time.

    Parameters
    ----------
    entries : sequence of dict
        Lines, in the order in which they appear.
    draw : callable
        Picture of one line; all of one size.
    per_sheet, columns : int
        Pictures on a sheet and in a row of it.
    stem : Path
        Sheets are ``stem.png``, or ``stem-000.png`` and so on; those of an earlier run are removed.

    Yields
    ------
    Path
        Each sheet once it is written.
    """
    several = len(entries) > per_sheet
    written = set()
    for number, start in enumerate(range(0, len(entries), per_sheet)):
        path = stem.with_name(f"{stem.name}-{number:03d}.png" if several else f"{stem.name}.png")
        save_picture(grid([draw(e) for e in entries[start : start + per_sheet]], columns), path)
        written.add(path)
        yield path
    for stale in [stem.with_name(f"{stem.name}.png"), *stem.parent.glob(f"{stem.name}-[0-9][0-9][0-9].png")]:
        if stale not in written:
            stale.unlink(missing_ok=True)
