"""Figures of single skies: what KID does not see, measured alike on captures, generated skies and baselines.

All are functions of a panorama (H, W, 3), linear Rec.709 in project units, row 0 at the zenith.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_solid_angles
from trainer.evaluation.looks.spectral_slope import spectral_slope
from trainer.evaluation.looks.sun_count import sun_count

__all__ = [
    "SkyFigures",
    "dynamic_range_stops",
    "horizontal_irradiance",
    "seam_ratio",
    "sky_figures",
    "spectral_slope",
    "summarise",
    "sun_count",
    "zenith_ratio",
]

PEAK_SR = 0.006
"""Solid angle of the brightest part that tells the top of the range: a disc of 2.5 degrees radius.
It is wider than a pixel of the narrowest picture, so that the figure does not depend on the width."""

LOW_SHARE = 0.01
"""Share of the upper hemisphere's solid angle that is darker than the bottom of the range."""

UNSEEN_STEP = 1e-3
"""Relative step of luminance that nobody sees; added to both parts of a ratio of steps."""

BRIGHT_PERCENTILE = 99.5
"""Where luminance is cut before steps are compared: the sun's rim would outweigh everything else."""

SEAM_NEIGHBOURS = 8
"""Pairs of columns on either side of the wrap to which it is compared."""

CAP_RAD = np.deg2rad(4.0)
"""Radius of the cap around the zenith that is compared."""

BELOW_CAP_RAD = (np.deg2rad(6.0), np.deg2rad(20.0))
"""Zenith angles of the rows to which the cap is compared: near, so that the same clouds and glow reach into both."""

_LEAST_CAP_ROWS = 2


@dataclass(frozen=True)
class SkyFigures:
    """Figures of one sky."""

    suns: int
    """`sun_count`."""
    dynamic_range_stops: float
    """`dynamic_range_stops`."""
    seam_ratio: float
    """`seam_ratio`, 1 without a seam."""
    zenith_ratio: float
    """`zenith_ratio`, 1 without a pinch."""
    spectral_slope: float | None
    """`spectral_slope`; None without clouds to measure."""
    irradiance_rgb: tuple[float, float, float]
    """`horizontal_irradiance`."""


