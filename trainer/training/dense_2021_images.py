"""What the baseline of 2021 learns from: whole grey panoramas of the training sites, tone-mapped, 128 x 64.

They are the previews that ``trainer ingest`` stored with each capture: the whole sphere, with ground and sun where
the capture has them, under the exposure fusion of ``trainer/captures/display``. The sky disc would not do: it has no
ground and no sun, and the system of 2021 saw both. Sites are those of the training side of the split, from which
the shards are made too. Panoramas stay as they were cut: 2021 knew no turning about the zenith.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray
from skygen_addon.core.measuring.sampling import shrink_panorama
from trainer.captures.items import entry_item, is_sky
from trainer.captures.manifest import read_manifest
from trainer.captures.split import split_of

from ..networks.dense_2021 import ROWS


def training_panoramas(data: Path, rows: int = ROWS) -> tuple[FloatArray, tuple[str, ...]]:
    """Grey display panoramas of all kept captures of the training sites, and the names of their files.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest`` with its items.
    rows : int
        Rows of the panoramas.

    Returns
    -------
    panoramas : ndarray, shape (n, rows, 2 * rows), float32
        sRGB code values 0 to 1 of the luminance of the display picture, averaged in display light.
    files : tuple of str
        Names in the manifest, sorted.

    Raises
    ------
    CaptureError
        If there is no such capture, or the preview of one is missing or too small.
    """
    panoramas, files = [], []
    for file, entry in sorted(read_manifest(data).items()):
        if is_sky(entry) and entry["verdict"] == "keep" and split_of(entry["site"]) == "train":
            light = srgb_to_light(_preview(data, entry)) @ REC709_LUMINANCE
            small = shrink_panorama(light[..., None], 2 * rows)[..., 0]
            if small.shape != (rows, 2 * rows):
                raise CaptureError(
                    f"The preview of {file} has {small.shape[1]} x {small.shape[0]} pixels, too few.",
                    f"Reject it: python -m trainer curate {data}.",
                )
            panoramas.append(light_to_srgb(small))
            files.append(file)
    if not files:
        raise CaptureError(
            f"{data} holds no kept captures of training sites.",
            f"Run 'python -m trainer ingest CAPTURES --out {data}' with HDR panoramas.",
        )
    return np.stack(panoramas), tuple(files)


def _preview(data: Path, entry: dict[str, Any]) -> FloatArray:
    """Code values (H, W, 3) from 0 to 1 of the tone-mapped panorama of a capture."""
    try:
        with np.load(entry_item(data, entry)) as item, Image.open(io.BytesIO(item["preview"].tobytes())) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.float32) / np.float32(255)
    except (OSError, ValueError, KeyError) as error:
        raise CaptureError(f"The preview of {entry['file']} cannot be read: {error}.", "Run ingest again.") from error


def srgb_to_light(code: NDArray[np.floating]) -> FloatArray:
    """Linear display light 0 to 1 of sRGB code values 0 to 1 (IEC 61966-2-1)."""
    values = np.asarray(code, dtype=np.float32)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def light_to_srgb(light: NDArray[np.floating]) -> FloatArray:
    """sRGB code values 0 to 1 of linear display light 0 to 1: the inverse of :func:`srgb_to_light`."""
    values = np.asarray(light, dtype=np.float32)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055).astype(np.float32)
