"""Multi-resolution blending of pictures by weights (Burt and Adelson 1983), on flat pictures and around panoramas."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from skygen_addon.core.geometry import FloatArray

MARGIN = 2
"""Pixels that the five taps of a pyramid's filter reach beyond a border."""


def blend(layers: Iterable[tuple[FloatArray, FloatArray]], wrap: bool, coarsest: int = 1) -> FloatArray:
    """Sum over layers of picture times weight, each Laplacian level under its own smoothed weight.

    One layer is held at a time.

    Parameters
    ----------
    layers : iterable of (picture, weight), each ndarray, shape (H, W), float32
        At least one; weights add up to 1 in each pixel.
    wrap : bool
        Whether columns go round and rows continue beyond a pole on the other side, as in a panorama;
        else pictures are mirrored at their borders.
    coarsest : int
        Shorter edge in pixels, at least, of the level where the pyramid ends; 1 as in OpenCV's ``MergeMertens``.

    Returns
    -------
    ndarray, shape (H, W), float32; a little beyond the pictures' range where strong edges meet.
    """
    total: list[FloatArray] = []
    for picture, weight in layers:
        depth = max(int(np.log2(min(picture.shape) / coarsest)), 0)
        for level in range(depth + 1):
            last = level == depth
            smaller = picture if last else _half(picture, wrap)
            part = (picture if last else picture - _double(smaller, picture.shape, wrap)) * weight
            if len(total) <= level:
                total.append(part)
            else:
                total[level] += part
            if not last:
                picture, weight = smaller, _half(weight, wrap)
    blended = total.pop()
    while total:
        finer = total.pop()
        blended = finer + _double(blended, finer.shape, wrap)
    return blended


def continued(plane: FloatArray) -> FloatArray:
    """A panorama (H, W) with a margin of ``MARGIN`` pixels that shows what lies beyond its borders on the sphere."""
    height, width = plane.shape
    columns = np.arange(-MARGIN, width + MARGIN) % width
    inner = plane[:, columns]
    rows = np.concatenate([np.arange(-MARGIN, 0), np.arange(height, height + MARGIN)]) % (2 * height)
    beyond = rows >= height  # over the pole and down on the other side
    rows = np.where(beyond, 2 * height - 1 - rows, rows)
    outer = plane[rows[:, None], (columns[None, :] + np.where(beyond, width // 2, 0)[:, None]) % width]
    return np.ascontiguousarray(np.concatenate([outer[:MARGIN], inner, outer[MARGIN:]]))


def _half(plane: FloatArray, wrap: bool) -> FloatArray:
    """Every second pixel after a binomial blur."""
    if not wrap:
        return np.asarray(cv2.pyrDown(plane), dtype=np.float32)
    height, width = plane.shape
    smaller = cv2.pyrDown(continued(plane))
    inset = MARGIN // 2
    return np.asarray(smaller[inset : inset + (height + 1) // 2, inset : inset + (width + 1) // 2], dtype=np.float32)


def _double(plane: FloatArray, shape: tuple[int, ...], wrap: bool) -> FloatArray:
    """Twice as many pixels in each direction, cut to ``shape``."""
    height, width = shape
    if not wrap:
        return np.asarray(cv2.pyrUp(plane, dstsize=(width, height)), dtype=np.float32)
    inset = 2 * MARGIN
    larger = cv2.pyrUp(continued(plane))
    return np.asarray(larger[inset : inset + height, inset : inset + width], dtype=np.float32)
