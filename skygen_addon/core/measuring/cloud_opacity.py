"""Cloud opacity and optical depth of a sky from its colours, on a sky disc.

Clear sky is bluer than cloud. With s = (B - R) / (B + R), s_clear the clear sky's value in the same
direction and s_cloud the greyest cloud's, a pixel that is a mixture of both has the opacity

    alpha = (s_clear - s) / ((s_clear - s) + q (s - s_cloud)),

q being how much brighter (in B + R) cloud is than clear sky. How the clear sky's colour is found:
`clear_colour`; how opaque cloud is told apart: `cloud_thickness`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .clear_colour import fit_clear_ratio
from .cloud_structure import SMOOTH, sky_structure
from .cloud_thickness import GLARE_RAD, opaque_depth, overcast_depth
from .morphology import dilate, opening
from .smoothing import gaussian_blur

TAU_MAX = 30.0
"""Largest optical depth that is told apart."""

OVERCAST_SPREAD = 0.51
"""Least variety of colour (`colour_variety`) of a sky that holds clear sky: overcast reads below 0.5."""

MIN_GAP = 0.12
"""Least difference in s between clear sky and cloud that is read as opacity 1."""

LOW_SUN_RAD = np.deg2rad(12.0)
"""Elevation below which sunlight colours the clouds."""

LOW_SUN_HORIZON_RAD = np.deg2rad(12.0)
"""Elevation below which such a sky's own colours near the horizon hide the clouds."""


@dataclass(frozen=True)
class CloudEstimate:
    """What the colours of one sky disc say about its clouds; all maps (N, N) float32 on the disc."""

    alpha: NDArray[np.float32]
    """Opacity along the view ray, 0 to 1."""
    tau_vertical: NDArray[np.float32]
    """Vertical optical depth, 0 to 30."""
    valid: NDArray[np.bool_]
    """Where the estimate holds: sky, outside the sun's glare."""
    overcast: bool
    """Whether no clear sky was found, so that only the luminance's variation tells."""
    s_clear: NDArray[np.float32]
    """Fitted colour ratio of the clear sky."""
    s_cloud: float
    """Mean colour ratio of opaque cloud."""


