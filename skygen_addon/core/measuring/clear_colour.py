"""Colour of the clear sky behind the clouds: an upper envelope of the sky's colours, shaped by the clear-sky model.

Nothing is bluer than clear sky, so the bluest pixels show it. Where cloud takes all of a region, around
the sun for instance, no pixel does, and an envelope that is free there takes the cloud's own colour for
clear sky. There the clear-sky model tells: the fit returns to its log of blue to red, moved by the white
balance, wherever smooth blue sky does not hold it elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..atmosphere import Air, clear_sky, sky_view_coordinates
from .cloud_structure import SMOOTH
from .resampling import bilinear_at

LITTLE_HAZE, MIDDLE_HAZE, MUCH_HAZE = 0.5, 2.0, 8.0
"""Hazes of the model: the fit starts from the middle one and may add some of the others' difference."""

CONTRAST = 0.9
"""Usual variation of a capture's log of blue to red over the sky, as a share of the model's."""

CONTRAST_SPREAD, HAZE_SPREAD = 0.8, 0.5
"""How far captures depart from that share and, as a share of the hazes' difference, from the middle haze."""

SMOOTH_SPREAD, FREE_SPREAD = 0.2, 0.7
"""Weights of smooth terms beside the model's, and without a sun, where there is no model to start from."""

PIXEL_SPREAD = 0.08
"""Scatter of clear pixels about the envelope, in the log of blue to red."""

PRIOR_PIXELS = 0.02
"""Share of the sky that must be clear to weigh as much as these expectations do."""

_SAMPLES = 20000
_STEPS = 30


def log_blueness(s: NDArray[np.floating]) -> NDArray[np.float64]:
    """ln(B / R) of colour ratios s = (B - R) / (B + R) of shape (...); white balance adds a constant to it."""
    return np.asarray(2 * np.arctanh(np.clip(s.astype(np.float64), -0.98, 0.98)))


def model_blueness(directions: NDArray[np.floating], sun: NDArray[np.float64], haze: float) -> NDArray[np.float64]:
    """ln(B / R) of the clear-sky model (...) in unit directions (..., 3) for a sun direction (3,)."""
    table = np.maximum(clear_sky(float(np.arcsin(np.clip(sun[2], -1, 1))), Air(haze=haze)).radiance, 1e-9)
    u, v = sky_view_coordinates(directions, sun)
    ratio = np.log(table[..., 2] / table[..., 0])
    return np.asarray(bilinear_at(ratio, v * (table.shape[0] - 1), u * (table.shape[1] - 1)), dtype=np.float64)


def smooth_terms(directions: NDArray[np.float32], sun: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Smooth functions (..., F) of zenith angle and sun angle, the first constant; without a sun, of azimuth."""
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
    s: NDArray[np.float32],
    directions: NDArray[np.float32],
    usable: NDArray[np.bool_],
    sun: NDArray[np.float64] | None,
    structure: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Colour ratio of the clear sky in every direction.

    Expectile regression of ln(B / R) (asymmetric least squares, Newey and Powell 1987): pixels bluer than the
    fit count fully, greyer ones the more the nearer to it and the smoother they are, for greyer sky without
    structure is haze. All terms but the constant, which is the white balance, have a ridge toward the model.

    Parameters
    ----------
    s : ndarray, shape (N, N), float32
        Colour ratios (B - R) / (B + R).
    directions : ndarray, shape (N, N, 3), float32
    usable : ndarray, shape (N, N), bool
        Sky without the sun's glare.
    sun : ndarray, shape (3,), or None
    structure : ndarray, shape (N, N), float32
        Local contrast (`cloud_structure.sky_structure`).

    Returns
    -------
    ndarray, shape (N, N), float32
    """
    basis, start, spread = _expectation(directions, usable, sun)
    stride = max(1, int(usable.sum()) // _SAMPLES)
    a = basis[usable][::stride]
    y = (log_blueness(s[usable]) - start[usable])[::stride]
    rough = structure[usable][::stride]
    # noise gives all of a picture structure; its smoothest part still passes for clear
    floor = max(SMOOTH, float(np.percentile(rough, 5)))
    nearly_clear = 1 / (1 + (rough / (1.3 * floor)) ** 4)
    haze = 1 / (1 + (rough / (0.8 * floor)) ** 8)
    ridge = np.diag(PRIOR_PIXELS * y.size * (PIXEL_SPREAD / spread) ** 2)
    weight = np.where(y > np.percentile(y, 90), 1.0, 0.02)
    coefficients: NDArray[np.float64] = np.zeros(a.shape[1])
    for _ in range(_STEPS):
        aw = a * weight[:, None]
        coefficients = np.asarray(np.linalg.solve(a.T @ aw + ridge, aw.T @ y), dtype=np.float64)
        residual = (y - a @ coefficients) / PIXEL_SPREAD
        weight = np.where(residual > 0, 1.0, 0.002 + 0.5 * haze + 0.4 * nearly_clear * np.exp(-((residual / 2) ** 2)))
        weight[residual > 3] = 0.3  # reflections, coloured noise
    return np.tanh((start + basis @ coefficients) / 2).astype(np.float32)


def _expectation(
    directions: NDArray[np.float32], usable: NDArray[np.bool_], sun: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Terms (N, N, F), what they are added to (N, N), and the spread of each term's weight (F,)."""
    terms = smooth_terms(directions, sun)
    free = [1e3] + [FREE_SPREAD if sun is None else SMOOTH_SPREAD] * (terms.shape[-1] - 1)
    if sun is None:
        return terms, np.zeros(usable.shape), np.array(free)
    model = model_blueness(directions, sun, MIDDLE_HAZE)
    clearer = model_blueness(directions, sun, LITTLE_HAZE) - model_blueness(directions, sun, MUCH_HAZE)
    model, clearer = (values - values[usable].mean() for values in (model, clearer))
    basis = np.concatenate([terms, model[..., None], clearer[..., None]], axis=-1)
    return basis, CONTRAST * model, np.array([*free, CONTRAST_SPREAD, HAZE_SPREAD])
