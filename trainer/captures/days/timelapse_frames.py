"""Frames of a fixed all-sky camera with their geometry: which pixel sees what, and where the sun is.

Row 0 of a frame is its top. Frames are 8-bit and gamma-encoded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.sun_track import Fisheye, SunTrack, find_blob, find_circle, fit_track

Array = NDArray[np.float64]

BIN = 2
"""Frames are averaged over BIN x BIN pixels."""
ZENITH_LIMIT_RAD = math.radians(68)
"""Lower sky is left out: trees, sunset colours, stretched pixels."""
SUN_LIMIT_RAD = math.radians(7)
"""Frames with a lower sun are left out: everything is warm."""
LEAST_COLOUR = 1.0
"""Mean spread of the channels in the middle of a frame; the grey night mode has less, overcast has more."""


@dataclass(frozen=True)
class Frames:
    """Binned frames of all days with their geometry."""

    names: tuple[str, ...]
    """Name of each day."""
    encoded: NDArray[np.float32]
    """(days, frames, h, w, 3) 0 to 255."""
    present: NDArray[np.bool_]
    """(days, frames) whether a colour frame is there."""
    direction: Array
    """(h, w, 3) unit vectors of pixels."""
    sky: NDArray[np.bool_]
    """(h, w) sky above obstructions and ZENITH_LIMIT_RAD."""
    sun: Array
    """(days, frames, 3) unit vectors toward the sun."""
    track: SunTrack
    """Sun positions in unbinned pixels."""


def read_days(folder: Path, latitude_deg: float = 37.43) -> Frames:
    """Read ``folder/<day>/*.jpg`` (frames in name order) and fit the sun's path.

    Raises
    ------
    CaptureError
        If there are no days, a frame cannot be read, or frames differ in size.
    """
    paths = {d.name: sorted(d.glob("*.jpg")) for d in sorted(folder.iterdir()) if d.is_dir()} if folder.is_dir() else {}
    paths = {name: files for name, files in paths.items() if len(files) >= 24}
    if not paths:
        raise CaptureError(
            f"{folder} holds no time-lapse days.", "Give a folder with a folder of 24 or more JPEG frames a day."
        )
    length = max(len(files) for files in paths.values())
    first = _read(next(iter(paths.values()))[0])
    height, width = (s // BIN for s in first.shape[:2])
    encoded = np.zeros((len(paths), length, height, width, 3), np.float32)
    present = np.zeros((len(paths), length), bool)
    blobs = np.full((len(paths), length, 2), np.nan)
    sample = [_read(f).mean(-1) for files in paths.values() for f in files[::12]]
    if any(s.shape != first.shape[:2] for s in sample):
        raise CaptureError(f"Frames in {folder} differ in size.", "Give days of one camera.")
    circle = find_circle(np.median(sample, axis=0))
    for day, files in enumerate(paths.values()):
        for index, file in enumerate(files):
            frame = _read(file)
            if frame.shape != first.shape:
                raise CaptureError(f"{file} is of another size.", "Give days of one camera.")
            binned = frame[: height * BIN, : width * BIN].reshape(height, BIN, width, BIN, 3).mean((1, 3))
            encoded[day, index] = binned
            middle = binned[height // 4 : -height // 4, width // 4 : -width // 4]
            present[day, index] = binned.mean() > 15 and np.ptp(middle, axis=-1).mean() > LEAST_COLOUR
            blob = find_blob(frame, circle) if present[day, index] else None
            if blob is not None:
                blobs[day, index] = blob
    track = fit_track(blobs, circle, math.radians(latitude_deg))
    camera = Fisheye(circle.centre, circle.radius * 1.03)
    row, column = np.mgrid[:height, :width] * float(BIN) + (BIN - 1) / 2
    direction = camera.directions(column, row)
    sun = camera.directions(track.position[..., 0], track.position[..., 1])
    dark = np.quantile(encoded[present][::7].mean(-1), 0.9, axis=0) < 60
    sky = (direction[..., 2] > math.cos(ZENITH_LIMIT_RAD)) & ~ndimage.binary_dilation(dark, iterations=1)
    return Frames(tuple(paths), encoded, present, direction, sky, sun, track)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error}.", "Remove or replace the file.") from error
