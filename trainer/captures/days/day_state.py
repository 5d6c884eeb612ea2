"""Weather measured in time-lapse days of a fixed all-sky camera: cover, density, grain, haze and more per frame.

Colour tells cloud from clear sky (:mod:`.cloud_map`). The camera sets its own exposure, so brightness
is used where that cancels: as the ratio of the sky around the sun to the rest of the sky, which
falls when a thicker cloud hides the sun, and as the ratio of the whole sky to clear sky of the same frame.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.captures.days.camera_model import CameraModel, day_sun, load_model
from trainer.captures.days.cloud_map import (
    GLARE_RAD,
    FrameMaps,
    blueness,
    blueness_ratio,
    clear_basis,
    contrast_ratio,
    map_frame,
)
from trainer.captures.days.day_reading import (
    GAP,
    LOW_SUN,
    MEASURED,
    OUTLIER,
    UNMEASURED,
    DayReading,
    load_arrays,
    load_reading,
)
from trainer.captures.days.sky_reference import aureole, luminance
from trainer.captures.days.sky_view import SUN_LIMIT_RAD, SkyView
from trainer.captures.items import save_arrays

Array = NDArray[np.float64]

CHANNELS = ("cover", "density", "grain", "haze", "sun_seen", "blueness", "brightness")
"""Columns of the measured table: cover 0 to 1; density log2 of optical depth toward the sun; grain log2 ratio of
fine to coarse contrast (texture); haze log2 of white to blue light in clear sky; sun_seen 0 or 1; blueness of the whole
sky; brightness log2 of the sky's luminance outside the glare over that of a clear sky with the same sun. The camera's
exposure is taken from the clear pixels of the same frame; without any it comes from the shutter, gain and aperture that
the camera wrote, set against frames of the day that have clear pixels; without these brightness is not measured."""

STATE = 2
"""Raise when measuring changes, so that days are measured again."""
PURE_BLUENESS = 0.40
"""Blueness of sky without aerosol."""
ANCHOR_PIXELS = 100
"""Clear pixels that tell a frame's exposure."""
OUTLIER_LIMITS = {"cover": 0.35, "density": 2.5, "grain": 2.0, "haze": 2.0, "brightness": 2.0}
"""Jump against both neighbours from which a single value is an outlier."""


@dataclass(frozen=True)
class DayState:
    """A measured day, by slot."""

    values: NDArray[np.float32]
    """(slots, channels) CHANNELS, 0 where masked out."""
    mask: NDArray[np.bool_]
    """(slots, channels) where measured."""
    mark: NDArray[np.uint8]
    """(slots,) indices of MARK_NAMES."""
    frame_s: Array
    """() seconds between slots."""
    sun_deg: Array
    """(slots, 2) azimuth clockwise from north and elevation of the path."""
    seen: NDArray[np.bool_]
    """(slots,) whether the sun is visible."""
    misfit: NDArray[np.bool_]
    """() whether the sun is not where this camera has it."""
    digest: NDArray[np.str_]
    """() of reading and camera."""


def load_state(path: Path) -> DayState | None:
    """A kept measurement; None if missing or damaged."""
    arrays = load_arrays(path)
    if arrays is None or set(arrays) != set(DayState.__dataclass_fields__):
        return None
    return DayState(**arrays)


def state_digest(reading: str, model: CameraModel) -> str:
    """What a measurement depends on: the reading's digest, the camera, the day's path in the joint fit."""
    known = model.paths[model.days == reading]
    return hashlib.sha256(f"{STATE} {reading} {model.digest} {known.tobytes().hex()}".encode()).hexdigest()


def measure_day(reading_path: Path, model_path: Path, out: Path) -> Path:
    """Measure one day that has been read, with its camera, into ``out``; returns ``out`` (worker processes call it)."""
    reading, kept = load_reading(reading_path), load_model(model_path)
    if reading is None or kept is None:
        raise FileNotFoundError(f"{reading_path} or {model_path} vanished")
    save_arrays(out, vars(measure_reading(reading, kept[0])))
    return out


def measure_reading(reading: DayReading, model: CameraModel) -> DayState:
    """State of every slot of a day."""
    view, clear, slots = model.view, model.clear, reading.slots
    sun = day_sun(reading, model)
    frame_of = np.full(slots, -1)
    frame_of[reading.slot] = np.arange(len(reading.slot))
    mark = np.full(slots, GAP, np.uint8)
    mark[reading.slot] = reading.mark
    mark[(mark == MEASURED) & (sun.direction[:, 2] <= math.sin(SUN_LIMIT_RAD))] = LOW_SUN
    usable = np.flatnonzero(mark == MEASURED)
    upper = np.full(slots, np.nan)
    for slot in usable:
        encoded = reading.encoded[frame_of[slot]].astype(np.float64)
        ratio, valid, _ = blueness_ratio(encoded, view, clear.blueness, sun.direction[slot], seen=True)
        if valid.any():
            upper[slot] = np.quantile(ratio[valid], 0.8)
    scale = _running_upper(upper, 12)
    values, exposed = np.full((slots, len(CHANNELS)), np.nan), np.full((slots, 2), np.nan)
    for slot in usable[np.isfinite(upper[usable])]:
        encoded = reading.encoded[frame_of[slot]].astype(np.float64)
        direction, seen = sun.direction[slot], bool(sun.seen[slot])
        maps = map_frame(encoded, view, clear.blueness, direction, seen=seen, scale=float(scale[slot]))
        if not maps.valid.any():
            continue
        expected = float(np.polyval(clear.aureole, direction[2]))
        values[slot, :-1] = _measure(encoded, view, maps, expected, seen)
        exposed[slot] = _exposed(encoded, view, maps, clear.log_luminance, direction)
    values[:, -1] = _brightness(exposed, reading.exposure, reading.slot)
    outlier = _outliers(values)
    mask = np.isfinite(values) & ~outlier
    mark[usable[~np.isfinite(values[usable, 0])]] = UNMEASURED
    mark[outlier[:, 0]] = OUTLIER
    east, north, up = sun.north_direction.T
    angles = np.degrees(np.stack([np.arctan2(east, north) % (2 * math.pi), np.arcsin(np.clip(up, -1, 1))], -1))
    return DayState(
        values=np.nan_to_num(values).astype(np.float32),
        mask=mask,
        mark=mark,
        frame_s=np.array(sun.path[2]),
        sun_deg=angles,
        seen=sun.seen,
        misfit=np.array(sun.misfit),
        digest=np.array(state_digest(str(reading.digest), model)),
    )


