"""One capture file to one panorama: format, channels, shape and finite values.

Panorama rows run from the zenith down, as in ``core.geometry``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from trainer.captures.readers.radiance_hdr import read_radiance

SUFFIXES = (".hdr", ".pic", ".exr")
"""File name endings that are read as panoramas."""

MIN_WIDTH = 256
"""Narrowest panorama that holds enough sky to learn from, pixels."""

MAX_WIDTH = 32768
"""Widest panorama that is read, pixels."""


@dataclass(frozen=True)
class Panorama:
    """A panorama as it was found, with what had to be mended."""

    radiance: NDArray[np.float32]
    """Linear Rec.709 radiance (H, W, 3), W = 2H, finite and non-negative, in the file's scale."""
    flags: tuple[str, ...]
    """What was mended: ``non_finite``, ``negative``, ``single_channel``."""


class RejectedCapture(CaptureError):
    """A capture that cannot become a panorama, with the verdict's reason.

    Parameters
    ----------
    reason : str
        One of the manifest's reasons: unreadable, not_panorama, low_resolution.
    message, remedy : str
        As for :class:`SkyGenError`.
    width, height : int
        Size in pixels where it is known, else 0.
    """

    def __init__(self, reason: str, message: str, remedy: str, width: int = 0, height: int = 0) -> None:
        super().__init__(message, remedy)
        self.reason = reason
        self.width = width
        self.height = height


def read_exr(path: Path) -> NDArray[np.float32]:
    """Linear RGB (H, W, 3) float32 of an OpenEXR picture with channels R, G, B or Y alone.

    Raises
    ------
    CaptureError
        The file is damaged, or holds no RGB and no Y channel, or is luminance-chroma.
    """
    import OpenEXR

    try:
        with OpenEXR.File(str(path), separate_channels=True) as picture:
            channels = {name: np.asarray(c.pixels) for name, c in picture.parts[0].channels.items()}
    except Exception as error:  # the binding raises bare RuntimeError, TypeError and ValueError
        raise CaptureError(f"{path.name}: OpenEXR cannot read it ({error}).", "Export it again.") from error
    if {"RY", "BY"} & channels.keys():
        raise CaptureError(f"{path.name}: luminance-chroma EXR is not read.", "Export it with R, G and B channels.")
    names = ("R", "G", "B") if {"R", "G", "B"} <= channels.keys() else ("Y", "Y", "Y")
    if names[0] not in channels:
        raise CaptureError(f"{path.name}: no R, G, B or Y channel.", "Export it with R, G and B channels.")
    planes = [channels[name] for name in names]
    if any(p.ndim != 2 or p.shape != planes[0].shape for p in planes):
        raise CaptureError(f"{path.name}: its channels differ in size.", "Export it without subsampling.")
    return np.stack(planes, axis=-1).astype(np.float32)


def read_panorama(path: Path) -> Panorama:
    """Read and check one panorama file.

    Parameters
    ----------
    path : Path
        A ``.hdr``, ``.pic`` or ``.exr`` file; the content decides, not the name.

    Returns
    -------
    Panorama

    Raises
    ------
    RejectedCapture
        With reason ``unreadable``, ``not_panorama`` or ``low_resolution``.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        if not magic:
            raise CaptureError(f"{path.name}: the file is empty.", "Copy it again.")
        if magic == b"\x76\x2f\x31\x01":
            radiance = read_exr(path)
        elif magic[:2] == b"#?":
            radiance = read_radiance(path)
        else:
            raise CaptureError(f"{path.name}: neither Radiance nor OpenEXR inside.", "Convert it to .hdr or .exr.")
    except CaptureError as error:
        raise RejectedCapture("unreadable", error.message, error.remedy) from error
    except (OSError, MemoryError) as error:
        raise RejectedCapture("unreadable", f"{path.name}: {error}.", "Check the file and its permissions.") from error
    height, width = radiance.shape[:2]
    size = f"{width}x{height}"
    if width != 2 * height:
        raise RejectedCapture(
            "not_panorama", f"{path.name}: {size} is not 2:1.", "Use a full equirectangular panorama.", width, height
        )
    if width < MIN_WIDTH:
        raise RejectedCapture(
            "low_resolution", f"{path.name}: {size} is below {MIN_WIDTH} pixels.", "Use a larger one.", width, height
        )
    if width > MAX_WIDTH:
        raise RejectedCapture("unreadable", f"{path.name}: {size} is too large.", "Scale it down.", width, height)
    flags = []
    finite = np.isfinite(radiance)
    if not finite.all():
        if finite.mean() < 0.5:
            raise RejectedCapture(
                "unreadable", f"{path.name}: more than half of it is not finite.", "Export it again.", width, height
            )
        flags.append("non_finite")
        top = float(radiance[finite].max())
        radiance = np.nan_to_num(radiance, nan=0.0, posinf=top, neginf=0.0)
    if radiance.min() < 0:
        flags.append("negative")
        radiance = np.maximum(radiance, 0.0)
    if np.array_equal(radiance[..., 0], radiance[..., 2]) and np.array_equal(radiance[..., 0], radiance[..., 1]):
        flags.append("single_channel")
    return Panorama(radiance, tuple(flags))
