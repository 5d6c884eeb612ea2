"""The baseline of 2021: its layers, what it is shown, Keras' formulas, resuming, and the way back to light."""

from __future__ import annotations

import argparse
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from skygen_addon.core.errors import BundleError, CaptureError, RequestError, SkyGenError
from tests.trainer.toy_data import killed_at
from trainer.captures.display.global_curves import to_srgb
from trainer.networks.dense_2021 import DenseDiscriminator, DenseGenerator, KerasBatchNorm, layer_parameters
from trainer.recipes import RECIPES, recipe
from trainer.training import run as training_run
from trainer.training.dense_2021 import (
    CHECKPOINT,
    DenseConfig,
    DenseTrainer,
    batch_indices,
    train_dense,
)
from trainer.training.dense_2021_images import light_to_srgb, srgb_to_light, training_panoramas
from trainer.training.dense_2021_samples import GENERATOR_FILE, display_samples, linear_panoramas, sample_panoramas

TOY = DenseConfig(
    steps=6, rows=8, latent=10, generator_widths=(16, 24), discriminator_widths=(32, 16), log_every=1, save_minutes=60.0
)


SITES = ("site_a", "site_b", "site_d", "site_e", "site_f")
"""Names that the split puts on the training side, whatever else there is."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def write_captures(data: Path, pictures: dict[str, np.ndarray], **changes: Any) -> Path:
    """A folder as ``ingest`` leaves it, with lossless previews of display pictures (H, W) by site."""
    (data / "items").mkdir(parents=True, exist_ok=True)
    entries = []
    for site, picture in pictures.items():
        entry: dict[str, Any] = {"file": f"{site}.hdr", "sha256": f"{site:x<64}", "site": site, "verdict": "keep"}
        entry |= {"flags": [], "state": {}, **changes}
        entries.append(entry)
        stream = io.BytesIO()
        Image.fromarray(np.repeat(picture[..., None].astype(np.uint8), 3, -1)).save(stream, format="PNG")
        item = data / "items" / f"{entry['sha256'][:20]}.npz"
        np.savez(item, preview=np.frombuffer(stream.getvalue(), np.uint8))
    lines = [json.dumps(entry) for entry in entries]
    with (data / "manifest.jsonl").open("a", encoding="utf-8") as manifest:
        manifest.write("".join(f"{line}\n" for line in lines))
    return data


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Five uniform pictures of different greys, at sites that the split trains on."""
    pictures = {site: np.full((16, 32), 40 * n + 20) for n, site in enumerate(SITES)}
    return write_captures(tmp_path / "data", pictures)


def test_layers_hold_as_many_numbers_as_in_2021() -> None:
    assert layer_parameters(DenseGenerator()) == [25_856, 1_024, 131_584, 2_048, 4_202_496]
    with torch.device("meta"):  # shapes only: the weights would take half a gigabyte
        discriminator = DenseDiscriminator()
    assert layer_parameters(discriminator) == [67_117_056, 33_558_528, 16_781_312, 16_781_312, 4_097]
    trained = [sum(p.numel() for p in layer.parameters()) for layer in DenseGenerator().layers]
    assert trained == [25_856, 0, 512, 131_584, 0, 1_024, 4_202_496, 0]  # half of a normalisation's are statistics


def test_panoramas_have_64_rows_128_columns_and_stay_in_range() -> None:
    encoded = DenseGenerator()(100 * torch.randn(4, 100, generator=torch.Generator().manual_seed(0)))
    assert encoded.shape == (4, 64, 128) and float(encoded.detach().abs().max()) <= 1
    network = DenseDiscriminator((8, 4), rows=64)
    probability = network(encoded)
    assert probability.shape == (4,)
    torch.testing.assert_close(probability, torch.sigmoid(network.logits(encoded)))
    assert ((probability > 0) & (probability < 1)).all()