def _upper_luminance(panorama: NDArray[np.float32]) -> NDArray[np.float64]:
    """Luminance (H / 2, W) above the horizon."""
    return np.asarray((panorama[: panorama.shape[0] // 2] @ REC709_LUMINANCE).astype(np.float64))


def _log_luminance(panorama: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural logarithm (H / 2, W) of luminance, without the sun's peak and without the noise of black."""
    luminance = _upper_luminance(panorama)
    top = max(float(np.percentile(luminance, BRIGHT_PERCENTILE)), 1e-12)
    return np.asarray(np.log(np.clip(luminance, 1e-4 * top, top)))


def dynamic_range_stops(panorama: NDArray[np.float32], seen: NDArray[np.bool_] | None = None) -> float:
    """Range of luminance above the horizon in stops.

    log2 of the mean of the brightest 0.006 sr (a disc of 2.5 degrees radius, in which a visible sun
    lies whole) over the luminance below which 1 percent of the hemisphere's solid angle lies.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32
    seen : ndarray, shape (H, W), bool, optional
        What is sky; houses and trees else set the low end.

    Returns
    -------
    float
        0 for a uniform sky; darkness counts from a millionth of the brightest part on.
    """
    luminance = _upper_luminance(panorama)
    width = panorama.shape[1]
    solid_angle = np.repeat(panorama_solid_angles(width)[: luminance.shape[0]], width)
    value = luminance.ravel()
    if seen is not None:
        sky = seen[: luminance.shape[0]].ravel()
        value, solid_angle = value[sky], solid_angle[sky]
    order = np.argsort(value)
    value, below = value[order], np.cumsum(solid_angle[order])
    low = float(value[min(int(np.searchsorted(below, LOW_SHARE * below[-1])), value.size - 1)])
    above = below[-1] - np.concatenate([[0.0], below])  # of the pixel itself and all brighter ones
    light = float((value * -np.diff(np.minimum(above, PEAK_SR))).sum())
    peak = light / min(PEAK_SR, float(below[-1]))
    return float(np.log2(max(peak, 1e-12) / max(low, 1e-6 * peak, 1e-18)))


def seam_ratio(panorama: NDArray[np.float32]) -> float:
    """Step across the wrap from the last to the first column over steps between columns near by.

    Mean absolute step of log luminance over the rows above the horizon, to which a thousandth is
    added, divided by the same for the eight pairs of columns on either side: a cloud or a building
    that happens to stand at the wrap has its structure in both.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32

    Returns
    -------
    float
        Near 1 without a seam, exactly 1 for a uniform sky.
    """
    log = _log_luminance(panorama)
    reach = min(SEAM_NEIGHBOURS, log.shape[1] // 2 - 1)
    around = np.roll(log, reach + 1, axis=1)[:, : 2 * reach + 2]
    steps = np.abs(np.diff(around, axis=1)).mean(axis=0)  # (2 reach + 1,), the wrap in the middle
    beside = np.delete(steps, reach).mean()
    return float((steps[reach] + UNSEEN_STEP) / (beside + UNSEEN_STEP))


def zenith_ratio(panorama: NDArray[np.float32]) -> float:
    """Structure around the zenith over what continuity on the sphere allows.

    Pixels of row k on opposite sides of the zenith are 2 k + 1 rows apart. Their differences, and
    those between neighbouring rows, in the cap of 4 degrees radius are compared with differences
    between pixels as many rows apart in one column at 6 to 20 degrees from the zenith, and
    columns do not pinch what they hold. Mean absolute differences of log luminance; a
    thousandth is added to each.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32

    Returns
    -------
    float
        Near 1 where the zenith looks like the rest of the sky, below 1 where it is calmer, exactly 1
        for a uniform sky; several times 1 where meridians run together in a star or end in a dot
        (and up to 3 in a clear sky with the sun close by).
    """
    log = _log_luminance(panorama)
    height, width = panorama.shape[:2]
    rows = max(int(CAP_RAD / np.pi * height), _LEAST_CAP_ROWS)
    first, last = (int(round(angle / np.pi * height)) for angle in BELOW_CAP_RAD)
    cap = below = 0.0
    for k in range(rows):
        opposite = np.abs(log[k] - np.roll(log[k], width // 2)).mean()
        downward = np.abs(log[k + 1] - log[k]).mean()
        cap += opposite + downward + 2 * UNSEEN_STEP
        for apart in (2 * k + 1, 1):
            below += np.abs(log[first + apart : last] - log[first : last - apart]).mean() + UNSEEN_STEP
    return float(cap / below)


def horizontal_irradiance(panorama: NDArray[np.float32]) -> NDArray[np.float64]:
    """Irradiance (3,) on level ground of everything above the horizon.

    Each pixel counts with the integral of the cosine over its exact area, so a uniform sky of
    radiance 1 gives pi at every size.

    Parameters
    ----------
    panorama : ndarray, shape (H, W, 3), float32
    """
    height, width = panorama.shape[:2]
    elevation = np.maximum(np.pi / 2 - np.arange(height + 1) * (np.pi / height), 0.0)
    weight = -np.diff(np.sin(elevation) ** 2) * (np.pi / width)
    return np.asarray(np.einsum("h,hwc->c", weight, panorama.astype(np.float64)))


def sky_figures(panorama: NDArray[np.float32], seen: NDArray[np.bool_] | None = None) -> SkyFigures:
    """All figures of one panorama (H, W, 3); ``seen`` (H, W) tells what is sky, some of it above the horizon."""
    red, green, blue = horizontal_irradiance(panorama).tolist()
    return SkyFigures(
        suns=sun_count(panorama),
        dynamic_range_stops=dynamic_range_stops(panorama, seen),
        seam_ratio=seam_ratio(panorama),
        zenith_ratio=zenith_ratio(panorama),
        spectral_slope=spectral_slope(panorama, seen),
        irradiance_rgb=(red, green, blue),
    )


_READERS: dict[str, Callable[[SkyFigures], float | None]] = {
    "dynamic_range_stops": lambda sky: sky.dynamic_range_stops,
    "seam_ratio": lambda sky: sky.seam_ratio,
    "zenith_ratio": lambda sky: sky.zenith_ratio,
    "spectral_slope": lambda sky: sky.spectral_slope,
    "irradiance": lambda sky: float(np.dot(sky.irradiance_rgb, REC709_LUMINANCE)),
}


def summarise(skies: Sequence[SkyFigures]) -> dict[str, float]:
    """Figures of many skies.

    Parameters
    ----------
    skies : sequence of SkyFigures

    Returns
    -------
    dict
        ``skies`` and ``skies_with_clouds`` (those with a spectral slope): numbers of skies.
        ``share_with_sun``, and ``share_several_suns_of_those``: with other than one sun among those
        with a visible sun, left out where none has one. For each figure ``<name>_mean``, ``_p10``,
        ``_median`` and ``_p90``, of the luminance for irradiance; left out where no sky has it.

    Raises
    ------
    RequestError
        Without skies.
    """
    if not skies:
        raise RequestError("There are no skies to summarise.", "Measure at least one.")
    suns = np.array([sky.suns for sky in skies])
    result: dict[str, float] = {"skies": float(len(skies)), "share_with_sun": float((suns > 0).mean())}
    if (suns > 0).any():
        result["share_several_suns_of_those"] = float((suns[suns > 0] != 1).mean())
    for name, read in _READERS.items():
        values = np.array([value for sky in skies if (value := read(sky)) is not None])
        if name == "spectral_slope":
            result["skies_with_clouds"] = float(values.size)
        if values.size:
            low, middle, high = np.percentile(values, [10, 50, 90]).tolist()
            result |= {f"{name}_mean": float(values.mean()), f"{name}_p10": low}
            result |= {f"{name}_median": middle, f"{name}_p90": high}
    return result
