"""Trains the shading network on simulated skies and exports it.

The loss is the deviance of a gamma distribution, x - ln x - 1 with x = reference / corrected
radiance of a cell: it is least where the correction gives the *mean* of the noisy path-traced
radiance, weighs relative errors alike in bright and dark clouds, and needs no variance.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.errors import BundleError
from skygen_addon.core.signatures import SHADE, SHADE_CHANNELS
from skygen_addon.core.whole_file import whole_file
from trainer.networks.shade import Shade

from .checkpoint import read_checkpoint, write_checkpoint
from .ranks import ALONE, Ranks
from .shade_data import ShadeData, deviance, load_shade_data, turned
from .shade_figures import draw_sheet, measure_shade
from .sitting import Sitting, drawn

LOG = logging.getLogger(__name__)

SHADE_DISC = 256
"""Width D of the disc on which the shading network runs."""
CHECKPOINT = "shade.pt"
JUDGED_EVERY = 25
"""Steps between looks at the held-out skies."""


@dataclass(frozen=True)
class ShadeConfig:
    """Settings of one training run."""

    width: int = 24
    """Channels of the network at its finest scale."""
    batch: int = 8
    """Skies per step."""
    steps: int = 3500
    """Optimiser steps."""
    learning_rate: float = 3e-3
    """Of AdamW at the start; falls to a twentieth over the steps."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    averaging: float = 0.99
    """Decay of the running mean of weights that is kept."""
    smoothness: float = 0.02
    """Weight of the mean square step of the log correction between neighbouring cells."""
    seed: int = 0
    """Of weights and batches."""


