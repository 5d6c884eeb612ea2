"""Optical depth of opaque cloud, which colour no longer tells: from how much darker it is than bright cloud.

The diffuse transmission of a conservative layer is T = 1 / (1 + 3/4 (1 - g) tau) with g = 0.85
(two-stream; Bohren 1987).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .clear_colour import smooth_terms
from .cloud_structure import masked_blur

TWO_STREAM = 0.75 * (1 - 0.85)
"""Growth of 1 / transmission per optical depth."""

OVERCAST_TAU = 12.0
"""Optical depth at the median luminance of an overcast sky, a prior (thin stratus to nimbostratus: 5 to 30)."""

GLARE_RAD = np.deg2rad(12.0)
"""Half-angle about the sun within which its glare hides the sky's colour."""


def overcast_depth(luminance: NDArray[np.float32], sky: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Vertical optical depth (N, N) of an overcast sky from its luminance's departure from its broad trend."""
    log_l = np.log(np.maximum(luminance, 1e-9))
    size = luminance.shape[0]
    ratio = np.exp(log_l - masked_blur(log_l, sky, size / 14))
    tau = ((1 + TWO_STREAM * OVERCAST_TAU) / np.maximum(ratio, 0.05) - 1) / TWO_STREAM
    return np.maximum(tau, 0.5).astype(np.float32)


def opaque_depth(
    luminance: NDArray[np.float32],
    alpha: NDArray[np.float32],
    sky: NDArray[np.bool_],
    directions: NDArray[np.float32],
    sun: NDArray[np.float64] | None,
) -> NDArray[np.float32]:
    """Vertical optical depth (N, N) of opaque cloud beyond its opacity: from darkening, and inside of large clouds.

    ``luminance`` and opacity ``alpha`` (N, N) on a sky disc with unit ``directions`` (N, N, 3).
    """
    size = luminance.shape[0]
    thick = sky & (alpha > 0.6)
    trusted = np.ones_like(alpha)
    if sun is not None:
        gamma = np.arccos(np.clip(directions @ sun.astype(np.float32), -1, 1))
        trusted = np.clip((gamma - GLARE_RAD) / GLARE_RAD, 0, 1).astype(np.float32)
        thick &= gamma > GLARE_RAD
    if thick.sum() < 50:
        return np.zeros_like(alpha)
    log_l = np.log(np.maximum(luminance, 1e-9))
    basis = smooth_terms(directions, sun)
    a, y = basis[thick][::7], log_l[thick][::7].astype(np.float64)
    ridge = np.diag([1e-6] + [1e-2] * (a.shape[1] - 1)) * y.size
    trend = (basis @ np.linalg.solve(a.T @ a + ridge, a.T @ y)).astype(np.float32)
    relative = np.clip(log_l - trend, -2, 2)
    mean = masked_blur(relative, thick, size / 24)
    spread = np.sqrt(np.maximum(masked_blur((relative - mean) ** 2, thick, size / 24), 0))
    ratio = np.exp(np.clip(relative - (mean + spread), -1.5, 0))
    saturation = np.clip((alpha - 0.6) / 0.35, 0, 1)
    interior = np.clip((masked_blur(alpha, sky, size / 160) - 0.55) / 0.4, 0, 1)
    extra = saturation * (trusted * (1 / ratio - 1) / TWO_STREAM + 8.0 * interior)
    return np.asarray(extra, dtype=np.float32)
