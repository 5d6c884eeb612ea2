"""Weather measured in time-lapse days of a fixed all-sky camera: cover, density, grain and haze per frame.

Colour tells cloud from clear sky (:mod:`.cloud_map`). The camera sets its own exposure, so brightness
is used where that cancels: as the ratio of the sky around the sun to the rest of the sky, which
falls when a thicker cloud hides the sun.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.captures.days.cloud_map import blueness, blueness_ratio, contrast_ratio, fit_clear_blueness, map_frame
from trainer.captures.days.timelapse_frames import SUN_LIMIT_RAD, Frames, read_days

Array = NDArray[np.float64]

CHANNELS = ("cover", "density", "grain", "haze", "sun_seen", "blueness")
"""Columns of the measured table: cover 0 to 1; density log2 of optical depth toward the sun; grain log2 ratio of
fine to coarse contrast; haze log2 of white to blue light in clear sky; sun_seen 0 or 1; blueness of the whole sky."""

PURE_BLUENESS = 0.40
"""Blueness of sky without aerosol."""


def measure_days(folder: Path, out: Path, latitude_deg: float = 37.43) -> dict[str, float]:
    """Measure every day in ``folder`` and write ``out`` (npz).

    The file holds ``names`` (days,), ``channels`` (c,), ``values`` (days, frames, c), ``mask`` of the
    same shape (False: gap, night, outlier or not measurable there) and ``frame_s`` (days,).

    Parameters
    ----------
    folder : Path
        Holds one folder of JPEG frames a day.
    out : Path
        File to write; replaced only when complete.
    latitude_deg : float
        Of the site; the default is that of the SKIPP'D camera.

    Returns
    -------
    dict
        ``days``, ``frames``, ``measured_fraction``, ``mean_cover``.

    Raises
    ------
    CaptureError
        As :func:`read_days`.
    """
    frames = read_days(folder, latitude_deg)
    clear = fit_clear_blueness(frames)
    days, length = frames.present.shape
    values = np.full((days, length, len(CHANNELS)), np.nan)
    ring_ratio = _clear_aureole(frames)
    for day in range(days):
        usable = frames.present[day] & (frames.sun[day, :, 2] > math.sin(SUN_LIMIT_RAD))
        upper = np.full(length, np.nan)
        for index in np.flatnonzero(usable):
            encoded = frames.encoded[day, index].astype(np.float64)
            ratio, valid, _ = blueness_ratio(encoded, frames, clear, frames.sun[day, index], seen=True)
            if valid.any():
                upper[index] = np.quantile(ratio[valid], 0.8)
        scale = _running_upper(upper, 12)
        for index in np.flatnonzero(usable & np.isfinite(upper)):
            values[day, index] = _measure(frames, clear, ring_ratio, day, int(index), float(scale[index]))
    mask = np.isfinite(values) & ~_outliers(values)
    cover = values[..., 0]
    table = {
        "names": np.array(frames.names),
        "channels": np.array(CHANNELS),
        "values": np.nan_to_num(values).astype(np.float32),
        "mask": mask,
        "frame_s": frames.track.frame_s,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".tmp")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **table)
    os.replace(partial, out)
    return {
        "days": days,
        "frames": int(frames.present.sum()),
        "measured_fraction": float(mask[..., 0].mean()),
        "mean_cover": float(cover[mask[..., 0]].mean()),
    }


def _measure(frames: Frames, clear: Array, ring_ratio: Array, day: int, index: int, scale: float) -> Array:
    """CHANNELS of one frame, NaN where a channel cannot be measured."""
    encoded = frames.encoded[day, index].astype(np.float64)
    sun, seen = frames.sun[day, index], bool(frames.track.seen[day, index])
    maps = map_frame(encoded, frames, clear, sun, seen=seen, scale=scale)
    zenith = np.arccos(np.clip(frames.direction[..., 2], 1e-3, 1))
    solid_angle = np.where(maps.valid, np.sinc(zenith / np.pi), 0)  # of a pixel of an equidistant fisheye
    cover = float((maps.cloud * solid_angle).sum() / solid_angle.sum())
    density = grain = haze = math.nan
    if cover > 0.08:
        excess = (_aureole(encoded, frames.sky, maps.sun_angle) - 1) / max(_expected(ring_ratio, sun) - 1, 0.2)
        depth = -math.log(max(excess, 1e-3))
        density = math.log2(min(depth, 4)) if depth > 0.15 else math.nan  # else no cloud stands before the sun
        grain = contrast_ratio(encoded, maps.valid & (maps.cloud > (0.5 if cover > 0.5 else 0.0)))
    open_sky = maps.valid & (maps.cloud < 0.15) & (maps.sun_angle > math.radians(40))
    if open_sky.sum() > 150:
        white = 1 - float(np.median(blueness(encoded[open_sky]))) / PURE_BLUENESS
        haze = math.log2(np.clip(white, 0.1, 0.95) / (1 - np.clip(white, 0.1, 0.95)))
    return np.array([cover, density, grain, haze, float(seen), float(np.median(blueness(encoded[maps.valid])))])


def _aureole(encoded: Array, sky: NDArray[np.bool_], sun_angle: Array) -> float:
    """Linear luminance around the sun (5 to 20 degrees) over that of the sky beyond 45 degrees."""
    luminance = (encoded.mean(-1) / 255) ** 2.2
    near = sky & (sun_angle > math.radians(5)) & (sun_angle < math.radians(20))
    far = sky & (sun_angle > math.radians(45))
    if near.sum() < 20 or far.sum() < 100:
        return math.nan
    return float(luminance[near].mean() / luminance[far].mean())


def _clear_aureole(frames: Frames) -> Array:
    """Parabola in the sun's height (3,) for `_aureole` of clear frames: expectile 0.8 where the sun is seen."""
    height, ratio = [], []
    for day, index in zip(*np.nonzero(frames.present & frames.track.seen), strict=True):
        sun = frames.sun[day, index]
        value = _aureole(frames.encoded[day, index], frames.sky, np.arccos(np.clip(frames.direction @ sun, -1, 1)))
        if math.isfinite(value) and sun[2] > math.sin(SUN_LIMIT_RAD):
            height.append(sun[2])
            ratio.append(value)
    system, target = np.vander(height, 3), np.array(ratio)
    weight = np.ones_like(target)
    for _ in range(12):
        fit = np.linalg.solve((system * weight[:, None]).T @ system, (system * weight[:, None]).T @ target)
        weight = np.where(target > system @ fit, 0.8, 0.2)
    return np.asarray(fit)


