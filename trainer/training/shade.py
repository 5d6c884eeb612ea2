"""Trains the shading network on simulated skies and exports it.

The loss is the deviance of a gamma distribution, x - ln x - 1 with x = reference / corrected
radiance of a cell: it is least where the correction gives the *mean* of the noisy path-traced
radiance, weighs relative errors alike in bright and dark clouds, and needs no variance.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.errors import BundleError, CaptureError
from skygen_addon.core.signatures import SHADE, SHADE_CHANNELS
from skygen_addon.core.whole_file import whole_file
from trainer.networks.onnx_export import export_graph
from trainer.networks.shade import Shade
from trainer.simulate.simulated_sky import load_sky

from .shade_figures import draw_sheet, measure_shade, plot_losses

LOG = logging.getLogger(__name__)

SHADE_DISC = 256
"""Width D of the disc on which the shading network runs."""
CHECKPOINT = "shade.pt"
HELD_OUT_OF_20 = 3
"""Skies of every twenty that are held out."""
_DIM = 0.02
"""Part of a sky's mean cloud radiance that is added to both sides of the ratio, against empty cells."""


@dataclass(frozen=True)
class ShadeConfig:
    """Settings of one training run."""

    width: int = 24
    """Channels of the network at its finest scale."""
    batch: int = 8
    """Skies per step."""
    learning_rate: float = 3e-3
    """Of AdamW at the start; falls to a twentieth over the minutes given."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    averaging: float = 0.99
    """Decay of the running mean of weights that is kept."""
    smoothness: float = 0.02
    """Weight of the mean square step of the log correction between neighbouring cells."""
    seed: int = 0
    """Of weights and batches."""


@dataclass(frozen=True)
class ShadeData:
    """Simulated skies as training tensors, s skies of n cells."""

    pooled: Tensor
    """(s, 10, n, n) input of ``Shade.cells``."""
    formula: Tensor
    """(s, 3, n, n) cloud radiance by the formula."""
    reference: Tensor
    """(s, 3, n, n) cloud radiance by the path tracer."""
    opacity: Tensor
    """(s, 1, n, n) weight."""
    states: list[dict[str, Any]]
    """Request and grain of each sky."""

    def part(self, index: list[int]) -> ShadeData:
        """Some of the skies."""
        i = torch.tensor(index, dtype=torch.long)
        states = [self.states[k] for k in index]
        return ShadeData(self.pooled[i], self.formula[i], self.reference[i], self.opacity[i], states)


def load_shade_data(data_dir: Path) -> tuple[ShadeData, list[int], list[int]]:
    """All skies of a folder written by ``simulate``, and which are for training and which held out.

    Raises
    ------
    CaptureError
        If there are fewer than eight skies, or none to hold out.
    """
    files = sorted(data_dir.glob("sky_*.npz"))
    numbers = [int(file.stem.split("_")[1]) for file in files]
    held_out = [k for k, number in enumerate(numbers) if (7 * number) % 20 < HELD_OUT_OF_20]
    training = [k for k in range(len(files)) if k not in set(held_out)]
    if len(training) < 8 or not held_out:
        raise CaptureError(
            f"{data_dir} holds {len(files)} simulated skies, too few to train on.",
            "Run `python -m trainer simulate --frames 150 --out DATA` first.",
        )
    network = Shade()
    skies = [load_sky(file) for file in files]
    with torch.no_grad():
        pooled = torch.cat([network.pooled(torch.from_numpy(s.features.astype(np.float32))[None]) for s in skies])
    formula, reference = (torch.stack([s.cloud_light(name) for s in skies]) for name in ("formula", "reference"))
    opacity = torch.stack([torch.from_numpy(s.opacity)[None] for s in skies])
    return ShadeData(pooled, formula, reference, opacity, [s.state for s in skies]), training, held_out


def deviance(data: ShadeData, log_correction: Tensor) -> Tensor:
    """Mean gamma deviance of skies, weighted by opacity; 0 where the radiances agree."""
    mean = (data.reference * data.opacity).mean((1, 2, 3), keepdim=True)
    floor = _DIM * mean / data.opacity.mean((1, 2, 3), keepdim=True).clamp(min=1e-3) + 1e-9
    ratio = (data.reference + floor * data.opacity) / (data.formula + floor * data.opacity).clamp(min=1e-12)
    ratio = torch.where(data.opacity > 0.01, ratio.clamp(1e-4, 1e4), torch.ones_like(ratio))
    x = ratio * torch.exp(-log_correction)
    weight = data.opacity * (data.opacity > 0.01)
    loss = ((x - torch.log(x) - 1) * weight).sum((1, 2, 3)) / (3 * weight.sum((1, 2, 3))).clamp(min=1.0)
    return loss.mean()


def train_shade(
    data_dir: Path,
    out_dir: Path,
    max_minutes: float,
    resume: bool = False,
    config: ShadeConfig | None = None,
) -> dict[str, Any]:
    """Fit the correction to the skies in ``data_dir``.

    Parameters
    ----------
    data_dir : Path
        Folder with ``sky_*.npz``.
    out_dir : Path
        Receives shade.pt, config.json, metrics.jsonl, metrics.json, loss.png and sheet.png.
    max_minutes : float
        Length of the run; the learning rate falls over it.
    resume : bool
        Start from the checkpoint in ``out_dir``.
    config : ShadeConfig, optional
        Settings.

    Returns
    -------
    dict
        Figures on held-out skies, also in metrics.json.

    Raises
    ------
    CaptureError
        If there are too few skies.
    BundleError
        If ``resume`` finds no checkpoint of these settings.
    """
    config = config or ShadeConfig()
    data, training, held_out = load_shade_data(data_dir)
    train_data, test_data = data.part(training), data.part(held_out)
    torch.manual_seed(config.seed)
    network = Shade(config.width)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    best, best_deviance, step = average, float("inf"), 0
    out_dir.mkdir(parents=True, exist_ok=True)
    if resume:
        saved = _load(out_dir / CHECKPOINT)
        if saved["config"] != asdict(config):
            raise BundleError(f"{out_dir} was trained with other settings.", "Choose another folder or do not resume.")
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        average, best, step = saved["average"], saved["best"], int(saved["step"])
        best_deviance = _held_out_deviance(config, best, test_data)
    (out_dir / "config.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    LOG.info("shade: %d skies to train on, %d held out", len(training), len(held_out))

    generator = torch.Generator().manual_seed(config.seed + step)
    begin = time.monotonic()
    share = 0.0
    first = step
    with (out_dir / "metrics.jsonl").open("a" if resume else "w", encoding="utf-8") as log:
        while share < 1:
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * (0.05 + 0.95 * 0.5 * (1 + float(np.cos(np.pi * share))))
            chosen = torch.randint(len(training), (config.batch,), generator=generator).tolist()
            batch = _turned(train_data.part(chosen), int(torch.randint(8, (1,), generator=generator)))
            correction = network.cells(batch.pooled)
            fit = deviance(batch, correction)
            rough = correction.diff(dim=-1).square().mean() + correction.diff(dim=-2).square().mean()
            loss = fit + config.smoothness * rough
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            step += 1
            decay = min(config.averaging, step / (step + 10))
            for name, value in network.state_dict().items():
                average[name].mul_(decay).add_(value, alpha=1 - decay)
            share = (time.monotonic() - begin) / (60 * max_minutes)
            if step % 25 == 0 or share >= 1:
                held = _held_out_deviance(config, average, test_data)
                if held < best_deviance:
                    best, best_deviance = {name: value.clone() for name, value in average.items()}, held
                record = {"step": step, "training": float(fit.detach()), "held_out": held}
                log.write(json.dumps(record) + "\n")
                log.flush()
                if step % 100 == 0:
                    left = (1 - share) * max_minutes
                    LOG.info("shade %s, %.1f min left", record, left)
    _save(out_dir, config, network, optimiser, average, best, step)
    figures = measure_shade(_network(config, best), test_data)
    figures |= {"skies": len(training), "held_out_skies": len(held_out), "steps": step, "steps_this_run": step - first}
    figures["deviance_formula"] = float(deviance(test_data, torch.zeros(())))
    figures["deviance_corrected"] = best_deviance
    with whole_file(out_dir / "metrics.json") as temporary:
        temporary.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    plot_losses(out_dir / "metrics.jsonl", figures["deviance_formula"], out_dir / "loss.png")
    draw_sheet(_network(config, best), test_data, out_dir / "sheet.png")
    return figures


def _turned(data: ShadeData, which: int) -> ShadeData:
    """The skies turned by quarter turns or mirrored; nothing on the disc knows north."""

    def turn(maps: Tensor) -> Tensor:
        maps = torch.rot90(maps, which % 4, (2, 3))
        return torch.flip(maps, (3,)) if which >= 4 else maps

    return ShadeData(turn(data.pooled), turn(data.formula), turn(data.reference), turn(data.opacity), data.states)


def _network(config: ShadeConfig, weights: dict[str, Tensor]) -> Shade:
    network = Shade(config.width)
    network.load_state_dict(weights)
    return network.eval()


def _held_out_deviance(config: ShadeConfig, weights: dict[str, Tensor], data: ShadeData) -> float:
    with torch.no_grad():
        return float(deviance(data, _network(config, weights).cells(data.pooled)))


def _save(
    out_dir: Path,
    config: ShadeConfig,
    network: Shade,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    best: dict[str, Tensor],
    step: int,
) -> None:
    state = {
        "config": asdict(config), "network": network.state_dict(), "optimiser": optimiser.state_dict(),
        "average": average, "best": best, "step": step,
    }  # fmt: skip
    with whole_file(out_dir / CHECKPOINT) as temporary:
        torch.save(state, temporary)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BundleError(f"{path} does not exist.", "Train the shading network first.")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def load_shade(run_dir: Path) -> Shade:
    """The network of a run, with the weights that were best on held-out skies.

    Raises
    ------
    BundleError
        If the run has no checkpoint.
    """
    saved = _load(run_dir / CHECKPOINT)
    return _network(ShadeConfig(**saved["config"]), saved["best"])


def export_shade(network: Shade, path: Path) -> None:
    """Write ``shade.onnx``, signature SHADE for a disc of SHADE_DISC, and check it against torch.

    Raises
    ------
    BundleError
        If the exported graph does not give what the network gives.
    """
    import onnxruntime

    example = torch.randn(1, len(SHADE_CHANNELS), SHADE_DISC, SHADE_DISC, generator=torch.Generator().manual_seed(0))
    export_graph(network.eval(), SHADE, (example,), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {SHADE.inputs[0].name: example.numpy()})
    with torch.no_grad():
        expected = network(example).numpy()
    error = float(np.abs(exported - expected).max())
    if exported.shape != expected.shape or error > 1e-4:  # float32 convolutions in another order
        raise BundleError(f"{path} differs from the network by {error:g}.", "Report this with the versions of torch.")