class ShadeTrainer:
    """State of one run: network, optimiser, running mean, the best mean so far and the step count.

    Parameters
    ----------
    config : ShadeConfig
        Settings.
    training, held_out : ShadeData
        Skies to learn from, and skies that tell which weights are best.
    device : str
        Where the network lives.
    ranks : Ranks
        The processes that share every batch.
    """

    def __init__(
        self, config: ShadeConfig, training: ShadeData, held_out: ShadeData, device: str = "cpu", ranks: Ranks = ALONE
    ) -> None:
        ranks.check_batch(config.batch)
        self.config, self.ranks = config, ranks
        self._training, self._held_out = training.on(device), held_out.on(device)
        torch.manual_seed(config.seed)
        self.network = Shade(config.width).to(device)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.best, self.best_deviance, self.step = dict(self._average), math.inf, 0

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "config": asdict(self.config), "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(), "average": self._average, "best": self.best,
            "best_deviance": self.best_deviance, "step": self.step,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        for name, value in self._average.items():
            value.copy_(state["average"][name])
        self.best = {name: value.to(self._average[name].device) for name, value in state["best"].items()}
        self.best_deviance, self.step = float(state["best_deviance"]), int(state["step"])

    def advance(self) -> dict[str, float]:
        """One step; returns its deviance, and now and then that on held-out skies."""
        config, skies = self.config, len(self._training.states)
        share = self.step / config.steps
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        chosen = self.ranks.share(torch.randint(skies, (config.batch,), generator=random)).tolist()
        batch = turned(self._training.part(chosen), int(torch.randint(8, (1,), generator=random)))
        correction = self.network.cells(batch.pooled)
        fit = deviance(batch, correction)
        rough = correction.diff(dim=-1).square().mean() + correction.diff(dim=-2).square().mean()
        self._optimiser.zero_grad()
        (fit + config.smoothness * rough).backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.network.parameters())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(config.averaging, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            self._average[name].mul_(decay).add_(value, alpha=1 - decay)
        figures = self.ranks.mean_figures({"training": float(fit.detach())})
        if self.step % JUDGED_EVERY == 0 or self.step == config.steps:
            figures["held_out"] = self.judge()
        return figures

    def judge(self) -> float:
        """Deviance of the running mean on held-out skies; the mean is kept if none was better."""
        network = _network(self.config, self._average).to(self._held_out.pooled.device)
        with torch.no_grad():
            told = float(deviance(self._held_out, network.cells(self._held_out.pooled)))
        if told < self.best_deviance:
            self.best, self.best_deviance = {name: value.clone() for name, value in self._average.items()}, told
        return told


def train_shade(
    data_dir: Path,
    out_dir: Path,
    max_minutes: float,
    resume: bool = False,
    config: ShadeConfig | None = None,
    device: str = "cpu",
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """Fit the correction to the skies in ``data_dir``.

    Parameters
    ----------
    data_dir : Path
        Folder with ``sky_*.npz``.
    out_dir : Path
        Receives shade.pt, metrics.json, sheet.png and what a Sitting writes.
    max_minutes : float
        Stops after this time or ``config.steps`` steps.
    resume : bool
        Continue the checkpoint in ``out_dir``, if there is one.
    config : ShadeConfig, optional
        Settings.
    device : str
        Where to train: "cpu", "cuda" or "mps".
    ranks : Ranks
        The processes that train together.

    Returns
    -------
    dict
        Figures on held-out skies, also in metrics.json.

    Raises
    ------
    CaptureError
        If there are too few skies.
    BundleError
        If the checkpoint is damaged or has other settings.
    RequestError
        If the processes cannot share a batch equally.
    SkyGenError
        If a loss or a weight is no number; the last good checkpoint stays.
    """
    config = config or ShadeConfig()
    data, training, held_out = load_shade_data(data_dir)
    test_data = data.part(held_out)
    trainer = ShadeTrainer(config, data.part(training), test_data, device, ranks)
    checkpoint = out_dir / CHECKPOINT
    saved = read_checkpoint(checkpoint, asdict(config), ()) if resume else None
    if saved is not None:
        trainer.load(saved)
    if ranks.is_first:
        LOG.info("shade: %d skies to train on, %d held out", len(training), len(held_out))
    first = trainer.step
    sitting = Sitting(
        out_dir, "shade", config, step=first, steps=config.steps, max_minutes=max_minutes, ranks=ranks,
        log_every=JUDGED_EVERY,
    )  # fmt: skip
    with sitting:
        while sitting.goes_on(trainer.step):
            figures = trainer.advance()
            sitting.note(trainer.step, figures)
            if sitting.is_time_to_save():
                write_checkpoint(checkpoint, "shade", trainer.state())
        if math.isinf(trainer.best_deviance):
            trainer.judge()
        if ranks.is_first:
            write_checkpoint(checkpoint, "shade", trainer.state())
    if trainer.step < config.steps and ranks.is_first:
        LOG.info("shade: %d of %d steps; --resume goes on.", trainer.step, config.steps)
    best = _network(config, {name: value.cpu() for name, value in trainer.best.items()})
    figures = measure_shade(best, test_data)
    counts = {"skies": len(training), "held_out_skies": len(held_out), "steps": trainer.step}
    told: dict[str, Any] = {**figures, **counts, "steps_this_run": trainer.step - first}
    told["deviance_formula"] = float(deviance(test_data, torch.zeros(())))
    told["deviance_corrected"] = trainer.best_deviance
    if ranks.is_first:
        with whole_file(out_dir / "metrics.json") as temporary:
            temporary.write_text(json.dumps(told, indent=2), encoding="utf-8")
        drawn("sheet.png", lambda: draw_sheet(best, test_data, out_dir / "sheet.png"))
    return told


def _network(config: ShadeConfig, weights: dict[str, Tensor]) -> Shade:
    network = Shade(config.width)
    network.load_state_dict(weights)
    return network.eval()


def load_shade(run_dir: Path) -> Shade:
    """The network of a run, with the weights that were best on held-out skies.

    Raises
    ------
    BundleError
        If the run has no checkpoint.
    """
    path = run_dir / CHECKPOINT
    if not path.is_file():
        raise BundleError(f"{path} does not exist.", "Train the shading network first.")
    saved = torch.load(path, weights_only=True, map_location="cpu")
    return _network(ShadeConfig(**saved["config"]), saved["best"])


def export_shade(network: Shade, path: Path) -> None:
    """Write ``shade.onnx``, signature SHADE for a disc of SHADE_DISC, and check it against torch.

    Raises
    ------
    BundleError
        If the exported graph does not give what the network gives.
    """
    import onnxruntime

    from trainer.networks.onnx_export import export_graph

    example = torch.randn(1, len(SHADE_CHANNELS), SHADE_DISC, SHADE_DISC, generator=torch.Generator().manual_seed(0))
    export_graph(network.eval(), SHADE, (example,), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {SHADE.inputs[0].name: example.numpy()})
    with torch.no_grad():
        expected = network(example).numpy()
    error = float(np.abs(exported - expected).max())
    if exported.shape != expected.shape or error > 1e-4:  # float32 convolutions in another order
        raise BundleError(f"{path} differs from the network by {error:g}.", "Report this with the versions of torch.")
