"""OpenEXR pictures: the part, layer and window that hold the picture, checked in the header before pixels take memory.

Format: "OpenEXR File Layout" and "Technical Introduction to OpenEXR" of the Academy Software Foundation.
Row 0 of the result is the top of the display window. Colours become linear Rec.709 where the header tells others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from .primaries import convert_rows, rec709_matrix
from .rejected_capture import RejectedCapture, block_size, check_packing, check_size, unreadable

_EXPORT_RGB = "Export it with R, G and B channels."


@dataclass(frozen=True)
class ExrPicture:
    """The picture of an OpenEXR file."""

    radiance: NDArray[np.float32]
    """(H, W, 3) of the display window in the file's scale; zero where there is no data."""
    covered: NDArray[np.bool_] | None
    """(H, W) where the data window lies, or None where it covers all."""
    part: str
    """Name of the part it was read from; empty in a file of one part."""
    channels: tuple[str, str, str]
    """Names of the channels that were read as red, green and blue."""
    primaries: tuple[float, ...] | None = None
    """Chromaticities x, y of red, green, blue and white from which colours were converted; None if they were not."""


@dataclass(frozen=True)
class _Window:
    left: int
    top: int
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class _Part:
    """What the header says of a part, in plain values."""

    name: str
    flat: bool
    channels: dict[str, tuple[int, int]]  # name to sampling across and down
    data: _Window
    display: _Window
    tile: tuple[int, int]
    chromaticities: tuple[float, ...]  # x, y of red, green, blue and white; empty where it tells none

    @property
    def reading_bytes(self) -> int:
        """Memory that reading all channels takes; half counts as float, a tile is read whole."""
        pixels = max(self.data.width, self.tile[0]) * max(self.data.height, self.tile[1])
        return 4 * len(self.channels) * pixels


def _window(corners: Any) -> _Window:
    low, high = (np.asarray(corner, dtype=np.int64) for corner in corners)
    return _Window(int(low[0]), int(low[1]), int(high[0] - low[0] + 1), int(high[1] - low[1] + 1))


def _part(header: Mapping[str, Any]) -> _Part:
    tiles = header.get("tiles")
    return _Part(
        name=str(header.get("name", "")),
        flat=header["type"] in (OpenEXR.scanlineimage, OpenEXR.tiledimage),
        channels={str(c.name): (int(c.xSampling), int(c.ySampling)) for c in header["channels"]},
        data=_window(header["dataWindow"]),
        display=_window(header["displayWindow"]),
        tile=(0, 0) if tiles is None else (int(tiles.xSize), int(tiles.ySize)),
        chromaticities=tuple(round(float(v), 6) for v in header.get("chromaticities", ())),
    )


def _read_header(path: Path) -> list[_Part]:
    try:
        with OpenEXR.File(str(path), header_only=True, num_threads=0) as file:
            return [_part(dict(part.header)) for part in file.parts]
    except Exception as error:  # the binding raises RuntimeError, TypeError, ValueError, UnicodeDecodeError
        raise unreadable(f"{path.name}: OpenEXR cannot read its header ({error}).") from error


def _layers(names: Sequence[str]) -> list[str]:
    """Prefixes ("" or with their dot) under which R, G and B are all there."""
    have = set(names)
    prefixes = [name[:-1] for name in names if name == "R" or name.endswith(".R")]
    return [p for p in prefixes if {p + "G", p + "B"} <= have]


def _best_layer(layers: Sequence[str]) -> str | None:
    """The layer that holds the picture: the only one, else the only Combined one, else its left eye."""
    if len(layers) > 1:
        layers = [p for p in layers if "combined" in p.lower().split(".")] or layers
    if len(layers) > 1:
        layers = [p for p in layers if "right" not in p.lower().split(".")]
    return layers[0] if len(layers) == 1 else None


def _choose(name: str, parts: Sequence[_Part]) -> tuple[int, tuple[str, str, str]]:
    """Index of the part and names of the three channels that hold the picture."""
    flat = {index: list(part.channels) for index, part in enumerate(parts) if part.flat}
    if not flat:
        raise unreadable(f"{name}: deep EXR is not read.", "Flatten it to one sample a pixel.")
    for index, names in flat.items():
        if {"R", "G", "B"} <= set(names):
            return index, ("R", "G", "B")
    layers = {index: _layers(names) for index, names in flat.items()}
    found = [layer for index in layers for layer in layers[index]]
    best = _best_layer(found)
    if best is not None:
        index = next(i for i in layers if best in layers[i])
        return index, (f"{best}R", f"{best}G", f"{best}B")
    if found:
        listed = ", ".join(layer.rstrip(".") for layer in found[:4])
        raise unreadable(f"{name}: several layers hold a picture ({listed}).", "Export one of them alone.")
    for index, names in flat.items():
        if {"RY", "BY"} & set(names):
            raise unreadable(f"{name}: luminance-chroma EXR is not read.", _EXPORT_RGB)
        if "Y" in names:
            return index, ("Y", "Y", "Y")
    raise unreadable(f"{name}: no R, G, B or Y channel.", _EXPORT_RGB)


