"""Camera raw pictures by LibRaw: linear, 16 bit, camera white balance, Rec.709 primaries.

A camera on automatic balances every frame of a bracket anew: `stack_balance` gives one for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from skygen_addon.runtime.panoramas.rejected_capture import check_packing, check_size, unreadable

_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_CFA, _LINEAR_RAW = 32803, 34892  # PhotometricInterpretation of TIFF/EP and DNG
_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 262, 330, 50706
_TIFF_HEADS = (b"II*\0", b"MM\0*")


def _directory(stream: BinaryIO, head: bytes, offset: int | None = None) -> TiffImagePlugin.ImageFileDirectory_v2:
    directory = TiffImagePlugin.ImageFileDirectory_v2(head[:8])
    stream.seek(directory.next if offset is None else offset)
    directory.load(stream)
    return directory


def holds_raw(path: Path) -> bool:
    """Whether a file holds sensor data, by its content: TIFF, JPEG and raw share their first bytes.

    Raises
    ------
    OSError
        The file cannot be opened or read.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
        if head.startswith(_SIGNATURES) or head[4:12] == b"ftypcrx " or head[8:10] == b"CR":
            return True
        if head[:4] not in _TIFF_HEADS:
            return False
        try:
            first = _directory(stream, head)
            if _DNG_VERSION in first:
                return True
            directories = [first]
            for offset in first.get(_SUB_IFDS, ())[:8]:
                directories.append(_directory(stream, head, int(offset)))
        except Exception:  # Pillow's parser raises many kinds on damage; the TIFF reader then says what is wrong
            return False
    return any(d.get(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW) for d in directories)


def relative_exposure(seconds: float, iso: float, f_number: float) -> float | None:
    """Seconds x ISO / 100 / f-number squared.

    None without a time. A missing speed counts as ISO 100, a missing f-number (lenses without contacts)
    as 1: within a bracket they stay the same.
    """
    if not (np.isfinite([seconds, iso, f_number]).all() and seconds > 0):
        return None
    return seconds * (iso if iso > 0 else 100.0) / 100.0 / (f_number if f_number > 0 else 1.0) ** 2


def stack_balance(paths: Sequence[Path]) -> tuple[float, ...] | None:
    """White balance for all exposures of one bracket: the as-shot one of its middle exposure.

    Parameters
    ----------
    paths : sequence of Path
        From short to long exposure; what is no raw or cannot be read is passed over.

    Returns
    -------
    tuple of float or None
        LibRaw's four multipliers; None where no file tells any. Only headers are read.
    """
    middle = len(paths) // 2
    for k in sorted(range(len(paths)), key=lambda k: abs(k - middle)):
        try:
            if not holds_raw(paths[k]):
                continue
            with rawpy.imread(str(paths[k])) as raw:
                balance = tuple(float(v) for v in raw.camera_whitebalance)
        except (OSError, rawpy.LibRawError, ValueError):  # its own verdict comes when it is read
            continue
        if min(balance[:3]) > 0:
            return balance
    return None


def read_raw(path: Path, balance: Sequence[float] | None = None) -> tuple[NDArray[np.uint16], float | None]:
    """Develop a raw picture without taste: code values proportional to light.

    Camera white balance, sRGB primaries, no gamma, no automatic brightness or maximum, highlights clipped,
    not turned by the orientation tag.

    Parameters
    ----------
    path : Path
    balance : sequence of float, optional
        Four multipliers instead of the camera's own white balance, see `stack_balance`.

    Returns
    -------
    values : ndarray, shape (H, W, 3), uint16
        65535 where the sensor saturates.
    exposure : float or None
        As `relative_exposure`.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``: LibRaw does not know the camera, or the file is damaged or too large.
    """
    try:
        with rawpy.imread(str(path)) as raw:
            sizes, shot = raw.sizes, raw.other
            width, height = max(sizes.width, sizes.raw_width), max(sizes.height, sizes.raw_height)
            check_size(path.name, width, height)
            check_packing(path.name, 8 * width * height, path.stat().st_size)  # LibRaw keeps four channels
            values = raw.postprocess(
                gamma=(1.0, 1.0),
                no_auto_bright=True,
                use_camera_wb=balance is None,
                user_wb=None if balance is None else list(balance),
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
                highlight_mode=rawpy.HighlightMode.Clip,
                adjust_maximum_thr=0.0,
                user_flip=0,
            )
    except (rawpy.LibRawError, ValueError) as error:
        words = error.args[0] if error.args else error
        told = words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
        raise unreadable(
            f"{path.name}: LibRaw cannot read it ({told}).", "Convert it to DNG or 16-bit TIFF."
        ) from error
    if values.shape[-1] == 1:  # a monochrome sensor
        values = np.repeat(values, 3, axis=-1)
    if values.shape[-1] != 3:
        raise unreadable(f"{path.name}: a sensor of {values.shape[-1]} colours.", "Convert it to 16-bit TIFF.")
    exposure = relative_exposure(float(shot.shutter_speed), float(shot.iso_speed), float(shot.aperture))
    return np.ascontiguousarray(values, dtype=np.uint16), exposure
