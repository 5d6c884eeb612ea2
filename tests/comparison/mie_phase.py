"""Phase functions of aerosol and of cloud droplets by Mie scattering, and the lobes that stand for them in the model.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.mie_phase

Aerosol: particles as measured over Greenbelt (GSFC) at an optical depth of 0.1, two log-normal modes of volume and a
refractive index (Dubovik et al. 2002, table 1). Droplets: water, Hansen's gamma distribution (1971) with an effective
radius of 10 micrometres and a variance of 0.1. Prints both at 550 nm beside the model's, and the Henyey-Greenstein
lobes that fit them best in the logarithm. A minute.
"""

from __future__ import annotations

from collections.abc import Callable

import miepython
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from skygen_addon.core.phase_functions import (
    DROPLET_LOBES,
    DROPLET_PEAK_ASYMMETRY,
    DROPLET_PEAK_SHARE,
    aerosol_phase,
    henyey_greenstein,
)

Array = NDArray[np.float64]

WAVELENGTH_UM = 0.55
AEROSOL_INDEX, WATER_INDEX = 1.407 - 0.003j, 1.333 - 1e-8j
MODES = ((0.131, 0.38, 0.015), (3.08, 0.75, 0.014))
"""Fine and coarse: median radius by volume in micrometres, deviation of its logarithm, volume in um^3 / um^2."""
EFFECTIVE_UM, VARIANCE = 10.0, 0.1
AEROSOL_DEG = np.concatenate([np.geomspace(0.3, 30, 60), np.linspace(32, 165, 50)])
DROPLET_DEG = np.concatenate([np.geomspace(0.2, 30, 80), np.linspace(32, 80, 30)])
"""Angles of the fits; beyond 80 degrees droplets show rainbow and glory, which lobes leave out."""
SHOWN_DEG = np.array([0.3, 0.6, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 60, 90, 120, 150], dtype=np.float64)
BACKWARD = DROPLET_LOBES[1][1]


def mie_phase(index: complex, radius: Array, number: Array, angle_deg: Array) -> tuple[Array, float]:
    """Phase function (n,) in 1/sr of spheres of radii in micrometres at angles in degrees, and its mean cosine."""
    mu = np.cos(np.deg2rad(angle_deg))
    total, scattering, forward = np.zeros_like(mu), 0.0, 0.0
    for r, n in zip(radius, number, strict=True):
        size = 2 * np.pi * r / WAVELENGTH_UM
        _, efficiency, _, cosine = miepython.efficiencies_mx(index, size)
        section = np.pi * r * r * n * efficiency
        total += section * miepython.i_unpolarized(index, size, mu, norm="one")
        scattering, forward = scattering + section, forward + section * cosine
    return total / scattering, forward / scattering


def aerosol_by_mie(angle_deg: Array) -> tuple[Array, float]:
    """Of the two modes."""
    radius = np.geomspace(0.02, 20.0, 220)
    number = np.zeros_like(radius)
    for median, deviation, volume in MODES:
        shape = np.exp(-(np.log(radius / median) ** 2) / (2 * deviation**2)) / deviation
        number += volume * shape / radius**3
    return mie_phase(AEROSOL_INDEX, radius, number, angle_deg)


def droplets_by_mie(angle_deg: Array) -> tuple[Array, float]:
    """Of the gamma distribution."""
    radius = np.geomspace(1.5, 40.0, 160)
    number = radius ** ((1 - 3 * VARIANCE) / VARIANCE) * np.exp(-radius / (EFFECTIVE_UM * VARIANCE)) * radius
    return mie_phase(WATER_INDEX, radius, number / number.sum(), angle_deg)


def lobes(angle_deg: Array, p: Array, backward: float) -> Array:
    """A narrow lobe of share p[0], a backward one, and the rest; mean cosines tanh p[1], BACKWARD and tanh p[2]."""
    mu = np.cos(np.deg2rad(angle_deg))
    narrow, broad = (henyey_greenstein(mu, float(np.tanh(g))) for g in p[1:])
    return np.asarray(p[0] * narrow + (1 - p[0] - backward) * broad + backward * henyey_greenstein(mu, BACKWARD))


def droplet_phase(angle_deg: Array) -> Array:
    """The model's, for light that is scattered once."""
    mu = np.cos(np.deg2rad(angle_deg))
    parts = ((DROPLET_PEAK_SHARE, DROPLET_PEAK_ASYMMETRY), *DROPLET_LOBES)
    return np.asarray(sum(share * henyey_greenstein(mu, g) for share, g in parts))


def _show(
    name: str,
    by_mie: Callable[[Array], tuple[Array, float]],
    fit_deg: Array,
    start: Array,
    backward: float,
    ours: Array,
) -> None:
    phase, cosine = by_mie(fit_deg)
    share, narrow, broad = least_squares(lambda p: np.log(np.abs(lobes(fit_deg, p, backward)) / phase), start).x
    print(
        f"{name}: mean cosine {cosine:.3f}; lobes: {share:.3f} of {np.tanh(narrow):.4f}, "
        f"{1 - share - backward:.3f} of {np.tanh(broad):.3f}, {backward:g} of {BACKWARD}"
    )
    for degrees, mie, model in zip(SHOWN_DEG, by_mie(SHOWN_DEG)[0], ours, strict=True):
        print(f"{degrees:6.1f} degrees: Mie {mie:8.3f}, model {model:8.3f}")


def main() -> None:
    """Print both tables and fits."""
    model = aerosol_phase(np.cos(np.deg2rad(SHOWN_DEG)))
    _show("aerosol", aerosol_by_mie, AEROSOL_DEG, np.array([0.1, *np.arctanh([0.94, 0.6])]), 0.0, model)
    model = droplet_phase(SHOWN_DEG)
    start = np.array([0.4, *np.arctanh([0.985, 0.75])])
    _show("droplets", droplets_by_mie, DROPLET_DEG, start, DROPLET_LOBES[1][0], model)


if __name__ == "__main__":
    main()
