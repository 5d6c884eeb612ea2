"""Detail tile: band-limited octaves finer than the field's texel, as one repeating square."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .geometry import FloatArray

TILE_TEXELS = 64
"""Side of the tile in texels of the finest window."""
TILE_SIZE = 256
"""Samples along each side of the tile."""
WARP_TEXELS = (8.0, 3.0, 1.2)
"""Central wavelength of each octave that displaces clouds' outlines, in texels of the finest window."""
CHANNELS = 2 * len(WARP_TEXELS)
"""Of the tile."""
_SEED = 20211


@lru_cache(maxsize=1)
def detail_tile() -> FloatArray:
    """Octaves of displacement.

    Returns
    -------
    ndarray, shape (1, CHANNELS, TILE_SIZE + 1, TILE_SIZE + 1), float32
        East and north for each of WARP_TEXELS. Zero mean and unit variance; the last row and column
        repeat the first, so that bilinear sampling with corners aligned wraps without a seam. Do not
        write to it.
    """
    generator = np.random.Generator(np.random.PCG64(_SEED))
    octaves = [_octave(generator, wavelength) for wavelength in WARP_TEXELS for _ in ("east", "north")]
    tile = np.stack([np.pad(octave, ((0, 1), (0, 1)), mode="wrap") for octave in octaves])[None].astype(np.float32)
    tile.setflags(write=False)
    return tile


def _octave(generator: np.random.Generator, wavelength_texels: float) -> FloatArray:
    """Band-limited noise (TILE_SIZE, TILE_SIZE) of zero mean and unit variance that repeats."""
    frequency = np.fft.fftfreq(TILE_SIZE, 1 / TILE_SIZE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    cycles = TILE_TEXELS / wavelength_texels
    band = np.exp(-((np.log2(np.maximum(radius, 1e-6) / cycles) / 0.5) ** 2))
    white = np.fft.fft2(generator.standard_normal((TILE_SIZE, TILE_SIZE)))
    octave = np.fft.ifft2(white * band).real
    normal: FloatArray = (octave - octave.mean()) / octave.std()
    return normal
