"""Adversarial training of the CloudField on the cloud planes of real captures.

Two critics, at texels of 25 and 100 m, compare generated and captured column depths. Pairing is
relativistic: each real patch meets a fake one that was asked for the real one's cover, so critics
judge shape and not amount. Zero-centred gradient penalties on real and fake patches, R1 and R2,
make the game converge (Huang et al. 2024, "The GAN is dead; long live the GAN!"); augmentation of
both sides stretches the few captures (Zhao et al. 2020, DiffAugment).
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS, WINDOW_FACTOR

from ..networks.field_critic import PatchCritic, critic_view
from ..networks.field_generator import FieldGenerator
from ..networks.field_octaves import crop
from ..networks.procedural_field import FIELD_LATTICE
from .field_patches import PATCH, PatchBank, load_patches
from .field_sheets import save_sheet

LOG = logging.getLogger(__name__)
CHECKPOINT = "field.pt"
WINDOW = 64
"""Texels of the windows on which the generator trains: 1.6, 6.4 and 25.6 km."""
SCALES = ("near", "mid")


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


_TYPE_CHANCES = {"cumulus": 0.4, "stratocumulus": 0.25, "altocumulus": 0.2, "towering_cumulus": 0.15}


def random_conditions(cover: Tensor, cells: int, generator: torch.Generator) -> Tensor:
    """Condition maps (B, channels, cells, cells) of asked covers (B,) with random types and grain."""
    count = len(cover)
    chances = torch.tensor([_TYPE_CHANCES.get(name, 0.0) for name in CLOUD_TYPES])
    first = torch.multinomial(chances, count, replacement=True, generator=generator)
    second = torch.multinomial(chances, count, replacement=True, generator=generator)
    share = torch.rand(count, 1, generator=generator).square()
    eye = torch.eye(len(CLOUD_TYPES))
    types = eye[first] * (1 - share) + eye[second] * share
    grain = (0.35 * torch.randn(count, 1, generator=generator)).clamp(-1, 1)
    values = torch.cat([cover[:, None], types, grain, torch.zeros(count, 2)], 1)
    assert values.shape[1] == len(CONDITION_CHANNELS)
    return values[:, :, None, None].expand(-1, -1, cells, cells).contiguous()


def random_noise(generator_net: FieldGenerator, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Noise of every lattice for ``count`` windows."""
    return tuple(
        torch.randn(count, n.channels, n.size, n.size, generator=generator) for n in generator_net.lattice.noise
    )


