"""A capture that is refused: the verdict's reason, a message with its remedy, and the size where it is known."""

from __future__ import annotations

from ...core.errors import CaptureError

MAX_WIDTH = 32768
"""Longest side in pixels that is read; larger pictures are refused from their header, before pixels take memory."""

MAX_PICTURE_BYTES = 8 << 30
"""Most memory that a file's pixels may take: 32768 x 16384 of RGBA in float are 8 GiB."""

SMALL_PICTURE_BYTES = 64 << 20
"""Pixels that take no more are read however small their file is."""

MAX_PACKING = 2100
"""Most bytes of pixels that a byte of a file may hold: deflate packs no more than 1032 into one, and OpenEXR's
half is counted as float."""


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


def unreadable(message: str, remedy: str = "Export it again or remove the file.") -> RejectedCapture:
    """A refusal of a file that is damaged or of a kind that is not read."""
    return RejectedCapture("unreadable", message, remedy)


def check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture by the size in its header.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: a side is longer than `MAX_WIDTH`, or there is no pixel at all.
    """
    if width < 1 or height < 1:
        raise RejectedCapture("unreadable", f"{name}: its header says {width}x{height} pixels.", "Export it again.")
    if max(width, height) > MAX_WIDTH:
        message = f"{name}: {width}x{height} is too large, more than {MAX_WIDTH} pixels a side."
        raise RejectedCapture("unreadable", message, "Scale it down.", width, height)


def check_packing(name: str, pixel_bytes: int, file_bytes: int) -> None:
    """Refuse a picture whose header says more pixels than memory, or than its file can hold.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``.
    """
    if pixel_bytes > MAX_PICTURE_BYTES:
        raise unreadable(f"{name}: its pixels take {pixel_bytes >> 20} MiB.", "Scale it down, or export R, G, B alone.")
    if pixel_bytes > SMALL_PICTURE_BYTES and pixel_bytes > MAX_PACKING * file_bytes:
        raise unreadable(f"{name}: {file_bytes} bytes cannot hold the pixels of its header.")


def block_size(height: int, width: int, most_width: int) -> int:
    """Edge of the blocks of pixels that bring a picture nearest to ``most_width`` from above; 1 where none fit."""
    fitting = [n for n in range(1, max(width // most_width, 1) + 1) if width % n == 0 and height % n == 0]
    return max(fitting)
