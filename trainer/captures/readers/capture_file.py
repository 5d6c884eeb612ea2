"""One capture of any kind to a panorama: an HDR file, a camera picture, or the frames of one exposure bracket.

What a file is, its content decides, never its name. A picture twice as wide as it is high is a panorama
unless it shows fisheye circles on dark ground: two of them must be stitched first, one is an upward still, as any
other picture must be (see `fisheye` for its conventions).

Flags beside those of `panorama_file`:

- ``bracket``: merged from several exposures, with the merge's own flags;
- ``incomplete``: some exposures of the bracket could not be read, and were left out;
- ``single_exposure``: one raw picture, linear but of one exposure's range;
- ``display_referred``: one PNG, JPEG or TIFF, decoded by the sRGB curve whatever the camera did to it;
- ``sun_clipped``: pixels of that one picture's sky are saturated;
- ``fisheye``: unwrapped from a fisheye still, without ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.runtime.panoramas.panorama_file import (
    MIN_WIDTH,
    SUFFIXES,
    HdrPicture,
    holds_hdr,
    mend,
    read_hdr,
    to_panorama,
)
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture, unreadable
from trainer.captures.merging.bracket_stacks import stack_exposures
from trainer.captures.merging.exposure_merge import check_stack_memory, merge_stack
from trainer.captures.readers.camera_raw import holds_raw, read_raw, stack_balance
from trainer.captures.readers.fisheye import (
    Projection,
    check_projection,
    named_projection,
    panorama_width,
    unwrap_fisheye,
)
from trainer.captures.readers.fisheye_circle import Circle, find_circle, leaves_frame_dark, shows_two_circles
from trainer.captures.readers.picture_file import Picture, read_picture

HDR_SUFFIXES = SUFFIXES
"""File name endings of HDR pictures."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""File name endings of display-encoded pictures."""

RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
"""File name endings of camera raw pictures."""

_STITCH = "Stitch it to an equirectangular panorama, in the camera's own program if it has two lenses."

SATURATED = 0.999
"""Share of full scale from which on a code value is saturated."""


@dataclass(frozen=True)
class _Found:
    picture: HdrPicture
    flags: tuple[str, ...]
    saturated: NDArray[np.bool_] | None = None
    """(H, W) of a single exposure."""


def srgb_to_linear(values: NDArray[Any]) -> NDArray[np.float32]:
    """Linear values in [0, 1] of sRGB code values, uint8 or uint16 of full range (IEC 61966-2-1)."""
    code = np.linspace(0.0, 1.0, int(np.iinfo(values.dtype).max) + 1)
    table = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)
    linear: NDArray[np.float32] = table[values]
    return linear


def _from_picture(picture: Picture) -> _Found:
    top = int(np.iinfo(picture.values.dtype).max)
    saturated = picture.values.min(axis=-1) >= SATURATED * top
    if picture.linear:
        radiance = picture.values.astype(np.float32) / np.float32(top)
        return _Found(HdrPicture(radiance, None, {}), ("single_exposure",), saturated)
    return _Found(HdrPicture(srgb_to_linear(picture.values), None, {}), ("display_referred",), saturated)


def _read_frame(path: Path, balance: Sequence[float] | None) -> Picture:
    """One exposure of a bracket; a raw with the white balance of the whole bracket."""
    try:
        if balance is None or not holds_raw(path):
            return read_picture(path)
        values, exposure = read_raw(path, balance)
    except (OSError, MemoryError) as error:
        raise unreadable(f"{path.name}: {error}.", "Check the file and its permissions.") from error
    return Picture(path.name, values, linear=True, exposure=exposure)


def _find(files: Sequence[Path]) -> _Found:
    if len(files) == 1:
        if holds_hdr(files[0]):
            return _Found(read_hdr(files[0]), ())
        return _from_picture(read_picture(files[0]))
    told = stack_exposures(files)
    places = sorted(range(len(files)), key=lambda k: told[k] or 0.0)
    balance = stack_balance([files[k] for k in places])
    pictures: list[Picture] = []
    damaged: dict[Path, RejectedCapture] = {}
    for path in files:
        try:
            pictures.append(_read_frame(path, balance))
        except RejectedCapture as error:
            damaged[path] = error
        check_stack_memory(files[0].name, pictures)  # before the next one takes more
    if len(pictures) < 2:
        raise next(iter(damaged.values()))
    exposures = stack_exposures([path for path in files if path not in damaged])
    if None not in exposures:  # else what each picture told by itself, as LibRaw may
        pictures = [replace(p, exposure=e) for p, e in zip(pictures, exposures, strict=True)]
    try:
        stack = merge_stack(pictures)
    except RejectedCapture:
        raise
    except CaptureError as error:
        raise unreadable(error.message, error.remedy) from error
    flags: tuple[str, ...] = ("bracket", *stack.flags)
    notes = dict(stack.notes)
    if damaged:
        flags += ("incomplete",)
        notes["unreadable"] = [path.name for path in damaged]
    return _Found(HdrPicture(stack.radiance, None, notes), flags)


