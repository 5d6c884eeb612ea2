"""A site of simulated captures is of one step, one window and one engine; a person's verdicts stay what they are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from skygen_addon.core.errors import RequestError
from trainer.__main__ import main
from trainer.captures.manifest import read_manifest
from trainer.simulate import simulated_captures
from trainer.simulate.capture_series import FOLDER, CaptureSeries, simulate_captures
from trainer.simulate.simulated_captures import plan_captures

SERIES = CaptureSeries(captures=1, sequences=1, sequence_frames=3, step_s=10.0, disc=32, window=128)
SEQUENCE = "simulated_1_sequence_00000"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one capture and one sequence."""
    root = tmp_path_factory.mktemp("data")
    assert simulate_captures(root / FOLDER, SERIES) == (4, 4)
    return root


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(drawn, tmp_path / "data")


def test_a_site_never_mixes_two_steps(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (root / FOLDER / "manifest.jsonl").read_bytes()
    words = ["simulate", "--sequences", "1", "--disc", "32", "--window", "128", "--out", str(root)]
    assert main([*words, "--sequence-frames", "2", "--step-s", "500"]) == 2
    told = capsys.readouterr().err
    assert SEQUENCE in told and "--step-s 10," in told and "--step-s 500." in told and told.count("\n") == 1
    assert (root / FOLDER / "manifest.jsonl").read_bytes() == before
    # another seed is another site, fewer frames of the same step are part of what is there
    assert simulate_captures(root / FOLDER, replace(SERIES, step_s=500.0, seed=2), max_minutes=0.0) == (0, 4)
    assert simulate_captures(root / FOLDER, replace(SERIES, sequence_frames=2), max_minutes=0.0) == (3, 3)
    entries = read_manifest(root / FOLDER)
    assert [e["state"]["time_s"] for e in entries.values() if e["site"] == SEQUENCE] == [0.0, 10.0, 20.0]


def test_a_site_never_mixes_two_windows(root: Path) -> None:
    with pytest.raises(RequestError, match=r"capture_00000 with --window 128, not --window 192\."):
        simulate_captures(root / FOLDER, replace(SERIES, sequences=0, window=192))


def test_what_another_engine_drew_is_drawn_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_captures, "ENGINE_VERSION", -1)
    # no time to draw: the old frames are not taken for new ones, nor left in a site beside new ones
    assert simulate_captures(root / FOLDER, SERIES, max_minutes=0.0) == (0, 4)
    assert read_manifest(root / FOLDER) == {}
    assert not list((root / FOLDER).glob("planes-*")) and not list((root / FOLDER).glob("discs-*"))


def test_an_item_is_named_by_all_that_it_holds() -> None:
    def names(step_s: float) -> set[str]:
        return {c.sha256 for c in plan_captures(0, 1, 3, step_s, seed=1, disc=32, window=128)}

    # both have a frame at 0 s and one at 20 s: the same sky, but not the same frame of the same sequence
    assert len(names(10.0) | names(20.0)) == 6


def test_the_flag_of_an_override_is_set_once(root: Path) -> None:
    file = f"{SEQUENCE}/frame_0001"
    wish = {file: {"verdict": "reject", "reason": "unreadable"}}
    (root / FOLDER / "overrides.json").write_text(json.dumps(wish))
    for _ in range(2):  # lines of seed 1 are kept as they stand when another seed is drawn
        simulate_captures(root / FOLDER, replace(SERIES, seed=2), max_minutes=0.0)
        entry = read_manifest(root / FOLDER)[file]
        assert entry["verdict"] == "reject" and entry["flags"] == ["simulated", "override"]
