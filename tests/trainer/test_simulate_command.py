"""The command ``simulate``: what it refuses before it begins, one deadline, and one line for what fails on the way."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from skygen_addon.core.errors import OutputError
from trainer.__main__ import main
from trainer.captures.items import item_path, save_arrays
from trainer.simulate import generate
from trainer.simulate.capture_series import FOLDER
from trainer.simulate.generate import shard_path
from trainer.simulate.simulated_captures import plan_captures


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--captures", "0"], "0 captures"), (["--captures", "-1"], "-1 captures"),
        (["--sequences", "1", "--sequence-frames", "0"], "0 frames"),
        (["--captures", "1", "--disc", "50"], "disc 50"), (["--captures", "1", "--window", "100"], "window 100"),
        (["--captures", "1", "--step-s", "nan"], "nan"), (["--captures", "1", "--seed", "-2"], "seed -2"),
        (["--captures", "1", "--workers", "0"], "0 workers"), (["--captures", "1", "--max-minutes", "-1"], "-1"),
        (["--captures", "1", "--device", "toaster"], "toaster"), (["--captures", "2000000"], "2000000"),
        (["--errors"], "no simulated sky"), (["--frames", "0"], "frames 0"), (["--frames", "1", "--seed", "-2"], "-2"),
        (["--captures", "1", "--device", "meta"], "meta"), (["--frames", "1", "--device", "cuda"], "on the CPU"),
        (["--device", "mps"], "on the CPU"), (["--frames", "1", "--workers", "0"], "0 workers"),
        (["--frames", "1", "--captures", "1", "--disc", "16"], "disc 16"),
        (["--frames", "1", "--captures", "1", "--device", "toaster"], "toaster"),
        (["--frames", "1", "--spp", "3", "--captures", "1", "--disc", "64"], "spp 3"),
        (["--frames", "1", "--held-out-spp", "5"], "held-out spp 5"),
        (["--frames", "1", "--disc", "64", "--errors", "--bundle", "skygen_addon/models/skygen_quick"], "--disc 256"),
        (["--bundle", "skygen_addon/models/skygen_quick"], "--errors"),
        (["--errors", "--bundle", "nowhere"], "nowhere"),
    ],
)  # fmt: skip
def test_bad_numbers_are_one_line_and_exit_code_2(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path / "out"), *words]) == 2
    told = capsys.readouterr().err
    assert named in told and told.count("\n") == 1 and told.startswith("trainer simulate:")
    assert not (tmp_path / "out").exists()  # nothing was begun


def test_a_folder_keeps_to_one_disc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "--window", "128", "--spp", "16", "--out", str(tmp_path)]
    assert main([*words, "--frames", "1", "--disc", "32"]) == 0
    capsys.readouterr()
    for frames in ("1", "2"):
        assert main([*words, "--frames", frames, "--disc", "48"]) == 2
        assert "holds skies on discs of 32 pixels, not 48" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "simulated").iterdir()] == ["sky_00000.npz"]


def test_both_parts_share_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, given = [1000.0], []

    def draw(minutes: float) -> object:
        def part(*_: object, max_minutes: float, **__: object) -> tuple[int, int]:
            given.append(max_minutes)
            clock[0] += 60 * minutes
            return 0, 1

        return part

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    words = ["simulate", "--frames", "1", "--captures", "1", "--out", str(tmp_path), "--max-minutes", "5"]
    for spent, left in ((2.0, 3.0), (9.0, 0.0)):
        monkeypatch.setattr(generate, "simulate", draw(spent))
        monkeypatch.setattr(generate, "simulate_captures", draw(0.0))
        assert main(words) == 0
        assert given[-2:] == pytest.approx([5.0, left])


@pytest.mark.parametrize("part", ["frames", "captures"])
def test_a_worker_that_cannot_write_is_one_line_and_exit_code_2(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder stands where the file belongs: no user may write there, not even root."""
    words = ["simulate", f"--{part}", "1", "--disc", "64", "--window", "128", "--spp", "16", "--out", str(tmp_path)]
    (capture,) = plan_captures(1, 0, 1, 30.0, seed=1, disc=64, window=128)
    taken = {"frames": shard_path(tmp_path / "simulated", 0), "captures": item_path(tmp_path / FOLDER, capture.sha256)}
    taken[part].mkdir(parents=True)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"{taken[part]} cannot be written" in told and told.count("\n") == 1
    assert list(taken[part].parent.iterdir()) == [taken[part]]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(stream: IO[bytes], **arrays: object) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OutputError, match="The disk is full"):
        save_arrays(tmp_path / "maps.npz", {})
    assert not list(tmp_path.iterdir())