def test_activations_are_those_of_2021() -> None:
    negative = torch.tensor([-1.0])
    slopes = [float(layer(negative)) for layer in DenseGenerator().layers if isinstance(layer, torch.nn.LeakyReLU)]
    assert slopes == pytest.approx([-0.2, -0.2])
    kinds = [type(layer).__name__ for layer in DenseGenerator().layers]
    assert kinds == ["Linear", "LeakyReLU", "KerasBatchNorm"] * 2 + ["Linear", "Tanh"]
    assert [type(x).__name__ for x in DenseDiscriminator((4,) * 4, 8).layers] == ["Linear", "LeakyReLU"] * 4 + [
        "Linear"
    ]


def test_batch_normalisation_follows_keras_formulas() -> None:
    """Of the batch (1, 3): mean 2, variance 1 (torch's own layer would keep 2)."""
    layer = KerasBatchNorm(1)
    found = layer(torch.tensor([[1.0], [3.0]])).detach().numpy().ravel()
    np.testing.assert_allclose(found, np.array([-1, 1]) / math.sqrt(1 + 1e-3), rtol=1e-6)  # float32
    assert float(layer.mean) == pytest.approx(0.8 * 0 + 0.2 * 2)
    assert float(layer.variance) == pytest.approx(0.8 * 1 + 0.2 * 1)
    layer.eval()
    assert float(layer(torch.tensor([[1.4]])).detach()) == pytest.approx(1.0 / math.sqrt(1 + 1e-3), rel=1e-6)
    assert float(layer.mean) == pytest.approx(0.4)  # inference leaves the statistics alone


@pytest.mark.parametrize(("count", "batch"), [(5, 2), (15, 2), (1, 2), (3, 7)])
def test_every_pass_shows_every_capture_once(count: int, batch: int) -> None:
    steps = 6 * count
    shown = [i for step in range(steps) for i in batch_indices(step, count, batch, seed=3)]
    passes = [shown[start : start + count] for start in range(0, len(shown) - count + 1, count)]
    assert all(sorted(one) == list(range(count)) for one in passes)
    if count > 3:
        assert len({tuple(one) for one in passes}) > len(passes) / 2  # orders are drawn anew


def test_training_shows_every_capture(captures: Path) -> None:
    display, _ = training_panoramas(captures, rows=8)
    trainer = DenseTrainer(TOY, torch.from_numpy(display * 2 - 1))
    shown: set[int] = set()
    spied = trainer.captures

    def spy(random: torch.Generator) -> torch.Tensor:
        real = spied(random)
        shown.update(round(float(one.mean() + 1) * 127.5) for one in real)
        return real

    trainer.captures = spy  # type: ignore[method-assign]
    for _ in range(3):  # three batches of two are the least that can show five
        trainer.advance()
    assert shown == {20, 60, 100, 140, 180}


def test_roll_turns_captures_about_the_zenith_and_is_off_as_in_2021() -> None:
    ramp = torch.linspace(-1, 1, 16).expand(1, 8, 16)
    assert not DenseConfig().roll
    still = DenseTrainer(TOY, ramp).captures(torch.Generator().manual_seed(1))
    assert torch.equal(still, ramp.expand(2, 8, 16))
    turned = DenseTrainer(replace(TOY, roll=True), ramp).captures(torch.Generator().manual_seed(1))
    assert not torch.equal(turned, still)
    assert all(any(torch.equal(one.roll(k, -1), ramp[0]) for k in range(16)) for one in turned)


def test_losses_and_rates_are_known_at_the_start() -> None:
    """A discriminator that answers one half to everything has a cross-entropy of ln 2."""
    config = replace(TOY, decay=0.5)
    trainer = DenseTrainer(config, torch.zeros(3, 8, 16))
    for parameter in trainer.discriminator.layers[-1].parameters():
        torch.nn.init.zeros_(parameter)
    first = trainer.advance()
    assert (first["real"], first["fake"]) == pytest.approx((math.log(2), math.log(2)), rel=1e-6)  # float32
    for _ in range(3):
        trainer.advance()
    for optimiser in trainer.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == pytest.approx(2e-4 / (1 + 0.5 * 3))  # the fourth update
    assert (DenseConfig().learning_rate, DenseConfig().beta1, DenseConfig().decay) == (2e-4, 0.5, 8e-8)
    assert DenseConfig().batch == 2


