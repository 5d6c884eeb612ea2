"""``trainer ingest DIR --out DATA``: every panorama of a folder to curated, calibrated training data.

DATA holds ``manifest.jsonl``, ``items/`` (one measured capture each, by content: what makes a second
run cheap and an interrupted one lose nothing) and what `shards` describes.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.errors import SkyGenError
from trainer.captures.duplicates import fingerprint, mark_duplicates
from trainer.captures.manifest import (
    ALGORITHM,
    Origin,
    file_sha256,
    guess_site,
    read_origins,
    read_overrides,
    write_manifest,
    write_text,
)
from trainer.captures.measure import Measurement, measure, plane_maps, training_disc
from trainer.captures.panorama_file import SUFFIXES, RejectedCapture, read_panorama
from trainer.captures.shards import assemble, save_arrays

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
    if measured.sun is None:
        return None
    return {
        "azimuth_deg": round(float(np.rad2deg(measured.sun.azimuth_rad)), 3),
        "elevation_deg": round(float(np.rad2deg(measured.sun.elevation_rad)), 3),
    }


def _state_entry(measured: Measurement) -> dict[str, Any]:
    evidence = measured.evidence
    state: dict[str, Any] = {
        "sky_share": round(evidence.sky_share, 4),
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
    return state


def measure_file(path: Path, sha256: str, items: Path, keep: bool) -> dict[str, Any]:
    """Measure one file, store its maps under its content's name and return what was found.

    ``keep`` is a person's verdict: the maps are then made although the measurement says otherwise.
    """
    found: dict[str, Any] = {
        "algorithm": ALGORITHM,
        "width": 0,
        "height": 0,
        "reason": None,
        "flags": [],
        "sun": None,
        "state": {},
        "has_maps": False,
    }
    try:
        panorama = read_panorama(path)
    except RejectedCapture as error:
        found.update(width=error.width, height=error.height, reason=error.reason)
        found["state"] = {"message": error.message}
        write_text(items / f"{sha256[:20]}.json", json.dumps(found))
        return found
    height, width = panorama.radiance.shape[:2]
    measured = measure(panorama, force=keep)
    flags = list(panorama.flags)
    if measured.sun is not None and measured.sun.clipped:
        flags.append("sun_clipped")
    found.update(width=width, height=height, reason=measured.reason, flags=flags)
    found.update(sun=_sun_entry(measured), state=_state_entry(measured), has_maps=measured.clouds is not None)
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
    save_arrays(items / f"{sha256[:20]}.npz", arrays)
    write_text(items / f"{sha256[:20]}.json", json.dumps(found))
    return found


def _earlier(sha256: str, items: Path, keep: bool) -> dict[str, Any] | None:
    """What an earlier run found on the same content, where it still holds."""
    path = items / f"{sha256[:20]}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if found.get("algorithm") != ALGORITHM:
        return None
    unreadable = "message" in found["state"]
    if not unreadable and (not path.with_suffix(".npz").is_file() or (keep and not found["has_maps"])):
        return None
    return found


def _manifest_entry(file: str, sha256: str, origin: Origin, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "file": file,
        "sha256": sha256,
        "site": origin.site,
        "licence": origin.licence,
        "source": origin.source,
        "width": found["width"],
        "height": found["height"],
        "verdict": "keep" if found["reason"] is None else "reject",
        "reason": found["reason"],
        "flags": list(found["flags"]),
        "sun": found["sun"],
        "state": found["state"],
    }


def apply_overrides(entries: dict[str, dict[str, Any]], overrides: dict[str, dict[str, Any]]) -> None:
    """Replace verdicts by a person's, marked with the flag ``override``.

    A wish to keep what cannot be read is refused with a warning: there is nothing to keep.
    """
    for file, wish in overrides.items():
        entry = entries.get(file)
        if entry is None:
            continue
        if wish["verdict"] == "keep" and "message" in entry["state"]:
            logger.warning("%s: cannot be kept, it cannot be read", file)
            continue
        entry.update(verdict=wish["verdict"], reason=wish.get("reason") if wish["verdict"] == "reject" else None)
        entry["flags"] = [*entry["flags"], "override"]


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
    entries: dict[str, dict[str, Any]] = {}
    measured, start = 0, time.monotonic()
    for number, path in enumerate(files, 1):
        file = path.relative_to(folder).as_posix()
        origin = origins.get(file) or Origin(guess_site(file), None, None)
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            found = {"width": 0, "height": 0, "reason": "unreadable", "flags": [], "sun": None}
            found["state"] = {"message": f"{path.name}: {error.strerror}."}
            entries[file] = _manifest_entry(file, "", origin, found)
            continue
        keep = overrides.get(file, {}).get("verdict") == "keep"
        earlier = _earlier(sha256, items, keep)
        if earlier is None:
            earlier = measure_file(path, sha256, items, keep)
            measured += 1
            left = (time.monotonic() - start) / measured * (len(files) - number)
            logger.info(
                "%d/%d %s: %s (%.0f s left)", number, len(files), file, earlier["reason"] or "keep", left
            )
        entries[file] = _manifest_entry(file, sha256, origin, earlier)
    mark_duplicates(data, entries)
    apply_overrides(entries, overrides)
    write_manifest(data, entries)
    kept, shards = assemble(data, entries)
    logger.info(
        "%d files, %d measured now, %d kept, %d rejected; %d shards of discs in %s",
        len(entries), measured, kept, len(entries) - kept, shards, data,
    )
    return 0