def colour_ratio(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """s = (B - R) / (B + R), -1 to 1, shape (...)."""
    red, blue = radiance[..., 0], radiance[..., 2]
    return np.asarray((blue - red) / np.maximum(blue + red, 1e-12), dtype=np.float32)


def colour_variety(s: NDArray[np.float32]) -> float:
    """Spread of ln(B / R) from the 5th to the 95th percentile plus half of its median, of ratios s (P,).

    Under an overcast all colours are alike and near grey. A clear or broken sky has many colours, also with
    the sun down; only a deep blue one around a high sun has few. A wrong white balance of 1.3 moves the
    median by 0.26, so that this moves by 0.13.
    """
    low, middle, high = (float(np.log((1 + v) / (1 - v))) for v in np.clip(np.percentile(s, [5, 50, 95]), -0.99, 0.99))
    return high - low + 0.5 * max(middle, 0.0)


def estimate_clouds(
    radiance: NDArray[np.float32], sky: NDArray[np.bool_], sun: NDArray[np.float64] | None
) -> CloudEstimate:
    """Opacity and vertical optical depth of the clouds in a sky disc.

    Parameters
    ----------
    radiance : ndarray, shape (N, N, 3), float32
        Linear sky disc, any exposure, white balance near daylight.
    sky : ndarray, shape (N, N), bool
        Where sky is seen (`sky_mask.find_sky`).
    sun : ndarray, shape (3,), or None
        Direction of the sun in the disc's own frame.

    Returns
    -------
    CloudEstimate
    """
    size = radiance.shape[0]
    directions = disc_directions(size)
    sin_elevation = np.maximum(directions[..., 2], 0.01)
    luminance = radiance @ REC709_LUMINANCE
    s = gaussian_blur(colour_ratio(radiance), size / 640 * 0.5)
    valid = sky.copy()
    if sun is not None:
        valid &= directions @ sun.astype(np.float32) < np.cos(GLARE_RAD)
    high = valid & (directions[..., 2] > np.sin(np.deg2rad(12.0)))
    if high.sum() < 100:
        empty = np.zeros((size, size), dtype=np.float32)
        return CloudEstimate(empty, empty.copy(), np.zeros_like(sky), False, empty.copy(), 0.0)
    if colour_variety(s[high]) < OVERCAST_SPREAD:
        tau = np.minimum(overcast_depth(luminance, sky), np.float32(TAU_MAX))
        alpha = (1 - np.exp(-tau)) * sky
        return CloudEstimate(
            alpha.astype(np.float32),
            np.where(sky, tau, 0).astype(np.float32),
            valid,
            True,
            np.full((size, size), np.percentile(s[high], 95), dtype=np.float32),
            float(np.median(s[high])),
        )
    structure = sky_structure(luminance, sky)
    s_clear = fit_clear_ratio(s, directions, valid & (directions[..., 2] > np.sin(np.deg2rad(4.0))), sun, structure)
    s_clear = np.minimum(s_clear, float(np.percentile(s[high], 99.5)) + 0.03)
    low_sun = sun is None or sun[2] < np.sin(LOW_SUN_RAD)
    away = np.ones((size, size), dtype=np.float32)
    if sun is not None:
        gamma = np.arccos(np.clip(directions @ sun.astype(np.float32), -1, 1))
        away = np.clip((gamma - np.deg2rad(25.0)) / np.deg2rad(30.0), 0, 1).astype(np.float32)
    gap, s_cloud = _colour_gap(s, s_clear, high, structure, away, low_sun)
    drop = np.clip(s_clear - s - 0.04 * gap, 0, None)  # the fit's own scatter is not cloud
    linear = np.clip(drop / (0.96 * gap), 0, 1)
    grey, blue = high & (linear > 0.8), high & (linear < 0.15)
    q = 1.5
    if grey.sum() > 200 and blue.sum() > 200:
        q = float(np.clip(np.median(luminance[grey]) / np.median(luminance[blue]), 0.7, 3.0))
    alpha = (linear / (linear + q * (1 - linear) + 1e-6)).astype(np.float32) * sky
    glow = (alpha > 0.1) & (gaussian_blur(alpha, size / 200) > 0.1) & (structure < SMOOTH)
    valid &= ~dilate(opening(glow, iterations=3), iterations=6)
    overhead = s[valid & (directions[..., 2] > 0.5)]  # none where all of it is hidden, glare or glow
    warmest = min(-0.03, float(np.percentile(overhead, 5)) if overhead.size else -0.03) - 0.03
    warm = valid & (s < warmest) & (directions[..., 2] < 0.5)  # sunset glow or an obstacle, not cloud
    warm = dilate(warm, iterations=4)
    rim = dilate(~sky, iterations=6) & (alpha > 0.4)
    valid &= ~warm & ~rim
    if low_sun:
        valid &= directions[..., 2] > np.sin(LOW_SUN_HORIZON_RAD)
    tau = -np.log(1 - 0.97 * alpha) * sin_elevation
    tau = tau + opaque_depth(luminance, alpha, sky, directions, sun)
    return CloudEstimate(
        alpha, (np.clip(tau, 0, TAU_MAX) * sky).astype(np.float32), valid, False, s_clear, float(s_cloud[high].mean())
    )


def _colour_gap(
    s: NDArray[np.float32],
    s_clear: NDArray[np.float32],
    high: NDArray[np.bool_],
    structure: NDArray[np.float32],
    away: NDArray[np.float32],
    low_sun: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much less blue opaque cloud is than clear sky, and its own ratio, in each direction (N, N).

    By day cloud is grey: whitest toward the sun, where thin cloud is white too, a little bluer ``away``
    (0 toward the sun to 1) from it. Near sunset cloud takes any colour, so that the gap is what the pixels
    with structure show.
    """
    whitest = float(np.percentile(s[high], 2))
    s_cloud = np.full(s.shape, np.clip(whitest, -0.13, 0.12), dtype=np.float32)
    grey = high & (s < whitest + 0.4 * np.maximum(s_clear - whitest, 0)) & (structure > 2 * SMOOTH) & (away > 0.5)
    if grey.sum() > 0.01 * high.sum():
        typical = np.clip(np.percentile(s[grey], 25), -0.13, 0.16)
        s_cloud += away * np.float32(max(typical - s_cloud.flat[0], 0.0))
    gap = np.maximum(s_clear - s_cloud, MIN_GAP)
    if low_sun:
        cloudy = high & (structure > 0.01) & (s_clear - s > 0.05)
        if cloudy.sum() > 0.01 * high.sum():
            seen = float(np.percentile((s_clear - s)[cloudy], 92))
            gap = np.clip(gap, MIN_GAP, max(seen, MIN_GAP))
    return gap.astype(np.float32), s_cloud
