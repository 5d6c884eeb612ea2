"""Where the sun of a panorama stands that does not show it: behind a cloud or a house, or below the horizon.

Between clouds the clear sky tells: the clear-sky model is held against it with the sun everywhere, and what
differs least has it. Without clear sky the brightest side of an overcast tells the azimuth; its height stays unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.geometry import REC709_LUMINANCE, direction_from_angles, disc_directions
from ...core.measuring.calibration import MIN_CLEAR_SHARE, model_radiance
from ...core.measuring.cloud_opacity import CloudEstimate
from ...core.measuring.sun_position import SunPosition

OVERCAST_ELEVATION_RAD = math.radians(35.0)
"""Height of the sun that is taken under an overcast sky, which does not tell it."""

HAZES = (0.7, 2.5)
"""Amounts of haze with which the model is tried."""

ELEVATIONS_DEG = (-6.0, -4.0, -2.0, 0.0, 2.0, 5.0, 10.0, 18.0, 28.0, 40.0, 52.0, 66.0, 80.0)
"""Heights of the sun that are tried first."""

_AZIMUTH_STEP_DEG = 15.0
_MOST_PIXELS = 1500
_BALANCE_WEIGHT = 0.5
"""Weight of a white balance that the model would need, beside the scatter of log radiance."""


@dataclass(frozen=True)
class SunPlace:
    """Where the sun is taken to stand."""

    azimuth_rad: float
    """Clockwise from north."""
    elevation_rad: float
    """Above the horizon."""
    told_by: str
    """``disc`` where it is seen, ``sky`` where the clear sky tells, ``glow`` where only the azimuth is told."""

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector (3,)."""
        return direction_from_angles(self.azimuth_rad, self.elevation_rad)


def place_sun(
    disc: NDArray[np.float32], sky: NDArray[np.bool_], clouds: CloudEstimate, sun: SunPosition | None
) -> SunPlace:
    """Where the sun of a sky disc (N, N, 3) stands; ``sun`` is what was seen of it."""
    if sun is not None:
        return SunPlace(sun.azimuth_rad, sun.elevation_rad, "disc")
    directions = disc_directions(disc.shape[0])
    clear = clouds.valid & (clouds.alpha < 0.08) & (directions[..., 2] > math.sin(math.radians(8.0)))
    if clouds.overcast or clear.mean() < MIN_CLEAR_SHARE:
        return _by_glow(disc, sky, directions)
    stride = max(1, int(clear.sum()) // _MOST_PIXELS)
    where = directions[clear][::stride]
    measured = np.log(np.maximum(disc[clear][::stride], 1e-12)).astype(np.float64)
    best = _best(where, measured, ELEVATIONS_DEG, np.arange(0.0, 360.0, _AZIMUTH_STEP_DEG))
    for step_deg in (7.5, 3.0, 1.5):
        finer = step_deg * max(0.25, min(1.0, abs(best[1]) / 20.0))
        elevations = {float(np.clip(best[1] + k * finer, -6.0, 88.0)) for k in (-1, 0, 1)}
        best = min(best, _best(where, measured, sorted(elevations), best[2] + step_deg * np.arange(-2, 3)))
    return SunPlace(math.radians(best[2] % 360.0), math.radians(best[1]), "sky")


def _best(
    where: NDArray[np.float32],
    measured: NDArray[np.float64],
    elevations: Iterable[float],
    azimuths: NDArray[np.floating],
) -> tuple[float, float, float]:
    """Misfit, elevation and azimuth in degrees of the sun that fits log radiance (P, 3) in directions (P, 3) best."""
    best = (math.inf, 0.0, 0.0)
    for elevation in elevations:
        for haze in HAZES:
            for azimuth in azimuths:
                sun = direction_from_angles(math.radians(float(azimuth)), math.radians(elevation))
                shift = np.log(np.maximum(model_radiance(where, sun, haze), 1e-12)) - measured
                middle = np.median(shift, axis=0)
                misfit = float(np.mean((shift - middle) ** 2)) + _BALANCE_WEIGHT * float(np.var(middle))
                best = min(best, (misfit, float(elevation), float(azimuth)))
    return best


def _by_glow(disc: NDArray[np.float32], sky: NDArray[np.bool_], directions: NDArray[np.float32]) -> SunPlace:
    luminance = (disc @ REC709_LUMINANCE).astype(np.float64)
    low = sky & (directions[..., 2] > math.sin(math.radians(8.0))) & (directions[..., 2] < math.sin(math.radians(70.0)))
    if not low.any():
        return SunPlace(0.0, OVERCAST_ELEVATION_RAD, "glow")
    capped = np.minimum(luminance, np.percentile(luminance[low], 98))
    level = capped[low] - capped[low].mean()
    side = (directions[low][:, :2] * level[:, None]).sum(axis=0)
    return SunPlace(float(math.atan2(side[0], side[1])) % (2 * math.pi), OVERCAST_ELEVATION_RAD, "glow")
