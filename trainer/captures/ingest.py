"""``trainer ingest DIR --out DATA``: every capture of a folder to curated, calibrated training data.

DATA holds ``manifest.jsonl``, ``items/`` (one measured capture each, by content: what makes a second
run cheap and an interrupted one lose nothing) and what `shards` describes.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from skygen_addon.core.errors import CaptureError, SkyGenError
from skygen_addon.core.whole_file import whole_file
from trainer.captures.days.ingest_days import ingest_days
from trainer.captures.discover import CaptureFolder, find_captures
from trainer.captures.items import is_sky, read_item, sweep_abandoned
from trainer.captures.known_files import KnownFiles
from trainer.captures.manifest import Capture, read_manifest
from trainer.captures.measure_capture import CaptureJob, MeasuredCapture, capture_key, lost_capture, measure_capture
from trainer.captures.merging.exposure_names import named_exposure
from trainer.captures.origins import Origin, guess_site, read_origins
from trainer.captures.overrides import read_overrides
from trainer.captures.readers.fisheye import check_projection
from trainer.captures.settle import known_captures, settle
from trainer.captures.shards import assemble
from trainer.side_by_side import MOST_WORKERS, ProcessLost, call_side_by_side, check_workers

logger = logging.getLogger(__name__)

OWNER = "captures_folder.txt"
"""Note in the data folder of the folder of captures that was ingested into it."""

SAVE_EVERY_S = 60.0
"""Seconds between two savings of which files are known."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of captures, searched with its subfolders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DATA", help="folder for the training data of DIR, not DIR itself"
    )
    parser.add_argument(
        "--workers",
        type=int,
        help="processes, half a gigabyte of memory each (4K panoramas more) (default: one a processor core)",
    )
    parser.add_argument(
        "--latitude", type=float, default=37.43, help="of the time-lapse camera, degrees north (default: SKIPP'D's)"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 2 if any file is unreadable")


def default_workers() -> int:
    """Processor cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def run(arguments: argparse.Namespace) -> int:
    """Ingest a folder. Returns 0; 2 if the system closed a file or folder (or --strict); 1 after a defect.

    A damaged file is a verdict, not a failure.
    """
    folder, data = Path(arguments.folder), Path(arguments.out)
    workers = default_workers() if arguments.workers is None else arguments.workers
    check_workers(workers)
    if not -90 <= arguments.latitude <= 90:
        raise CaptureError(f"There is no latitude {arguments.latitude}.", "Give degrees from -90 to 90.")
    if data.resolve() == folder.resolve():
        raise CaptureError(f"{data} is the folder of captures itself.", "Choose another --out.")
    logging.getLogger("exifread").setLevel(logging.CRITICAL)  # it complains of damaged files without naming them
    there = find_captures(folder)
    try:
        (data / "items").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SkyGenError(f"{data} cannot be written ({error.strerror}).", "Choose another --out.") from None
    check_owner(data, folder)
    sweep_abandoned(data)
    overrides, origins = read_overrides(data), read_origins(folder)
    begin = time.monotonic()
    keep = {file for file, wish in overrides.items() if wish["verdict"] == "keep"}
    measured = measure_all(folder, data, there, origins, keep, workers)
    spent = time.monotonic() - begin
    fresh = sum(m.fresh for m in measured)
    lost = [m for m in measured if m.lost]
    if lost and len(lost) == len(measured):
        raise SkyGenError("No process survived its capture.", "Free memory, or give fewer --workers, and ingest again.")
    captures = [_as_capture(folder, f, m, origins) for f, m in zip(there.captures, measured, strict=True)]
    unseen = unseen_lines(folder, data, there.closed)
    frames = [entry for entry in unseen.values() if "timelapse" in entry["flags"]]
    days = ingest_days(folder, data, there.days, origins, arguments.latitude, workers, keep_table=bool(frames))
    captures += known_captures(data, unseen, closed=True)
    before = read_manifest(data)
    entries = settle(data, captures, overrides, days + frames)
    gone = len(before.keys() - entries.keys())
    if gone:
        logger.warning("%d files of the last run are not in this folder any more", gone)
    kept, shards = assemble(data, entries)
    logger.info(
        "%d captures in %d files, %d measured now, %d kept, %d rejected; %d shards in %s",
        *(len(captures), len(entries), fresh, kept, len(captures) - kept, shards, data),
    )
    if fresh:
        logger.info("%.1f captures a minute with %d processes%s", 60 * fresh / spent, workers, _memory_words())
    _log_reasons("rejected", (e for e in entries.values() if is_sky(e)))
    if days:
        _log_reasons("rejected frames of days", days)
    if there.ignored:
        logger.info("not captures: %s", ", ".join(f"{n} {ending}" for ending, n in there.ignored.items()))
    return _exit_code(there, measured, arguments.strict)


def measure_all(
    folder: Path,
    data: Path,
    there: CaptureFolder,
    origins: dict[str, Origin],
    keep: set[str],
    workers: int,
) -> list[MeasuredCapture]:
    """Findings on all captures, in their order; only what is new or changed is measured.

    ``keep`` names the files that a person wants to keep. Interrupted, all that was measured is known next time.
    """
    known = KnownFiles(data, folder)
    results: dict[int, MeasuredCapture] = {}
    jobs: dict[int, CaptureJob] = {}
    for number, files in enumerate(there.captures):
        names = [f.relative_to(folder).as_posix() for f in files]
        projection = next((origins[n].projection for n in names if n in origins and origins[n].projection), None)
        if projection is not None:
            check_projection(projection)
        job = CaptureJob(files, data, not keep.isdisjoint(names), projection)
        digests = known.sha256(files)
        found = read_item(data, capture_key(digests, projection), job.keep) if digests else None
        if digests and found is not None:
            results[number] = MeasuredCapture(digests, (None,) * len(digests), found, False)
        else:
            jobs[number] = job
    numbers = list(jobs)
    saved = time.monotonic()
    try:
        with tqdm(total=len(jobs), unit="capture", disable=None) as bar, logging_redirect_tqdm():
            calls = call_side_by_side(measure_capture, [(jobs[n],) for n in numbers], workers=workers)
            begin = time.monotonic()
            for count, (index, outcome) in enumerate(calls, 1):
                number = numbers[index]
                files = there.captures[number]
                if isinstance(outcome, ProcessLost):
                    outcome = lost_capture(files)
                results[number] = outcome
                known.learn(files, outcome.marks, outcome.digests)
                if time.monotonic() - saved > SAVE_EVERY_S:
                    known.save()
                    saved = time.monotonic()
                left = (time.monotonic() - begin) / count * (len(jobs) - count)
                word = outcome.found["reason"] or "keep"
                if jobs[number].keep and "cover" in outcome.found["state"]:
                    word = f"keep by hand, else {word}" if word != "keep" else word
                logger.info("%d/%d %s: %s (%.0f s left)", count, len(jobs), files[0].relative_to(folder), word, left)
                bar.update()
    finally:
        known.save()
    return [results[n] for n in range(len(there.captures))]


def _as_capture(folder: Path, files: Sequence[Path], measured: MeasuredCapture, origins: dict[str, Origin]) -> Capture:
    names = [f.relative_to(folder).as_posix() for f in files]
    origin = next((origins[n] for n in names if n in origins), None) or Origin(_guessed_site(names), None, None)
    further = tuple(zip(names[1:], measured.digests[1:], strict=True))
    return Capture(names[0], measured.digests[0], origin, _named_now(measured.found, files[0].name), further)


def _guessed_site(names: Sequence[str]) -> str:
    """Site by the first file's name, without the exposure that it may state."""
    first = Path(names[0])
    exposure = named_exposure(first.stem) if len(names) > 1 else None
    return guess_site(
        names[0] if exposure is None else (first.parent / (exposure.rest.strip("*_-. ") + first.suffix)).as_posix()
    )


def _named_now(found: dict[str, Any], name: str) -> dict[str, Any]:
    """A finding whose message names the file as it is called now; the same content may have had another name."""
    message = found["state"].get("message")
    old = found.get("name")
    if message is None or old in (None, name) or not message.startswith(f"{old}:"):
        return found
    return {**found, "state": {**found["state"], "message": name + message.removeprefix(old)}}


def _log_reasons(what: str, entries: Iterable[dict[str, Any]]) -> None:
    reasons = Counter(e["reason"] for e in entries if e["reason"])
    logger.info("%s: %s", what, ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "none")


def unseen_lines(folder: Path, data: Path, closed: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Lines of an earlier manifest on files in folders that cannot be listed now."""
    places = tuple(place.relative_to(folder).as_posix() + "/" for place in closed)
    return {file: entry for file, entry in read_manifest(data).items() if places and file.startswith(places)}


def check_owner(data: Path, folder: Path) -> None:
    """Note whose data this is.

    Raises
    ------
    CaptureError
        If another folder, which is still there, was ingested into it, and most of what it knows is not in this one.
    """
    note, ours = data / OWNER, folder.resolve()
    theirs = Path(note.read_text(encoding="utf-8", errors="surrogateescape")) if note.is_file() else ours
    known = read_manifest(data) if theirs != ours and theirs.is_dir() else {}
    if sum((folder / file).exists() for file in known) < len(known) / 2:
        raise CaptureError(
            f"{data} holds the training data of {theirs}.", f"Choose another --out, or delete {note} if you mean it."
        )
    with whole_file(note) as temporary:
        temporary.write_bytes(os.fsencode(ours))


def _memory_words() -> str:
    """Largest memory of this process and of a worker, where the system tells."""
    if importlib.util.find_spec("resource") is None:
        return ""
    import resource

    own, worker = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1 << 20 if os.uname().sysname == "Darwin" else 1 << 10  # bytes there, kilobytes elsewhere
    return f", at most {own / unit:.0f} MB in this one and {worker / unit:.0f} MB in a worker"


def _exit_code(there: CaptureFolder, measured: Sequence[MeasuredCapture], strict: bool) -> int:
    """What the run as a whole has to say: closed folders and files, and defects."""
    for place in there.closed:
        logger.error("%s cannot be listed; give yourself permission and ingest again", place)
    closed = [m.found["state"]["message"] for m in measured if m.found.get("closed")]
    for message in closed:
        logger.error("%s See to it, or take it away, and ingest again", message)
    defects = [m.defect for m in measured if m.defect]
    for text in defects:
        logger.error("%s", text)
    lost = [m.found["state"]["message"] for m in measured if m.lost]
    for message in lost:
        logger.error("%s Free memory, or give fewer --workers, and ingest again", message)
    if defects:
        return 1
    damaged = [m for m in measured if m.found["reason"] == "unreadable"]
    if strict and damaged:
        logger.error("%d captures cannot be read; the manifest says why", len(damaged))
    return 2 if there.closed or closed or lost or (strict and damaged) else 0