def _measure(encoded: Array, view: SkyView, maps: FrameMaps, expected: float, seen: bool) -> Array:
    """CHANNELS of one frame but brightness, NaN where a channel cannot be measured."""
    zenith = np.arccos(np.clip(view.direction[..., 2], 1e-3, 1))
    solid_angle = np.where(maps.valid, np.sinc(zenith / np.pi), 0)  # of a pixel of an equidistant fisheye
    cover = float((maps.cloud * solid_angle).sum() / solid_angle.sum())
    density = grain = haze = math.nan
    if cover > 0.08:
        excess = (aureole(encoded, view.sky, maps.sun_angle) - 1) / max(expected - 1, 0.2)
        depth = -math.log(max(excess, 1e-3))
        density = math.log2(min(depth, 4)) if depth > 0.15 else math.nan  # else no cloud stands before the sun
        grain = contrast_ratio(encoded, maps.valid & (maps.cloud > (0.5 if cover > 0.5 else 0.0)))
    open_sky = maps.valid & (maps.cloud < 0.15) & (maps.sun_angle > math.radians(40))
    if open_sky.sum() > 150:
        white = 1 - float(np.median(blueness(encoded[open_sky]))) / PURE_BLUENESS
        haze = math.log2(np.clip(white, 0.1, 0.95) / (1 - np.clip(white, 0.1, 0.95)))
    return np.array([cover, density, grain, haze, float(seen), float(np.median(blueness(encoded[maps.valid])))])


def _exposed(encoded: Array, view: SkyView, maps: FrameMaps, log_luminance: Array, sun: Array) -> tuple[float, float]:
    """log2 of the frame's luminance over a clear sky's: of the whole sky outside the glare, and of its clear pixels.

    Both hold the exposure; their difference does not. The second is NaN without clear pixels.
    """
    region = view.sky & (maps.sun_angle > GLARE_RAD)
    solid_angle = np.sinc(view.zenith / np.pi)[region]
    light = luminance(encoded)[region]
    terms = clear_basis(maps.sun_angle[region], view.zenith[region], math.acos(min(float(sun[2]), 1.0)))
    model = np.exp(terms @ log_luminance)
    whole = math.log2(float((light * solid_angle).sum()) / float((model * solid_angle).sum()))
    open_sky = (maps.valid & (maps.cloud < 0.15))[region]
    if open_sky.sum() < ANCHOR_PIXELS:
        return whole, math.nan
    return whole, float(np.median(np.log2(np.maximum(light, 1e-4) / model)[open_sky]))


def _brightness(exposed: Array, exposure: Array, slot: NDArray[np.int64]) -> Array:
    """Brightness (slots,) from `_exposed` (slots, 2) and the camera's exposures (frames,)."""
    whole, anchor = exposed.T.copy()
    camera = np.full(len(whole), np.nan)
    camera[slot] = np.log2(np.where(exposure > 0, exposure, np.nan))
    sure = np.flatnonzero(np.isfinite(anchor) & np.isfinite(camera))
    lacking = np.flatnonzero(~np.isfinite(anchor) & np.isfinite(camera))
    if sure.size >= 3:
        anchor[lacking] = camera[lacking] + np.interp(lacking, sure, (anchor - camera)[sure])
    return np.asarray(whole - anchor)


def _running_upper(values: Array, reach: int) -> Array:
    """Upper quartile within ``reach`` frames on both sides, limited to haze that clear air can have."""
    result = np.ones_like(values)
    for index in range(len(values)):
        near = values[max(0, index - reach) : index + reach + 1]
        near = near[np.isfinite(near)]
        result[index] = np.quantile(near, 0.75) if near.size else 1.0
    return np.clip(result, 0.7, 1.5)


def _outliers(values: Array) -> NDArray[np.bool_]:
    """Single values (slots, channels) that leave both neighbours by far while those agree: a bird, a lamp."""
    bad = np.zeros(values.shape, bool)
    for name, limit in OUTLIER_LIMITS.items():
        column = values[:, CHANNELS.index(name)]
        before, after = column[:-2], column[2:]
        jump = np.minimum(np.abs(column[1:-1] - before), np.abs(column[1:-1] - after))
        bad[1:-1, CHANNELS.index(name)] = (jump > limit) & (np.abs(after - before) < limit / 3)
    return bad
