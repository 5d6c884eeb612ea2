"""Adversarial training of the CloudField on the cloud planes of real captures.

Two critics, at texels of 25 and 100 m, compare generated and captured column depths. Pairing is
relativistic: each real patch meets a fake one that was asked for the real one's cover, so critics
judge shape and not amount. Zero-centred gradient penalties on real and fake patches, R1 and R2,
make the game converge (Huang et al. 2024, "The GAN is dead; long live the GAN!"); augmentation of
both sides stretches the few captures (Zhao et al. 2020, DiffAugment).
"""

from __future__ import annotations

import copy
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..networks.field_critic import PatchCritic, critic_view
from ..networks.field_generator import FieldGenerator
from ..networks.field_octaves import crop
from ..networks.procedural_field import FIELD_LATTICE
from .checkpoint import read_checkpoint, write_checkpoint
from .field_draws import SCALES, FieldDraw, draw_step
from .field_losses import cover_loss, match_loss
from .field_patches import PATCH, PatchBank, load_patches
from .field_sheets import save_sheet
from .ranks import ALONE, Ranks
from .sitting import Sitting, drawn

LOG = logging.getLogger(__name__)
CHECKPOINT = "field.pt"
_HABITS = ("steps", "sheet_every", "log_every")
"""Settings that may differ when a run goes on: how long it is and what it writes."""
WINDOW = 64
"""Texels of the windows on which the generator trains: 1.6, 6.4 and 25.6 km."""


@dataclass(frozen=True)
class FieldConfig:
    """Settings of one training run."""

    steps: int = 3000
    """Optimiser steps of the generator."""
    batch: int = 8
    """Windows per step."""
    generator_rate: float = 2e-4
    """Learning rate of the generator."""
    critic_rate: float = 3e-4
    """Learning rate of the critics."""
    penalty: float = 8.0
    """Weight of R1 and R2."""
    penalty_every: int = 2
    """Steps between penalties; their weight grows accordingly."""
    cover_weight: float = 8.0
    """Weight of the squared difference of low-passed cover to the procedural field's."""
    match_weight: float = 8.0
    """Weight of the squared difference of a level's area means to the wider level."""
    restraint_weight: float = 0.6
    """Weight of the squared corrections."""
    average: float = 0.995
    """Decay of the exponential moving average of the weights."""
    seed: int = 0
    """Of weights, patches and noise."""
    held_out: tuple[str, ...] = ("wasteland_clouds", "immenstadter_horn", "aristea_wreck")
    """Sites kept for evaluation; ``trainer train`` chooses others where the captures are other ones."""
    sheet_every: int = 100
    """Steps between sample sheets."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""


class FieldTrainer:
    """State of one run: networks, optimisers and the step count.

    Parameters
    ----------
    config : FieldConfig
    banks : dict of PatchBank
        Real patches of "near" and "mid".
    device : str
        Where the networks live: "cpu", "cuda" or "mps".
    ranks : Ranks
        The processes that share every batch.
    low_precision : bool, optional
        Whether convolutions reckon in bfloat16: by default on CUDA.
    """

    def __init__(
        self,
        config: FieldConfig,
        banks: dict[str, PatchBank],
        device: str = "cpu",
        ranks: Ranks = ALONE,
        low_precision: bool | None = None,
    ) -> None:
        ranks.check_batch(config.batch)
        torch.manual_seed(config.seed)
        self.config, self.banks, self.device, self.ranks = config, banks, device, ranks
        kind = torch.device(device).type
        self.low_precision = kind == "cuda" if low_precision is None else low_precision
        self.generator = FieldGenerator(WINDOW).to(device)
        self.generator.autocast = torch.bfloat16 if self.low_precision else None
        self.average = FieldGenerator(WINDOW).to(device)
        self.average.load_state_dict(self.generator.state_dict())
        self.critics = nn.ModuleDict({"near": PatchCritic(depth=4), "mid": PatchCritic(depth=3)}).to(device)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), config.generator_rate, betas=(0.0, 0.99)),
            "critics": torch.optim.Adam(self.critics.parameters(), config.critic_rate, betas=(0.0, 0.99)),
        }
        self.step = 0

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "config": asdict(self.config),
            "step": self.step,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "critics": self.critics.state_dict(),
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.critics.load_state_dict(state["critics"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step = int(state["step"])

    def verdict(self, scale: str, view: Tensor) -> Tensor:
        """A critic's numbers (B,) for views."""
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.low_precision):
            told: Tensor = self.critics[scale](view)
        return told.float()

    def _fake(self, draw: FieldDraw) -> tuple[dict[str, Tensor], list[Tensor], list[Tensor]]:
        """Generated depths by scale, the procedural ones, and the corrections."""
        depths, maps, corrections = self.generator.columns_and_corrections(draw.noise, draw.condition)
        row, column = draw.place
        mid = depths[1][..., row : row + PATCH["mid"], column : column + PATCH["mid"]]
        plain = [crop(m.depth, WINDOW) for m in maps]
        return {"near": depths[0], "mid": mid, "mid_whole": depths[1]}, plain, corrections

    def advance(self) -> dict[str, float]:
        """One step of critics and generator; returns its losses."""
        config = self.config
        draw = draw_step(self.banks, self.generator, config.batch, config.seed, self.step)
        draw = draw.each(lambda values: self.ranks.share(values).to(self.device))
        fake, plain, corrections = self._fake(draw)
        real_views, fake_views = {}, {}
        for k in SCALES:
            (depth, valid), (real_gain, fake_gain) = draw.real[k], draw.gains[k]
            real_views[k], fake_views[k] = (
                critic_view(depth * real_gain, valid),
                critic_view(fake[k] * fake_gain, valid),
            )
        figures = self._critic_step(real_views, {k: v.detach() for k, v in fake_views.items()})
        figures |= self._generator_step(real_views, fake_views, fake, plain, corrections)
        with torch.no_grad():
            decay = min(config.average, (1 + self.step) / (10 + self.step))
            for kept, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        self.step += 1
        return self.ranks.mean_figures(figures)

    def _critic_step(self, real: dict[str, Tensor], fake: dict[str, Tensor]) -> dict[str, float]:
        penalise = self.step % self.config.penalty_every == 0
        total, figures = torch.zeros((), device=self.device), {}
        for k in SCALES:
            views = torch.cat([real[k], fake[k]]).requires_grad_(penalise)
            verdict = self.verdict(k, views)
            on_real, on_fake = verdict.chunk(2)
            loss = functional.softplus(on_fake - on_real).mean()
            figures[f"critic_{k}"], figures[f"gap_{k}"] = loss.item(), (on_real - on_fake).mean().item()
            if penalise:
                (slope,) = torch.autograd.grad(verdict.sum(), views, create_graph=True)
                penalty = slope.square().sum((1, 2, 3)).mean() * 2  # R1 + R2
                figures[f"penalty_{k}"] = penalty.item()
                loss = loss + 0.5 * self.config.penalty * self.config.penalty_every * penalty
            total = total + loss
        self.optimisers["critics"].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.ranks.average_gradients(self.critics.parameters())
        self.optimisers["critics"].step()
        return figures

    def _generator_step(
        self,
        real: dict[str, Tensor],
        views: dict[str, Tensor],
        fake: dict[str, Tensor],
        plain: list[Tensor],
        corrections: list[Tensor],
    ) -> dict[str, float]:
        figures, total = {}, torch.zeros((), device=self.device)
        for k in SCALES:
            critic = self.critics[k].requires_grad_(False)
            loss = functional.softplus(self.verdict(k, real[k]) - self.verdict(k, views[k])).mean()
            critic.requires_grad_(True)
            figures[f"generator_{k}"] = loss.item()
            total = total + loss
        ranks = self.ranks
        cover = cover_loss(fake["near"], plain[0], ranks) + cover_loss(fake["mid_whole"], plain[1], ranks)
        match = match_loss(fake["near"], fake["mid_whole"], ranks) + match_loss(fake["mid_whole"], plain[2], ranks)
        restraint = torch.stack([c.square().mean() for c in corrections]).sum()
        figures |= {"cover": cover.item(), "match": match.item(), "restraint": restraint.item()}
        config = self.config
        total = total + config.cover_weight * cover + config.match_weight * match + config.restraint_weight * restraint
        self.optimisers["generator"].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        ranks.average_gradients(self.generator.parameters())
        nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.optimisers["generator"].step()
        return figures


