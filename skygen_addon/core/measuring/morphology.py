"""Masks (N, M) grown and shrunk: dilation, erosion, opening and closing. Beyond the edges nothing is set.

Definitions are those of `scipy.ndimage` (Serra, "Image Analysis and Mathematical Morphology"), against which the
tests hold them. An element is a square of odd size, symmetric about its middle; without one it is a cross of five.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_CROSS: Mask = np.array([[False, True, False], [True, True, True], [False, True, False]])


def dilate(mask: Mask, element: Mask | None = None, iterations: int = 1, within: Mask | None = None) -> Mask:
    """Mask grown by an element so many times; only what lies ``within`` another mask is changed."""
    element = _CROSS if element is None else element
    grown = mask
    for _ in range(iterations):
        wider = _any_beside(grown, element)
        if within is not None:
            wider = np.where(within, wider, mask)
        if np.array_equal(wider, grown):
            break
        grown = wider
    return grown


def erode(mask: Mask, element: Mask | None = None, iterations: int = 1) -> Mask:
    """Mask shrunk by an element so many times, at the edges too."""
    element = _CROSS if element is None else element
    for _ in range(iterations):
        reach = element.shape[0] // 2
        outside = np.pad(~mask, reach, constant_values=True)
        mask = ~_any_beside(outside, element)[reach:-reach, reach:-reach]
    return mask


def opening(mask: Mask, element: Mask | None = None, iterations: int = 1) -> Mask:
    """Erosion, then dilation: what is narrower than the element goes."""
    return dilate(erode(mask, element, iterations), element, iterations)


def closing(mask: Mask, element: Mask | None = None, iterations: int = 1) -> Mask:
    """Dilation, then erosion: gaps that are narrower than the element close, but not at the edges."""
    return erode(dilate(mask, element, iterations), element, iterations)


def within_reach(mask: Mask, reach: int) -> Mask:
    """What lies at most ``reach`` rows and columns from a pixel of the mask."""
    for _ in range(2):  # along the rows, then along the columns
        count = np.pad(np.cumsum(mask, axis=0), ((reach + 1, reach), (0, 0)), mode="edge")
        count[: reach + 1] = 0
        mask = (count[2 * reach + 1 :] > count[: mask.shape[0]]).T
    return mask


def _any_beside(mask: Mask, element: Mask) -> Mask:
    """Whether any pixel under the element around each pixel is set."""
    rows, columns = mask.shape
    reach = element.shape[0] // 2
    padded = np.pad(mask, reach)
    result = np.zeros_like(mask)
    for down, right in zip(*np.nonzero(element), strict=True):
        result |= padded[down : down + rows, right : right + columns]
    return result
