"""How ``trainer ingest`` bears many captures: speed, memory over the run, interrupts, disk.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.ingest_scale HDRI SCRATCH --captures 10000 --whole-every 100

Writes that many different captures (`varied_captures`) into SCRATCH, which must be new, and ingests them with the
real command: interrupted (SIGINT) after three tenths, killed (SIGKILL) after six, then to the end; then once more,
and once more with one capture added. Prints memory at parts of the run, as resident MB of the parent and of the
largest worker, and as MB of all processes together with pages that they share counted once (Linux tells these).
It ends with an error where a finding was lost or made twice.

A capture that is measured whole takes a second of a processor core and five MB of disk. With ``--whole-every 20`` only
every twentieth is; the others are read and found too small (`low_resolution`), so that the run ends within the hour.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.comparison.varied_captures import load_bases, write_captures

INTERRUPTED_AT, KILLED_AT = 0.3, 0.6
"""Shares of all captures that have been measured when the run is stopped."""
PARTS = 10
"""Parts of a run for which memory is told."""
SAMPLE_S = 1.0

_PROGRESS = re.compile(r"(?:^|\r)\s*(\d+)/(\d+) (\S+): ")


@dataclass
class Memory:
    """Largest samples, MB."""

    parent: float = 0.0
    worker: float = 0.0
    together: float = 0.0

    def take(self, pid: int) -> None:
        """Sample a process and those that it started."""
        children = [c for c in _children(pid) if "multiprocessing.spawn" in _command(c)]
        self.parent = max(self.parent, _resident_mb(pid))
        self.worker = max([self.worker, *map(_resident_mb, children)])
        self.together = max(self.together, sum(map(_proportional_mb, [pid, *children])))


@dataclass
class Run:
    """One run of the command, watched."""

    minutes: float = 0.0
    measured: int = 0
    """Captures whose progress line was seen."""
    files: set[str] = field(default_factory=set)
    """Their files."""
    code: int = 0
    parts: list[Memory] = field(default_factory=list)
    """Memory while each part of the captures was measured; the last one from the last capture to the end."""
    last_lines: list[str] = field(default_factory=list)


def _children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _kilobytes(path: Path, name: str) -> float:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) if found else 0.0


def _resident_mb(pid: int) -> float:
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def _proportional_mb(pid: int) -> float:
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1024


def _heed_interrupts() -> None:
    """A shell lets what it starts in the background ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ingest(folder: Path, data: Path, workers: int, stop_after: int | None = None, how: int = signal.SIGINT) -> Run:
    """Run the command, stopped by a signal once so many captures were measured; returns when all its workers ended."""
    run = Run()
    command = [sys.executable, "-m", "trainer", "ingest", str(folder), "--out", str(data), "--workers", str(workers)]
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=_heed_interrupts,
    )
    done, total = 0, 1
    stopped = stop_after is None

    def follow() -> None:
        nonlocal done, total, stopped
        assert process.stderr is not None
        for line in process.stderr:
            if progress := _PROGRESS.search(line):
                done, total = int(progress[1]), int(progress[2])
                run.files.add(progress[3])
                if not stopped and stop_after is not None and done >= stop_after:
                    process.send_signal(how)
                    stopped = True
            elif line.strip():
                run.last_lines = [*run.last_lines, line.strip()][-6:]

    reader = threading.Thread(target=follow)
    reader.start()
    workers_seen: set[int] = set()
    while process.poll() is None:
        part = PARTS if done == total else min(PARTS * done // total, PARTS - 1)
        while len(run.parts) <= part:
            run.parts.append(Memory())
        run.parts[part].take(process.pid)
        workers_seen.update(_children(process.pid))
        time.sleep(SAMPLE_S)
    while any("multiprocessing" in _command(pid) for pid in workers_seen):
        time.sleep(SAMPLE_S)
    reader.join()
    run.minutes, run.measured, run.code = (time.monotonic() - begin) / 60, done, process.returncode
    return run


def findings(data: Path) -> dict[str, int]:
    """Findings that are stored: name -> time of writing in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in (data / "items").glob("*.json")}


def tell(what: str, run: Run) -> None:
    """Print what came of a run."""
    rate = run.measured / max(run.minutes, 1e-9)
    print(f"{what}: {run.measured} captures in {run.minutes:.1f} min ({rate:.0f} a minute), exit code {run.code}")
    for number, memory in enumerate(run.parts):
        if not memory.parent:  # it passed between two samples
            continue
        where = "after the last capture" if number == PARTS else f"{number * 100 // PARTS:3d} % of it on"
        print(
            f"  {where:22s}  parent {memory.parent:5.0f} MB  largest worker {memory.worker:5.0f} MB"
            f"  together {memory.together:5.0f} MB"
        )
    for line in run.last_lines:
        print(f"  | {line}")
    sys.stdout.flush()


def check(wrong: bool, message: str) -> None:
    """End with an error if something is wrong."""
    if wrong:
        sys.exit(f"wrong: {message}")


def main() -> None:
    """Make captures, ingest them with interrupts, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("panoramas", type=Path, help="folder of panoramas, of which the captures are made")
    parser.add_argument("scratch", type=Path, help="folder to write into; new")
    parser.add_argument("--captures", type=int, default=10_000)
    parser.add_argument("--whole-every", type=int, default=1, help="others are half as wide: too small at 256")
    parser.add_argument("--width", type=int, default=256, help="of each capture, pixels")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    check(options.scratch.exists(), f"{options.scratch} is there already")
    folder, data, count = options.scratch / "captures", options.scratch / "data", options.captures
    bases = load_bases(options.panoramas, options.width)
    write_captures(bases, folder, count, whole_every=options.whole_every)
    print(f"{count} captures of {options.width} pixels out of {len(bases)} panoramas are written", flush=True)

    known: dict[str, int] = {}
    done: set[str] = set()
    stops = ((int(INTERRUPTED_AT * count), signal.SIGINT), (int((KILLED_AT - INTERRUPTED_AT) * count), signal.SIGKILL))
    for stop_after, how in stops:
        run = ingest(folder, data, options.workers, stop_after, how)
        tell(f"until {how.name}", run)
        now = findings(data)
        check(any(now.get(name) != written for name, written in known.items()), "a finding was lost or made twice")
        done |= run.files
        check(len(now) < len(done), f"{len(done)} captures were measured, {len(now)} findings are stored")
        known = now
        print(f"  {len(known)} findings are stored", flush=True)
    run = ingest(folder, data, options.workers)
    tell("to the end", run)
    check(run.code != 0, "the run failed")
    now = findings(data)
    check(any(now.get(name) != written for name, written in known.items()), "a finding was lost or made twice")
    entries = [json.loads(line) for line in (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    check(len(entries) != count or len(now) != count, f"{len(entries)} lines and {len(now)} findings")
    verdicts = Counter(entry["reason"] or "keep" for entry in entries)
    print("verdicts: " + ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()))
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    left = sum(1 for path in data.rglob(".*.tmp"))
    print(f"{size / 1e9:.2f} GB of training data, {size / 1e6 / count:.1f} MB a capture; {left} temporary files left")

    run = ingest(folder, data, options.workers)
    tell("nothing new", run)
    check(run.code != 0 or findings(data) != now, "something was measured again")
    write_captures(bases, folder, count + 1, begin=count, whole_every=options.whole_every)
    run = ingest(folder, data, options.workers)
    tell("one more capture", run)
    check(run.code != 0, "the run failed")
    later = findings(data)
    kept = all(later.get(name) == written for name, written in now.items())
    check(not kept or len(later) != count + 1, "not just the new one was measured")


if __name__ == "__main__":
    main()
