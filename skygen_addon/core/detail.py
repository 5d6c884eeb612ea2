"""Detail tile: band-limited octaves finer than the field's texel, as one repeating square."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .geometry import FloatArray

TILE_TEXELS = 64
"""Side of the tile in texels of the finest window."""
TILE_SIZE = 512
"""Samples along each side of the tile."""
WAVELENGTH_TEXELS = (2.0, 1.0)
"""Central wavelength of each octave in texels of the finest window."""
_SEED = 20211


@lru_cache(maxsize=1)
def detail_tile() -> FloatArray:
    """Two octaves of billowed noise.

    Returns
    -------
    ndarray, shape (1, 2, TILE_SIZE + 1, TILE_SIZE + 1), float32
        Zero mean and unit variance; the last row and column repeat the first, so that bilinear
        sampling with corners aligned wraps without a seam. Do not write to it.
    """
    frequency = np.fft.fftfreq(TILE_SIZE, 1 / TILE_SIZE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    generator = np.random.Generator(np.random.PCG64(_SEED))
    octaves = []
    for wavelength in WAVELENGTH_TEXELS:
        cycles = TILE_TEXELS / wavelength
        band = np.exp(-((np.log2(np.maximum(radius, 1e-6) / cycles) / 0.5) ** 2))
        white = np.fft.fft2(generator.standard_normal((TILE_SIZE, TILE_SIZE)))
        octave = np.fft.ifft2(white * band).real
        octave = np.abs(octave)  # rounded lobes between creases, as clouds have
        octave = (octave - octave.mean()) / octave.std()
        octaves.append(np.pad(octave, ((0, 1), (0, 1)), mode="wrap"))
    tile = np.stack(octaves)[None].astype(np.float32)
    tile.setflags(write=False)
    return tile
