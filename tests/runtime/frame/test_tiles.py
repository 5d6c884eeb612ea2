"""Tiles cover a panorama once, bound memory, and fade where the number of samples changes."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.runtime.frame.tiles import BANDS_DEG, FADE_SHARE, SUPERSAMPLES, TILE_PIXELS, row_tiles


@pytest.mark.parametrize("width", [4, 64, 1000, 4096, 16384])
def test_tiles_cover_every_pixel_once_in_bounded_parts(width: int) -> None:
    seen = np.zeros((width // 2, width), dtype=np.int64)
    for tile in row_tiles(width):
        for columns in tile.columns(width):
            seen[tile.start : tile.stop, columns] += 1
            assert (tile.stop - tile.start) * tile.supersamples * (columns.stop - columns.start) <= TILE_PIXELS
    assert seen.min() == seen.max() == 1


def test_the_share_of_the_band_above_falls_to_nothing_below_each_border() -> None:
    """Beside a border the upper band is still nearly alone; after a quarter of the lower one it is gone."""
    width = 8192
    share = np.concatenate([tile.above_share for tile in row_tiles(width)])
    degrees = 90 - (np.arange(width // 2) + 0.5) * (360 / width)
    assert share[degrees > BANDS_DEG[0]].max() == 0
    for upper, lower in zip(BANDS_DEG[:-2], BANDS_DEG[1:-1], strict=True):
        band = share[(degrees < upper) & (degrees > lower)]
        fading = round(FADE_SHARE * len(band))
        assert band[0] > 0.8
        assert (np.diff(band[:fading]) < 0).all()
        assert band[fading + 1 :].max() == 0
    assert share[degrees < 0].max() == 0


def test_samples_of_a_row_change_at_borders_of_bands() -> None:
    assert {lowest for lowest, _ in SUPERSAMPLES} <= set(BANDS_DEG)
