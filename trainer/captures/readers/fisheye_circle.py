"""The circle of an upward fisheye still on its dark surround.

Pixel coordinates are (column, row) of pixel centres, row 0 at the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

SEARCH_SIDE = 1024
"""Longest side in pixels to which a picture is averaged before the circle is searched."""

RAYS = 720
"""Directions from the middle in which the rim is looked for."""

MAX_SURROUND = 0.15
"""Brightest surround, as a share of the sky, that counts as dark."""

MIN_DROP = 2.0
"""Least ratio of luminance across the rim: lenses darken towards it, and flare lights the surround."""

TOLERANCE = 0.012
"""How far from the circle a rim point may lie, as a share of the shorter side: lenses and trees are no circles."""

MIN_RIM_SHARE = 0.35
"""Least share of the rays that must meet the rim; buildings and the frame's edge may hide the rest."""

MIN_RADIUS = 0.25
"""Least radius, as a share of the shorter side."""

MAX_OUTSIDE = 0.25
"""Most of the rim's points that may lie outside the circle: flare and writing on the surround."""

DARK_FRAME = 0.05
"""Brightest frame around circles of full height, as a share of what they show."""

MIN_SIDE = 32
"""Shorter side in pixels below which no circle is looked for."""

_SIDE = 4  # samples of half a pixel that are averaged on either side of the rim


@dataclass(frozen=True)
class Circle:
    """Where a fisheye lens images the horizon."""

    column: float
    """Column of the zenith in pixels."""
    row: float
    """Row of the zenith in pixels."""
    radius: float
    """Pixels from the zenith to the horizon."""

    def scaled(self, across: float, down: float) -> Circle:
        """The circle in a picture with that many times the columns and rows."""
        column, row = (self.column + 0.5) * across - 0.5, (self.row + 0.5) * down - 0.5
        return Circle(column, row, self.radius * (across + down) / 2)


def _fit(points: Array) -> Circle:
    """Algebraic least squares circle (Kasa 1976) of points (N, 2)."""
    centre = points.mean(axis=0)
    x, y = (points - centre).T
    solution = np.linalg.lstsq(np.stack([2 * x, 2 * y, np.ones_like(x)], -1), x * x + y * y, rcond=None)[0]
    radius = math.sqrt(max(float(solution[2] + solution[0] ** 2 + solution[1] ** 2), 0.0))
    return Circle(float(solution[0] + centre[0]), float(solution[1] + centre[1]), radius)


def _off(points: Array, circle: Circle) -> Array:
    """Distance of points (N, 2) outside the circle; negative inside."""
    distance: Array = np.hypot(points[:, 0] - circle.column, points[:, 1] - circle.row) - circle.radius
    return distance


def _consensus(points: Array, tolerance: float) -> Circle | None:
    """Circle that most points lie on (RANSAC, Fischler and Bolles 1981; fixed seed), refined on those points."""
    generator = np.random.default_rng(0)
    best, most = None, 0
    for _ in range(400):
        three = points[generator.choice(len(points), 3, replace=False)]
        sides = np.linalg.norm(three - np.roll(three, 1, axis=0), axis=1)
        if sides.min() < 20 * tolerance:
            continue
        circle = _fit(three)
        count = int((np.abs(_off(points, circle)) < tolerance).sum())
        if count > most:
            best, most = circle, count
    if best is None:
        return None
    for _ in range(10):  # the rim's own scatter then decides, so that roofs just inside it do not pull
        off = np.abs(_off(points, best))
        near = off < tolerance
        if near.sum() < 8:
            return None
        near &= off <= max(3 * float(np.median(off[near])), 0.1)
        best = _fit(points[near])
    return best


