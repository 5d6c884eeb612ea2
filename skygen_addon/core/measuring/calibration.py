"""Exposure and white balance of a sky in the project's unit of radiance.

A white card under the reference clear noon sky has radiance 1 (core conventions). Where clear sky is
seen and the sun's elevation is known, the shift in log radiance that best fits it to the clear-sky
model with the same sun gives exposure and white balance (as SkyGAN does, CGF 2024), the haze that
leaves the least residual gives the air. Otherwise the median luminance is set to a stated prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atmosphere import Air, clear_sky, sky_view_coordinates
from ..geometry import REC709_LUMINANCE, disc_directions
from .cloud_opacity import CloudEstimate
from .resampling import bilinear_at

PRIOR_MEDIAN_LUMINANCE = 0.35
"""Median luminance of the open sky that is assumed where no clear sky can be compared."""

HAZES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Amounts of haze that are tried; the best lies between two of them."""

MIN_CLEAR_SHARE = 0.02
"""Least share of the disc that must be clear sky to fit the model."""

MAX_BALANCE = 1.3
"""Largest correction of one channel: beyond it the colours were graded, and stay so."""

_STRIDE = 2


@dataclass(frozen=True)
class Calibration:
    """Factors from a file's scale to the project's radiance."""

    scale: float
    """Multiplies all channels."""
    balance: tuple[float, float, float]
    """Multiplies red, green and blue beside the scale; green's is 1."""
    source: str
    """``model`` where clear sky was compared, ``prior`` otherwise."""
    haze: float | None
    """Haze of the best fitting air; None with the prior."""
    residual: float | None
    """Root mean square of the fit in log radiance over the clear sky; None with the prior."""

    def apply(self, radiance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Radiance (..., 3) in the project's unit."""
        return radiance * (np.float32(self.scale) * np.array(self.balance, dtype=np.float32))


def calibrate_by_prior(disc: NDArray[np.float32], sky: NDArray[np.bool_]) -> Calibration:
    """Scale that sets the open sky's median luminance to :data:`PRIOR_MEDIAN_LUMINANCE`."""
    median = float(np.median((disc @ REC709_LUMINANCE)[sky]))
    return Calibration(PRIOR_MEDIAN_LUMINANCE / max(median, 1e-12), (1.0, 1.0, 1.0), "prior", None, None)


def model_radiance(
    directions: NDArray[np.floating],
    sun: NDArray[np.float64],
    haze: float,
    ground_albedo: tuple[float, float, float] = Air.ground_albedo,
) -> NDArray[np.float32]:
    """Clear-sky radiance (..., 3) in unit directions (..., 3) for a sun direction (3,)."""
    air = Air(haze=haze, ground_albedo=ground_albedo)
    table = clear_sky(float(np.arcsin(np.clip(sun[2], -1, 1))), air).radiance
    u, v = sky_view_coordinates(directions, sun)
    row, column = v * (table.shape[0] - 1), u * (table.shape[1] - 1)
    channels = [bilinear_at(table[..., c], row, column) for c in range(3)]
    return np.stack(channels, axis=-1)


def _best_haze(
    directions: NDArray[np.float32], sun: NDArray[np.float64], measured: NDArray[np.float32]
) -> tuple[float, NDArray[np.float64]]:
    """Haze whose model is a constant factor from the measured log radiance (P, 3), and the log of that factor (P, 3).

    Between the hazes that are tried, the model's log radiance is taken as linear in the log of the haze.
    """
    shifts = [
        np.log(np.maximum(model_radiance(directions, sun, haze), 1e-9)).astype(np.float64) - measured for haze in HAZES
    ]
    centred = [shift - np.median(shift, axis=0) for shift in shifts]
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for lower in range(len(HAZES) - 1):
        change = centred[lower + 1] - centred[lower]
        part = -float((centred[lower] * change).sum()) / max(float((change**2).sum()), 1e-12)
        part = min(max(part, 0.0), 1.0)
        residual = float(np.mean((centred[lower] + part * change) ** 2))
        if best is None or residual < best[0]:
            haze = HAZES[lower] * (HAZES[lower + 1] / HAZES[lower]) ** part
            best = (residual, haze, shifts[lower] + part * (shifts[lower + 1] - shifts[lower]))
    assert best is not None
    return best[1], best[2]


def calibrate(
    disc: NDArray[np.float32], sky: NDArray[np.bool_], clouds: CloudEstimate, sun: NDArray[np.float64] | None
) -> Calibration:
    """Exposure, white balance and haze of a sky disc.

    Parameters
    ----------
    disc : ndarray, shape (N, N, 3), float32
        Radiance in the file's scale.
    sky : ndarray, shape (N, N), bool
    clouds : CloudEstimate
        Tells clear sky from cloud.
    sun : ndarray, shape (3,), or None
        Direction of the sun in the disc's frame.

    Returns
    -------
    Calibration
        By the model where at least 2 % of the disc is clear sky above 10 degrees and beyond 20 degrees
        from the sun, else by the prior.
    """
    if sun is None or clouds.overcast:
        return calibrate_by_prior(disc, sky)
    directions = disc_directions(disc.shape[0])[::_STRIDE, ::_STRIDE]
    clear = (clouds.valid & (clouds.alpha < 0.08))[::_STRIDE, ::_STRIDE]
    clear &= directions[..., 2] > np.sin(np.deg2rad(10.0))
    clear &= directions @ sun.astype(np.float32) < np.cos(np.deg2rad(20.0))
    if clear.mean() < MIN_CLEAR_SHARE:
        return calibrate_by_prior(disc, sky)
    measured = np.log(np.maximum(disc[::_STRIDE, ::_STRIDE][clear], 1e-9))
    haze, shift = _best_haze(directions[clear], sun, measured)
    middle = np.median(shift, axis=0)
    residual = float(np.sqrt(np.mean((shift - middle) ** 2)))
    limit = np.log(MAX_BALANCE)
    red, blue = np.exp(np.clip(middle[[0, 2]] - middle[1], -limit, limit))
    return Calibration(float(np.exp(middle[1])), (float(red), 1.0, float(blue)), "model", haze, residual)
