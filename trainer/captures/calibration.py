"""Exposure and white balance of a sky in the project's unit of radiance.

A white card under the reference clear noon sky has radiance 1 (core conventions). Where no model
can tell, a sky's median luminance is set to a stated prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE

PRIOR_MEDIAN_LUMINANCE = 0.35
"""Median luminance of the open sky that is assumed where no clear sky can be compared."""


@dataclass(frozen=True)
class Calibration:
    """Factors from a file's scale to the project's radiance."""

    scale: float
    """Multiplies all channels."""
    balance: tuple[float, float, float]
    """Multiplies red, green and blue; its luminance-weighted mean is 1."""
    source: str
    """``model`` where clear sky was compared, ``prior`` otherwise."""

    def apply(self, radiance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Radiance (..., 3) in the project's unit."""
        return radiance * (np.float32(self.scale) * np.array(self.balance, dtype=np.float32))


def calibrate_by_prior(disc: NDArray[np.float32], sky: NDArray[np.bool_]) -> Calibration:
    """Scale that sets the open sky's median luminance to :data:`PRIOR_MEDIAN_LUMINANCE`."""
    median = float(np.median((disc @ REC709_LUMINANCE)[sky]))
    return Calibration(PRIOR_MEDIAN_LUMINANCE / max(median, 1e-12), (1.0, 1.0, 1.0), "prior")
