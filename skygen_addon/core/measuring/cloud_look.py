"""How the clouds of a sky look, in figures that tell cloud types apart and that two skies are compared by.

Beside how much of the sky is covered and how opaquely, the brightness over the clouds is split into bands of
size, each twice as wide as the one before (differences of Gaussians; Burt and Adelson 1983): cumulus stands out
most at three to twelve degrees, cloudlets of altocumulus below that, a veil of cirrus hardly anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .cloud_opacity import CloudEstimate
from .cloud_structure import masked_blur
from .sampling import disc_weights
from .sky_state import VISIBLE_OPACITY

MIN_ELEVATION_RAD = math.radians(20.0)
"""Below this, clouds are foreshortened and look smaller than they are."""

THICK_OPACITY = 0.5
"""Opacity from which on a cloud hides more than it shows."""

BLURS_RAD = tuple(math.radians(0.54) * 2**band for band in range(6))
"""Standard deviations, overhead, of the blurs between which the bands lie."""

GRAIN_BANDS, BODY_BANDS = slice(0, 3), slice(3, 5)
"""Bands of cloudlets and of whole clouds; the last one is the sky's own gradient."""

_NEAR_CLOUD = 0.15
_LEAST_PIXELS = 500


@dataclass(frozen=True)
class CloudLook:
    """The clouds of one sky."""

    cover: float
    """Share of the sky above 20 degrees that holds visible cloud, 0 to 1."""
    thick: float
    """Share of it with opacity above one half."""
    opacity: float
    """Mean opacity of what is covered, 0 to 1; 0 for a clear sky."""
    overcast: bool
    """Whether no clear sky was found."""
    contrast: float
    """Root mean square of log luminance of clouds in the band of four degrees; 0 where there are hardly any."""
    grain: float
    """Variance of the bands up to four degrees over that of the next two; 0 where there are hardly any."""
    size_octaves: float | None
    """Mean band of that variance: one more stands for features twice as large. None where there are hardly any."""


def cloud_look(radiance: NDArray[np.float32], sky: NDArray[np.bool_], clouds: CloudEstimate) -> CloudLook:
    """Look of the clouds on a sky disc.

    Parameters
    ----------
    radiance : ndarray, shape (N, N, 3), float32
        Linear sky disc in any scale.
    sky : ndarray, shape (N, N), bool
        Where sky is seen.
    clouds : CloudEstimate
        Of that disc.
    """
    size = radiance.shape[0]
    z = disc_directions(size)[..., 2]
    weight = disc_weights(z)
    use = clouds.valid & (z > math.sin(MIN_ELEVATION_RAD))
    total = max(float(weight[use].sum()), 1e-9)
    cover, thick = (
        float(weight[use & (clouds.alpha > least)].sum()) / total for least in (VISIBLE_OPACITY, THICK_OPACITY)
    )
    covered = use & (clouds.alpha > VISIBLE_OPACITY)
    opacity = float((weight * clouds.alpha)[covered].sum() / weight[covered].sum()) if covered.any() else 0.0
    near = use & (masked_blur(clouds.alpha, sky, size / 107) > _NEAR_CLOUD)
    if near.sum() < _LEAST_PIXELS:
        return CloudLook(cover, thick, opacity, clouds.overcast, 0.0, 0.0, None)
    log_l = np.log(np.maximum(radiance @ REC709_LUMINANCE, 1e-12)).astype(np.float32)
    blurred = [log_l] + [masked_blur(log_l, sky, blur * size / 4) for blur in BLURS_RAD]
    variance = np.array(
        [
            float(np.average((a - b)[near] ** 2, weights=weight[near]))
            for a, b in zip(blurred, blurred[1:], strict=False)
        ]
    )
    bands = variance[: BODY_BANDS.stop]
    return CloudLook(
        cover,
        thick,
        opacity,
        clouds.overcast,
        contrast=math.sqrt(float(variance[3])),
        grain=float(variance[GRAIN_BANDS].sum() / max(float(variance[BODY_BANDS].sum()), 1e-12)),
        size_octaves=float((bands * np.arange(bands.size)).sum() / max(float(bands.sum()), 1e-12)),
    )
