"""One camera fitted over its days: geometry, solar paths and what clear sky looks like to it; kept on disk.

At most MODEL_DAYS days decide, so cost and memory do not grow with the archive. A model that new
days hardly change is kept as it is, so that the days measured with it stay measured.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.cloud_map import clear_basis
from trainer.captures.days.day_reading import MEASURED, DayReading, load_arrays, load_reading
from trainer.captures.days.fisheye import Fisheye, find_blob, find_circle, pixel_scale
from trainer.captures.days.sky_reference import ClearSky, SunnyDay, bright_luminance, fit_clear_sky
from trainer.captures.days.sky_view import SkyView, make_view, sun_directions
from trainer.captures.days.sun_track import MIN_BLOBS, fit_camera, fit_day, follow_sun, level_camera
from trainer.captures.items import save_arrays

Array = NDArray[np.float64]

MODEL = 2
"""Raise when fitting changes, so that cameras are fitted again."""
MODEL_DAYS = 24
"""Most days that a camera is fitted to."""
CIRCLE_FRAMES = 320
"""Most frames whose median shows the circle."""
SAME_PIXELS, SAME_BLUENESS, SAME_LIGHT, SAME_SKY = 0.5, 0.01, 0.03, 0.02
"""A kept model stays while a new fit moves the sun, clear blueness, log luminance and sky mask by no more than this
(chosen, not derived). So what is measured depends, within these limits, on the order in which days came."""


@dataclass(frozen=True)
class CameraModel:
    """What measuring a day needs of its camera. All arrays, so that it is kept as a file."""

    lens: Array
    """(8,) centre column and row, radius, rotation, tilt east and north, cubic, mirrored (0, 1)."""
    circle: Array
    """(3,) centre column and row, radius."""
    latitude_rad: Array
    """() that the paths were fitted with."""
    shape: NDArray[np.int64]
    """(3,) as of :class:`DayReading`."""
    bright: Array
    """(h, w) as for :func:`make_view`."""
    blueness: Array
    """(13,) as of :class:`ClearSky`."""
    log_luminance: Array
    """(13,)"""
    aureole: Array
    """(3,)"""
    usual_s: Array
    """() median seconds between frames."""
    days: NDArray[np.str_]
    """(d,) digests of the days' readings that it was fitted to."""
    paths: Array
    """(d, 3) solar paths of these days."""

    @property
    def camera(self) -> Fisheye:
        """The fitted lens."""
        v = [float(x) for x in self.lens]
        return Fisheye((v[0], v[1]), v[2], v[3], (v[4], v[5]), v[6], bool(v[7]))

    @property
    def sky_circle(self) -> Fisheye:
        """The circle of the sky."""
        return Fisheye((float(self.circle[0]), float(self.circle[1])), float(self.circle[2]))

    @property
    def level(self) -> Fisheye:
        """The level camera turned to north."""
        return level_camera(self.camera, self.sky_circle, float(self.latitude_rad))

    @property
    def clear(self) -> ClearSky:
        """What clear sky looks like."""
        return ClearSky(self.blueness, self.log_luminance, self.aureole)

    @cached_property
    def view(self) -> SkyView:
        """What pixels see."""
        height, width, binned = (int(v) for v in self.shape)
        return make_view(self.sky_circle, (height // binned, width // binned), binned, self.bright)

    @cached_property
    def digest(self) -> str:
        """Of all that measuring depends on; which days it was fitted to is told by their paths."""
        total = hashlib.sha256(str(MODEL).encode())
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and name not in ("days", "paths"):
                total.update(np.ascontiguousarray(value).tobytes())
        return total.hexdigest()


def save_model(path: Path, model: CameraModel, inputs: str) -> None:
    """Keep a model with the digest of what it was fitted to."""
    arrays = {name: getattr(model, name) for name in CameraModel.__dataclass_fields__}
    save_arrays(path, {**arrays, "inputs": np.array(inputs)})


def load_model(path: Path) -> tuple[CameraModel, str] | None:
    """A kept model and the digest of what it was fitted to; None if missing or damaged."""
    arrays = load_arrays(path)
    if arrays is None or set(arrays) != {*CameraModel.__dataclass_fields__, "inputs"}:
        return None
    inputs = str(arrays.pop("inputs"))
    return CameraModel(**arrays), inputs


def day_blobs(reading: DayReading, circle: Fisheye) -> Array:
    """Saturated blobs (slots, 2) of a day, NaN where there is none."""
    blobs = np.full((reading.slots, 2), np.nan)
    for index in np.flatnonzero(reading.mark == MEASURED):
        found = find_blob(reading.saturated_pixels(int(index)), circle)
        if found is not None:
            blobs[reading.slot[index]] = found
    return blobs


@dataclass(frozen=True)
class DaySun:
    """The sun of one day, by slot."""

    path: Array
    """(3,) declination and hour angle at the middle of the day in radians, seconds between frames."""
    direction: Array
    """(slots, 3) as of :func:`sun_directions`."""
    north_direction: Array
    """(slots, 3) east, north, up in the world."""
    seen: NDArray[np.bool_]
    """(slots,) whether it is visible."""
    misfit: bool
    """Whether most of many blobs lie away from the path: another camera, or the same one turned."""


def day_sun(reading: DayReading, model: CameraModel) -> DaySun:
    """Where the sun stands on a day of a known camera."""
    circle, camera, latitude = model.sky_circle, model.camera, float(model.latitude_rad)
    blobs = day_blobs(reading, circle)
    known = np.flatnonzero(model.days == reading.digest)
    if known.size:
        path = model.paths[known[0]]
    else:
        usual, step = float(model.usual_s), float(reading.step_s)
        path = fit_day(blobs, camera, latitude, known_s=step, usual_s=usual, length=reading.slots)
    position, seen = follow_sun(blobs, camera, path, latitude, reading.slots)
    found = int(np.isfinite(blobs[:, 0]).sum())
    world = model.level.directions(position[:, 0], position[:, 1])
    misfit = found >= MIN_BLOBS and int(seen.sum()) < found / 2
    return DaySun(path, sun_directions(circle, position), world, seen, misfit)


def fit_model(readings: Mapping[str, Path], latitude_deg: float) -> CameraModel:
    """Fit a camera to days of one frame size.

    Parameters
    ----------
    readings : mapping
        Files of kept readings by the digests of the days.
    latitude_deg : float
        Of the site.

    Raises
    ------
    CaptureError
        If there is no circle or the sun is hardly ever seen.
    """
    paths = list(readings.values())
    latitude = math.radians(latitude_deg)
    first = _must(paths[0])
    circle = find_circle(_typical(paths))
    blobs, lengths, steps, digests = [], [], [], []
    for path in paths:
        reading = _must(path)
        blobs.append(day_blobs(reading, circle))
        lengths.append(reading.slots)
        steps.append(float(reading.step_s))
        digests.append(str(reading.digest))
    padded = np.full((len(paths), max(lengths), 2), np.nan)
    for day, found in enumerate(blobs):
        padded[day, : len(found)] = found
    camera, solar = fit_camera(padded, circle, latitude, lengths, steps)

    def days() -> Iterator[SunnyDay]:
        for path, found, one in zip(paths, blobs, solar, strict=True):
            reading = _must(path)
            position, seen = follow_sun(found, camera, one, latitude, reading.slots)
            yield SunnyDay(reading, sun_directions(circle, position)[reading.slot], seen[reading.slot])

    bright = bright_luminance(days)
    height, width, binned = (int(v) for v in first.shape)
    view = make_view(circle, (height // binned, width // binned), binned, bright)
    clear = fit_clear_sky(days, view)
    lens = [*camera.centre, camera.radius, camera.rotation_rad, *camera.tilt, camera.cubic, float(camera.mirrored)]
    return CameraModel(
        lens=np.array(lens),
        circle=np.array([*circle.centre, circle.radius]),
        latitude_rad=np.array(latitude),
        shape=first.shape,
        bright=bright,
        blueness=clear.blueness,
        log_luminance=clear.log_luminance,
        aureole=clear.aureole,
        usual_s=np.array(np.median(solar[:, 2])),
        days=np.array(digests),
        paths=solar,
    )


def _must(path: Path) -> DayReading:
    reading = load_reading(path)
    if reading is None:
        raise CaptureError(f"{path} vanished or changed.", "Leave the data folder alone while ingest runs.")
    return reading


def _typical(paths: list[Path]) -> Array:
    """Median luminance (H, W) of sampled frames."""
    samples = np.concatenate([_must(path).sample for path in paths])
    return np.asarray(np.median(samples[:: -(-len(samples) // CIRCLE_FRAMES)] / 3, axis=0))


def nearly_same(old: CameraModel, new: CameraModel) -> bool:
    """Whether days measured with ``old`` may stand beside ``new``."""
    if not np.array_equal(old.shape, new.shape) or old.latitude_rad != new.latitude_rad:
        return False
    moved = np.abs(old.circle - new.circle).max() / pixel_scale(float(new.circle[2]))
    if moved > SAME_PIXELS or (old.view.sky != new.view.sky).mean() > SAME_SKY or old.lens[7] != new.lens[7]:
        return False
    pixels = new.view.sky.copy()
    pixels[::3] = pixels[:, ::3] = False
    for height_rad in np.radians([20.0, 40.0, 60.0]):
        sun = np.array([0, -math.cos(height_rad), math.sin(height_rad)])
        sun_angle = np.arccos(np.clip(new.view.direction[pixels] @ sun, -1, 1))
        basis = clear_basis(sun_angle, new.view.zenith[pixels], math.pi / 2 - float(height_rad))
        light = basis @ (old.log_luminance - new.log_luminance)
        if np.abs(basis @ (old.blueness - new.blueness)).mean() > SAME_BLUENESS or light.std() > SAME_LIGHT:
            return False
    return abs(old.level.rotation_rad - new.level.rotation_rad) < 0.03
