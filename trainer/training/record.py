"""run.json: what a training did, stage by stage, and whether that is enough to state in a model card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from skygen_addon.core.errors import BundleError
from skygen_addon.core.whole_file import whole_file

from ..recipes import Recipe

RECORD_FILE = "run.json"
SOURCE_FOLDER = Path(__file__).resolve().parent


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def source_state(folder: Path = SOURCE_FOLDER) -> tuple[str, bool | None]:
    """Commit of the source ("unknown" without git), and whether its work tree differs from it (None if unknown)."""
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return commit or "unknown", None if changes is None else bool(changes)


def manifest_hash(data: Path) -> str | None:
    """sha256 in hexadecimal of the captures' manifest.jsonl; None if there is none."""
    manifest = data / "manifest.jsonl"
    return hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None


def hardware(device: str = "cpu", processes: int = 1) -> str:
    """What a stage was trained on, in words."""
    where = torch.cuda.get_device_name() if torch.device(device).type == "cuda" else platform.machine()
    where = f"{where} (Metal)" if torch.device(device).type == "mps" else where
    many = f"{processes} processes, " if processes > 1 else ""
    return f"{where}, {many}{torch.get_num_threads()} thread(s), torch {torch.__version__}"


def record_stage(
    run: Path,
    chosen: Recipe,
    stage: str,
    minutes: float,
    resumed: bool,
    data: Path,
    source: tuple[str, bool | None],
    trained_on: str | None = None,
) -> None:
    """Add a stage to run.json: minutes spent (of all sittings when resumed), source, data and hardware.

    Parameters
    ----------
    run : Path
        Run directory.
    chosen : Recipe
        Recipe of the run.
    stage : str
        Name of the stage.
    minutes : float
        Minutes of this sitting.
    resumed : bool
        Whether it went on from an earlier sitting. A work tree that had uncommitted changes in any
        sitting counts as having them.
    data : Path
        Data folder of the training.
    source : tuple
        :func:`source_state` when the sitting began.
    trained_on : str, optional
        :func:`hardware`, if it was not this process on the processor.
    """
    path = run / RECORD_FILE
    description = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"stages": {}}
    earlier = description["stages"].get(stage, {}) if resumed else {}
    commit, dirty = source
    description["recipe"] = dataclasses.asdict(chosen)
    description["stages"][stage] = {
        "minutes": round(earlier.get("minutes", 0.0) + minutes, 1),
        "commit": commit,
        "dirty": True if earlier.get("dirty") else dirty,
        "manifest_sha256": manifest_hash(data),
        "hardware": trained_on or hardware(),
    }
    with whole_file(path) as partial:
        partial.write_text(json.dumps(description, indent=2), encoding="utf-8")


def read_record(run: Path, stages: Sequence[str]) -> dict[str, Any]:
    """run.json of a training that is complete in ``stages``; other stages are left out.

    ``dirty`` and ``manifest_sha256`` may be absent: older runs do not state them.

    Raises
    ------
    BundleError
        If the file is missing or damaged, or does not say how a stage was trained.
    """
    path = run / RECORD_FILE
    remedy = f"Train again into this directory: python -m trainer train RECIPE --out {run}."
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}.", remedy) from error
    recipe = record.get("recipe") if isinstance(record, dict) else None
    if not isinstance(recipe, dict) or not _is_text(recipe.get("name")):
        raise BundleError(f"{path} does not name its recipe.", remedy)
    found = record.get("stages")
    absent = [s for s in stages if not isinstance(found, dict) or not isinstance(found.get(s), dict)]
    if absent:
        only = " ".join(f"--only {stage}" for stage in absent)
        raise BundleError(
            f"{path} lacks the stages {', '.join(absent)}.",
            f"Train them: python -m trainer train {recipe['name']} {only} --out {run}.",
        )
    for stage in stages:
        how, wrong = found[stage], []
        minutes = how.get("minutes")
        if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0 <= minutes < math.inf:
            wrong.append("minutes")
        wrong += [key for key in ("commit", "hardware") if not _is_text(how.get(key))]
        if how.get("dirty") not in (None, True, False):
            wrong.append("dirty")
        if wrong:
            raise BundleError(f"Stage {stage} in {path} lacks or misstates {', '.join(wrong)}.", remedy)
    return {**record, "stages": {stage: found[stage] for stage in stages}}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
