"""Training in several processes, in low precision, without libraries that draw, and through numbers that are none."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from skygen_addon.core.errors import BundleError, RequestError, SkyGenError
from tests.trainer.toy_data import captured_planes, toy_skies
from trainer.training.field import CHECKPOINT, FieldConfig, FieldTrainer, train_field
from trainer.training.field_patches import load_patches
from trainer.training.ranks import Ranks
from trainer.training.sitting import METRICS

ROOT = Path(__file__).parents[2]
CONFIG = FieldConfig(steps=3, batch=4, held_out=("c",))


def train_in(processes: int, data: Path, out: Path, *before: str) -> None:
    """Run train_in_ranks.py in so many processes."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    words = [sys.executable, *(launch if processes > 1 else []), str(ROOT / "tests/trainer/train_in_ranks.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((*before, str(ROOT))), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*words, str(data), str(out)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def curve(folder: Path) -> list[dict[str, float]]:
    """Lines of metrics.jsonl without the time they took."""
    rows = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    captured_planes(folder)
    toy_skies(folder / "simulated")
    return folder


def test_two_processes_give_the_loss_curves_of_one(data: Path, tmp_path: Path) -> None:
    """They add in another order, so float32 differs in its last digits, which training makes larger."""
    for processes in (1, 2):
        train_in(processes, data, tmp_path / str(processes))
    for stage, lines in (("field", 4), ("shade", 1)):
        one, two = (curve(tmp_path / str(processes) / stage) for processes in (1, 2))
        assert len(one) == lines and one[-1]["step"] > 1
        for ours, theirs in zip(one, two, strict=True):
            for name, value in ours.items():  # a gap is a small difference of verdicts
                assert theirs[name] == pytest.approx(value, rel=2e-3, abs=5e-5 if "gap" in name else 1e-5), name


def test_a_batch_that_cannot_be_shared_is_refused(data: Path) -> None:
    with pytest.raises(RequestError, match="divides 4"):
        FieldTrainer(CONFIG, load_patches(data, CONFIG.held_out), ranks=Ranks(0, 3))


def test_training_needs_torch_and_numpy_only(data: Path, tmp_path: Path) -> None:
    """Pictures and TensorBoard are left out where their libraries are not there; checkpoints and figures are not."""
    absent = tmp_path / "absent"
    for name in ("PIL", "matplotlib", "tensorboard", "scipy", "cv2", "onnx", "onnxruntime", "OpenEXR", "tqdm"):
        (absent / name).mkdir(parents=True)
        text = f'raise ModuleNotFoundError("No module named {name}", name="{name}")\n'
        (absent / name / "__init__.py").write_text(text)
    train_in(1, data, tmp_path / "run", str(absent))
    for stage, checkpoint in (("field", CHECKPOINT), ("shade", "shade.pt")):
        assert {path.name for path in (tmp_path / "run" / stage).iterdir()} >= {checkpoint, METRICS, "config.json"}
        assert not list((tmp_path / "run" / stage).glob("*.png"))


def test_low_precision_follows_the_full_one(data: Path) -> None:
    """bfloat16 has eight bits: figures of a step agree within some per cent, and weights stay float32."""
    banks = load_patches(data, CONFIG.held_out)
    full, low = (FieldTrainer(CONFIG, banks, low_precision=low_precision) for low_precision in (False, True))
    for _ in range(2):
        ours, theirs = full.advance(), low.advance()
        for name in ("critic_near", "critic_mid", "cover", "match"):
            assert theirs[name] == pytest.approx(ours[name], rel=0.05, abs=0.01), name
    assert {value.dtype for value in low.generator.state_dict().values()} == {torch.float32}


def test_what_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train_field(data, run, 5, config=CONFIG)
    good, advance = (run / CHECKPOINT).read_bytes(), FieldTrainer.advance

    def poisoned(trainer: FieldTrainer) -> dict[str, float]:
        figures = advance(trainer)
        with torch.no_grad():
            next(trainer.generator.parameters()).view(-1)[0] = math.nan
        return figures

    monkeypatch.setattr(FieldTrainer, "advance", poisoned)
    for steps in (4, 6):  # the last step's weights show when they are saved, others in the next loss
        with pytest.raises(SkyGenError, match="last good checkpoint"):
            train_field(data, run, 5, config=replace(CONFIG, steps=steps))
        assert (run / CHECKPOINT).read_bytes() == good


def test_a_run_of_other_settings_or_a_damaged_one_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_field(data, run, 5, config=replace(CONFIG, steps=1))
    good = (run / CHECKPOINT).read_bytes()
    with pytest.raises(BundleError, match="penalty"):
        train_field(data, run, 5, config=replace(CONFIG, penalty=3.0))
    assert (run / CHECKPOINT).read_bytes() == good
    (run / CHECKPOINT).write_bytes(good[:500])
    with pytest.raises(BundleError, match="cannot be read"):
        train_field(data, run, 5, config=CONFIG)
    train_field(data, run, 5, resume=False, config=replace(CONFIG, steps=1))
    assert [path.name for path in (run / "tensorboard").iterdir()]
