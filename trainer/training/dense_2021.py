"""Trains the baseline, the dense adversarial network of 2021, on whole grey panoramas (``dense_2021_images``).

Optimisers, losses and batches are those of 2021. In each step the discriminator is updated on as many captures as
generated panoramas, then the generator is updated through the discriminator. Both see panoramas normalised by their
batch: shown ones of the generator's inference mode, as is a habit with Keras, the discriminator never meets what the
generator is trained with, and samples stay noise. One slip is mended: 2021 always showed the first panorama, where now
every pass shows all of them in a new random order. Losses are computed before the sigmoid, which gives the same numbers
without overflow.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from skygen_addon.core.errors import RequestError
from skygen_addon.core.whole_file import whole_file

from ..networks.dense_2021 import (
    DISCRIMINATOR_WIDTHS,
    GENERATOR_WIDTHS,
    LATENT,
    ROWS,
    DenseDiscriminator,
    DenseGenerator,
)
from .checkpoint import read_checkpoint, write_checkpoint
from .dense_2021_images import training_panoramas
from .dense_2021_samples import GENERATOR_FILE, SHEET_COUNT, display_samples, save_sheet
from .sitting import Sitting

LOG = logging.getLogger(__name__)
CHECKPOINT = "dense_2021.pt"
"""Weights and Adam state of both networks: 1.7 GB at the widths of 2021."""
SHEET_SEED = 11
"""Noise of the sample sheets."""
_HABITS = ("steps", "log_every", "first_sheet_minutes", "save_minutes")
"""Settings that may differ when a run goes on: how long it is and what it writes."""


@dataclass(frozen=True)
class DenseConfig:
    """Settings of one training run; the defaults are those of 2021."""

    steps: int = 1_000_000
    """Steps at most; the minutes usually end a run sooner."""
    batch: int = 2
    """Captures, and as many generated panoramas, per update."""
    learning_rate: float = 2e-4
    """Of both Adam optimisers."""
    beta1: float = 0.5
    """Memory of Adam's mean gradient."""
    decay: float = 8e-8
    """Keras' decay: the rate of update n is ``learning_rate / (1 + decay * n)``."""
    roll: bool = False
    """Whether captures are turned about the zenith at random; 2021 did not."""
    rows: int = ROWS
    """Rows of a panorama."""
    latent: int = LATENT
    """Random numbers of one panorama."""
    generator_widths: tuple[int, ...] = GENERATOR_WIDTHS
    """Hidden layers of the generator."""
    discriminator_widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS
    """Hidden layers of the discriminator."""
    seed: int = 0
    """Of weights, batches and noise."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    first_sheet_minutes: float = 10.0
    """Minutes of training after which samples_10min.png is drawn."""
    save_minutes: float = 5.0
    """Minutes between checkpoints."""

    def __post_init__(self) -> None:
        whole = (self.steps, self.batch, self.rows, self.latent, self.log_every)
        if min(*whole, *self.generator_widths, *self.discriminator_widths) < 1:
            raise RequestError(f"A size in {self} is below 1.", "Give widths, steps, batch and rows of 1 or more.")
        if not (self.learning_rate > 0 and 0 <= self.beta1 < 1 and self.decay >= 0):
            raise RequestError(f"The optimiser of {self} makes no sense.", "Give a rate above 0 and beta1 below 1.")


def batch_indices(step: int, count: int, batch: int, seed: int) -> list[int]:
    """Captures that a step shows: the next ``batch`` of endless passes, each over all ``count`` in a random order."""
    places = range(step * batch, (step + 1) * batch)
    orders = {turn: _order(turn, count, seed) for turn in {place // count for place in places}}
    return [orders[place // count][place % count] for place in places]


def _order(turn: int, count: int, seed: int) -> list[int]:
    order: list[int] = torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7919 + turn)).tolist()
    return order


class DenseTrainer:
    """State of one run: both networks, their optimisers, step and seconds.

    Parameters
    ----------
    config : DenseConfig
        Settings.
    panoramas : Tensor, shape (n, rows, 2 * rows)
        Encoded captures.
    device : str
        Where the networks live.
    """

    def __init__(self, config: DenseConfig, panoramas: Tensor, device: str = "cpu") -> None:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.generator = DenseGenerator(config.latent, config.generator_widths, config.rows).to(device)
            self.discriminator = DenseDiscriminator(config.discriminator_widths, config.rows).to(device)
        self.config, self.panoramas, self.device = config, panoramas, device
        self.optimisers = {
            name: torch.optim.Adam(  # 1e-7 is Keras' epsilon; fused, it needs no copies of 0.5 GB
                network.parameters(), config.learning_rate, betas=(config.beta1, 0.999), eps=1e-7, fused=True
            )
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }
        self.step, self.seconds = 0, 0.0

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "config": asdict(self.config),
            "step": self.step,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def captures(self, random: torch.Generator) -> Tensor:
        """Encoded captures (batch, rows, columns) of the coming step."""
        chosen = batch_indices(self.step, len(self.panoramas), self.config.batch, self.config.seed)
        shown = self.panoramas[chosen]
        if self.config.roll:
            columns = torch.randint(2 * self.config.rows, (len(shown),), generator=random).tolist()
            shown = torch.stack([one.roll(column, -1) for one, column in zip(shown, columns, strict=True)])
        return shown.to(self.device)

    def advance(self) -> dict[str, float]:
        """One step of discriminator and generator; returns the losses, each before its own update."""
        config = self.config
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        real = self.captures(random)
        noise = torch.randn(2, config.batch, config.latent, generator=random).to(self.device)
        with torch.no_grad():
            fake = self.generator(noise[0])
        on_real, on_fake = self.discriminator.logits(torch.cat([real, fake])).chunk(2)
        losses = _entropy(on_real, 1.0), _entropy(on_fake, 0.0)
        self._update("discriminator", losses[0] + losses[1])
        self.discriminator.requires_grad_(False)  # spares gradients of 0.5 GB that nobody asks for
        fooled = _entropy(self.discriminator.logits(self.generator(noise[1])), 1.0)
        self._update("generator", fooled)
        self.discriminator.requires_grad_(True)
        self.step += 1
        return {"real": losses[0].item(), "fake": losses[1].item(), "generator": fooled.item()}

    def _update(self, name: str, loss: Tensor) -> None:
        """Descend a loss once, at the rate of this step."""
        optimiser = self.optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = self.config.learning_rate / (1 + self.config.decay * self.step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _entropy(logits: Tensor, wanted: float) -> Tensor:
    """Mean binary cross-entropy of the sigmoids of logits (B,) to one wanted answer."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))