def train_field(
    data: Path,
    out_dir: Path,
    max_minutes: float = 30.0,
    resume: bool = True,
    config: FieldConfig | None = None,
    device: str = "cpu",
    ranks: Ranks = ALONE,
) -> FieldGenerator:
    """Train on captured cloud planes; continues the checkpoint in ``out_dir`` if asked.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``.
    out_dir : Path
        Receives field.pt, sample sheets and what a Sitting writes.
    max_minutes : float
        Stops after this time or ``config.steps`` steps.
    resume : bool
        Continue the checkpoint in ``out_dir``, if there is one.
    config : FieldConfig, optional
        Settings.
    device : str
        Where to train: "cpu", "cuda" or "mps".
    ranks : Ranks
        The processes that train together.

    Returns
    -------
    FieldGenerator
        Averaged weights on windows of the exported size's lattice family (``at_window`` changes it).

    Raises
    ------
    CaptureError
        If the captures are missing or show no broken cloud.
    BundleError
        If the checkpoint is damaged or has other settings.
    RequestError
        If the processes cannot share a batch equally.
    SkyGenError
        If a loss or a weight is no number; the last good checkpoint stays.
    """
    config = config or FieldConfig()
    trainer = FieldTrainer(config, load_patches(data, config.held_out), device, ranks)
    checkpoint = out_dir / CHECKPOINT
    saved = read_checkpoint(checkpoint, asdict(config), _HABITS) if resume else None
    if saved is not None:
        trainer.load(saved)
    sitting = Sitting(
        out_dir, "field", config, step=trainer.step, steps=config.steps, max_minutes=max_minutes, ranks=ranks,
        log_every=config.log_every,
    )  # fmt: skip
    with sitting:
        while sitting.goes_on(trainer.step):
            figures = trainer.advance()
            sitting.note(trainer.step, figures)
            if ranks.is_first and trainer.step % config.sheet_every == 0:
                _sheet(trainer, out_dir / f"sheet_{trainer.step:05d}.png")
            if sitting.is_time_to_save():
                write_checkpoint(checkpoint, "field", trainer.state())
        if ranks.is_first:
            write_checkpoint(checkpoint, "field", trainer.state())
            _sheet(trainer, out_dir / "sheet.png")
    LOG.info("field: %d steps", trainer.step)
    return trainer.average.cpu().eval()


def _sheet(trainer: FieldTrainer, path: Path) -> None:
    drawn(path.name, lambda: save_sheet(copy.deepcopy(trainer.average).cpu(), trainer.banks, path))


def load_field(out_dir: Path, window: int = FIELD_LATTICE.window) -> FieldGenerator:
    """Averaged weights of a run, on windows of ``window`` texels."""
    saved = torch.load(out_dir / CHECKPOINT, weights_only=True)
    field = FieldGenerator(window)
    field.load_state_dict(saved["average"])
    return field.eval()
