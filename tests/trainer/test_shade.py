"""Shading: its features, its network, and that it learns the mean of a noisy reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skygen_addon.core.errors import BundleError, CaptureError
from skygen_addon.core.geometry import disc_directions
from skygen_addon.core.shade_features import shade_features
from skygen_addon.core.signatures import SHADE_CHANNELS
from tests.trainer.toy_data import killed_at, toy_skies
from trainer.networks.shade import BOUND, Shade
from trainer.training.shade import SHADE_DISC, ShadeConfig, ShadeTrainer, export_shade, load_shade, train_shade
from trainer.training.shade_data import ShadeData, deviance
from trainer.training.sitting import Sitting


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_features_follow_the_channel_order() -> None:
    direction = disc_directions(16)
    sun = np.array([0.0, 0.6, 0.8], dtype=np.float32)
    low, high = np.zeros((6, 16, 16), np.float32), np.zeros((6, 16, 16), np.float32)
    low[0], low[5], high[0], high[5] = np.e - 1, 3.0, 1.0, 7.0
    luminance = np.full((16, 16), np.e**2, np.float32)
    features = shade_features(direction, low, high, sun, luminance)
    assert features.shape == (1, len(SHADE_CHANNELS), 16, 16) and features.dtype == np.float32
    channel = dict(zip(SHADE_CHANNELS, features[0], strict=True))
    np.testing.assert_allclose(channel["view_depth_low"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(channel["sun_depth_low"], np.log(4), rtol=1e-6)
    np.testing.assert_allclose(channel["sun_depth_high"], np.log(8), rtol=1e-6)
    np.testing.assert_allclose(channel["cos_sun_angle"], direction @ sun, atol=1e-6)
    np.testing.assert_allclose(channel["sin_sun_elevation"], 0.8)
    np.testing.assert_allclose(channel["log_clear_luminance"], 2.0, rtol=1e-6)
    assert np.isfinite(shade_features(direction, low, high, sun, 0 * luminance)).all()
    with pytest.raises(ValueError, match="fit"):
        shade_features(direction, low[:, :8], high, sun, luminance)


def test_a_new_network_corrects_nothing_and_any_network_is_bounded_and_smooth() -> None:
    torch.manual_seed(0)
    network = Shade()
    assert sum(p.numel() for p in network.parameters()) < 100_000
    features = torch.randn(1, len(SHADE_CHANNELS), 64, 64)
    with torch.no_grad():
        assert float(network(features).abs().max()) == 0
        torch.nn.init.normal_(network.leave.weight, std=10.0)
        correction = network(features)
    assert correction.shape == (1, 3, 64, 64)
    assert float(correction.abs().max()) <= BOUND
    assert float(correction.diff(dim=-1).abs().max()) <= 2 * BOUND / 4 + 1e-5  # bilinear over cells of 4 pixels


def test_the_loss_is_least_at_the_mean_of_a_noisy_reference() -> None:
    torch.manual_seed(1)
    one = torch.ones(1, 3, 64, 64)
    noisy = 2.0 * torch.distributions.Gamma(0.5, 0.5).sample((1, 3, 64, 64))  # mean 2, E[ln] far below ln 2
    data = ShadeData(torch.zeros(1, 10, 64, 64), one, noisy, one[:, :1], [{}])
    tried = torch.linspace(0.2, 1.2, 41)
    losses = torch.stack([deviance(data, c * one) for c in tried])
    assert float(tried[losses.argmin()]) == pytest.approx(np.log(2.0), abs=0.06)


def test_training_learns_goes_on_when_killed_and_exports_what_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    toy_skies(tmp_path / "skies")
    run = tmp_path / "run"
    config = ShadeConfig(steps=120)
    with monkeypatch.context() as patch, killed_at(60, ShadeTrainer):
        patch.setattr(Sitting, "is_time_to_save", lambda _: True)
        train_shade(tmp_path / "skies", run, 5, config=config)
    figures = train_shade(tmp_path / "skies", run, 5, resume=True, config=config)
    assert (figures["steps"], figures["steps_this_run"]) == (120, 60)
    train_shade(tmp_path / "skies", tmp_path / "whole", 5, config=config)
    whole, parts = (torch.load(folder / "shade.pt", weights_only=True) for folder in (tmp_path / "whole", run))
    for name in ("network", "average", "best"):
        assert all(torch.equal(whole[name][key], value) for key, value in parts[name].items()), name
    assert figures["log_rms_corrected"] < 0.6 * figures["log_rms_formula"]
    for name in ("metrics.json", "metrics.jsonl", "config.json", "losses.png", "sheet.png"):
        assert (run / name).stat().st_size > 0
    export_shade(load_shade(run), run / "shade.onnx")  # compares with torch by itself
    session = onnxruntime.InferenceSession(str(run / "shade.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].name == "log_correction"
    assert session.get_inputs()[0].shape == [1, len(SHADE_CHANNELS), SHADE_DISC, SHADE_DISC]


def test_too_few_skies_and_missing_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="simulate"):
        train_shade(tmp_path, tmp_path / "run", 0.01)
    with pytest.raises(BundleError):
        load_shade(tmp_path)
