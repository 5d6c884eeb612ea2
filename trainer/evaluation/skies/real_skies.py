"""Real captures that ``ingest`` kept, as the judge sees them: views of open sky, grouped by site."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import panorama_directions
from skygen_addon.core.measuring.measure import judge_panorama
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.sampling import nearest_on_disc, shrink_panorama
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture
from trainer.captures.items import is_sky
from trainer.captures.manifest import read_manifest
from trainer.captures.readers.capture_file import read_capture
from trainer.captures.readers.fisheye import Projection
from trainer.captures.split import split_of
from trainer.evaluation.judging.views import PANORAMA_ROWS, obstructed_share, sky_views

log = logging.getLogger(__name__)

MOST_OBSTRUCTED = 0.02
"""Share of a view that may be trees or buildings: more of it would be judged, not the sky."""


@dataclass(frozen=True)
class RealSky:
    """One kept capture."""

    file: str
    """Name in the manifest."""
    site: str
    """Captures of one sky share it."""
    held_out: bool
    """Whether training never sees the site."""
    panorama: NDArray[np.float32]
    """(H, 2 H, 3) linear radiance of at most 256 rows, calibrated as ``ingest`` found it: project units."""
    seen: NDArray[np.bool_]
    """(H, 2 H) what of it is sky."""
    views: NDArray[np.float32]
    """(n, 128, 128, 3) display values of its unobstructed views; n may be 0."""


def read_real_skies(data: Path, captures: Path, held_out: frozenset[str] | None = None) -> list[RealSky]:
    """Kept panoramas and stills of a data folder.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``; its manifest says what is kept.
    captures : Path
        Folder that was ingested.
    held_out : frozenset of str, optional
        Sites that the bundle's training never saw; by default those that ``ingest`` holds out.

    Raises
    ------
    CaptureError
        If there is no manifest, a kept file is gone or no longer readable, a held-out site is not there, or fewer
        than four sites have an unobstructed view.
    """
    lines = read_manifest(data)
    entries = {file: e for file, e in lines.items() if e.get("verdict") == "keep" and is_sky(e)}
    further: dict[str, list[str]] = {}
    for file, entry in sorted(lines.items()):
        further.setdefault(entry["state"].get("merged_into", ""), []).append(file)
    if not entries:
        raise CaptureError(f"{data} has no kept captures.", f"Run: python -m trainer ingest CAPTURES --out {data}.")
    skies = []
    for file, entry in sorted(entries.items()):
        panorama = _read(captures, [file, *further.get(file, [])], entry["state"])
        sky = judge_panorama(panorama).sky
        free = obstructed_share(sky) <= MOST_OBSTRUCTED
        try:
            views = sky_views(panorama.radiance)[free]
        except ValueError as error:
            raise CaptureError(f"{file}: {error}.", "Reject it: python -m trainer curate --reject.") from error
        held = split_of(entry["site"]) == "held_out" if held_out is None else entry["site"] in held_out
        small = shrink_panorama(panorama.radiance, 2 * PANORAMA_ROWS) * _calibration(entry["state"])
        skies.append(RealSky(file, entry["site"], held, small, _mask_of_disc(sky, small.shape[1]), views))
        if not free.any():
            log.info("%s: every view is obstructed; it is left out", file)
    unknown = sorted((held_out or frozenset()) - {sky.site for sky in skies})
    if unknown:
        raise CaptureError(f"Held-out sites are not in {data}: {', '.join(unknown)}.", "Name sites of the captures.")
    if len({sky.site for sky in skies if len(sky.views)}) < 4:
        raise CaptureError(f"{data} keeps fewer than four open sites.", "Ingest more captures.")
    return skies


def _calibration(state: dict[str, Any]) -> NDArray[np.float32]:
    """Factor (3,) that ``ingest`` found; 1 where the state tells none."""
    return np.float32(state.get("scale", 1.0)) * np.array(state.get("balance", (1.0, 1.0, 1.0)), dtype=np.float32)


def _mask_of_disc(sky: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Mask (width / 2, width) of a panorama from that of a sky disc (N, N), row 0 north; nothing below the horizon."""
    directions = panorama_directions(width)
    return np.asarray(nearest_on_disc(sky, directions) & (directions[..., 2] > 0))


def _read(captures: Path, files: list[str], state: dict[str, Any]) -> Panorama:
    """One capture: a single file, or a bracket of exposures; a still through the lens that ``ingest`` was told of."""
    lens = state.get("reading", {}).get("projection")
    try:
        return read_capture(
            [captures / name for name in files], lens if lens in get_args(Projection) else "equidistant"
        )
    except (RejectedCapture, OSError) as error:
        raise CaptureError(
            f"{files[0]} of the manifest cannot be read in {captures}: {error}.",
            "Name the ingested folder with --captures.",
        ) from error
