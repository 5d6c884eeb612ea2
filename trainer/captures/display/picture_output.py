"""Tone-mapped pictures as files: previews and thumbnails of panoramas."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.measuring.sampling import shrink_panorama
from trainer.captures.display.exposure_fusion import fuse_exposures

QUALITY = 88
"""JPEG quality at which smooth skies show no blocks."""


def preview_jpeg(radiance: FloatArray, width: int = 1024, night: bool = False) -> bytes:
    """JPEG file of a whole panorama, averaged down in linear light, then tone-mapped.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear Rec.709 panorama, W = 2H, finite, not negative, any scale.
    width : int
        Columns of the preview; a narrower panorama keeps its own.
    night : bool
        As in :func:`fuse_exposures`.
    """
    return jpeg_bytes(fuse_exposures(shrink_panorama(radiance, width), night=night))


def jpeg_bytes(display: NDArray[np.uint8]) -> bytes:
    """JPEG file of an sRGB picture (H, W, 3)."""
    stream = io.BytesIO()
    Image.fromarray(display).save(stream, format="JPEG", quality=QUALITY)
    return stream.getvalue()
