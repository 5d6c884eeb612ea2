"""Cloud opacity and optical depth of a sky from its colours, on a sky disc.

Clear sky is bluer than cloud. With s = (B - R) / (B + R), s_clear the clear sky's value in the same
direction and s_cloud the greyest cloud's, a pixel that is a mixture of both has the opacity

    alpha = (s_clear - s) / ((s_clear - s) + q (s - s_cloud)),

q being how much brighter (in B + R) cloud is than clear sky. Opaque cloud is told apart by how much
darker it is than the bright cloud around it, from the diffuse transmission of a conservative layer,
T = 1 / (1 + 3/4 (1 - g) tau) with g = 0.85 (two-stream; Bohren 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions

TAU_MAX = 30.0
"""Largest optical depth that is told apart."""

TWO_STREAM = 0.75 * (1 - 0.85)
"""Growth of 1 / transmission per optical depth."""

OVERCAST_BLUENESS = 0.27
"""A sky whose bluest tenth stays below this s holds no clear sky."""

OVERCAST_TAU = 12.0
"""Optical depth at the median luminance of an overcast sky, a prior (thin stratus to nimbostratus: 5 to 30)."""

GLARE_RAD = np.deg2rad(12.0)
"""Half-angle about the sun within which its glare hides the sky's colour."""


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
    """Colour ratio of the greyest cloud."""


def colour_ratio(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """s = (B - R) / (B + R), -1 to 1, shape (...)."""
    red, blue = radiance[..., 0], radiance[..., 2]
    return (blue - red) / np.maximum(blue + red, 1e-12)


def _basis(directions: NDArray[np.float32], sun: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Smooth functions (..., F) of zenith angle and sun angle; without a sun, of azimuth."""
    cz = np.maximum(directions[..., 2].astype(np.float64), 0.0)
    haze = 1.0 / (cz + 0.12)
    columns = [np.ones_like(cz), haze / 8.0, np.exp(-cz / 0.08)]
    if sun is None:
        columns += [directions[..., 0].astype(np.float64), directions[..., 1].astype(np.float64)]
    else:
        cosine = np.clip(directions.astype(np.float64) @ sun, -1.0, 1.0)
        gamma = np.arccos(cosine)
        columns += [np.exp(-gamma / 0.2), np.exp(-gamma / 0.7), cosine, cosine**2, np.exp(-gamma / 0.7) * haze / 8.0]
    return np.stack(columns, axis=-1)


def fit_clear_ratio(
    s: NDArray[np.float32], directions: NDArray[np.float32], usable: NDArray[np.bool_], sun: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Upper envelope of the colour ratio as a smooth function of zenith and sun angle.

    Expectile regression (asymmetric least squares, Newey and Powell 1987) with a ridge on all terms
    but the constant: bluer pixels than the fit weigh fifty times those that are greyer.

    Returns
    -------
    ndarray, shape (N, N), float32
    """
    basis = _basis(directions, sun)
    a, y = basis[usable], s[usable].astype(np.float64)
    stride = max(1, y.size // 20000)
    a, y = a[::stride], y[::stride]
    upper = np.percentile(y, 90)
    weight = np.where(y > upper, 1.0, 0.02)
    ridge = np.diag([1e-6] + [2e-3] * (a.shape[1] - 1)) * y.size * 0.1
    coefficients = np.zeros(a.shape[1])
    for _ in range(40):
        aw = a * weight[:, None]
        coefficients = np.linalg.solve(a.T @ aw + ridge, aw.T @ y)
        residual = y - a @ coefficients
        scale = 0.05
        weight = np.where(residual > 0, 1.0, 0.02 + np.exp(-((residual / scale) ** 2)) * 0.4)
        weight[residual > 0.15] = 0.3
    return (basis @ coefficients).astype(np.float32)


def _masked_blur(values: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, values, 0).astype(np.float32), sigma) / np.maximum(weight, 1e-4)


def _overcast_depth(luminance: NDArray[np.float32], sky: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Optical depth along the ray from the luminance's departure from its broad trend."""
    log_l = np.log(np.maximum(luminance, 1e-9))
    ratio = np.exp(log_l - _masked_blur(log_l, sky, size / 14))
    tau = ((1 + TWO_STREAM * OVERCAST_TAU) / np.maximum(ratio, 0.05) - 1) / TWO_STREAM
    return np.clip(tau, 0.5, TAU_MAX).astype(np.float32)


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
    s = ndimage.gaussian_filter(colour_ratio(radiance), size / 640 * 0.5)
    valid = sky.copy()
    if sun is not None:
        valid &= directions @ sun.astype(np.float32) < np.cos(GLARE_RAD)
    high = valid & (directions[..., 2] > np.sin(np.deg2rad(12.0)))
    if high.sum() < 100:
        empty = np.zeros((size, size), dtype=np.float32)
        return CloudEstimate(empty, empty.copy(), np.zeros_like(sky), False, empty.copy(), 0.0)
    bluest = float(np.percentile(s[high], 95))
    if bluest < OVERCAST_BLUENESS:
        tau = _overcast_depth(luminance, sky, size)
        alpha = (1 - np.exp(-tau)) * sky
        return CloudEstimate(
            alpha.astype(np.float32),
            np.where(sky, tau * sin_elevation, 0).astype(np.float32),
            valid,
            True,
            np.full((size, size), bluest, dtype=np.float32),
            float(np.median(s[high])),
        )
    s_clear = fit_clear_ratio(s, directions, valid & (directions[..., 2] > np.sin(np.deg2rad(4.0))), sun)
    s_clear = np.minimum(s_clear, float(np.percentile(s[high], 99.5)) + 0.03)
    greyest = float(np.percentile(s[high], 2))
    s_cloud = float(np.clip(greyest, -0.08, 0.12 if greyest > 0.12 else 1.0))
    s_clear = np.maximum(s_clear, s_cloud + 0.12)
    gap = s_clear - s_cloud
    drop = np.clip(s_clear - s - 0.04 * gap, 0, None)  # the fit's own scatter is not cloud
    linear = np.clip(drop / (0.96 * gap), 0, 1)
    grey, blue = high & (linear > 0.8), high & (linear < 0.15)
    q = 1.5
    if grey.sum() > 200 and blue.sum() > 200:
        q = float(np.clip(np.median(luminance[grey]) / np.median(luminance[blue]), 0.7, 3.0))
    alpha = (linear / (linear + q * (1 - linear) + 1e-6)).astype(np.float32) * sky
    tau = -np.log(1 - 0.97 * alpha)
    thick = sky & (alpha > 0.7)
    if thick.sum() > 50:
        log_l = np.log(np.maximum(luminance, 1e-9))
        mean = _masked_blur(log_l, thick, size / 24)
        spread = np.sqrt(np.maximum(_masked_blur((log_l - mean) ** 2, thick, size / 24), 0))
        ratio = np.exp(np.clip(log_l - (mean + spread), -2.5, 0))
        saturation = np.clip((alpha - 0.7) / 0.25, 0, 1)
        interior = np.clip((_masked_blur(alpha, sky, size / 160) - 0.55) / 0.4, 0, 1)
        tau = tau + saturation * ((1 / ratio - 1) / TWO_STREAM + 4.0 * interior)
    tau_vertical = np.clip(np.minimum(tau, TAU_MAX) * sin_elevation, 0, TAU_MAX) * sky
    return CloudEstimate(alpha, tau_vertical.astype(np.float32), valid, False, s_clear, s_cloud)
