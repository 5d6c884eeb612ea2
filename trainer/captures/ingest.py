"""``trainer ingest DIR --out DATA``: every panorama of a folder to curated, calibrated training data.

DATA holds ``manifest.jsonl``, ``items/`` (one measured capture each, by content: what makes a second
run cheap and an interrupted one lose nothing) and what `shards` describes.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.errors import SkyGenError
from trainer.captures.curation.duplicates import fingerprint
from trainer.captures.days.ingest_days import ingest_days
from trainer.captures.items import blank_finding, item_path, read_item, save_arrays, unreadable, write_item
from trainer.captures.manifest import Capture, Origin, file_sha256, guess_site, read_origins, read_overrides
from trainer.captures.measuring.measure import Measurement, measure, plane_maps, training_disc
from trainer.captures.readers.panorama_file import SUFFIXES, RejectedCapture, read_panorama
from trainer.captures.settle import settle
from trainer.captures.shards import assemble

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of captures, searched with its subfolders")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA", help="folder for the training data")


def find_captures(folder: Path) -> list[Path]:
    """Panorama files below a folder, sorted.

    Raises
    ------
    SkyGenError
        The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise SkyGenError(f"{folder} is not a folder.", "Give the folder that holds the captures.")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise SkyGenError(f"{folder} holds no panorama.", f"Put {', '.join(SUFFIXES)} files there.")
    return files


def _sun_entry(measured: Measurement) -> dict[str, float] | None:
    """The sun's angles; none where what was found is a lamp, the moon or a gap between leaves."""
    if measured.sun is None or measured.reason in ("night", "indoor"):
        return None
    if measured.reason == "obstructed" and measured.sun.clipped:
        return None
    return {
        "azimuth_deg": round(float(np.rad2deg(measured.sun.azimuth_rad)), 3),
        "elevation_deg": round(float(np.rad2deg(measured.sun.elevation_rad)), 3),
    }


def _state_entry(measured: Measurement) -> dict[str, Any]:
    evidence = measured.evidence
    state: dict[str, Any] = {
        "sky_share": round(evidence.sky_share, 4),
        "overhead_share": round(evidence.overhead_share, 4),
        "foliage": round(evidence.foliage, 4),
        "stars": evidence.stars,
        "ground_ratio": round(evidence.ground_ratio, 4),
        "blueness": round(evidence.blueness, 4),
    }
    if measured.clouds is not None and measured.calibration is not None:
        state["cover"] = round(measured.cover or 0.0, 4)
        state["overcast"] = measured.clouds.overcast
        state["scale"] = float(f"{measured.calibration.scale:.5g}")
        state["balance"] = [round(v, 4) for v in measured.calibration.balance]
        state["calibrated_by"] = measured.calibration.source
        if measured.calibration.residual is not None:
            state["haze"] = measured.calibration.haze
            state["residual"] = round(measured.calibration.residual, 4)
    return state


def measure_file(path: Path, sha256: str, data: Path, keep: bool) -> dict[str, Any]:
    """Measure one file, store its maps under its content's name and return what was found.

    ``keep`` is a person's verdict: the maps are then made although the measurement says otherwise.
    """
    found = blank_finding()
    try:
        panorama = read_panorama(path)
    except RejectedCapture as error:
        found.update(width=error.width, height=error.height, reason=error.reason)
        found["state"] = {"message": error.message}
        write_item(data, sha256, found)
        return found
    height, width = panorama.radiance.shape[:2]
    measured = measure(panorama, force=keep)
    flags = list(panorama.flags)
    sun = _sun_entry(measured)
    if sun is not None and measured.sun is not None and measured.sun.clipped:
        flags.append("sun_clipped")
    found.update(width=width, height=height, reason=measured.reason, flags=flags)
    found.update(sun=sun, state=_state_entry(measured), has_maps=measured.clouds is not None)
    arrays: dict[str, Any] = {
        "fingerprint": fingerprint(panorama.radiance),
        "thumbnail": np.minimum(measured.disc[::2, ::2], 6e4).astype(np.float16),
        "thumbnail_sky": measured.sky[::2, ::2],
    }
    if measured.clouds is not None:
        arrays["radiance"], arrays["valid"] = training_disc(panorama, measured)
        arrays["alpha"] = measured.clouds.alpha[::2, ::2].astype(np.float16)
        arrays["alpha_valid"] = measured.clouds.valid[::2, ::2]
        for texel, maps in plane_maps(measured).items():
            arrays[f"plane_{texel}m"] = maps
    save_arrays(item_path(data, sha256), arrays)
    write_item(data, sha256, found)
    return found


def run(arguments: argparse.Namespace) -> int:
    """Ingest a folder. Returns 0: a bad file is a verdict, not a failure."""
    folder, data = Path(arguments.folder), Path(arguments.out)
    files = find_captures(folder)
    origins = read_origins(folder)
    items = data / "items"
    try:
        items.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SkyGenError(f"{data} cannot be written ({error.strerror}).", "Choose another --out.") from None
    overrides = read_overrides(data)
    captures: list[Capture] = []
    measured, start = 0, time.monotonic()
    for number, path in enumerate(files, 1):
        file = path.relative_to(folder).as_posix()
        origin = origins.get(file) or Origin(guess_site(file), None, None)
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            captures.append(Capture(file, "", origin, unreadable(f"{path.name}: {error.strerror}.")))
            continue
        keep = overrides.get(file, {}).get("verdict") == "keep"
        found = read_item(data, sha256, keep)
        if found is None:
            found = measure_file(path, sha256, data, keep)
            measured += 1
            left = (time.monotonic() - start) / measured * (len(files) - number)
            logger.info("%d/%d %s: %s (%.0f s left)", number, len(files), file, found["reason"] or "keep", left)
        captures.append(Capture(file, sha256, origin, found))
    entries = settle(data, captures, overrides)
    kept, shards = assemble(data, entries)
    logger.info(
        "%d files, %d measured now, %d kept, %d rejected; %d shards of discs in %s",
        len(entries),
        measured,
        kept,
        len(entries) - kept,
        shards,
        data,
    )
    ingest_days(folder, data)
    return 0
