"""Which days are of one camera: the same frame size and circle, and a sun that stands where the camera has it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from trainer.captures.days.camera_model import (
    MODEL,
    MODEL_DAYS,
    CameraModel,
    day_sun,
    fit_model,
    load_model,
    nearly_same,
    save_model,
)
from trainer.captures.days.day_reading import MEASURED, DayReading, load_reading
from trainer.captures.days.day_state import load_state, state_digest
from trainer.captures.days.find_days import MIN_FRAMES
from trainer.captures.days.sun_track import MIN_BLOBS

logger = logging.getLogger(__name__)

SAME_CIRCLE = 0.06
"""Centres and radii of one camera agree to this part of the radius; the edge found
moves with cloud and haze, by 0.053 between two of the SKIPP'D days."""
MOST_CAMERAS = 6
"""Cameras that are told apart by the sun alone among days with the same circle."""


@dataclass(frozen=True)
class Refusal:
    """Why a day is not measured."""

    reason: str
    """Word of the manifest."""
    message: str
    """In one sentence."""


@dataclass(frozen=True)
class CameraDays:
    """Days of one camera."""

    model: Path
    """Its kept model."""
    days: tuple[str, ...]
    """Keys of the days."""


@dataclass(frozen=True)
class _Day:
    """What grouping needs of a day."""

    reading: Path
    state: Path
    digest: str
    blobs: int


@dataclass
class _Cluster:
    """Days with the same picture."""

    shape: tuple[int, ...]
    circle: NDArray[np.float64]
    days: dict[str, _Day]
    """By key."""


def refuse_day(reading: DayReading) -> Refusal | None:
    """Why a day cannot be measured by what was read of it alone; None if nothing speaks against it."""
    good = int((reading.mark == MEASURED).sum())
    if good < MIN_FRAMES:
        return Refusal("obstructed", f"Only {good} of {len(reading.mark)} frames of the day show a sky by daylight.")
    if not np.isfinite(reading.circle).all():
        return Refusal("not_panorama", "No fisheye circle was found: the frames do not show the whole sky.")
    return None


def group_days(
    readings: Mapping[str, Path], states: Mapping[str, Path], kept: Path, latitude_deg: float
) -> tuple[list[CameraDays], dict[str, Refusal]]:
    """Sort days by camera and fit each camera; models lie in the folder ``kept``/cameras.

    Parameters
    ----------
    readings : mapping
        Files of kept readings by key of the day, in a stable order.
    states : mapping
        Files where earlier runs kept what they measured, by key.
    latitude_deg : float
        Of the site.

    Returns
    -------
    groups : list of CameraDays
    refused : dict
        Days that cannot be measured.
    """
    models = kept / "cameras"
    models.mkdir(parents=True, exist_ok=True)
    clusters, refused = _clusters(readings, states)
    old = [m for m in (load_model(p) for p in sorted(models.glob("*.npz"))) if m is not None]
    fitted: list[tuple[CameraModel, str, tuple[str, ...]]] = []
    for cluster in clusters:
        rest = dict(cluster.days)
        for _ in range(MOST_CAMERAS):
            try:
                model, inputs = _settle_model(rest, old, cluster.shape, latitude_deg)
            except CaptureError as error:
                refused.update({key: Refusal("obstructed", error.message) for key in rest})
                rest = {}
                break
            misfit = {key: day for key, day in rest.items() if _misfits(day, model)}
            if len(misfit) == len(rest):
                break
            fitted.append((model, inputs, tuple(key for key in rest if key not in misfit)))
            rest = misfit
            if not rest:
                break
        refused.update({key: Refusal("obstructed", "The sun's path fits no camera of the other days.") for key in rest})
    groups = []
    for number, (model, inputs, days) in enumerate(fitted):
        path = models / f"{number:02d}.npz"
        was = load_model(path)
        if was is None or was[1] != inputs or was[0].digest != model.digest:
            save_model(path, model, inputs)
        groups.append(CameraDays(path, days))
    for path in sorted(models.glob("*.npz"))[len(groups) :]:
        path.unlink()
    return groups, refused


def _clusters(readings: Mapping[str, Path], states: Mapping[str, Path]) -> tuple[list[_Cluster], dict[str, Refusal]]:
    clusters: list[_Cluster] = []
    refused: dict[str, Refusal] = {}
    for key, path in readings.items():
        reading = load_reading(path, pixels=False)
        if reading is None:
            raise CaptureError(f"{path} vanished.", "Leave the data folder alone while ingest runs.")
        why = refuse_day(reading)
        if why is not None:
            refused[key] = why
            continue
        whole = reading.size[reading.mark == MEASURED][0]
        shape = (*(int(v) for v in whole), *(int(v) for v in reading.shape))
        entry = _Day(path, states[key], str(reading.digest), int(reading.blobs))
        for cluster in clusters:
            near = np.abs(cluster.circle - reading.circle).max() < SAME_CIRCLE * reading.circle[2]
            if cluster.shape == shape and near:
                cluster.days[key] = entry
                break
        else:
            clusters.append(_Cluster(shape, reading.circle, {key: entry}))
    return clusters, refused


def _settle_model(
    days: Mapping[str, _Day],
    old: Sequence[tuple[CameraModel, str]],
    shape: tuple[int, ...],
    latitude_deg: float,
) -> tuple[CameraModel, str]:
    """Model of a camera: a kept one if its days are the same or a new fit hardly differs."""
    chosen = list(days.values())
    if len(chosen) > MODEL_DAYS:  # by their digests: a new day enters seldom, and takes the place of one
        sunny = [day for day in chosen if day.blobs >= MIN_BLOBS]
        chosen = sorted(sunny, key=lambda day: day.digest)[:MODEL_DAYS]
    if not any(day.blobs >= MIN_BLOBS for day in chosen):
        raise CaptureError("The sun is hardly seen in any day of this camera.", "Add a day with clear sky.")
    words = [str(MODEL), str(latitude_deg), str(shape), *(day.digest for day in chosen)]
    inputs = hashlib.sha256("\n".join(words).encode()).hexdigest()
    for model, was in old:
        if was == inputs:
            return model, inputs
    logger.info("time-lapse: fitting a camera to %d of %d days", len(chosen), len(days))
    fresh = fit_model({day.digest: day.reading for day in chosen}, latitude_deg)
    for model, _ in old:
        if nearly_same(model, fresh):
            return model, inputs
    return fresh, inputs


def _misfits(day: _Day, model: CameraModel) -> bool:
    """Whether the sun of a day is not where the camera has it."""
    if day.blobs < MIN_BLOBS:
        return False
    state = load_state(day.state)
    if state is not None and str(state.digest) == state_digest(day.digest, model):
        return bool(state.misfit)
    reading = load_reading(day.reading)
    return reading is None or day_sun(reading, model).misfit
