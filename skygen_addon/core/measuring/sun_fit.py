"""Centre of the glow around the sun, where its disc alone does not tell it.

A clipped bloom that a building or the horizon cuts, and a veil with structure, have a centroid that is off. What
stays true is that the glow is round (`sun_glow`). Places that explain it well lie in narrow valleys beside false ones:
the fit descends from several starts and takes the likeliest end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from .sun_flanks import gather_flanks, tangent_direction, unobstructed
from .sun_glow import Glow

_COLOUR_ELEVATION_RAD = np.deg2rad(5.0)
"""Least elevation of the first guess from which on colour is used: nearer to the horizon it follows the height."""

_NEAR, _AFAR = (2.0, 2.0, 1.0), (40.0, 14.0, 6.0, 2.0, 1.0)
"""Factors on the blur in successive rounds. The second one comes from afar, where the first guess is far off."""

_SAME_RAD = np.deg2rad(0.05)
"""Centres that are nearer to each other than this need not be compared."""

_PREFERENCE = 8.0
"""By so much in log probability an end that was not reached directly must be better: where the disc is all there is
the others wander."""

_WIDE_PIXELS = 3.0
"""Radius of the bright region in pixels from which on it is searched for a start."""


@dataclass(frozen=True)
class _End:
    """Where a descent came to."""

    at: NDArray[np.float64]
    """Unit vector (3,)."""
    clear: NDArray[np.bool_]
    """Which pixels (P,) of the flanks nothing stood before."""


def _descend(glow: Glow, start: NDArray[np.float64], schedule: tuple[float, ...], stride: float) -> _End | None:
    """Place reached from a start with steps of at most ``stride`` in rad; None where the flanks tell nothing."""
    at = start
    clear = np.ones(glow.flanks.clipped.shape, dtype=np.bool_)
    cloud_logs = [signal.first_guess for signal in glow.signals]
    for blur in schedule:
        clear = unobstructed(glow.flanks, at)
        made = [(n, glow.cells(signal, at, clear)) for n, signal in enumerate(glow.signals)]
        told = [
            (n, cells, glow.cloud(glow.signals[n], cells, at, blur, cloud_logs[n]))
            for n, cells in made
            if cells is not None
        ]
        if not told or told[0][0] != 0:
            return None
        for _ in range(3):
            found = [glow.fit(cells, at, cloud) for _, cells, cloud in told]
            information = np.sum([f.information for f in found], axis=0) + 1e-9 * np.eye(2)
            step = np.linalg.solve(information, np.sum([f.pull for f in found], axis=0))
            at = tangent_direction(step * min(1.0, stride / max(float(np.hypot(*step)), 1e-12)), at)
        for (n, _, _), f in zip(told, found, strict=True):
            least, most = glow.signals[n].cloud_logs[0] / 2.5, glow.signals[n].cloud_logs[-1] * 1.25
            cloud_logs[n] = float(np.clip(cloud_logs[n] * np.sqrt(f.misfit), least, most))
    return _End(at, clear)


def _likelier(glow: Glow, first: _End, second: _End) -> _End:
    """The second end if it explains the flanks clearly better than the first."""
    if float(np.linalg.norm(first.at - second.at)) <= _SAME_RAD:
        return first
    clear, places = first.clear & second.clear, (first.at, second.at)
    # cells around either are fine near it and coarse near the other: both are judged on both
    scores = [sum(glow.improbability(at, around, clear) for around in places) / 2 for at in places]
    return second if scores[1] < scores[0] - _PREFERENCE else first


def fit_centre(
    radiance: NDArray[np.float32],
    centre: NDArray[np.float64],
    radius_rad: float,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Direction about which the glow around ``centre`` is rotationally symmetric.

    Parameters
    ----------
    radiance : ndarray, shape (R, W, 3), float32
        Rows of a linear panorama from the zenith down.
    centre : ndarray, shape (3,)
        First guess: unit vector of the brightest region's middle.
    radius_rad : float
        Radius of that region; flanks are read to twice that and eight degrees beyond, at most to 20 degrees.
    seen : ndarray, shape (R, W), bool, optional
        What the capture covers.

    Returns
    -------
    ndarray, shape (3,)
        Unit vector. ``centre`` itself where the flanks tell nothing, or lead out of the region's surroundings.
    """
    with_colour = bool(centre[2] > np.sin(_COLOUR_ELEVATION_RAD))
    glow = Glow(gather_flanks(radiance, centre, radius_rad, seen), with_colour)
    if not glow.flanks.clipped.size:
        return centre
    stride = max(np.deg2rad(0.5), 0.25 * radius_rad)
    starts = [(centre, _NEAR), (centre, _AFAR)]
    if radius_rad > _WIDE_PIXELS * glow.flanks.pixel_rad:
        starts.append((glow.search(centre, radius_rad, unobstructed(glow.flanks, centre)), _NEAR))
    ends = [end for end in (_descend(glow, start, schedule, stride) for start, schedule in starts) if end is not None]
    if not ends:
        return centre
    best = reduce(partial(_likelier, glow), ends).at
    reach = min(2 * radius_rad + np.deg2rad(3.0), glow.flanks.reach_rad)
    return best if float(best @ centre) > np.cos(0.6 * reach) else centre
