"""Local contrast of a sky disc: what tells cloud, which has edges, from haze and glow, which have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .morphology import erode
from .smoothing import gaussian_blur

SMOOTH = 0.0045
"""Structure below which greyer sky is glow or haze rather than cloud."""


def masked_blur(values: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur (N, N) of values (N, N) that takes in only what lies inside the mask; sigma in pixels."""
    weight = gaussian_blur(mask.astype(np.float32), sigma)
    total = gaussian_blur(np.where(mask, values, 0).astype(np.float32), sigma)
    return np.asarray(total / np.maximum(weight, 1e-4), dtype=np.float32)


def sky_structure(luminance: NDArray[np.float32], sky: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Local contrast (N, N) of the sky at one to three degrees: clear sky and glow stay below 0.004, cloud above."""
    size = luminance.shape[0]
    log_l = np.log(np.maximum(luminance, 1e-9))
    inner = erode(sky, iterations=6)
    detail = np.where(inner, np.clip(log_l - masked_blur(log_l, sky, size / 160), -0.2, 0.2), 0.0)
    return np.sqrt(np.maximum(masked_blur((detail**2).astype(np.float32), inner, size / 80), 0)).astype(np.float32)
