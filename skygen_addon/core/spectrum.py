"""Eight wavelengths, the sun's spectrum, and how they become linear Rec.709.

A smooth factor f (transmittance, scattered fraction) is known at ``WAVELENGTHS_NM``; the product
f x solar spectrum x colour matching function is integrated on a 1 nm grid with f interpolated by
a natural cubic spline. The spline being linear in its nodes, all of that is one 8 x 3 matrix.
Against the same integral with f known at every nanometre the largest error is 1.6 % of the
largest channel (direct light at 36 air masses through thick haze) and 0.5 % on average.

White: the light on a white horizontal card under the reference clear noon sky (sun at
60 degrees, haze 1) is adapted (Bradford) to D65, so that this card is exactly (1, 1, 1).
Sunlight is then slightly warm, skylight blue, as in a daylight-balanced photograph.

Sources: sun ASTM G173-03 extraterrestrial, 10 nm means; colour matching Wyman, Sloan & Shirley
2013; Rayleigh Hansen & Travis 1974; ozone Gorshelev et al. 2014 (298 K to 221 K hardly differ).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

WAVELENGTHS_NM = np.array([400.0, 430.0, 470.0, 510.0, 550.0, 590.0, 630.0, 680.0])
"""The wavelengths at which air is computed, shape (8,)."""

REFERENCE_CARD_XYZ = np.array([47.59, 49.02, 48.87])
"""Radiance of the reference card, integral of spectral radiance x CIE 1931 colour matching, W m^-2 sr^-1.

