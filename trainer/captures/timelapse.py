"""Weather measured in time-lapse days of a fixed all-sky camera: cover, density, grain and haze per frame.

Colour decides between cloud and clear sky, but against a clear-sky reference that knows the
sun's glare and the lens: the *blueness* (B - R) / (B + R) of a clear pixel is learned from all
days as a function of the angle from the sun, the zenith angle and the sun's height. The camera
sets its own exposure, so brightness is used where that cancels: as the ratio of the sky around the
sun to the rest of the sky, which falls when a thicker cloud hides the sun.

Row 0 of a frame is its top. Frames are 8-bit and gamma-encoded.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from skygen_addon.core.errors import CaptureError

from .sun_track import Fisheye, SunTrack, find_blob, find_circle, fit_track

Array = NDArray[np.float64]

CHANNELS = ("cover", "density", "grain", "haze", "sun_seen", "blueness")
"""Columns of the measured table: cover 0 to 1; density log2 of optical depth toward the sun; grain log2 ratio of
fine to coarse contrast; haze log2 of white to blue light in clear sky; sun_seen 0 or 1; blueness of the whole sky."""

BIN = 2
"""Frames are averaged over BIN x BIN pixels."""
ZENITH_LIMIT_RAD = math.radians(68)
"""Lower sky is left out: trees, sunset colours, stretched pixels."""
GLARE_RAD = math.radians(14)
"""Around a visible sun nothing is measured."""
CLOUD_BLUENESS = 0.02
"""Blueness of thick cloud with the camera's constant white balance."""
LOWEST_CLEAR = 0.08
"""Where clear sky is no bluer than this (glare), colour says nothing."""
SUN_LIMIT_RAD = math.radians(7)
"""Frames with a lower sun are left out: everything is warm."""
RING_SUN = 0.5
"""Sine of the sun's height above which reflections in the dome draw rings."""
PURE_BLUENESS = 0.40
"""Blueness of sky without aerosol."""


@dataclass(frozen=True)
class Frames:
    """Binned frames of all days with their geometry."""

    names: tuple[str, ...]
    """Name of each day."""
    encoded: NDArray[np.float32]
    """(days, frames, h, w, 3) 0 to 255."""
    present: NDArray[np.bool_]
    """(days, frames) whether a colour frame is there."""
    direction: Array
    """(h, w, 3) unit vectors of pixels."""
    sky: NDArray[np.bool_]
    """(h, w) sky above obstructions and ZENITH_LIMIT_RAD."""
    sun: Array
    """(days, frames, 3) unit vectors toward the sun."""
    track: SunTrack
    """Sun positions in unbinned pixels."""


