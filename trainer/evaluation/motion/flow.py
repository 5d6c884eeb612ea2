"""Whether clouds move as the wind says: displacement measured overhead against the displacement that was asked for.

Frames are unprojected onto the plane in the middle of the layer. Clouds a kilometre thick show their
bases overhead and their sides further down, and their height, by which their speed is judged, is not
known; so the layer is made thin for this test, and the sun low: its glow stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray
from skygen_addon.core.measuring.sampling import sample_panorama
from trainer.evaluation.motion.film import Film, without_disc

FLOW_WIDTH = 256
"""Pixels of a frame."""

FLOW_FRAMES = 8
"""Frames, of which neighbours are compared."""

PLANE_SAMPLES = 96
"""Samples along the side of the square overhead."""

HALF_SIDE = 1.5
"""Half of the square's side in heights of the plane: its sides are seen at 34 degrees of elevation."""

SEARCH_SAMPLES = 12
"""Displacement up to which a match is sought."""

STEP_HEIGHTS = 0.12
"""Displacement that is asked for between two compared frames, in heights of the plane: some four samples."""

THIN_KM = 0.1
"""Thickness of the layer for this test: clouds are seen within 4 percent of its middle from 1.3 km on."""

LOW_SUN_DEG = 12.0
"""Elevation of the sun for this test."""

LEAST_CORRELATION = 0.3
"""Matches worse than this are left out: there was nothing to follow in the square."""


@dataclass(frozen=True)
class FlowFigures:
    """Measured against imposed displacement of one layer, over the pairs that could be matched."""

    layer: str
    """``low`` or ``high``."""
    pairs: int
    """Pairs of frames that could be matched, of ``FLOW_FRAMES - 1``."""
    speed_ratio: float
    """Median of the measured displacement along the wind over the imposed one."""
    speed_ratio_range: tuple[float, float]
    """Least and largest of it; both above 0 where the clouds never turn back."""
    cross_share: float
    """Median of the absolute displacement across the wind over the imposed one."""
    correlation: float
    """Median correlation of the matches."""


def plane_overhead(panorama: FloatArray) -> FloatArray:
    """Log luminance (n, n) on a square of the plane overhead, row 0 north, column 0 west, without its smooth part.

    A quadratic in the plane's coordinates, so the sky's own gradient, is taken away.
    """
    axis = ((np.arange(PLANE_SAMPLES) + 0.5) / PLANE_SAMPLES * 2 - 1) * HALF_SIDE
    east, north = np.meshgrid(axis, -axis)
    luminance = sample_panorama(panorama, np.stack([east, north, np.ones_like(east)], axis=-1)) @ REC709_LUMINANCE
    picture = np.log(np.maximum(luminance, 1e-6)).astype(np.float64)
    terms = np.stack([np.ones_like(east), east, north, east * east, east * north, north * north], -1).reshape(-1, 6)
    smooth = terms @ np.linalg.lstsq(terms, picture.ravel(), rcond=None)[0]
    return np.asarray(picture - smooth.reshape(picture.shape), dtype=np.float32)


def displacement(first: FloatArray, second: FloatArray) -> tuple[float, float, float] | None:
    """Displacement of the middle of one picture (n, n) in another, by normalised correlation.

    Returns
    -------
    (east, north, correlation) or None
        In samples, to a fraction of one by the vertex of a parabola; None where the best match lies
        on the edge of the search.
    """
    margin = SEARCH_SAMPLES
    middle = np.ascontiguousarray(first[margin:-margin, margin:-margin])
    matched = cv2.matchTemplate(second, middle, cv2.TM_CCOEFF_NORMED)
    score: NDArray[np.float64] = np.asarray(matched, dtype=np.float64)
    row, column = (int(n) for n in np.unravel_index(int(score.argmax()), score.shape))
    if not (0 < row < score.shape[0] - 1 and 0 < column < score.shape[1] - 1):
        return None
    east = column - margin + _vertex(score[row, column - 1 : column + 2])
    south = row - margin + _vertex(score[row - 1 : row + 2, column])
    return east, -south, float(score[row, column])


def _vertex(values: NDArray[np.float64]) -> float:
    """Place of the top of the parabola through three values at -1, 0 and 1."""
    before, here, after = (float(value) for value in values)
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def flow_of(
    pictures: Sequence[FloatArray], asked_km: Sequence[tuple[float, float]], height_km: float, layer: str
) -> FlowFigures | None:
    """Figures of pictures from :func:`plane_overhead`.

    Parameters
    ----------
    pictures : sequence of ndarray (n, n)
        In order of time.
    asked_km : sequence of (float, float)
        Displacement east and north that was imposed up to each of them.
    height_km : float
        Height of the plane.
    layer : str
        Name for the figures.

    Returns
    -------
    FlowFigures or None
        None where no pair could be matched.
    """
    km_per_sample = 2 * HALF_SIDE * height_km / PLANE_SAMPLES
    rows = []
    for n in range(len(pictures) - 1):
        found = displacement(pictures[n], pictures[n + 1])
        if found is None or found[2] < LEAST_CORRELATION:
            continue
        east, north = (asked_km[n + 1][axis] - asked_km[n][axis] for axis in (0, 1))
        length = math.hypot(east, north)
        along = (found[0] * east + found[1] * north) * km_per_sample / length**2
        across = (found[0] * north - found[1] * east) * km_per_sample / length**2
        rows.append((along, abs(across), found[2]))
    if not rows:
        return None
    along_all, across_all, correlation = np.array(rows).T
    spread = (float(along_all.min()), float(along_all.max()))
    middle = (float(np.median(values)) for values in (along_all, across_all, correlation))
    along, across, matched = middle
    return FlowFigures(layer, len(rows), along, spread, across, matched)


def flow_figures(film: Film, width: int = FLOW_WIDTH, frames: int = FLOW_FRAMES) -> FlowFigures | None:
    """Figures of the film's moving layer alone, made thin under a low sun; everything else is as it was.

    Parameters
    ----------
    film : Film
    width : int
        Pixels.
    frames : int
        Frames that are rendered.

    Returns
    -------
    FlowFigures or None
        None where no layer has clouds and wind, or no clouds came by.
    """
    name = film.moving_layer()
    if name is None:
        return None
    layer = film.layer(name)
    thin = replace(layer, thickness_km=THIN_KM)
    height_km = layer.base_km + 0.5 * THIN_KM
    cleared = replace(film.controls, low=replace(film.controls.low, cover=0.0))
    cleared = replace(cleared, high=replace(cleared.high, cover=0.0), sun_elevation_deg=LOW_SUN_DEG)
    controls = replace(cleared, low=thin) if name == "low" else replace(cleared, high=thin)
    frame_s = STEP_HEIGHTS * height_km / (layer.wind_speed_m_s * 1e-3)
    numbers = list(range(1, frames + 1))
    requests = without_disc(film.requests(numbers, width, controls=controls, frame_s=frame_s))
    pictures = [plane_overhead(film.render(request, "flow")) for request in requests]
    asked = [(request.low if name == "low" else request.high).displacement_km for request in requests]
    return flow_of(pictures, asked, height_km, name)