The Y value is the project's unit of luminance; times 683 lm/W it is cd m^-2. Derived from the
model itself (a test derives it again); it fixes exposure and white point, nothing else.
"""

XYZ_TO_REC709 = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)
D65_XYZ = np.array([0.95047, 1.0, 1.08883])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

_SOLAR_NM = np.arange(370.0, 740.0, 10.0)
_SOLAR = np.array([
    1.1511, 1.0873, 1.0585, 1.5042, 1.7068, 1.7398, 1.5627, 1.8263, 1.9906, 2.0415, 1.9992, 2.0404, 1.8916,
    1.9191, 1.9246, 1.8188, 1.8737, 1.8652, 1.8668, 1.8330, 1.8366, 1.8366, 1.7782, 1.7668, 1.7284, 1.6856,
    1.6586, 1.6299, 1.5828, 1.5145, 1.5315, 1.4913, 1.4625, 1.4227, 1.3933, 1.3509, 1.3270,
])  # fmt: skip
"""Extraterrestrial solar irradiance at ``_SOLAR_NM``, W m^-2 nm^-1."""

_OZONE_NM = np.arange(370.0, 740.0, 10.0)
_OZONE = 1e-25 * np.array([
    0.00218, 0.00282, 0.00664, 0.0153, 0.0276, 0.0552, 0.0845, 0.158, 0.232, 0.367, 0.492, 0.775, 0.902,
    1.480, 1.602, 2.139, 2.755, 3.091, 3.500, 4.266, 4.672, 4.398, 4.701, 5.019, 4.305, 3.740,
    3.215, 2.662, 2.238, 1.852, 1.473, 1.209, 0.942, 0.746, 0.657, 0.511, 0.415,
])  # fmt: skip
"""Ozone absorption cross-section (Chappuis band) at ``_OZONE_NM``, m^2 per molecule."""

_DOBSON_PER_M2 = 2.6867e20


def solar_irradiance(wavelength_nm: Array) -> Array:
    """Extraterrestrial solar irradiance, W m^-2 nm^-1."""
    return np.asarray(np.interp(wavelength_nm, _SOLAR_NM, _SOLAR))


def rayleigh_optical_depth(wavelength_nm: Array) -> Array:
    """Vertical Rayleigh optical depth above sea level (Hansen & Travis 1974, eq. 2.30)."""
    w = (np.asarray(wavelength_nm) * 1e-3) ** -2
    return np.asarray(0.008569 * w**2 * (1 + 0.0113 * w + 0.00013 * w**2))


def ozone_optical_depth(wavelength_nm: Array, dobson: float) -> Array:
    """Vertical optical depth of an ozone column in Dobson units."""
    return np.asarray(np.interp(wavelength_nm, _OZONE_NM, _OZONE) * (_DOBSON_PER_M2 * dobson))


def colour_matching(wavelength_nm: Array) -> Array:
    """CIE 1931 colour matching functions x, y, z, shape (..., 3): multi-lobe fit of Wyman et al. 2013."""
    w = np.asarray(wavelength_nm, dtype=np.float64)

    def lobe(peak: float, below: float, above: float) -> Array:
        return np.asarray(np.exp(-0.5 * ((w - peak) / np.where(w < peak, below, above)) ** 2))

    x = 1.056 * lobe(599.8, 37.9, 31.0) + 0.362 * lobe(442.0, 16.0, 26.7) - 0.065 * lobe(501.1, 20.4, 26.2)
    y = 0.821 * lobe(568.8, 46.9, 40.5) + 0.286 * lobe(530.9, 16.3, 31.1)
    z = 1.217 * lobe(437.0, 11.8, 36.0) + 0.681 * lobe(459.0, 26.0, 13.8)
    return np.stack([x, y, z], axis=-1)


def _spline_basis(nodes: Array, at: Array) -> Array:
    """Natural cubic spline through each unit vector of ``nodes``, evaluated at ``at``: (at, nodes)."""
    n = nodes.size
    h = np.diff(nodes)
    system, values = np.eye(n), np.zeros((n, n))
    for i in range(1, n - 1):
        system[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        values[i, i - 1 : i + 2] = 6 / h[i - 1], -6 / h[i - 1] - 6 / h[i], 6 / h[i]
    curvature = np.linalg.solve(system, values)  # second derivative at node i per unit value at node j
    at = np.clip(at, nodes[0], nodes[-1])
    left = np.clip(np.searchsorted(nodes, at) - 1, 0, n - 2)
    b = ((at - nodes[left]) / h[left])[:, None]
    a, unit = 1 - b, np.eye(n)
    bend = ((a**3 - a) * curvature[left] + (b**3 - b) * curvature[left + 1]) * (h[left] ** 2 / 6)[:, None]
    return np.asarray(a * unit[left] + b * unit[left + 1] + bend)


def solar_to_xyz(wavelengths_nm: Array = WAVELENGTHS_NM) -> Array:
    """Matrix (n, 3): factor of the solar spectrum at n wavelengths to XYZ in W m^-2 (sr^-1)."""
    fine = np.arange(375.0, 731.0)
    spectrum: Array = colour_matching(fine) * solar_irradiance(fine)[:, None]
    return np.asarray(_spline_basis(wavelengths_nm, fine).T @ spectrum)


def bradford_adaptation(source_xyz: Array, target_xyz: Array) -> Array:
    """Matrix (3, 3), used as ``matrix @ xyz``, that takes one white (3,) to another (Lam 1985; linear, as in ICC)."""
    source = _BRADFORD @ source_xyz
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ target_xyz) / source) @ _BRADFORD)


def xyz_to_project() -> Array:
    """Matrix (3, 3), used as ``xyz @ matrix``: XYZ in W m^-2 sr^-1 to project radiance."""
    adapt = bradford_adaptation(REFERENCE_CARD_XYZ / REFERENCE_CARD_XYZ[1], D65_XYZ)
    return np.asarray((XYZ_TO_REC709 @ adapt).T / REFERENCE_CARD_XYZ[1])


def solar_to_rgb() -> Array:
    """Matrix (8, 3): factor of the solar spectrum at ``WAVELENGTHS_NM`` to project radiance or irradiance."""
    return solar_to_xyz() @ xyz_to_project()


def spectral_albedo(albedo_rgb: tuple[float, float, float]) -> Array:
    """Reflectance at ``WAVELENGTHS_NM`` of a linear Rec.709 reflectance, interpolated between 450, 545 and 610 nm."""
    return np.asarray(np.interp(WAVELENGTHS_NM, [450.0, 545.0, 610.0], np.asarray(albedo_rgb, dtype=np.float64)[::-1]))


def into_gamut(radiance: Array) -> Array:
    """Desaturate towards equal luminance until no channel is negative; luminance is kept.

    Light deeper than Rec.709's red (the setting sun) or blue has negative channels.
    """
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722])
    lowest = radiance.min(axis=-1)
    span = np.maximum(luminance - lowest, 1e-30)
    keep = np.where(lowest < 0, np.maximum(luminance, 0) / span, 1.0)[..., None]
    luminance = np.maximum(luminance, 0)[..., None]
    return np.asarray(np.maximum(luminance + (radiance - luminance) * keep, 0.0))