def train_dense(
    data: Path,
    out_dir: Path,
    max_minutes: float = 25.0,
    resume: bool = True,
    config: DenseConfig | None = None,
    device: str = "cpu",
) -> DenseTrainer:
    """Train on the panoramas of ``trainer ingest``; continues the checkpoint in ``out_dir`` if asked.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``.
    out_dir : Path
        Receives dense_2021.pt, generator.pt, what a Sitting writes, captures.png (the first captures),
        samples_10min.png and samples.png.
    max_minutes : float
        Stops after this time in this sitting or ``config.steps`` steps in all.
    resume : bool
        Continue the checkpoint in ``out_dir``, if there is one.
    config : DenseConfig, optional
        Settings.
    device : str
        Where to train.

    Returns
    -------
    DenseTrainer
        The networks and how far they came.

    Raises
    ------
    CaptureError
        If the captures are missing.
    BundleError
        If the checkpoint is damaged or has other settings.
    SkyGenError
        If a loss or a weight is no number; the last good checkpoint stays.
    """
    config = config or DenseConfig()
    display, _ = training_panoramas(data, config.rows)
    trainer = DenseTrainer(config, torch.from_numpy(display * 2 - 1), device)
    saved = read_checkpoint(out_dir / CHECKPOINT, asdict(config), _HABITS) if resume else None
    if saved is not None:
        trainer.load(saved)
    sitting = Sitting(
        out_dir,
        "dense",
        config,
        step=trainer.step,
        steps=config.steps,
        max_minutes=max_minutes,
        seconds=trainer.seconds,
        log_every=config.log_every,
        save_minutes=config.save_minutes,
    )
    with sitting:
        save_sheet(display[:SHEET_COUNT], out_dir / "captures.png")
        while sitting.goes_on(trainer.step):
            figures = trainer.advance()
            sitting.note(trainer.step, figures)
            last, trainer.seconds = trainer.seconds, sitting.seconds
            if last <= 60 * config.first_sheet_minutes < trainer.seconds:
                save_sheet(display_samples(trainer.generator, SHEET_COUNT, SHEET_SEED), out_dir / "samples_10min.png")
            if sitting.is_time_to_save():
                _save(trainer, out_dir)
        _save(trainer, out_dir)
        save_sheet(display_samples(trainer.generator, SHEET_COUNT, SHEET_SEED), out_dir / "samples.png")
    LOG.info("dense: %d steps in %.1f minutes", trainer.step, trainer.seconds / 60)
    return trainer


def _save(trainer: DenseTrainer, out_dir: Path) -> None:
    """Write the checkpoint and, beside it, the generator alone."""
    write_checkpoint(out_dir / CHECKPOINT, "dense", trainer.state())
    config = trainer.config
    shape = {"latent": config.latent, "widths": config.generator_widths, "rows": config.rows}
    with whole_file(out_dir / GENERATOR_FILE) as partial:
        torch.save({"step": trainer.step, **shape, "generator": trainer.generator.state_dict()}, partial)
