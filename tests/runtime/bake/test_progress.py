"""What a bake tells the program that started it, and how it ends with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skygen_addon.core.errors import SkyGenError
from skygen_addon.runtime.bake.progress import FrameDone, Gate, minutes, read_line
from skygen_addon.runtime.command.commands import main

ROOT = Path(__file__).resolve().parents[3]


def test_json_is_all_that_is_printed(
    bundle_folder: Path, load: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bake", "--frames", "3-5", "--width", "64", "--loop", "24", "--progress", "json", "--skip-existing"]
    words += ["--out", str(tmp_path), "--bundle", str(bundle_folder)]
    assert main(words, load) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["frame"] for line in lines] == [3, 4, 5]
    read = [read_line(line) for line in lines]
    assert [(r.done, r.total, r.skipped) for r in read if isinstance(r, FrameDone)] == [
        (n, 3, False) for n in (1, 2, 3)
    ]
    assert main(words, load) == 0
    kept = json.loads(capsys.readouterr().out.splitlines()[0])
    assert kept["skipped"] is True and kept["seconds_left"] is None


def test_an_error_comes_as_json_too(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bake", "--job", str(tmp_path / "no.json"), "--progress", "json", "--bundle", str(bundle_folder)]) == 2
    captured = capsys.readouterr()
    error = read_line(captured.out)
    assert isinstance(error, SkyGenError) and "no.json cannot be read" in error.message and error.remedy
    assert len(captured.err.splitlines()) == 1


@given(st.one_of(st.text(), st.dictionaries(st.sampled_from(["frame", "error", "done"]), st.none()).map(json.dumps)))
def test_chatter_is_nothing(line: str) -> None:
    assert read_line(line) is None


def test_minutes() -> None:
    assert [minutes(s) for s in (0, 59.6, 65, 3600)] == ["0:00", "1:00", "1:05", "60:00"]


@pytest.mark.parametrize(
    "words, shut",
    [(b"", False), (b"pause\n", True), (b"chatter\n", False), (b"resume\npause\n", True), (b"pause\nresume\n", False)],
)
def test_the_gate_follows_the_last_word(words: bytes, shut: bool) -> None:
    gate = Gate()
    gate.hear(words)
    asked = threading.Thread(target=gate.is_shut, daemon=True)
    asked.start()
    asked.join(0.3)
    assert asked.is_alive() == shut
    gate.hear(b"resume\n")
    asked.join(5)
    assert not asked.is_alive() and gate.is_shut() is False


def test_the_end_of_input_interrupts_even_where_interrupts_are_ignored() -> None:
    """A shell starts background jobs with SIGINT ignored, and what they start inherits that."""
    script = (
        "import time\n"
        "from skygen_addon.runtime.bake.progress import stop_at_end_of_input\n"
        "stop_at_end_of_input()\n"
        "try:\n    print('on', flush=True)\n    for _ in range(600):\n        time.sleep(0.1)\n"
        "except KeyboardInterrupt:\n    print('stopped', flush=True)\n"
    )
    ignoring = f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv({sys.executable!r}, "
    ignoring += f"['python', '-c', {script!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", ignoring], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert isinstance(process.stdout, io.TextIOBase) and process.stdout.readline() == "on\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0
