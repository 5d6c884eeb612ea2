"""``trainer ingest`` in a process of its own, stopped by signals: nothing is lost, nothing is measured twice."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skygen_addon.core.geometry import panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from tests.comparison.ingest_scale import findings, ingest
from tests.comparison.varied_captures import vary, write_captures
from trainer.captures.items import ABANDONED_S, sweep_abandoned

COUNT = 6
proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")


def clear_sky() -> np.ndarray:
    """Panorama (128, 256, 3) of a clear sky over dark ground, its sun's disc hidden."""
    d = panorama_directions(256)
    sky = model_radiance(np.maximum(d, [-1, -1, 0]), np.array([0.6, 0.0, 0.8]), 1.0)
    return np.where(d[..., 2:] > 0, sky, 0.1).astype(np.float32)


def test_captures_differ_but_for_the_same_seed() -> None:
    base = clear_sky()
    first, again, other = vary(base, 1), vary(base, 1), vary(base, 2)
    assert np.array_equal(first, again)
    assert first.shape == base.shape and first.dtype == np.float32 and first.min() > 0
    assert np.std(np.log(first / other)) > 0.3


@proc
def test_an_interrupt_and_a_kill_lose_nothing(tmp_path: Path) -> None:
    folder, data = tmp_path / "in", tmp_path / "data"
    write_captures([clear_sky()], folder, COUNT)
    interrupted = ingest(folder, data, 1, stop_after=1, how=signal.SIGINT)
    after_interrupt = findings(data)
    assert interrupted.code == 130 and "what was finished is kept" in interrupted.last_lines[-1]
    assert 1 <= len(after_interrupt) < COUNT and not (data / "manifest.jsonl").exists()
    killed = ingest(folder, data, 1, stop_after=1, how=signal.SIGKILL)
    after_kill = findings(data)
    assert killed.code == -signal.SIGKILL and after_interrupt.items() <= after_kill.items()
    assert ingest(folder, data, 1).code == 0
    complete = findings(data)
    assert after_kill.items() <= complete.items() and len(complete) == COUNT
    assert ingest(folder, data, 1).measured == 0 and findings(data) == complete
    entries = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    assert len(entries) == COUNT and {e["reason"] for e in entries} <= {None, "duplicate"}


def test_what_a_killed_run_left_half_written_is_swept_once_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    key = "0123456789abcdef0123"
    swept = [f"items/.{key}.npz.1.tmp", f"items/.{key}.json.1.tmp", ".discs-train-000.npz.1.tmp"]
    fresh = [f"items/.{key}.npz.2.tmp", ".planes-held_out-001.npz.2.tmp"]
    not_ours = [f"items/{key}.npz", "items/.notes.tmp", ".notes.npz.1.tmp", f".{key}.npz.tmp"]
    long_ago = time.time() - 2 * ABANDONED_S
    for name in (*swept, *fresh, *not_ours):
        (tmp_path / name).write_bytes(b"half")
        if name not in fresh:
            os.utime(tmp_path / name, (long_ago, long_ago))
    sweep_abandoned(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*fresh, *not_ours}