def _unwrap(name: str, picture: HdrPicture, circle: Circle, lens: Projection) -> Panorama:
    height, width = picture.radiance.shape[:2]
    panorama = panorama_width(circle)
    if panorama < MIN_WIDTH:
        message = f"{name}: its fisheye circle of {circle.radius:.0f} pixels gives less than {MIN_WIDTH} columns."
        raise RejectedCapture("low_resolution", message, "Use a larger one.", width, height)
    radiance, flags = mend(name, picture.radiance)
    unwrapped, covered = unwrap_fisheye(radiance, circle, lens, panorama)
    if picture.covered is not None:
        seen = np.repeat(picture.covered[..., None], 3, axis=-1).astype(np.float32)
        covered &= unwrap_fisheye(seen, circle, lens, panorama)[0][..., 0] > 0.999
    told = [round(v, 2) for v in (circle.column, circle.row, circle.radius)]
    notes = {**picture.notes, "projection": lens, "circle": told}
    return Panorama(unwrapped, ("fisheye", *flags), covered, notes)


def _find_horizon(name: str, radiance: NDArray[np.float32]) -> Circle | None:
    """Circle of a fisheye still (H, W, 3), None where there is none; refuses the two of a camera with two lenses."""
    height, width = radiance.shape[:2]
    with np.errstate(invalid="ignore", over="ignore"):
        luminance = radiance @ REC709_LUMINANCE
    if np.isfinite(luminance).mean() < 0.5:
        return None  # refused for that where it is mended
    top = np.max(luminance, where=np.isfinite(luminance), initial=0.0)
    luminance = np.nan_to_num(luminance, copy=False, posinf=top, neginf=0.0)
    two = width == 2 * height and shows_two_circles(luminance)
    circle = None if two else find_circle(luminance)
    if two or (circle is None and width == 2 * height and leaves_frame_dark(luminance)):
        message = f"{name}: {width}x{height}, but round pictures on dark ground as a fisheye lens makes them."
        raise RejectedCapture("not_panorama", message, _STITCH, width, height)
    return circle


def _is_clipped(saturated: NDArray[np.bool_], circle: Circle | None) -> bool:
    """Whether anything in the sky is saturated: the upper half of a panorama, the circle of a fisheye still."""
    if circle is None:
        return bool(saturated[: saturated.shape[0] // 2].any())
    row, column = np.nonzero(saturated)
    return bool((np.hypot(column - circle.column, row - circle.row) < circle.radius).any())


def read_capture(files: Sequence[Path], projection: str = "equidistant") -> Panorama:
    """Read one capture.

    Parameters
    ----------
    files : sequence of Path
        One file of any kind, or the pictures of one exposure bracket.
    projection : str
        Lens of a fisheye still, ``equidistant`` or ``equisolid``, where no file name tells it.

    Returns
    -------
    Panorama
        ``notes`` holds ``projection`` (``panorama`` or the lens), ``files`` (how many), of a fisheye
        still ``circle`` (column, row and radius in pixels), and what a merge noted.

    Raises
    ------
    RejectedCapture
        With reason ``unreadable``, ``not_panorama`` or ``low_resolution``; size 0 where it is not known.
    CaptureError
        There is no such projection.
    """
    lens = named_projection(files) or check_projection(projection)
    if not files:
        raise unreadable("A capture without a file.", "Give at least one.")
    name = files[0].name
    try:
        found = _find(files)
        height, width = found.picture.radiance.shape[:2]
        circle = _find_horizon(name, found.picture.radiance)
        if circle is None and width == 2 * height:
            panorama = to_panorama(name, found.picture)
        else:
            if circle is None:
                message = f"{name}: {width}x{height} is neither a 2:1 panorama nor a fisheye circle on dark ground."
                remedy = "Use a full equirectangular panorama or an upward fisheye still."
                raise RejectedCapture("not_panorama", message, remedy, width, height)
            panorama = _unwrap(name, found.picture, circle, lens)
    except MemoryError as error:
        raise unreadable(f"{name}: it takes more memory than there is.", "Scale it down.") from error
    flags = list(found.flags)
    if found.saturated is not None and _is_clipped(found.saturated, circle):
        flags.append("sun_clipped")
    unique = tuple(dict.fromkeys([*flags, *panorama.flags]))
    return Panorama(panorama.radiance, unique, panorama.covered, {**panorama.notes, "files": len(files)})
