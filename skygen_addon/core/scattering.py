"""Sunlight scattered once and many times: the two parts of skylight along a ray.

Method: Hillaire 2020, "A Scalable and Production Ready Sky and Atmosphere Rendering Technique".
Light scattered more than once is taken as isotropic and summed as a geometric series from its
second order. Added here: the ground is lit by the sky as well as by the sun and by the light
that air returns to it, so white ground brightens the sky as it should; and everything is spectral.

Aerosol throws most light forward, where isotropy is wrong: it would send a quarter of the skylight
of a low sun in haze back to space. So, as in the delta scaling of Joseph, Wiscombe & Weinman 1976, a
share of its scattering counts as none (``air.AEROSOL_FORWARD``). The light so saved is scattered
once more on its way to the eye, by a broader phase function.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .air import (
    AEROSOL_ALBEDO,
    AEROSOL_FORWARD,
    TOP_KM,
    Air,
    Array,
    density,
    diffuse_sun_transmittance,
    height_along,
    sun_columns,
)
from .geometry import EARTH_RADIUS_KM
from .spectrum import spectral_albedo

_HEIGHTS, _SUNS, _VIEWS, _AZIMUTHS, _STEPS = 22, 41, 14, 3, 20
_SUN_SCALE = np.deg2rad(6.0)
_SUN_LOW, _SUN_HIGH = np.arcsinh(np.deg2rad([-30.0, 90.0]) / _SUN_SCALE)
_TINY = np.float32(1e-30)


class Path(NamedTuple):
    """Rays cut into segments, each represented by its middle."""

    height_km: Array
    """(..., steps)"""
    distance_km: Array
    """(..., steps)"""
    weight: Array
    """Turned towards the start per unit of light at each segment, (..., steps, 2, 8): Rayleigh, aerosol."""
    aerosol_km: Array
    """Aerosol between the start and each middle, in km at ground density, (..., steps)."""
    through: Array
    """Transmittance of the whole path, (..., 8)."""
    hits_ground: NDArray[np.bool_]
    """(...)"""
    length_km: Array
    """(...)"""


class Skylight(NamedTuple):
    """Parts of skylight per unit of solar irradiance, each (E, A, 8) float32; times its phase function in 1/sr."""

    rayleigh: Array
    """Turned by molecules, before or after which aerosol may have deflected it a little."""
    aerosol: Array
    """Scattered once, by aerosol."""
    aerosol_again: Array
    """Turned by aerosol and deflected by it a little before or after, or deflected twice or more: has a broader phase
    function."""
    multiple: Array
    """Turned more than once, isotropic; in 1/sr as it is."""


def view_path(height_km: Array | float, elevation_rad: Array, air: Air, steps: int) -> Path:
    """Segments of rays from points to the top of the atmosphere or to the ground.

    ``height_km`` and ``elevation_rad`` broadcast to (...).
    """
    h, elevation = np.broadcast_arrays(np.asarray(height_km, np.float64), np.asarray(elevation_rad, np.float64))
    c, r = np.sin(elevation), EARTH_RADIUS_KM + h
    rc, above = r * c, h * (2 * EARTH_RADIUS_KM + h)
    hits = (c < 0) & (rc * rc >= above)
    to_top = (TOP_KM - h) * (2 * EARTH_RADIUS_KM + TOP_KM + h)
    root = np.sqrt(rc * rc + to_top)
    upward = np.where(c > 0, to_top / np.maximum(rc + root, 1e-9), root - rc)
    downward = above / np.maximum(-rc + np.sqrt(np.maximum(rc * rc - above, 0.0)), 1e-9)
    length = np.where(hits, downward, upward)[..., None]
    s = np.linspace(0.0, 1.0, steps + 1)
    fraction = np.where((c >= 0)[..., None], s**2, np.where(hits[..., None], s * (2 - s), s))  # crowd the dense air
    edges = length * fraction
    middle, step = 0.5 * (edges[..., 1:] + edges[..., :-1]), np.diff(edges)
    height = height_along(h[..., None], c[..., None], middle).astype(np.float32)
    local = density(height, air.altitude_km).astype(np.float32)
    step = step.astype(np.float32)
    aerosol = local[..., 1] * step
    extinction = local @ air.diffuse_extinction()
    depth = extinction * step[..., None]
    passed = np.cumsum(depth, axis=-2)
    arriving = np.exp(depth - passed) * -np.expm1(-depth) / np.maximum(extinction, _TINY)
    weight = arriving[..., None, :] * local[..., :2, None] * air.diffuse_scattering()
    before = np.cumsum(aerosol, axis=-1) - aerosol / 2
    through = np.exp(-passed[..., -1, :])
    return Path(height, middle.astype(np.float32), weight, before, through, hits, length[..., 0])


def sun_elevation_along(
    height_km: Array | float,
    elevation_rad: Array,
    relative_azimuth_rad: Array,
    distance_km: Array,
    sun_elevation_rad: Array | float,
) -> Array:
    """Local sun elevation at points on rays from whose start the sun stands at ``sun_elevation_rad``.

    ``height_km`` is that of the points; all arguments broadcast.
    """
    r = np.float32(EARTH_RADIUS_KM) + height_km
    run = distance_km * np.cos(elevation_rad)
    up = np.sqrt(np.maximum(r * r - run * run, 0.0))
    towards = run * np.cos(relative_azimuth_rad) * np.cos(sun_elevation_rad)
    sine = (up * np.sin(sun_elevation_rad) + towards) / r
    return np.asarray(np.arcsin(np.clip(sine, -1.0, 1.0)), dtype=np.float32)


@functools.lru_cache(maxsize=16)
def _multiple_table(air: Air) -> Array:
    """Log of the multiply scattered radiance per unit of solar irradiance, (heights * suns, 8).

    First over black ground: the second order, and with it the geometric series. Its light on the
    ground and what air returns of the ground's own light then settle how bright the ground is.
    """
    heights = TOP_KM * np.linspace(0.0, 1.0, _HEIGHTS) ** 3
    suns = (_SUN_SCALE * np.sinh(np.linspace(_SUN_LOW, _SUN_HIGH, _SUNS))).astype(np.float32)
    node, weight = np.polynomial.legendre.leggauss(_VIEWS // 2)
    node, weight = 0.5 * (node + 1), 0.5 * weight
    elevation = np.arcsin(np.concatenate([-(node**2), node**2])).astype(np.float32)  # crowded at the horizontal
    share = np.tile(weight * node, 2).astype(np.float32)  # of the sphere
    azimuth = ((np.arange(_AZIMUTHS) + 0.5) * np.pi / _AZIMUTHS).astype(np.float32)
    paths = [view_path(height, elevation, air, _STEPS) for height in heights]
    once, series = [], []
    for path in paths:
        local_sun = sun_elevation_along(  # (views, steps, suns, azimuths)
            path.height_km[..., None, None],
            elevation[:, None, None, None],
            azimuth,
            path.distance_km[..., None, None],
            suns[:, None],
        )
        light = diffuse_sun_transmittance(path.height_km[..., None, None], local_sun, air).mean(axis=-2)
        scattered = path.weight.sum(axis=-2)  # (views, steps, 8)
        once.append(np.einsum("vsw,vsuw->vuw", scattered, light, optimize=True) / np.float32(4 * np.pi))
        series.append(np.asarray(1 / (1 - share @ scattered.sum(axis=1))))  # (8,)
    black = np.stack([np.einsum("v,vuw->uw", share, o) * s for o, s in zip(once, series, strict=True)])
    lit = np.stack([(share[:, None] * p.through * p.hits_ground[:, None]).sum(0) for p in paths])  # (heights, 8)
    ground = _ground_radiance(air, paths[0], share * np.sin(elevation), suns, once[0], black, lit * np.stack(series))
    rows = []
    for path, row, factor in zip(paths, black, series, strict=True):
        hit_sun = sun_elevation_along(  # (views, suns, azimuths)
            0.0, elevation[:, None, None], azimuth, path.length_km[:, None, None], suns[:, None]
        )
        seen = _between_suns(hit_sun, ground).mean(axis=-2)
        thrown = share[:, None] * path.through * path.hits_ground[:, None]
        rows.append(row + np.einsum("vw,vuw->uw", thrown, seen) * factor)
    return np.asarray(np.log(np.maximum(np.concatenate(rows), _TINY)), dtype=np.float32)


def _ground_radiance(
    air: Air, path: Path, down: Array, suns: Array, once: Array, black: Array, from_ground: Array
) -> Array:
    """Radiance of the ground under each sun, (suns, 8), lit by sun, sky and the air's return of its own light.

    ``path`` starts on the ground, ``down`` is share of the sphere x sine, ``once`` (views, suns, 8) the light
    scattered once along it, ``black`` (heights, suns, 8) the light scattered more often over black ground,
    ``from_ground`` (heights, 8) the radiance that ground of radiance 1 causes on average.
    """
    scattered = path.weight.sum(axis=-2) * np.maximum(down, 0.0)[:, None, None] * np.float32(4 * np.pi)
    column = np.cbrt(path.height_km / TOP_KM) * (_HEIGHTS - 1)
    i = np.minimum(column.astype(np.int32), _HEIGHTS - 2)
    share = np.zeros((_HEIGHTS, 8), np.float32)  # of each height in the sky's light on the ground
    np.add.at(share, i, scattered * (1 - (column - i))[..., None])
    np.add.at(share, i + 1, scattered * (column - i)[..., None])
    sky = np.einsum("v,vuw->uw", np.maximum(down, 0.0), once) * np.float32(4 * np.pi)
    sky += np.einsum("hw,huw->uw", share, black)
    direct = diffuse_sun_transmittance(np.zeros_like(suns), suns, air) * np.maximum(np.sin(suns), 0.0)[:, None]
    albedo = spectral_albedo(air.ground_albedo)
    returned = (share * from_ground).sum(axis=0) / np.pi
    return np.asarray(albedo / np.pi * (sky + direct) / (1 - albedo * returned), dtype=np.float32)


def _between_suns(sun_elevation_rad: Array, table: Array) -> Array:
    """Linear interpolation of a table (suns, 8) over local sun elevation, (..., 8)."""
    column = (np.arcsinh(sun_elevation_rad / _SUN_SCALE) - _SUN_LOW) * ((_SUNS - 1) / (_SUN_HIGH - _SUN_LOW))
    column = np.clip(column, 0.0, _SUNS - 1).astype(np.float32)
    i = np.minimum(column.astype(np.int32), _SUNS - 2)
    part = (column - i)[..., None]
    return np.asarray(table[i] * (1 - part) + table[i + 1] * part)


def multiple_scattering(height_km: Array, sun_elevation_rad: Array, air: Air) -> Array:
    """Isotropic radiance (..., 8) of light scattered twice or more, per unit of solar irradiance (1/sr)."""
    table = _multiple_table(air)
    row = np.cbrt(np.clip(height_km / TOP_KM, 0.0, 1.0)) * (_HEIGHTS - 1)
    column = (np.arcsinh(sun_elevation_rad / _SUN_SCALE) - _SUN_LOW) * ((_SUNS - 1) / (_SUN_HIGH - _SUN_LOW))
    column = np.clip(column, 0.0, _SUNS - 1)
    i = np.minimum(row.astype(np.int32), _HEIGHTS - 2)
    j = np.minimum(column.astype(np.int32), _SUNS - 2)
    fi = (row - i)[..., None].astype(np.float32)
    fj = (column - j)[..., None].astype(np.float32)
    base = i * _SUNS + j
    low = np.take(table, base, axis=0) * (1 - fj) + np.take(table, base + 1, axis=0) * fj
    base += _SUNS
    high = np.take(table, base, axis=0) * (1 - fj) + np.take(table, base + 1, axis=0) * fj
    return np.asarray(np.exp(low + (high - low) * fi))


def skylight(
    height_km: float, elevation_rad: Array, relative_azimuth_rad: Array, sun_elevation_rad: float, air: Air, steps: int
) -> Skylight:
    """Skylight per unit of solar irradiance on a grid of view directions above the horizon.

    Parameters
    ----------
    height_km : float
        Height of the observer above the ground.
    elevation_rad : ndarray (E,)
        View elevations.
    relative_azimuth_rad : ndarray (A,)
        View azimuths relative to the sun's.
    steps : int
        Segments along each ray.
    """
    path = view_path(height_km, elevation_rad, air, steps)
    height = np.broadcast_to(path.height_km[:, None, :], (elevation_rad.size, relative_azimuth_rad.size, steps))
    local_sun = sun_elevation_along(
        height,
        elevation_rad[:, None, None].astype(np.float32),
        relative_azimuth_rad[:, None].astype(np.float32),
        path.distance_km[:, None, :],
        sun_elevation_rad,
    )
    columns, visible = sun_columns(height, local_sun, air.altitude_km)
    light = np.exp(-(columns @ air.diffuse_extinction())) * visible[..., None]  # (E, A, steps, 8)
    forward = np.float32(AEROSOL_ALBEDO * AEROSOL_FORWARD) * air.extinction()[1]
    straight = light * np.exp(-columns[..., 1:2] * forward)
    once = np.einsum("espw,easw->peaw", path.weight, light, optimize=True)
    # Every path counts once. One that aerosol turns for good may be deflected before and after (once[1]). One of
    # deflections alone is told by its last, after which it meets all aerosol on its way to the eye.
    last = path.weight[..., 1, :] / np.float32(1 - AEROSOL_FORWARD) * np.exp(-path.aerosol_km[..., None] * forward)
    single = np.einsum("esw,easw->eaw", last, straight, optimize=True)
    deflected = np.float32(AEROSOL_FORWARD) * np.einsum("esw,easw->eaw", last, light, optimize=True)
    again = once[1] + deflected - single
    diffuse = multiple_scattering(height, local_sun, air)
    multiple = np.einsum("esw,easw->eaw", path.weight.sum(axis=-2), diffuse, optimize=True)
    return Skylight(once[0], single, again, multiple)
