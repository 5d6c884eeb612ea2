"""The phase function of aerosol by Mie scattering, and the lobes that stand for it in the model.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.aerosol_phase

Particles as measured over Greenbelt (GSFC) at an optical depth of 0.1: two log-normal modes of volume and a refractive
index (Dubovik et al. 2002, table 1). Prints the phase function at 550 nm beside the model's, and the two
Henyey-Greenstein lobes that fit it best in the logarithm from 0.3 to 165 degrees. Half a minute.
"""

from __future__ import annotations

import miepython
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from skygen_addon.core.phase_functions import aerosol_phase, henyey_greenstein

Array = NDArray[np.float64]

WAVELENGTH_UM = 0.55
INDEX = 1.407 - 0.003j
MODES = ((0.131, 0.38, 0.015), (3.08, 0.75, 0.014))
"""Fine and coarse: median radius by volume in micrometres, deviation of its logarithm, volume in um^3 / um^2."""
SHOWN_DEG = (0.5, 1, 2, 4, 8, 16, 32, 60, 90, 120, 150)


def mie_phase(angle_deg: Array) -> tuple[Array, float]:
    """Phase function (n,) in 1/sr at angles in degrees, and its mean cosine."""
    mu = np.cos(np.deg2rad(angle_deg))
    total, scattering, forward = np.zeros_like(mu), 0.0, 0.0
    radius = np.geomspace(0.02, 20.0, 220)
    step = np.log(radius[1] / radius[0])
    for median, deviation, volume in MODES:
        shape = np.exp(-(np.log(radius / median) ** 2) / (2 * deviation**2)) / (np.sqrt(2 * np.pi) * deviation)
        number = volume * shape * step / (4 / 3 * np.pi * radius**3)
        for r, n in zip(radius, number, strict=True):
            size = 2 * np.pi * r / WAVELENGTH_UM
            _, q, _, cosine = miepython.efficiencies_mx(INDEX, size)
            section = np.pi * r * r * n * q
            total += section * miepython.i_unpolarized(INDEX, size, mu, norm="one")
            scattering, forward = scattering + section, forward + section * cosine
    return total / scattering, forward / scattering


def fitted_lobes(angle_deg: Array, phase: Array) -> tuple[float, float, float]:
    """Share and mean cosine of the narrow lobe, and mean cosine of the broad one, nearest in the logarithm."""
    mu = np.cos(np.deg2rad(angle_deg))

    def told(p: Array) -> Array:
        narrow, broad = (henyey_greenstein(mu, float(np.tanh(g))) for g in p[1:])
        share = 1 / (1 + np.exp(-p[0]))
        return np.asarray(share * narrow + (1 - share) * broad)

    found = least_squares(lambda p: np.log(told(p) / phase), [-2.0, np.arctanh(0.94), np.arctanh(0.6)]).x
    return float(1 / (1 + np.exp(-found[0]))), float(np.tanh(found[1])), float(np.tanh(found[2]))


def main() -> None:
    """Print the table and the fit."""
    angle = np.concatenate([np.geomspace(0.3, 30, 60), np.linspace(32, 165, 50)])
    phase, cosine = mie_phase(angle)
    share, narrow, broad = fitted_lobes(angle, phase)
    print(f"Mie: mean cosine {cosine:.3f}; lobes: share {share:.3f}, mean cosines {narrow:.3f} and {broad:.3f}")
    shown = np.array(SHOWN_DEG, dtype=np.float64)
    for degrees, mie, model in zip(shown, mie_phase(shown)[0], aerosol_phase(np.cos(np.deg2rad(shown))), strict=True):
        print(f"{degrees:6.1f} degrees: Mie {mie:7.3f}, model {model:7.3f}")


if __name__ == "__main__":
    main()