def _check_memory(path: Path, parts: Sequence[_Part], chosen: _Part) -> None:
    """Refuse sizes that the file cannot hold: all channels of all parts are read at once."""
    for part in parts:
        check_size(path.name, part.data.width, part.data.height)
    check_size(path.name, chosen.display.width, chosen.display.height)
    total = sum(part.reading_bytes for part in parts)
    if chosen.display != chosen.data:
        total += 12 * chosen.display.area
    check_packing(path.name, total, path.stat().st_size)


def _read_planes(path: Path, parts: int, part: int, names: Sequence[str]) -> list[NDArray[Any]]:
    try:
        with OpenEXR.File(str(path), separate_channels=True, num_threads=0) as file:
            if len(file.parts) != parts:  # a part whose pixels are damaged is left out, with a warning
                raise unreadable(f"{path.name}: its pixels are damaged or truncated.")
            channels = file.parts[part].channels
            return [np.asarray(channels[name].pixels) for name in names]
    except RejectedCapture:
        raise
    except Exception as error:  # the binding raises bare RuntimeError, TypeError and ValueError
        raise unreadable(f"{path.name}: OpenEXR cannot read it ({error}).") from error


def _block_means(plane: NDArray[Any], block: int) -> NDArray[np.float32]:
    """Means (H / block, W / block) of a channel (H, W), a row of blocks at a time."""
    if block == 1:
        return plane.astype(np.float32)
    rows = range(0, plane.shape[0], block)
    bands = (plane[r : r + block].astype(np.float32).reshape(block, -1, block) for r in rows)
    return np.stack([band.mean(axis=(0, 2)) for band in bands])


def read_exr(path: Path, most_width: int | None = None) -> ExrPicture:
    """Linear RGB of an OpenEXR picture: half, float or uint; scan lines or tiles; one part or several.

    The picture is the first part with R, G and B; else the one layer with R, G and B (of several the only
    one called Combined, and the left eye of two); else the first part with Y alone.

    Parameters
    ----------
    path : Path
        The ``.exr`` file.
    most_width : int, optional
        Average blocks of pixels channel by channel, so that a wider picture comes out less than twice as wide as this;
        one with pixels outside its data window is read in full.

    Returns
    -------
    ExrPicture

    Raises
    ------
    RejectedCapture
        The file is damaged, truncated, too large, deep, luminance-chroma, subsampled, holds several
        pictures or none. The header is checked first: an absurd size takes no memory.
    OSError
        The file cannot be opened.
    """
    with path.open("rb"):  # tells a missing permission from damage
        pass
    parts = _read_header(path)
    index, names = _choose(path.name, parts)
    part = parts[index]
    if any(part.channels[name] != (1, 1) for name in names):
        raise unreadable(f"{path.name}: its channels are subsampled.", "Export it without subsampling.")
    _check_memory(path, parts, part)
    frame, window = part.display, part.data
    planes = _read_planes(path, len(parts), index, names)
    if any(p.shape != (window.height, window.width) for p in planes):
        raise unreadable(f"{path.name}: its channels differ in size.")
    block = 1
    if most_width is not None and frame == window:
        block = block_size(window.height, window.width, most_width)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller mends what is not finite
        radiance = np.stack([_block_means(p, block) for p in planes], axis=-1)
    matrix = rec709_matrix(part.chromaticities) if names[0] != names[1] else None
    primaries = None if matrix is None else part.chromaticities
    if matrix is not None:
        convert_rows(radiance, matrix)
    if frame == window:
        return ExrPicture(radiance, None, part.name, names, primaries)
    top, left = window.top - frame.top, window.left - frame.left
    rows = slice(max(top, 0), min(top + window.height, frame.height))
    columns = slice(max(left, 0), min(left + window.width, frame.width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise unreadable(f"{path.name}: its data window lies outside its display window.")
    whole = np.zeros((frame.height, frame.width, 3), dtype=np.float32)
    whole[rows, columns] = radiance[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    covered = np.zeros(whole.shape[:2], dtype=np.bool_)
    covered[rows, columns] = True
    return ExrPicture(whole, None if covered.all() else covered, part.name, names, primaries)
