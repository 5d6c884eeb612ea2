"""Which codes two exposures show for the same pixels, condensed from whole pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError

Array = NDArray[np.float64]

LEVELS = 256
"""Codes the curve is sampled at; finer pictures are reduced to them for the recovery, not for the merge."""
CODE_RANGE = (4, 250)
"""Codes (of 255) that are believed: darker ones are mostly quantisation, brighter ones may be clipped."""

_PAIR_EV = 4.6  # farthest apart that two exposures are compared
MIN_SAMPLES = 24
"""Pixels behind one code at least."""

Pair = tuple[int, int, int, Array]
"""Darker frame, brighter frame, channel, rows of `_paired_codes`."""


def reduced_codes(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Codes of 0..255, whatever the depth."""
    if values.dtype == np.uint8:
        return np.asarray(values, dtype=np.uint8)
    return np.rint(values / 257.0).astype(np.uint8)


def flat_pixels(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (H, W) away from edges, where a misaligned or blurred frame would disagree."""
    around = np.ones((3, 3), dtype=np.uint8)
    spread = (cv2.dilate(codes, around) - cv2.erode(codes, around)).max(axis=-1)
    limit = max(4.0, float(np.quantile(spread, 0.5)))
    return np.asarray(spread <= limit)


def _paired_codes(darker: NDArray[np.uint8], brighter: NDArray[np.uint8]) -> Array:
    """Rows (darker code, brighter code, samples): centres of what one exposure shows where the other shows one code."""
    joint = np.bincount(brighter.astype(np.intp) * LEVELS + darker, minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
    rows = []
    low, high = CODE_RANGE
    for given, table in (("brighter", joint), ("darker", joint.T)):
        for code in range(low, high + 1):
            counts = table[code].astype(np.float64)
            total = counts.sum()
            if total < MIN_SAMPLES:
                continue
            share = np.cumsum(counts) / total
            median = int(np.searchsorted(share, 0.5))
            half_width = max(3, int(2.5 * (np.searchsorted(share, 0.84) - np.searchsorted(share, 0.16)) / 2))
            window = slice(max(0, median - half_width), median + half_width + 1)
            kept = counts[window]
            mean = float(kept @ np.arange(LEVELS)[window] / kept.sum())
            edge = np.arange(LEVELS)[window]
            if edge[0] < 1 or edge[-1] >= LEVELS - 2:  # part of it may be black or clipped: its mean is not one
                continue
            rows.append((mean, code, kept.sum()) if given == "brighter" else (code, mean, kept.sum()))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def all_pairs(codes: Sequence[NDArray[np.uint8]], log_exposures: Array) -> list[Pair]:
    """Every two exposures that are close enough; refused where a channel has none."""
    flat = [flat_pixels(c) & (c > 0).any(axis=-1) for c in codes]  # outside of a moved frame all is 0
    pairs = []
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            if j > i + 1 and log_exposures[j] - log_exposures[i] > _PAIR_EV * np.log(2):
                continue
            chosen = flat[i] & flat[j]
            for channel in range(3):
                rows = _paired_codes(codes[i][..., channel][chosen], codes[j][..., channel][chosen])
                if len(rows):
                    pairs.append((i, j, channel, rows))
    if {c for _, _, c, _ in pairs} != {0, 1, 2}:
        raise CaptureError(
            "No two exposures of the stack show the same pixels between black and clipped.",
            "Take brackets at most 3 EV apart.",
        )
    return pairs
