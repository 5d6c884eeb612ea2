"""Directions, panorama, sky disc and cloud shells: the conventions, defined once.

World: Z up, +Y north, +X east. Azimuth clockwise from north, elevation up from the horizon.
Panorama: (H, W, 3) with W = 2H, row 0 touches the zenith, pixel centres at half integers,
``u = 0.5 - atan2(y, x) / (2 pi)``: the image centre looks along +X.
Sky disc: square stereographic map about the zenith, ``r = tan(zenith_angle / 2)``, row 0 is
north, column 0 is west, the horizon is the inscribed circle r = 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

EARTH_RADIUS_KM = 6371.0
SUN_ANGULAR_DIAMETER_RAD = np.deg2rad(0.533)
REC709_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def direction_from_angles(azimuth_rad: float, elevation_rad: float) -> NDArray[np.float64]:
    """Unit vector (3,) of an azimuth (clockwise from north) and an elevation."""
    c = np.cos(elevation_rad)
    return np.array([c * np.sin(azimuth_rad), c * np.cos(azimuth_rad), np.sin(elevation_rad)])


def panorama_directions(
    width: int, row_start: int = 0, row_stop: int | None = None, row_substeps: int = 1
) -> FloatArray:
    """Unit view directions of the pixel centres of rows ``row_start`` to ``row_stop``.

    Parameters
    ----------
    width : int
        Panorama width W in pixels; the height is W / 2.
    row_start, row_stop : int
        Half-open range of rows; row 0 touches the zenith.
    row_substeps : int
        Directions per row, spread evenly over the row's height (vertical super-sampling).

    Returns
    -------
    ndarray, shape ((row_stop - row_start) * row_substeps, W, 3), float32
    """
    height = width // 2
    row_stop = height if row_stop is None else row_stop
    rows = row_start + (np.arange((row_stop - row_start) * row_substeps) + 0.5) / row_substeps
    elevation = np.pi / 2 - rows * (np.pi / height)
    angle = 2 * np.pi * (0.5 - (np.arange(width) + 0.5) / width)  # atan2(y, x)
    cos_elevation = np.cos(elevation)[:, None]
    shape = (rows.size, width)
    return np.stack(
        [
            cos_elevation * np.cos(angle)[None, :],
            cos_elevation * np.sin(angle)[None, :],
            np.broadcast_to(np.sin(elevation)[:, None], shape),
        ],
        axis=-1,
    ).astype(np.float32)


def panorama_solid_angles(width: int) -> NDArray[np.float64]:
    """Solid angle in sr of one pixel of each row, shape (W / 2,); all pixels sum to 4 pi."""
    height = width // 2
    edges = np.pi / 2 - np.arange(height + 1) * (np.pi / height)
    areas: NDArray[np.float64] = (np.sin(edges[:-1]) - np.sin(edges[1:])) * (2 * np.pi / width)
    return areas


def panorama_pixel(direction: NDArray[np.floating], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Continuous (row, column) of directions (..., 3); pixel centres at half integers."""
    d = np.asarray(direction, dtype=np.float64)
    u = 0.5 - np.arctan2(d[..., 1], d[..., 0]) / (2 * np.pi)
    norm = np.linalg.norm(d, axis=-1)
    v = np.arccos(np.clip(d[..., 2] / norm, -1.0, 1.0)) / np.pi
    return v * (width // 2), u * width


def disc_directions(size: int, radius: float = 1.0) -> FloatArray:
    """Unit directions of the pixel centres of a sky disc.

    Parameters
    ----------
    size : int
        Disc width and height N in pixels.
    radius : float
        Stereographic radius at the edge of the square; 1 puts the horizon on the edge.

    Returns
    -------
    ndarray, shape (N, N, 3), float32; below the horizon beyond r = 1.
    """
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * radius
    east, north = np.meshgrid(axis, -axis)
    r2 = east**2 + north**2
    return np.stack([2 * east / (1 + r2), 2 * north / (1 + r2), (1 - r2) / (1 + r2)], axis=-1).astype(np.float32)


def disc_position(direction: NDArray[np.floating]) -> NDArray[np.float64]:
    """Disc coordinates (..., 2) = (east, north) in units of the horizon's radius."""
    d = np.asarray(direction, dtype=np.float64)
    position: NDArray[np.float64] = d[..., :2] / (1 + np.maximum(d[..., 2:3], -0.999))
    return position


def shell_distance_km(cos_zenith: NDArray[np.floating], height_km: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance from a camera on the ground to a spherical shell above it, without cancellation.

    ``t = (2 R h + h^2) / (R c + sqrt((R c)^2 + 2 R h + h^2))``, c the cosine of the zenith angle.
    """
    c = np.asarray(cos_zenith, dtype=np.float64) * EARTH_RADIUS_KM
    s = 2 * EARTH_RADIUS_KM * height_km + height_km**2
    return s / (c + np.sqrt(c * c + s))


def plane_matrix(stretch: float, stretch_azimuth_rad: float) -> NDArray[np.float64]:
    """Matrix (2, 2) from the cloud plane (east, north) to the lattice on which clouds are made.

    ``I - (1 - 1 / stretch) a a^T`` with a the unit vector of the azimuth: distances along the
    azimuth are divided by ``stretch``, distances across it are kept, so features of the lattice
    appear stretched along the azimuth. Symmetric, continuous in both arguments, and exactly the
    identity at stretch 1 whatever the azimuth.

    Parameters
    ----------
    stretch : float
        1 (none) or more.
    stretch_azimuth_rad : float
        Clockwise from north.
    """
    along = np.array([np.sin(stretch_azimuth_rad), np.cos(stretch_azimuth_rad)])
    matrix: NDArray[np.float64] = np.eye(2) + (1.0 / stretch - 1.0) * np.outer(along, along)
    return matrix


def stretch_axis(stretch: float, stretch_azimuth_rad: float) -> tuple[float, float]:
    """How far :func:`plane_matrix` stretches and along which axis, as a field's condition states it.

    Cosine and sine of twice the azimuth, for an axis has no direction, times 1 - 1 / stretch.
    """
    stretched, twice = 1 - 1 / stretch, 2 * stretch_azimuth_rad
    return stretched * float(np.cos(twice)), stretched * float(np.sin(twice))
