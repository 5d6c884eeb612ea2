"""Skylight by Monte Carlo for the test of the clear sky: writes ``tests/core/clear_sky_photons.json``.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.clear_sky_photons tests/core/clear_sky_photons.json

Suns, hazes and directions reach to where the model's approximations hurt: the lowest degrees of the
sky toward a low sun, and thick haze. Takes a few minutes on one core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.air import Air
from skygen_addon.core.geometry import direction_from_angles
from skygen_addon.core.spectrum import WAVELENGTHS_NM

from .air_photons import cosine_directions, photon_radiance

SKIES = ((1.0, 2.0), (1.0, 5.0), (1.0, 20.0), (1.0, 60.0), (3.0, 1.5), (4.0, 5.0), (4.0, 20.0), (8.0, 20.0))
"""Haze and elevation of the sun in degrees."""
VIEW_ELEVATIONS_DEG = (0.5, 2.0, 4.0, 10.0, 20.0, 45.0, 80.0)
VIEW_AZIMUTHS_DEG = (0.0, 20.0, 60.0, 110.0, 180.0)
"""From the sun's azimuth."""
WAVELENGTHS = (430, 550)
GROUND_ALBEDO = 0.16
PATHS_PER_DIRECTION, PATHS_OF_IRRADIANCE = 20_000, 400_000


def sky_by_photons(haze: float, sun_deg: float, wavelength: int) -> dict[str, Any]:
    """Radiance (E, A) in 1/sr and horizontal irradiance of one sky per unit of solar irradiance."""
    rng = np.random.default_rng([int(10 * haze), int(10 * sun_deg), wavelength])
    air, at = Air(haze=haze, ground_albedo=(GROUND_ALBEDO,) * 3), list(WAVELENGTHS_NM).index(wavelength)
    sun = float(np.deg2rad(sun_deg))
    views = [
        direction_from_angles(np.deg2rad(a), np.deg2rad(e)) for e in VIEW_ELEVATIONS_DEG for a in VIEW_AZIMUTHS_DEG
    ]
    found = photon_radiance(np.repeat(views, PATHS_PER_DIRECTION, axis=0), sun, air, at, rng)
    samples = found.reshape(len(VIEW_ELEVATIONS_DEG), len(VIEW_AZIMUTHS_DEG), PATHS_PER_DIRECTION)
    down = photon_radiance(cosine_directions(PATHS_OF_IRRADIANCE, rng), sun, air, at, rng)
    return {
        "haze": haze,
        "sun_deg": sun_deg,
        "wavelength_nm": wavelength,
        "radiance": _rounded(samples.mean(-1)),
        "standard_error": _rounded(samples.std(-1) / np.sqrt(PATHS_PER_DIRECTION)),
        "irradiance": round(float(np.pi * down.mean()), 5),
    }


def _rounded(values: NDArray[np.floating]) -> list[list[float]]:
    return [[float(f"{value:.4g}") for value in row] for row in values]


def main(path: Path) -> None:
    """Write the file, one sky at a time."""
    skies = []
    for haze, sun_deg in SKIES:
        for wavelength in WAVELENGTHS:
            skies.append(sky_by_photons(haze, sun_deg, wavelength))
            print(f"haze {haze:g}, sun {sun_deg:g} degrees, {wavelength} nm", flush=True)
    text = {
        "view_elevations_deg": VIEW_ELEVATIONS_DEG,
        "view_azimuths_deg": VIEW_AZIMUTHS_DEG,
        "ground_albedo": GROUND_ALBEDO,
        "skies": skies,
    }
    path.write_text(json.dumps(text, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
