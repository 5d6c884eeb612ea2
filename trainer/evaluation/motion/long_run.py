"""Endlessness and sticking: statistics of frames hours apart, near the first frame and near the millionth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray, direction_from_angles, disc_directions
from skygen_addon.core.measuring.sampling import disc_weights, sample_disc
from skygen_addon.core.request import SkyRequest
from trainer.evaluation.looks.spectral_slope import spectral_slope
from trainer.evaluation.motion.film import Film, cloudless, without_disc

LONG_WIDTH = 256
"""Pixels of a frame."""

LONG_FRAMES = 10
"""Frames in each of the two groups."""

APART_S = 3600.0
"""Sky seconds between neighbours of a group: the clouds are others by then."""

FAR_FRAME = 1_000_000
"""First frame of the far group."""

DISC_SIZE = 128
"""Pixels of the sky disc on which is measured."""

MIN_ELEVATION_RAD = np.deg2rad(15.0)
"""Lowest elevation that counts."""

SUN_RAD = np.deg2rad(20.0)
"""Radius around the sun that does not count: its glow is no cloud, and stays where it is."""

CLOUD_CONTRAST = 0.15
"""Relative difference to the sky without clouds, in any colour, from which a pixel counts as covered."""

SMOOTH_PIXELS = 8.0
"""Standard deviation in disc pixels (10 degrees) of the blur that tells what is coarse; sticking is sought below."""

RESAMPLES = 2000
"""Bootstrap resamples of a group's frames."""


@dataclass(frozen=True)
class Agreement:
    """One statistic of two groups of frames."""

    near: float
    """Mean over the frames near the first one."""
    far: float
    """Mean over the frames near the millionth one."""
    difference: tuple[float, float]
    """95 percent bootstrap interval of far minus near: it holds 0 where they agree within sampling error."""


@dataclass(frozen=True)
class LongRunFigures:
    """Sky seen above 15 degrees, 20 degrees from the sun and more.

    One interval in twenty leaves 0 out by chance, and the four are not independent of one another.
    """

    mean_log_luminance: Agreement
    """Of the natural logarithm."""
    deviation_log_luminance: Agreement
    """Standard deviation of it over the sky."""
    cover: Agreement
    """Share of the sky's solid angle that clouds change by 15 percent and more."""
    spectral_slope: Agreement | None
    """Of `spectral_slope`; None where a group has fewer than two skies with clouds."""
    sticking: float | None
    """n times the variance of the mean of all n frames over their mean variance, of what clouds change in log
    luminance and is finer than 10 degrees: 1 for independent frames, n for a texture that stays on the screen; None
    without clouds."""


def agreement(near: Sequence[float], far: Sequence[float], seed: int = 0) -> Agreement:
    """Means of two groups and the percentile bootstrap interval of their difference (Efron 1979).

    Resamples of n values have n - 1, so that their means scatter as the mean of n independent values does.
    """
    rng = np.random.default_rng(seed)
    means = []
    for group in (np.asarray(near), np.asarray(far)):
        means.append(group[rng.integers(0, group.size, (RESAMPLES, max(group.size - 1, 1)))].mean(axis=1))
    low, high = np.percentile(means[1] - means[0], [2.5, 97.5]).tolist()
    return Agreement(float(np.mean(near)), float(np.mean(far)), (low, high))