def turned(depth: Tensor, valid: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Captured depth and mask, each sample turned and mirrored at random.

    Only captures are turned. Were fakes turned too, nothing would keep the generator from drawing
    the streets of one capture in one direction everywhere.
    """
    turns = torch.randint(0, 8, (len(depth),), generator=generator).tolist()
    pairs = torch.cat([depth, valid], 1)
    out = [torch.rot90(p if t < 4 else p.flip(-1), t % 4, (-2, -1)) for p, t in zip(pairs, turns, strict=True)]
    return torch.stack(out)[:, :1], torch.stack(out)[:, 1:]


def gained(depth: Tensor, generator: torch.Generator) -> Tensor:
    """Depth with a random gain per sample: captures tell it only roughly."""
    return depth * torch.exp(0.25 * torch.randn(len(depth), 1, 1, 1, generator=generator))


class FieldTrainer:
    """State of one run: networks, optimisers and the step count.

    Parameters
    ----------
    config : FieldConfig
        Settings.
    banks : dict of PatchBank
        Real patches of "near" and "mid".
    """

    def __init__(self, config: FieldConfig, banks: dict[str, PatchBank]) -> None:
        torch.manual_seed(config.seed)
        self.config, self.banks = config, banks
        self.generator = FieldGenerator(WINDOW)
        self.average = FieldGenerator(WINDOW)
        self.average.load_state_dict(self.generator.state_dict())
        self.critics = nn.ModuleDict({"near": PatchCritic(depth=4), "mid": PatchCritic(depth=3)})
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

    def _real(self, generator: torch.Generator) -> tuple[dict[str, tuple[Tensor, Tensor]], Tensor]:
        """Real depth and mask of each scale, turned at random, and the cover of the near patches."""
        near = self.banks["near"]
        index = near.draw(self.config.batch, generator)
        cover = near.cover[index]
        mid = self.banks["mid"].draw_near(cover, generator)
        chosen = {"near": (near, index), "mid": (self.banks["mid"], mid)}
        return {k: turned(b.depth[i], b.valid[i], generator) for k, (b, i) in chosen.items()}, cover

    def _views(
        self, depths: dict[str, Tensor], masks: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        return {k: critic_view(gained(depths[k], generator), masks[k]) for k in SCALES}

    def _fake(self, cover: Tensor, generator: torch.Generator) -> tuple[dict[str, Tensor], list[Tensor], list[Tensor]]:
        """Generated depths by scale, the procedural ones, and the corrections."""
        asked = (cover + 0.05 * torch.randn(len(cover), generator=generator)).clamp(0.04, 0.96)
        condition = random_conditions(asked, self.generator.lattice.condition_size, generator)
        noise = random_noise(self.generator, len(cover), generator)
        depths, maps, corrections = self.generator.columns_and_corrections(noise, condition)
        inner = PATCH["mid"]
        row, column = (int(torch.randint(0, WINDOW - inner + 1, (1,), generator=generator)) for _ in range(2))
        mid = depths[1][..., row : row + inner, column : column + inner]
        plain = [crop(m.depth, WINDOW) for m in maps]
        return {"near": depths[0], "mid": mid, "mid_whole": depths[1]}, plain, corrections

    def advance(self) -> dict[str, float]:
        """One step of critics and generator; returns its losses."""
        config = self.config
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        real, cover = self._real(random)
        masks = {k: real[k][1] for k in SCALES}
        real_views = self._views({k: real[k][0] for k in SCALES}, masks, random)
        fake, plain, corrections = self._fake(cover, random)
        fake_views = self._views(fake, masks, random)
        figures = self._critic_step(real_views, {k: v.detach() for k, v in fake_views.items()})
        figures |= self._generator_step(real_views, fake_views, fake, plain, corrections)
        with torch.no_grad():
            decay = min(config.average, (1 + self.step) / (10 + self.step))
            for kept, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        self.step += 1
        return figures

    def _critic_step(self, real: dict[str, Tensor], fake: dict[str, Tensor]) -> dict[str, float]:
        penalise = self.step % self.config.penalty_every == 0
        total, figures = torch.zeros(()), {}
        for k in SCALES:
            critic: nn.Module = self.critics[k]
            views = torch.cat([real[k], fake[k]]).requires_grad_(penalise)
            verdict = critic(views)
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
        total.backward()
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
        figures = {}
        total = torch.zeros(())
        for k in SCALES:
            critic: nn.Module = self.critics[k]
            critic.requires_grad_(False)
            loss = functional.softplus(critic(real[k]) - critic(views[k])).mean()
            critic.requires_grad_(True)
            figures[f"generator_{k}"] = loss.item()
            total = total + loss
        cover = cover_loss(fake["near"], plain[0]) + cover_loss(fake["mid_whole"], plain[1])
        match = match_loss(fake["near"], fake["mid_whole"]) + match_loss(fake["mid_whole"], plain[2])
        restraint = sum(c.square().mean() for c in corrections)
        figures |= {"cover": cover.item(), "match": match.item(), "restraint": restraint.item()}
        config = self.config
        total = total + config.cover_weight * cover + config.match_weight * match + config.restraint_weight * restraint
        self.optimisers["generator"].zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.optimisers["generator"].step()
        return figures


def soft_cover(depth: Tensor) -> Tensor:
    """Differentiable stand-in of "depth above 0.3": half there."""
    square = depth.square()
    return square / (square + 0.09)


def cover_loss(depth: Tensor, plain: Tensor) -> Tensor:
    """Squared difference of cover to the procedural field's, in squares of 8 texels and over the batch."""
    difference = functional.avg_pool2d(soft_cover(depth), 8) - functional.avg_pool2d(soft_cover(plain), 8)
    return difference.square().mean() + 10 * difference.mean().square()


def match_loss(fine: Tensor, wide: Tensor) -> Tensor:
    """Squared difference of a level's area means to the wider level, both as opacities."""
    mean = functional.avg_pool2d(fine, WINDOW_FACTOR)
    opacity, expected = (1 - torch.exp(-0.2 * d) for d in (mean, crop(wide, mean.shape[-1])))
    return (opacity - expected).square().mean() + 10 * (opacity - expected).mean().square()


def train_field(
    data: Path, out_dir: Path, max_minutes: float = 30.0, resume: bool = True, config: FieldConfig | None = None
) -> FieldGenerator:
    """Train on captured cloud planes; continues the checkpoint in ``out_dir`` if asked.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``.
    out_dir : Path
        Receives field.pt, config.json, metrics.jsonl and sample sheets.
    max_minutes : float
        Stops after this time or ``config.steps`` steps.
    resume : bool
        Continue a checkpoint of the same settings; a checkpoint of other settings is replaced.
    config : FieldConfig, optional
        Settings.

    Returns
    -------
    FieldGenerator
        Averaged weights on windows of the exported size's lattice family (``at_window`` changes it).

    Raises
    ------
    CaptureError
        If the captures are missing or show no broken cloud.
    """
    config = config or FieldConfig()
    trainer = FieldTrainer(config, load_patches(data, config.held_out))
    out_dir.mkdir(parents=True, exist_ok=True)
    checkpoint = out_dir / CHECKPOINT
    if resume and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        if {**saved["config"], "steps": 0} == {**asdict(config), "steps": 0}:
            trainer.load(saved)
    (out_dir / "config.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    began = last_saved = time.monotonic()
    with (out_dir / "metrics.jsonl").open("a" if trainer.step else "w", encoding="utf-8") as log:
        while trainer.step < config.steps and time.monotonic() - began < 60 * max_minutes:
            figures = trainer.advance()
            if not all(math.isfinite(v) for v in figures.values()):
                raise FloatingPointError(f"step {trainer.step}: {figures}")
            if trainer.step % 10 == 0:
                log.write(
                    json.dumps({"step": trainer.step, "seconds": round(time.monotonic() - began, 1), **figures}) + "\n"
                )
                log.flush()
            if trainer.step % config.sheet_every == 0:
                save_sheet(trainer.average, trainer.banks, out_dir / f"sheet_{trainer.step:05d}.png")
            if time.monotonic() - last_saved > 120:
                _save(trainer, checkpoint)
                last_saved = time.monotonic()
    _save(trainer, checkpoint)
    save_sheet(trainer.average, trainer.banks, out_dir / "sheet.png")
    LOG.info("field: %d steps", trainer.step)
    return trainer.average.eval()


def _save(trainer: FieldTrainer, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(trainer.state(), temporary)
    os.replace(temporary, path)


def load_field(out_dir: Path, window: int = FIELD_LATTICE.window) -> FieldGenerator:
    """Averaged weights of a run, on windows of ``window`` texels."""
    saved = torch.load(out_dir / CHECKPOINT, weights_only=True)
    field = FieldGenerator(window)
    field.load_state_dict(saved["average"])
    return field.eval()