def _rim_points(luminance: Array, middle: tuple[float, float], sky: float) -> Array:
    """Points (N, 2) where luminance drops most along rays from the middle, to a fraction of a pixel.

    The drop is that of the logarithm: a rim may be dark by vignetting, its surround lit by flare.
    """
    height, width = luminance.shape
    radius = np.arange(0.0, math.hypot(height, width), 0.5)
    angle = np.arange(RAYS) * (2 * math.pi / RAYS)
    column = middle[0] + radius * np.cos(angle)[:, None]
    row = middle[1] + radius * np.sin(angle)[:, None]
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    value = ndimage.map_coordinates(luminance, [row, column], order=1, mode="nearest")  # (RAYS, radii)
    level = np.log(np.minimum(value, 1.5 * sky) + 0.01 * sky)  # the sun's own edge must not win
    mean = ndimage.uniform_filter1d(level, 2 * _SIDE - 1, axis=1, mode="nearest")
    drop = np.full(level.shape, -np.inf)
    drop[:, _SIDE + 1 : -_SIDE - 1] = mean[:, : -2 * _SIDE - 2] - mean[:, 2 * _SIDE + 2 :]
    drop[:, : -2 * _SIDE][~inside[:, 2 * _SIDE :]] = -np.inf
    points = []
    for ray, k in enumerate(drop.argmax(axis=1).tolist()):
        if drop[ray, k] < math.log(MIN_DROP):
            continue
        inner = float(np.median(value[ray, max(0, k - 2 * _SIDE) : k - 2]))
        half = 0.5 * (inner + float(np.median(value[ray, k + 3 : k + 2 * _SIDE + 1])))  # a pixel half covered
        start = max(0, k - 2 * _SIDE)
        below = np.flatnonzero(value[ray, start : k + 2 * _SIDE] < half)
        if not len(below) or below[0] == 0:
            continue
        i = start + int(below[0])
        upper, lower = value[ray, i - 1], value[ray, i]
        at = radius[i - 1] + 0.5 * (upper - half) / (upper - lower)
        points.append((middle[0] + at * math.cos(angle[ray]), middle[1] + at * math.sin(angle[ray])))
    return np.array(points).reshape(-1, 2)


