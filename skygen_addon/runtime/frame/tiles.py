"""Tiles of a panorama: bands of elevation, and rows of one band that are rendered in one go.

Rays of a band take the same number of samples between two shells. Where that number changes,
the upper band's fades out over the first rows of the lower one, so that no border shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...core.geometry import FloatArray

TILE_PIXELS = 8192
"""Directions per tile; bounds memory, does not change results."""
BANDS_DEG = (60.0, 45.0, 35.0, 28.0, 22.0, 18.0, 15.0, 12.5, 10.0, 8.5, 7.0, 5.5, 4.0, 3.0, 2.0, 1.0, 0.0, -90.0)
"""Lowest elevations of bands whose rays have the same number of samples, from zenith to nadir."""
SUPERSAMPLES = ((10.0, 1), (4.0, 2), (0.0, 4), (-90.0, 1))
"""(lowest elevation in degrees, samples of a row): near the horizon a row crosses many clouds; all in BANDS_DEG."""
FADE_SHARE = 0.25
"""Part of a band over which the samples of the band above fade out."""


@dataclass(frozen=True)
class RowTile:
    """Rows of one band."""

    start: int
    stop: int
    supersamples: int
    """Samples of a row."""
    elevation_rad: float
    """Middle of the band."""
    above_rad: float
    """Middle of the band above."""
    above_share: FloatArray
    """(stop - start,) share of the band above, 0 to 1."""

    def columns(self, width: int) -> list[slice]:
        """Columns of a panorama in parts of at most TILE_PIXELS samples, and at least one column."""
        step = max(1, TILE_PIXELS // ((self.stop - self.start) * self.supersamples))
        return [slice(first, min(first + step, width)) for first in range(0, width, step)]


def row_tiles(width: int) -> list[RowTile]:
    """Tiles of a panorama from zenith to nadir; everything but their number of rows follows from elevation only."""
    height = width // 2
    degrees = 90 - (np.arange(height) + 0.5) * (180 / height)
    tiles: list[RowTile] = []
    start, upper_deg, above_rad = 0, 90.0, math.pi / 2
    for lower_deg in BANDS_DEG:
        stop = round((90 - lower_deg) / 180 * height)
        fade_deg = FADE_SHARE * (upper_deg - lower_deg) if start and lower_deg >= 0 else 0.0
        fade = start + int((degrees[start:stop] > upper_deg - fade_deg).sum())
        supersamples = next(samples for lowest, samples in SUPERSAMPLES if lower_deg >= lowest)
        elevation_rad = math.radians(0.5 * (upper_deg + lower_deg))
        rows = max(1, TILE_PIXELS // (width * supersamples))
        for begin, end in ((start, fade), (fade, stop)):
            for first in range(begin, end, rows):
                last = min(first + rows, end)
                share = (degrees[first:last] - (upper_deg - fade_deg)) / max(fade_deg, 1e-9)
                share = np.clip(share, 0.0, 1.0).astype(np.float32)
                tiles.append(RowTile(first, last, supersamples, elevation_rad, above_rad, share))
        start, upper_deg, above_rad = stop, lower_deg, elevation_rad
    return tiles