def test_generator_learns_what_all_captures_share() -> None:
    """Captures of one gradient from dark to bright: samples follow it after a short training."""
    gradient = torch.linspace(-0.8, 0.8, 8)[:, None].expand(8, 16)
    shifts = torch.linspace(-0.15, 0.15, 5)
    trainer = DenseTrainer(replace(TOY, learning_rate=2e-3), torch.stack([gradient + shift for shift in shifts]))
    before = display_samples(trainer.generator, 64, 0).mean(0)
    for _ in range(400):
        trainer.advance()
    after = display_samples(trainer.generator, 64, 0).mean(0)
    wanted = gradient.numpy().ravel()
    assert abs(np.corrcoef(before.ravel(), wanted)[0, 1]) < 0.3  # 128 pixels by chance: deviation 0.09
    assert np.corrcoef(after.ravel(), wanted)[0, 1] > 0.8  # it circles about the gradient, as such games do


def equal_states(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal_states(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal_states, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else bool(first == second)


def networks_of(run: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(run / CHECKPOINT, weights_only=True)
    return {key: saved[key] for key in ("step", "generator", "discriminator", "optimisers")}


def rows_of(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_parts_and_a_killed_run_end_where_one_run_ends(captures: Path, tmp_path: Path) -> None:
    """To the last bit: one thread, and all noise comes from the step's number."""
    whole, parts, killed = (tmp_path / name for name in ("whole", "parts", "killed"))
    train_dense(captures, whole, 5, config=TOY)
    train_dense(captures, parts, 5, config=replace(TOY, steps=2))
    train_dense(captures, parts, 5, config=TOY)
    with killed_at(5, DenseTrainer):
        train_dense(captures, killed, 5, config=replace(TOY, save_minutes=0.0))
    assert networks_of(killed)["step"] == 5
    with (killed / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 6, "real": 9, "fake": 9, "generator": 9}\n{"step": 6, "re')  # past the checkpoint, cut
    train_dense(captures, killed, 5, config=TOY)
    assert networks_of(whole)["step"] == 6
    for other in (parts, killed):
        assert equal_states(networks_of(whole), networks_of(other))
        assert rows_of(whole) == rows_of(other)
    names = {path.name for path in whole.iterdir()}
    assert names == {
        CHECKPOINT,
        GENERATOR_FILE,
        "config.json",
        "metrics.jsonl",
        "losses.png",
        "tensorboard",
        "captures.png",
        "samples.png",
    }


def test_without_resume_a_run_begins_anew(captures: Path, tmp_path: Path) -> None:
    train_dense(captures, tmp_path / "run", 5, config=replace(TOY, steps=3))
    assert train_dense(captures, tmp_path / "run", 5, resume=False, config=replace(TOY, steps=1)).step == 1
    assert [row["step"] for row in rows_of(tmp_path / "run")] == [1]


def test_a_sheet_is_drawn_on_the_way(captures: Path, tmp_path: Path) -> None:
    train_dense(captures, tmp_path / "run", 5, config=replace(TOY, first_sheet_minutes=0.0))
    with Image.open(tmp_path / "run" / "samples_10min.png") as sheet:
        assert sheet.size == (4 * (16 * 3 + 4), 4 * (8 * 3 + 4))  # sixteen samples of 16 x 8, thrice enlarged, framed


@pytest.mark.parametrize("late", [False, True])
def test_what_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """A weight that is no number shows in the next loss; one of the last step shows when the weights are saved."""
    run = tmp_path / "run"
    train_dense(captures, run, 5, config=replace(TOY, steps=2))
    good = (run / CHECKPOINT).read_bytes()
    advance = DenseTrainer.advance

    def poisoned(trainer: DenseTrainer) -> dict[str, float]:
        figures = advance(trainer) if late else {}
        with torch.no_grad():
            next(trainer.discriminator.parameters())[0, 0] = math.nan
        return figures or advance(trainer)

    monkeypatch.setattr(DenseTrainer, "advance", poisoned)
    with pytest.raises(SkyGenError, match="last good checkpoint"):
        train_dense(captures, run, 5, config=replace(TOY, steps=3))
    assert (run / CHECKPOINT).read_bytes() == good


def test_samples_depend_on_run_count_and_seed_only(captures: Path, tmp_path: Path) -> None:
    train_dense(captures, tmp_path / "dense", 5, config=TOY)
    first = sample_panoramas(tmp_path, 5, seed=1)
    assert first.shape == (5, 8, 16) and first.dtype == np.float32 and first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, sample_panoramas(tmp_path, 5, seed=1))
    assert not np.allclose(first, sample_panoramas(tmp_path, 5, seed=2), atol=1e-3)
    with pytest.raises(BundleError, match="train dense_2021"):
        sample_panoramas(tmp_path / "none", 1, seed=1)


def test_light_comes_back_from_all_codes() -> None:
    codes = np.arange(256, dtype=np.float32).reshape(1, 8, 32) / np.float32(255)
    linear = linear_panoramas(codes)
    assert linear.shape == (1, 8, 32, 3)
    assert np.array_equal(to_srgb(linear)[..., 0].ravel(), np.arange(256))  # the encoder of the display pictures
    np.testing.assert_allclose(light_to_srgb(linear[..., 1]), codes, atol=1e-6)  # float32


def test_training_images_are_grey_previews_averaged_in_light(tmp_path: Path) -> None:
    checker = np.zeros((64, 128))
    checker[:, ::2] = 255
    half = np.zeros((64, 128))
    half[:, 64:] = 255
    pictures = dict(zip(SITES, (np.full((64, 128), 77), checker, half), strict=False))
    data = write_captures(tmp_path, pictures)
    display, files = training_panoramas(data, rows=16)
    assert files == tuple(f"{site}.hdr" for site in SITES[:3]) and display.shape == (3, 16, 32)
    np.testing.assert_allclose(display[0] * 255, 77, atol=1e-3)  # float32
    np.testing.assert_allclose(srgb_to_light(display[1]), 0.5, atol=1e-5)  # half of the light, not half of the code
    np.testing.assert_allclose(display[2, :, :16], 0, atol=1e-6)
    np.testing.assert_allclose(display[2, :, 16:], 1, atol=1e-5)  # columns stay where they were


def test_only_kept_captures_of_training_sites_are_shown(captures: Path) -> None:
    picture = np.full((16, 32), 250)
    write_captures(captures, {"wasteland_clouds": picture})  # a held-out site
    write_captures(captures, {"site_g": picture}, verdict="reject")
    write_captures(captures, {"site_i": picture}, flags=["timelapse"])
    assert training_panoramas(captures, 8)[1] == tuple(f"{site}.hdr" for site in SITES)


def test_missing_captures_and_previews_are_refused(captures: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no kept captures"):
        training_panoramas(tmp_path / "none")
    with pytest.raises(CaptureError, match="32 x 16 pixels, too few"):
        training_panoramas(captures, 64)
    next((captures / "items").glob("*.npz")).unlink()
    with pytest.raises(CaptureError, match="cannot be read"):
        training_panoramas(captures, 8)


def test_settings_without_sense_are_refused() -> None:
    for wrong in ({"batch": 0}, {"rows": 0}, {"generator_widths": (4, 0)}, {"learning_rate": 0.0}, {"decay": -1.0}):
        with pytest.raises(RequestError):
            replace(TOY, **wrong)


def test_recipe_trains_the_baseline_alone(captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(
        training_run, "train_dense", lambda data, out, minutes, resume, device: called.append((out, minutes))
    )
    words = {"data": captures, "out": tmp_path / "run", "max_minutes": 3.0, "only": None, "resume": False, "threads": 1}
    words["device"] = "cpu"
    assert training_run.run(argparse.Namespace(recipe="dense_2021", **words)) == 0
    assert called == [(tmp_path / "run" / "dense", 3.0)]
    assert list(json.loads((tmp_path / "run" / "run.json").read_text())["stages"]) == ["dense"]
    assert [name for name in RECIPES if recipe(name).dense_share] == ["dense_2021"]
    for name, stage in (("quick", "dense"), ("dense_2021", "field")):
        with pytest.raises(RequestError, match=f"{name} has no stage {stage}"):
            training_run.run(argparse.Namespace(recipe=name, **{**words, "only": [stage]}))
