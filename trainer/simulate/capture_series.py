"""``python -m trainer simulate --captures N --sequences S``: fills a folder with simulated captures, resumable."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from skygen_addon.core.errors import RequestError
from skygen_addon.core.whole_file import output_error
from trainer.captures.items import item_path
from trainer.captures.manifest import read_manifest, write_manifest
from trainer.captures.overrides import read_overrides
from trainer.captures.settle import apply_overrides, manifest_entry
from trainer.captures.shards import assemble
from trainer.captures.training_maps import TRAINING_DISC
from trainer.networks.shade import CELL
from trainer.side_by_side import check_workers, draw_side_by_side

from .marcher import Marcher, known_device
from .simulated_captures import (
    CAPTURE_STREAM,
    SEQUENCE_STREAM,
    SimulatedCapture,
    draw_capture,
    drawn_by,
    finished,
    plan_captures,
)

log = logging.getLogger(__name__)

FOLDER = "simulated_captures"
"""Where simulated captures lie inside a data folder."""
WINDOW = 256
"""Texels of the field's windows: half of the exported field's, as for ``--frames``. Each time that the wind has carried
clouds over a step of the windows (1.6 km), cloud edges near the finest window's rim jump, about half-way up the sky;
with 512 texels lower down."""
MOST = SEQUENCE_STREAM - CAPTURE_STREAM
"""Captures, or sequences, of one series."""
STEP_S = 10.0
"""Sky seconds between two frames of a sequence: clouds at 8 m/s cross 7 pixels overhead."""


@dataclass(frozen=True)
class CaptureSeries:
    """What shall be in the folder when done; captures and sequences that are there already are kept."""

    captures: int = 0
    """Single skies."""
    sequences: int = 0
    """Skies that move."""
    sequence_frames: int = 24
    """Frames of each sequence."""
    step_s: float = STEP_S
    """Sky seconds between two frames."""
    seed: int = 1
    """Series of states."""
    disc: int = TRAINING_DISC
    """Pixels along the side of the disc; that of ingest by default."""
    window: int = WINDOW
    """Texels of the field's windows."""
    device: str = "cpu"
    """Where skies are drawn: cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        asked = (self.captures, self.sequences)
        if min(asked) < 0 or max(asked) < 1 or max(asked) > MOST:
            raise RequestError(
                f"{self.captures} captures and {self.sequences} sequences make no sense.",
                f"Give --captures or --sequences, 1 to {MOST} of them.",
            )
        if not 1 <= self.sequence_frames <= 100_000:
            raise RequestError(f"A sequence of {self.sequence_frames} frames makes no sense.", "Give 1 to 100000.")
        if not (math.isfinite(self.step_s) and 0 < self.step_s <= 100_000):
            raise RequestError(f"The step of {self.step_s} s makes no sense.", "Give sky seconds up to 100000.")
        unit = 4 * CELL
        disc_fits = 2 * unit <= self.disc <= 4096 and self.disc % unit == 0
        window_fits = 128 <= self.window <= 2048 and self.window % 64 == 0
        if not (disc_fits and window_fits and self.seed >= 0):
            raise RequestError(
                f"disc {self.disc}, window {self.window} and seed {self.seed} do not fit.",
                f"Give disc {2 * unit} to 4096 in steps of {unit}, window 128 to 2048 in steps of 64, seed 0 or more.",
            )


@lru_cache(maxsize=1)
def _marcher(window: int, device: str) -> Marcher:
    """The marcher of this process; a worker keeps to one thread, for there is one worker a core."""
    torch.set_num_threads(1)
    return Marcher(window, device)


def _draw(folder: Path, capture: SimulatedCapture, device: str) -> str:
    draw_capture(folder, capture, _marcher(capture.window, device))
    return capture.file


def plan_series(folder: Path, series: CaptureSeries) -> list[SimulatedCapture]:
    """All skies of a series, once it is sure that they can be drawn into ``folder``.

    Raises
    ------
    RequestError
        If the device is not there, or the folder holds discs of another size, or one of the sites
        drawn with other windows or another step: its frames would not belong together.
    """
    known_device(series.device)
    plan = plan_captures(
        series.captures,
        series.sequences,
        series.sequence_frames,
        series.step_s,
        seed=series.seed,
        disc=series.disc,
        window=series.window,
    )
    wanted = {capture.site: (capture.window, capture.step_s) for capture in plan}
    for entry in read_manifest(folder).values():
        if entry["width"] != series.disc:
            raise RequestError(
                f"{folder} holds discs of {entry['width']} pixels.",
                f"Give --disc {entry['width']} or another --out.",
            )
        site, state = entry["site"], entry["state"]
        if site in wanted and _up_to_date(entry) and (state["window"], state["step_s"]) != wanted[site]:
            raise RequestError(
                f"{folder} holds {site} with {_settings(state['window'], state['step_s'])}, "
                f"not {_settings(*wanted[site])}.",
                "Give the same numbers, or another --seed or --out.",
            )
    return plan


def _settings(window: int, step_s: float | None) -> str:
    return f"--window {window}" if step_s is None else f"--window {window} --step-s {step_s:.12g}"


def _up_to_date(entry: dict[str, Any]) -> bool:
    """Whether this engine has drawn the sky; others are drawn again."""
    return bool(entry["state"].get("drawn_by") == drawn_by())


def simulate_captures(
    folder: Path, series: CaptureSeries, *, workers: int = 1, max_minutes: float | None = None
) -> tuple[int, int]:
    """Fill ``folder`` with a series; returns how many of its skies are there, and how many it has.

    An interrupted run goes on where it stopped. A sky depends on seed and number alone, not on the
    other ones nor on the number of workers. Manifest, discs and planes are written from all skies
    in the folder, those of other seeds too; of the sites of this series, only from this engine's.

    Raises
    ------
    RequestError
        If a number makes no sense, or as :func:`plan_series`.
    OutputError
        If the folder cannot be written.
    """
    check_workers(workers, max_minutes)
    plan = plan_series(folder, series)
    try:
        item_path(folder, "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    there = {capture.sha256 for capture in finished(folder, plan)}
    missing = [(folder, sky, series.device) for sky in plan if sky.sha256 not in there]
    draw_side_by_side(_draw, missing, workers=workers, max_minutes=max_minutes)
    done = finished(folder, plan)
    sites = {capture.site for capture in plan}
    entries = {
        file: entry
        for file, entry in read_manifest(folder).items()
        if item_path(folder, entry["sha256"]).is_file() and (entry["site"] not in sites or _up_to_date(entry))
    }
    entries.update({capture.file: manifest_entry(capture) for capture in done})
    apply_overrides(entries, read_overrides(folder))
    write_manifest(folder, entries)
    kept, shards = assemble(folder, entries)
    log.info("%d drawn now; %d skies in %d shards of discs in %s", len(done) - len(there), kept, shards, folder)
    return len(done), len(plan)
