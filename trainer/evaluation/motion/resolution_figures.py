"""Whether a sky is the same at every size: a large frame averaged down against a small one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skygen_addon.core.geometry import (
    REC709_LUMINANCE,
    FloatArray,
    direction_from_angles,
    panorama_directions,
    panorama_solid_angles,
)
from skygen_addon.core.measuring.sampling import shrink_panorama
from trainer.evaluation.looks.sky_figures import horizontal_irradiance
from trainer.evaluation.motion.film import Film, without_disc

RESOLUTION_WIDTHS = (256, 1024)
"""Pixels of the small and the large frame."""

SUN_RAD = np.deg2rad(12.0)
"""Radius around the sun that is left out of the pixel by pixel figures: bright cloud edges stand there."""


@dataclass(frozen=True)
class ResolutionFigures:
    """A large frame, averaged by area, against a small one; without the sun's disc."""

    rms: float
    """Root mean square difference of radiance above the horizon, 12 degrees from the sun and more, over the root
    mean square of the small frame; all colours, weighted with solid angle."""
    bias: float
    """Mean of the same difference over the small frame's mean."""
    irradiance_bias: float
    """Relative difference of the luminance of irradiance on level ground, everywhere."""


def resolution_of(small: FloatArray, large: FloatArray, sun: np.ndarray) -> ResolutionFigures:
    """Figures of two panoramas (H, W, 3) of one sky.

    Parameters
    ----------
    small, large : ndarray
        The width of the large one is a multiple of the small one's.
    sun : ndarray, shape (3,)
        Direction of the sun.
    """
    width = small.shape[1]
    rows = width // 4
    averaged = shrink_panorama(large, width)
    away = panorama_directions(width, 0, rows) @ sun < np.cos(SUN_RAD)
    weight = (np.repeat(panorama_solid_angles(width)[:rows, None], width, axis=1) * away)[..., None]
    before = small[:rows].astype(np.float64)
    difference = averaged[:rows] - before
    rms = np.sqrt((difference**2 * weight).sum() / (before**2 * weight).sum())
    bias = (difference * weight).sum() / (before * weight).sum()
    first, second = (float(horizontal_irradiance(p) @ REC709_LUMINANCE) for p in (small, averaged))
    return ResolutionFigures(float(rms), float(bias), second / first - 1)


def resolution_figures(film: Film, widths: tuple[int, int] = RESOLUTION_WIDTHS) -> ResolutionFigures:
    """Figures of the film's first frame at two widths in pixels."""
    small, large = (without_disc(film.requests([1], width))[0] for width in widths)
    sun = direction_from_angles(small.sun_azimuth_rad, small.sun_elevation_rad)
    return resolution_of(film.render(small, "resolution"), film.render(large, "resolution"), sun)