def read_days(folder: Path, latitude_deg: float = 37.43) -> Frames:
    """Read ``folder/<day>/*.jpg`` (frames in name order) and fit the sun's path.

    Raises
    ------
    CaptureError
        If there are no days, a frame cannot be read, or frames differ in size.
    """
    paths = {d.name: sorted(d.glob("*.jpg")) for d in sorted(folder.iterdir()) if d.is_dir()} if folder.is_dir() else {}
    paths = {name: files for name, files in paths.items() if len(files) >= 24}
    if not paths:
        raise CaptureError(
            f"{folder} holds no time-lapse days.", "Give a folder with a folder of 24 or more JPEG frames a day."
        )
    length = max(len(files) for files in paths.values())
    first = _read(next(iter(paths.values()))[0])
    height, width = (s // BIN for s in first.shape[:2])
    encoded = np.zeros((len(paths), length, height, width, 3), np.float32)
    present = np.zeros((len(paths), length), bool)
    blobs = np.full((len(paths), length, 2), np.nan)
    sample = [_read(f).mean(-1) for files in paths.values() for f in files[::12]]
    if any(s.shape != first.shape[:2] for s in sample):
        raise CaptureError(f"Frames in {folder} differ in size.", "Give days of one camera.")
    circle = find_circle(np.median(sample, axis=0))
    for day, files in enumerate(paths.values()):
        for index, file in enumerate(files):
            frame = _read(file)
            if frame.shape != first.shape:
                raise CaptureError(f"{file} is of another size.", "Give days of one camera.")
            binned = frame[: height * BIN, : width * BIN].reshape(height, BIN, width, BIN, 3).mean((1, 3))
            encoded[day, index] = binned
            colourful = float(np.ptp(frame.astype(np.float32), axis=-1).mean())
            present[day, index] = binned.mean() > 15 and colourful > 2.5  # neither night nor the grey night mode
            blob = find_blob(frame, circle) if present[day, index] else None
            if blob is not None:
                blobs[day, index] = blob
    track = fit_track(blobs, circle, math.radians(latitude_deg))
    camera = Fisheye(circle.centre, circle.radius * 1.03)
    row, column = np.mgrid[:height, :width] * float(BIN) + (BIN - 1) / 2
    direction = camera.directions(column, row)
    sun = camera.directions(track.position[..., 0], track.position[..., 1])
    dark = np.quantile(encoded[present][::7].mean(-1), 0.9, axis=0) < 60
    sky = (direction[..., 2] > math.cos(ZENITH_LIMIT_RAD)) & ~ndimage.binary_dilation(dark, iterations=1)
    return Frames(tuple(paths), encoded, present, direction, sky, sun, track)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error}.", "Remove or replace the file.") from error


def blueness(encoded: Array) -> Array:
    """(B - R) / (B + R) of 8-bit values (..., 3)."""
    red, blue = encoded[..., 0], encoded[..., 2]
    return np.asarray((blue - red) / np.maximum(blue + red, 8.0), np.float64)


def _basis(sun_angle: Array, zenith: Array, sun_zenith: Array | float) -> Array:
    """Smooth terms (..., 13) of the clear-sky blueness."""
    sun_zenith = np.broadcast_to(np.asarray(sun_zenith, np.float64), zenith.shape)
    near, wide = np.exp(-sun_angle / 0.15), np.exp(-sun_angle / 0.5)
    up, cos = np.cos(zenith), np.cos(sun_angle)
    terms = [np.ones_like(up), near, wide, cos, cos**2, up, up**2, sun_zenith, sun_zenith**2]
    terms += [wide * sun_zenith, up * sun_zenith, cos * sun_zenith, wide * up]
    return np.stack(terms, -1)


def fit_clear_blueness(frames: Frames, rounds: int = 12) -> Array:
    """Coefficients of `_basis` for the upper envelope (expectile 0.9) of blueness over all days.

    More than a tenth of what a pixel sees must be clear in some of the days.
    """
    rows, values = [], []
    for day, index in zip(*np.nonzero(frames.present), strict=True):
        if index % 6 or frames.sun[day, index, 2] < math.sin(SUN_LIMIT_RAD):
            continue
        keep = frames.sky.copy()
        keep[::2] = keep[:, ::2] = False
        sun_angle = np.arccos(np.clip(frames.direction[keep] @ frames.sun[day, index], -1, 1))
        zenith = np.arccos(np.clip(frames.direction[keep][:, 2], -1, 1))
        rows.append(_basis(sun_angle, zenith, math.acos(frames.sun[day, index, 2]))[::3])
        values.append(blueness(frames.encoded[day, index][keep].astype(np.float64))[::3])
    system, target = np.concatenate(rows), np.concatenate(values)
    coefficients = np.linalg.lstsq(system, target, rcond=None)[0]
    for _ in range(rounds):
        rest = target - system @ coefficients
        weight = np.where(rest > 0, 0.85, 0.15) / np.maximum(np.abs(rest), 0.05)  # asymmetric, robust to outliers
        coefficients = np.linalg.solve((system * weight[:, None]).T @ system, (system * weight[:, None]).T @ target)
    return np.asarray(coefficients)


