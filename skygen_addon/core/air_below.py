"""Light that the air below clouds holds: what makes far things melt into haze.

Below separate clouds it is the clear sky's, dimmed, with its glow toward the horizon, for the sunlit air
above and beyond the clouds shows between them. Below a closed layer no such light arrives; thick air then
shows the mean of what surrounds it, the layer above and the ground beneath.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry import REC709_LUMINANCE, FloatArray

HALF_OPEN = 0.03
"""Transmittance straight up through all clouds at which half of the clear sky's glow is left. Separate clouds leave
0.2 and more, a closed layer less than 0.01."""


def opening(vertical_transmittance: float) -> float:
    """Share, 0 to 1, of the clear sky's glow that is left below clouds of a mean vertical transmittance, 0 to 1."""
    return vertical_transmittance * (1 + HALF_OPEN) / (vertical_transmittance + HALF_OPEN)


def ceiling_km(bases_km: Sequence[float], sun_shares: Sequence[float]) -> float:
    """Height up to which air counts as below the clouds: the base of the layer that takes the sun's light from it.

    Parameters
    ----------
    bases_km, sun_shares : sequence of float
        Of layers: base, and mean transmittance of sunlight, 1 where there is no cover. Where several dim the sun their
        bases count by how much they do; where none does it is 0.
    """
    taken = [1.0 - share for share in sun_shares]
    total = sum(taken)
    return sum(base * part for base, part in zip(bases_km, taken, strict=True)) / total if total > 0 else 0.0


def air_below(
    irradiance: FloatArray, clear_irradiance: FloatArray, ground_radiance: FloatArray, open_share: float
) -> tuple[float, FloatArray]:
    """Inputs ``air_light`` and ``air_glow`` of the compose graph.

    Parameters
    ----------
    irradiance, clear_irradiance : ndarray, shape (3,)
        On level ground, below the clouds and without them.
    ground_radiance : ndarray, shape (3,)
        Of the ground below the clouds.
    open_share : float
        As :func:`opening` gives it.

    Returns
    -------
    air_light : float
        Factor on the clear sky's light, 0 to 1.
    air_glow : ndarray, shape (3,), float32
        RGB radiance of thick air that comes from all sides alike.
    """
    share = float((irradiance @ REC709_LUMINANCE) / max(float(clear_irradiance @ REC709_LUMINANCE), 1e-12))
    surrounding = 0.5 * (irradiance / np.pi + ground_radiance)
    return open_share * min(share, 1.0), ((1 - open_share) * surrounding).astype(np.float32)
