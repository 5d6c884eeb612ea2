"""What the shading network sees: both layers' optical depths, angles and the clear sky, on the sky disc.

Trainer and runtime both call this function, so the network meets in use what it met in training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .geometry import FloatArray
from .signatures import SHADE_CHANNELS

DOME_VIEW_DEPTH, DOME_SUN_DEPTH = 0, 5
"""Places of ``view_depth`` and ``sun_depth`` among the dome graph's outputs."""
LUMINANCE_FLOOR = 1e-6
"""Clear-sky luminance, in project units, below which night is simply dark."""


def shade_features(
    direction: NDArray[np.floating],
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    sun_direction: NDArray[np.floating],
    clear_luminance: NDArray[np.floating],
) -> FloatArray:
    """Input of the shade graph.

    Parameters
    ----------
    direction : ndarray, shape (D, D, 3)
        Unit directions of the sky disc, row 0 north; see ``geometry.disc_directions``.
    low, high : ndarray, shape (6, D, D)
        The dome graph's outputs of both layers, in the order of ``signatures.DOME``; zero for an
        absent layer.
    sun_direction : ndarray, shape (3,)
        Unit vector.
    clear_luminance : ndarray, shape (D, D)
        Luminance of the clear sky without the sun's disc, project units, >= 0.

    Returns
    -------
    ndarray, shape (1, len(SHADE_CHANNELS), D, D), float32
        Depths as log(1 + depth), cosines and sines in [-1, 1], natural log of luminance.

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """
    size = direction.shape[0]
    if direction.shape != (size, size, 3) or low.shape != (6, size, size) or high.shape != (6, size, size):
        raise ValueError(f"direction {direction.shape}, low {low.shape} and high {high.shape} do not fit together")
    if clear_luminance.shape != (size, size):
        raise ValueError(f"clear_luminance is {clear_luminance.shape}, expected {(size, size)}")
    channels = {
        "view_depth_low": np.log1p(low[DOME_VIEW_DEPTH]),
        "sun_depth_low": np.log1p(low[DOME_SUN_DEPTH]),
        "view_depth_high": np.log1p(high[DOME_VIEW_DEPTH]),
        "sun_depth_high": np.log1p(high[DOME_SUN_DEPTH]),
        "cos_sun_angle": direction @ np.asarray(sun_direction, dtype=direction.dtype),
        "sin_elevation": direction[..., 2],
        "sin_sun_elevation": np.full((size, size), sun_direction[2]),
        "log_clear_luminance": np.log(np.maximum(clear_luminance, LUMINANCE_FLOOR)),
    }
    return np.stack([channels[name] for name in SHADE_CHANNELS])[None].astype(np.float32)
