"""Into which directions air and clouds scatter light: molecules, and sums of Henyey-Greenstein lobes for the rest.

Aerosol throws a small part of its light within a few degrees of the sun, which is the aureole, and the rest broadly.
The two lobes are fitted to Mie scattering by the particles measured over Greenbelt (GSFC), Maryland, at an optical
depth of 0.1 (Dubovik et al. 2002, "Variability of Absorption and Optical Properties of Key Aerosol Types Observed in
Worldwide Locations", table 1). A single lobe as graphics likes it (Cornette & Shanks with a mean cosine of 0.8) has
three times too much light at ten degrees and too little at one.

Droplets of clouds diffract half of what they scatter into a degree or two. Light that was scattered once shows their
lobes, fitted to Mie scattering by droplets of an effective radius of 10 micrometres; light that was scattered often
does not, and a wide lobe of the same mean cosine will do (trainer.networks.cloud_light).

``tests/comparison/mie_phase.py`` makes both fits. All functions are per steradian; their integral over the sphere is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUREOLE_SHARE, AUREOLE_ASYMMETRY = 0.071, 0.963
"""The lobe of the coarse particles: its share of the aerosol's scattering, and its mean cosine."""
BROAD_ASYMMETRY = 0.566
"""Mean cosine of the rest."""

DROPLET_PEAK_SHARE, DROPLET_PEAK_ASYMMETRY = 0.524, 0.991
"""What droplets diffract: share of their scattering, and mean cosine."""
DROPLET_LOBES = ((0.455, 0.736), (0.021, -0.3))
"""Share and mean cosine of what they refract and reflect, forward and backward."""

_LOBES = ((AUREOLE_SHARE, AUREOLE_ASYMMETRY), (1 - AUREOLE_SHARE, BROAD_ASYMMETRY))

Angles = NDArray[np.floating]


def henyey_greenstein(cos_angle: Angles, asymmetry: float) -> NDArray[np.float64]:
    """One lobe of a mean cosine between -1 and 1 (Henyey & Greenstein 1941)."""
    mu = np.asarray(cos_angle, dtype=np.float64)
    return np.asarray((1 - asymmetry**2) / (4 * np.pi * (1 + asymmetry**2 - 2 * asymmetry * mu) ** 1.5))


def rayleigh_phase(cos_angle: Angles) -> NDArray[np.float64]:
    """Phase function of air molecules."""
    return np.asarray(3 / (16 * np.pi) * (1 + np.asarray(cos_angle, dtype=np.float64) ** 2))


def aureole_phase(cos_angle: Angles) -> NDArray[np.float64]:
    """The narrow part of :func:`aerosol_phase`; its integral is AUREOLE_SHARE."""
    return np.asarray(AUREOLE_SHARE * henyey_greenstein(cos_angle, AUREOLE_ASYMMETRY))


def broad_aerosol_phase(cos_angle: Angles) -> NDArray[np.float64]:
    """The rest of :func:`aerosol_phase`."""
    return np.asarray((1 - AUREOLE_SHARE) * henyey_greenstein(cos_angle, BROAD_ASYMMETRY))


def aerosol_phase(cos_angle: Angles) -> NDArray[np.float64]:
    """Phase function of aerosol."""
    return aureole_phase(cos_angle) + broad_aerosol_phase(cos_angle)


def repeated_aerosol_phase(cos_angle: Angles) -> NDArray[np.float64]:
    """Phase function of two scatterings by aerosol: mean cosines of lobes multiply."""
    pairs = [(a * b, g * h) for a, g in _LOBES for b, h in _LOBES]
    return np.asarray(sum(share * henyey_greenstein(cos_angle, g) for share, g in pairs))