def _expected(ring_ratio: Array, sun: Array) -> float:
    return float(np.polyval(ring_ratio, sun[2]))


def _running_upper(values: Array, reach: int) -> Array:
    """Upper quartile within ``reach`` frames on both sides, limited to haze that clear air can have."""
    result = np.ones_like(values)
    for index in range(len(values)):
        near = values[max(0, index - reach) : index + reach + 1]
        near = near[np.isfinite(near)]
        result[index] = np.quantile(near, 0.75) if near.size else 1.0
    return np.clip(result, 0.7, 1.5)


def _outliers(values: Array) -> NDArray[np.bool_]:
    """Single frames that leave both neighbours by far while those agree: a bird, a lamp, a broken frame."""
    bad = np.zeros(values.shape, bool)
    limits = {"cover": 0.35, "density": 2.5, "grain": 2.0, "haze": 2.0}
    for name, limit in limits.items():
        column = values[..., CHANNELS.index(name)]
        before, after = column[:, :-2], column[:, 2:]
        jump = np.minimum(np.abs(column[:, 1:-1] - before), np.abs(column[:, 1:-1] - after))
        bad[:, 1:-1, CHANNELS.index(name)] = (jump > limit) & (np.abs(after - before) < limit / 3)
    return bad


def draw_days(table: Path, picture: Path) -> None:
    """Draw the measured channels of every day into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = np.load(table)
    names, values, mask = data["names"], data["values"], data["mask"]
    figure, axes = pyplot.subplots(len(names), 4, figsize=(16, 1.3 * len(names)), sharex=True, squeeze=False)
    for day, name in enumerate(names):
        hours = np.arange(values.shape[1]) * data["frame_s"][day] / 3600
        for column, channel in enumerate(CHANNELS[:4]):
            axis = axes[day, column]
            axis.plot(hours, np.where(mask[day, :, column], values[day, :, column], np.nan), linewidth=1)
            axis.set_ylim(*((-0.02, 1.02), (-3.2, 2.5), (-4, 2.5), (-3, 4.5))[column])
            axis.set_ylabel(str(name) if column == 0 else channel, fontsize=7)
            axis.tick_params(labelsize=6)
    figure.tight_layout()
    figure.savefig(picture, dpi=70)
    pyplot.close(figure)