def _surrounds(points: Array, circle: Circle) -> bool:
    """Whether points lie on both ends of at least three of six diameters: an arc alone is no circle."""
    angle = np.arctan2(points[:, 1] - circle.row, points[:, 0] - circle.column)
    counts = np.bincount(((angle / math.pi + 1) * 6).astype(int) % 12, minlength=12)
    return int((np.minimum(counts[:6], counts[6:]) >= RAYS // 120).sum()) >= 3


def shows_two_circles(luminance: NDArray[np.floating]) -> bool:
    """Whether a picture (H, 2H) holds a fisheye circle in the middle of each half, as cameras with two lenses store.

    One circle that is found is enough, with the other half's corners as dark: its lens may be in the shade.
    """
    height = luminance.shape[0]
    if height < MIN_SIDE:
        return False
    halves = luminance[:, :height], luminance[:, height:]
    level = max(_corners_and_middle(half)[1] for half in halves)
    if level <= 0 or any(max(_corners_and_middle(half)[0]) > MAX_SURROUND * level for half in halves):
        return False
    for circle in map(find_circle, halves):
        if circle is None or circle.radius < 0.35 * height:
            continue
        if max(abs(circle.column - height / 2), abs(circle.row - height / 2)) < 0.1 * height:
            return True
    return False


def leaves_frame_dark(luminance: NDArray[np.floating]) -> bool:
    """Whether a picture (H, 2H) is dark outside of its inscribed middle circle, or of the two side by side.

    It tells stills whose rim `find_circle` cannot find. No panorama is so: its top row shows one direction.
    """
    height = luminance.shape[0]
    if height < MIN_SIDE:
        return False
    field: NDArray[Any] = np.asarray(luminance, dtype=np.float32)
    if height > SEARCH_SIDE // 2:
        field = cv2.resize(field, (SEARCH_SIDE, SEARCH_SIDE // 2), interpolation=cv2.INTER_AREA)
        height = SEARCH_SIDE // 2
    row, column = np.mgrid[:height, : 2 * height] + 0.5 - height / 2
    one = np.hypot(row, column - height / 2) * 2 / height
    left, right = (np.hypot(row, column - c) * 2 / height for c in (0, height))
    for away in (one, np.minimum(left, right)):
        level = float(np.median(field[away < 0.9]))
        if level <= 0 or (field[away > 1.03] > DARK_FRAME * level).mean() > 0.02:
            continue
        if away is one:
            return True
        caps = [
            (lens > 0.8) & (lens < 0.95) & (side * row > 0.35 * height) for lens in (left, right) for side in (-1, 1)
        ]
        if sum(float(np.percentile(field[cap], 75)) > MAX_SURROUND * level for cap in caps) >= 3:
            return True
    return False


def _corners_and_middle(field: NDArray[Any]) -> tuple[list[float], float]:
    """Medians of a picture's four corners and of its middle."""
    rows, columns = field.shape
    corner, quarter = max(2, min(rows, columns) // 25), min(rows, columns) // 4
    ends = slice(corner), slice(-corner, None)
    middle = field[rows // 2 - quarter : rows // 2 + quarter, columns // 2 - quarter : columns // 2 + quarter]
    return [float(np.median(field[r, c])) for r in ends for c in ends], float(np.median(middle))


def find_circle(luminance: NDArray[np.floating]) -> Circle | None:
    """Circle of a fisheye still: the sky on a dark surround, found also with buildings and a saturated sun in it.

    Rays from outside meet the rim, or a building's edge inside it; the circle is what most of them agree on.

    Parameters
    ----------
    luminance : ndarray, shape (H, W)
        Linear, any scale.

    Returns
    -------
    Circle or None
        None where there is no dark surround in the corners, or what it surrounds is no circle.
    """
    height, width = luminance.shape
    factor = max(1.0, max(height, width) / SEARCH_SIDE)
    small: NDArray[Any] = np.asarray(luminance, dtype=np.float32)
    if min(height, width) / factor < MIN_SIDE:
        return None
    if factor > 1:
        size = (round(width / factor), round(height / factor))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    field = np.asarray(small, dtype=np.float64)
    rows, columns = field.shape
    corners, sky = _corners_and_middle(field)
    surround = float(np.median(corners))
    if sky <= 0 or max(corners) > MAX_SURROUND * sky:
        return None
    field = np.minimum(field, 16 * sky)  # the sun's glare must not weigh
    bright = ndimage.binary_opening(field > surround + 0.3 * (sky - surround), iterations=2)
    if not bright.any():
        return None
    at = np.argwhere(bright)
    middle = (float(at[:, 1].min() + at[:, 1].max()) / 2, float(at[:, 0].min() + at[:, 0].max()) / 2)
    points = _rim_points(field, middle, sky)
    if len(points) < MIN_RIM_SHARE * RAYS:
        return None
    tolerance = max(1.0, TOLERANCE * min(rows, columns))
    circle = _consensus(points, tolerance)
    if circle is None or circle.radius < MIN_RADIUS * min(rows, columns):
        return None
    if not (0 <= circle.column < columns and 0 <= circle.row < rows):
        return None
    off = _off(points, circle)
    near = np.abs(off) < tolerance
    if near.sum() < MIN_RIM_SHARE * RAYS or (off > 2 * tolerance).mean() > MAX_OUTSIDE:
        return None
    if not _surrounds(points[near], circle):
        return None
    row, column = np.mgrid[:rows, :columns]
    share = np.hypot(column - circle.column, row - circle.row) / circle.radius
    outside, ring = share > 1.04, (share > 0.9) & (share < 0.97)
    if outside.mean() < 0.02 or np.median(field[outside]) > MAX_SURROUND * sky:
        return None
    if np.percentile(field[ring], 75) < MIN_DROP * max(surround, float(np.median(field[outside]))):
        return None
    return circle.scaled(width / columns, height / rows)
