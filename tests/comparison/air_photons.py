"""Skylight by Monte Carlo: the same air as the model's, without its approximations.

Paths start at the eye on the ground of a spherical Earth and end in space. Collisions come from
delta tracking (Woodcock 1965) with one majorant per layer; at each collision, and at each bounce
off the ground, the sun's light is added (next-event estimation). All orders of scattering, true
phase functions, one wavelength at a time. Slow and noisy, but no table and no isotropy in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.air import Air, density, sun_transmittance
from skygen_addon.core.geometry import EARTH_RADIUS_KM
from skygen_addon.core.phase_functions import aerosol_phase, rayleigh_phase
from skygen_addon.core.spectrum import spectral_albedo

Array = NDArray[np.float64]

LAYERS_KM = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 100.0])
_NUDGE_KM = 1e-6
_ROULETTE = 0.05
"""Below this weight half of the paths end and the others count twice."""


def cosine_directions(count: int, rng: np.random.Generator) -> Array:
    """Directions (count, 3) over the upper hemisphere; the mean of radiance over them is irradiance / pi."""
    return _hemisphere(np.tile([0.0, 0.0, 1.0], (count, 1)), rng)


def photon_radiance(
    directions: Array, sun_elevation_rad: float, air: Air, wavelength: int, rng: np.random.Generator
) -> Array:
    """One estimate (N,) of the sky's radiance per unit of solar irradiance, in 1/sr, for each view direction.

    Parameters
    ----------
    directions : ndarray (N, 3)
        Unit vectors from the ground; the sun stands in the north (+Y). Repeat a direction to average.
    wavelength : int
        Index into ``spectrum.WAVELENGTHS_NM``.
    """
    extinction, scattering = (x[:, wavelength].astype(float) for x in (air.extinction(), air.scattering()))
    ceiling = [np.linspace(a, b, 200) for a, b in zip(LAYERS_KM[:-1], LAYERS_KM[1:], strict=True)]
    majorant = 1.01 * np.array([(density(h, air.altitude_km) @ extinction).max() for h in ceiling])
    albedo = float(spectral_albedo(air.ground_albedo)[wavelength])
    sun = np.array([0.0, np.cos(sun_elevation_rad), np.sin(sun_elevation_rad)])
    turn_by_aerosol = _inverse_distribution()

    def sunlight(height: Array, up: Array) -> Array:
        return sun_transmittance(height, np.arcsin(np.clip(up @ sun, -1, 1)), air)[..., wavelength]

    total = np.zeros(len(directions))
    path = np.arange(len(directions))
    position = np.tile([0.0, 0.0, EARTH_RADIUS_KM + _NUDGE_KM], (path.size, 1))
    heading, weight = directions.astype(float), np.ones(path.size)
    while path.size:
        radius = np.linalg.norm(position, axis=1)
        rise = (position * heading).sum(axis=1) / radius
        height = np.maximum(radius - EARTH_RADIUS_KM, 0.0) + 1e-9 * np.where(rise > 0, 1, -1)
        layer = np.clip(np.searchsorted(LAYERS_KM, height, side="right") - 1, 0, majorant.size - 1)
        up_km, down_km = _to_boundaries(radius, rise, layer)
        free = -np.log1p(-rng.random(path.size)) / majorant[layer]
        border = np.minimum(up_km, down_km)
        crosses = free >= border
        position = position + heading * np.where(crosses, np.maximum(border, 0.0) + _NUDGE_KM, free)[:, None]
        radius = np.linalg.norm(position, axis=1)
        height, up = np.maximum(radius - EARTH_RADIUS_KM, 0.0), position / radius[:, None]
        here = density(height, air.altitude_km)
        all_of_it = here @ extinction

        hit = np.flatnonzero(~crosses & (rng.random(path.size) * majorant[layer] < all_of_it))
        parts = here[hit, :2] * scattering
        turned = parts.sum(axis=1)
        weight[hit] *= turned / all_of_it[hit]
        cosine = heading[hit] @ sun
        phase = parts[:, 0] * rayleigh_phase(cosine) + parts[:, 1] * aerosol_phase(cosine)
        np.add.at(total, path[hit], weight[hit] * phase / turned * sunlight(height[hit], up[hit]))
        by_aerosol = rng.random(hit.size) * turned < parts[:, 1]
        uniform = rng.random(hit.size)
        cosine = np.where(by_aerosol, turn_by_aerosol(uniform), _rayleigh_cosine(uniform))
        heading[hit] = _deflect(heading[hit], cosine, rng)

        ground = np.flatnonzero(crosses & (down_km < up_km) & (layer == 0))
        weight[ground] *= albedo
        lit = np.maximum(up[ground] @ sun, 0.0) / np.pi * sunlight(np.zeros(ground.size), up[ground])
        np.add.at(total, path[ground], weight[ground] * lit)
        heading[ground] = _hemisphere(up[ground], rng)
        position[ground] = up[ground] * (EARTH_RADIUS_KM + _NUDGE_KM)

        faint = weight < _ROULETTE
        survives = rng.random(path.size) < 0.5
        weight = np.where(faint, 2 * weight, weight)
        keep = ~(crosses & (up_km <= down_km) & (layer == majorant.size - 1)) & (~faint | survives)
        position, heading, weight, path = position[keep], heading[keep], weight[keep], path[keep]
    return total


def _to_boundaries(radius: Array, rise: Array, layer: NDArray[np.intp]) -> tuple[Array, Array]:
    """Distances in km to the upper and to the lower boundary of a layer; infinite where a ray misses it."""
    along, square = radius * rise, (radius * rise) ** 2 - radius**2
    upper = np.sqrt(np.maximum(square + (EARTH_RADIUS_KM + LAYERS_KM[layer + 1]) ** 2, 0.0)) - along
    root = square + (EARTH_RADIUS_KM + LAYERS_KM[layer]) ** 2
    lower = np.where((rise < 0) & (root > 0), -along - np.sqrt(np.maximum(root, 0.0)), np.inf)
    return upper, lower


def _inverse_distribution():
    """Function from uniform numbers to cosines distributed as the aerosol's phase function."""
    cosine = np.cos(np.pi * np.linspace(1, 0, 8001) ** 2)  # crowded at the aureole's narrow lobe
    phase = aerosol_phase(cosine)
    below = np.concatenate([[0.0], np.cumsum((phase[1:] + phase[:-1]) * np.diff(cosine))])
    return lambda uniform: np.interp(uniform, below / below[-1], cosine)


def _rayleigh_cosine(uniform: Array) -> Array:
    """Cosines distributed as 1 + cos^2: Cardano's root of its cumulative."""
    q = 4 * uniform - 2
    root = np.sqrt(q * q + 1)
    return np.cbrt(q + root) + np.cbrt(q - root)


def _frame(axis: Array) -> tuple[Array, Array]:
    """Two unit vectors (N, 3) across each axis."""
    helper = np.where(np.abs(axis[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(axis, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(axis, first)


def _deflect(heading: Array, cosine: Array, rng: np.random.Generator) -> Array:
    """Directions at given cosines to the old ones and random azimuths, (N, 3)."""
    first, second = _frame(heading)
    angle, sine = 2 * np.pi * rng.random(cosine.size), np.sqrt(np.maximum(1 - cosine**2, 0.0))
    across = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    turned = cosine[:, None] * heading + sine[:, None] * across
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)


def _hemisphere(up: Array, rng: np.random.Generator) -> Array:
    """Cosine-distributed directions about normals, (N, 3)."""
    return _deflect(up, np.sqrt(rng.random(len(up))), rng)