def smoothstep(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, cubic between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def find_rings(deficit: Array, sky: NDArray[np.bool_], middle: tuple[float, float]) -> Array:
    """Rings (h, w) that reflections in the camera's dome add to a map while a high sun shines.

    A ring is what three quarters of an annulus show and neighbouring annuli do not; its centre (row,
    column) lies within a few pixels of ``middle``.
    """
    row, column = np.mgrid[: deficit.shape[0], : deficit.shape[1]]
    best, strength = np.zeros_like(deficit), 0.0
    for down in (0, 1.5, 3, 4.5, 6):
        for right in (-1, 0.5, 2):
            radius = np.hypot(row - middle[0] - down, column - middle[1] - right).astype(int)
            bins = int(radius[sky].max()) + 1
            order = [deficit[sky & (radius == k)] for k in range(bins)]
            profile = np.array([np.quantile(v, 0.25) if v.size > 4 else 0.0 for v in order])
            ring = profile - ndimage.grey_opening(profile, size=13, mode="nearest")
            found = np.where(sky, ring[np.minimum(radius, bins - 1)], 0)
            if found.sum() > strength:
                best, strength = found, float(found.sum())
    return ndimage.grey_dilation(best, size=3) if strength > 0 else best


@dataclass(frozen=True)
class FrameMaps:
    """One frame in terms of cloud; all maps (h, w)."""

    cloud: Array
    """0 clear to 1 cloud."""
    valid: NDArray[np.bool_]
    """Where colour says something."""
    ratio: Array
    """Blueness over the clear reference, both above thick cloud's."""
    sun_angle: Array
    """Radians from the sun."""


def map_frame(encoded: Array, frames: Frames, clear: Array, sun: Array, seen: bool, scale: float) -> FrameMaps:
    """Cloud map of one binned frame (h, w, 3); ``scale`` is the day's blueness relative to the reference."""
    sun_angle = np.arccos(np.clip(frames.direction @ sun, -1, 1))
    zenith = np.arccos(np.clip(frames.direction[..., 2], -1, 1))
    reference = np.maximum(_basis(sun_angle, zenith, math.acos(min(sun[2], 1.0))) @ clear, 0.03)
    ratio = (blueness(encoded) - CLOUD_BLUENESS) / np.maximum(reference * scale - CLOUD_BLUENESS, 0.02)
    valid = frames.sky & (reference > LOWEST_CLEAR)
    if seen:
        valid &= sun_angle > GLARE_RAD
    deficit = 1 - ratio
    if seen and sun[2] > RING_SUN:
        overhead = np.unravel_index(frames.direction[..., 2].argmax(), zenith.shape)
        deficit = deficit - find_rings(deficit, valid, (float(overhead[0]), float(overhead[1])))
    return FrameMaps(smoothstep(deficit, 0.3, 0.8), valid, ratio, sun_angle)


def contrast_ratio(encoded: Array, inside: NDArray[np.bool_]) -> float:
    """log2 of fine (1 to 2 pixels) over coarse (4 to 8 pixels) contrast of log luminance inside a mask; NaN if flat."""
    luminance = np.log(np.maximum(encoded.mean(-1), 8.0))
    weight = ndimage.gaussian_filter(inside.astype(np.float64), 1.0)

    def blurred(sigma: float) -> Array:
        norm = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
        return np.asarray(ndimage.gaussian_filter(luminance * inside, sigma) / np.maximum(norm, 1e-3))

    fine, coarse = (luminance - blurred(1.5))[weight > 0.9], (blurred(4) - blurred(8))[weight > 0.9]
    if fine.size < 200 or fine.std() < 0.008 or coarse.std() < 0.008:
        return math.nan
    return float(np.log2(fine.std() / coarse.std()))


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
            maps = map_frame(encoded, frames, clear, frames.sun[day, index], True, 1)
            upper[index] = np.quantile(maps.ratio[maps.valid], 0.8)
        scale = _running_upper(upper, 12)
        for index in np.flatnonzero(usable):
            values[day, index] = _measure(frames, clear, ring_ratio, day, index, float(scale[index]))
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
    maps = map_frame(encoded, frames, clear, sun, seen, scale)
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