def fine_part(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What is left of a disc (N, N) without what is coarse; 0 where it does not count."""
    weight = ndimage.gaussian_filter(counted.astype(np.float64), SMOOTH_PIXELS)
    coarse = ndimage.gaussian_filter(np.where(counted, values, 0.0), SMOOTH_PIXELS) / np.maximum(weight, 1e-6)
    return np.where(counted, values - coarse, 0.0)


def sticking_of(discs: Sequence[NDArray[np.float64]], counted: NDArray[np.bool_]) -> float | None:
    """n times the variance of the temporal mean over the mean variance of n discs (N, N), of their fine parts.

    Returns
    -------
    float or None
        None where nothing varies.
    """
    fine = np.stack([fine_part(disc, counted)[counted] for disc in discs])
    variance = float((fine**2).mean())
    if variance < 1e-8:
        return None
    return len(discs) * float((fine.mean(axis=0) ** 2).mean()) / variance


def counted_sky(request: SkyRequest) -> NDArray[np.bool_]:
    """Which pixels of the disc (N, N) count: high enough and away from the sun."""
    direction = disc_directions(DISC_SIZE)
    sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
    high = direction[..., 2] > np.sin(MIN_ELEVATION_RAD)
    return np.asarray(high & (direction @ sun < np.cos(SUN_RAD)))


def long_run_of(
    near: Sequence[FloatArray],
    far: Sequence[FloatArray],
    clear: FloatArray,
    counted: NDArray[np.bool_],
    sun_direction: NDArray[np.float64] | None = None,
) -> LongRunFigures:
    """Figures of two groups of panoramas (H, W, 3) beside one of the same sky without clouds.

    Parameters
    ----------
    near, far : sequence of ndarray
        Without the sun's disc.
    clear : ndarray
    counted : ndarray, shape (N, N), bool
        Pixels of the disc that count.
    sun_direction : ndarray, shape (3,), optional
        Of a sun above the horizon, whose glow is no cloud.
    """
    weight = disc_weights(disc_directions(DISC_SIZE)[..., 2])[counted]
    clear_disc = sample_disc(clear, DISC_SIZE)
    clear_log = _log_luminance(clear_disc)
    discs: list[NDArray[np.float64]] = []
    rows: list[list[float]] = []
    slopes: list[list[float]] = []
    for group in (near, far):
        slopes.append([])
        for panorama in group:
            disc = sample_disc(panorama, DISC_SIZE)
            log = _log_luminance(disc)
            mean = float(np.average(log[counted], weights=weight))
            deviation = float(np.sqrt(np.average((log[counted] - mean) ** 2, weights=weight)))
            change = np.abs(disc - clear_disc)[counted] / np.maximum(clear_disc[counted], 1e-6)
            cover = float(np.average(change.max(axis=-1) > CLOUD_CONTRAST, weights=weight))
            rows.append([mean, deviation, cover])
            discs.append(log - clear_log)
            slope = spectral_slope(panorama, sun_direction=sun_direction)
            slopes[-1] += [] if slope is None else [slope]
    table = np.array(rows)
    count = len(near)
    mean_log, spread, covers = (agreement(table[:count, n].tolist(), table[count:, n].tolist()) for n in range(3))
    measured = min(len(group) for group in slopes) > 1
    return LongRunFigures(
        mean_log_luminance=mean_log,
        deviation_log_luminance=spread,
        cover=covers,
        spectral_slope=agreement(slopes[0], slopes[1]) if measured else None,
        sticking=sticking_of(discs, counted),
    )


def _log_luminance(disc: FloatArray) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(disc @ REC709_LUMINANCE, 1e-6)), dtype=np.float64)


def long_run_figures(film: Film, width: int = LONG_WIDTH, frames: int = LONG_FRAMES) -> LongRunFigures:
    """Figures of two groups of frames an hour of sky time apart, from frame 1 and from frame 1,000,000 on.

    Parameters
    ----------
    film : Film
    width : int
        Pixels.
    frames : int
        Frames in each group; one more is rendered without clouds.
    """
    apart = max(round(APART_S / film.frame_s), 1)
    groups = []
    for first in (1, FAR_FRAME):
        requests = without_disc(film.requests([first + n * apart for n in range(frames)], width))
        groups.append([film.render(request, f"from frame {first}") for request in requests])
    clear = cloudless(requests[0])
    sun = direction_from_angles(clear.sun_azimuth_rad, clear.sun_elevation_rad) if clear.sun_elevation_rad > 0 else None
    return long_run_of(groups[0], groups[1], film.render(clear, "clear sky"), counted_sky(clear), sun)
