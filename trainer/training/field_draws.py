"""What a step of the field's training draws at random: real patches, asked conditions, noise, gains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS

from ..networks.field_generator import FieldGenerator
from .field_patches import PATCH, PatchBank

SCALES = ("near", "mid")
_ASKED_SPREAD, _ASKED_RANGE = 0.05, (0.04, 0.96)
"""Deviation of the asked cover from the real patch's, and its bounds."""
_GAIN_LOGS = 0.25
"""Deviation of the logarithm of the gain of depths: captures tell them only roughly."""


@dataclass(frozen=True)
class FieldDraw:
    """All that one step on a batch of B windows takes from chance."""

    real: dict[str, tuple[Tensor, Tensor]]
    """Depth and mask (B, 1, n, n) of real patches by scale, turned at random."""
    noise: tuple[Tensor, ...]
    """Noise (B, channels, n, n) of every lattice."""
    condition: Tensor
    """(B, channels, cells, cells)."""
    gains: dict[str, tuple[Tensor, Tensor]]
    """Gain (B, 1, 1, 1) of real and of generated depths by scale."""
    place: tuple[int, int]
    """First row and column of the generated mid patch in its window."""

    def each(self, change: Callable[[Tensor], Tensor]) -> FieldDraw:
        """The same with every tensor changed."""
        return FieldDraw(
            {k: (change(depth), change(valid)) for k, (depth, valid) in self.real.items()},
            tuple(change(n) for n in self.noise),
            change(self.condition),
            {k: (change(real), change(fake)) for k, (real, fake) in self.gains.items()},
            self.place,
        )


def draw_step(banks: dict[str, PatchBank], net: FieldGenerator, batch: int, seed: int, step: int) -> FieldDraw:
    """Everything random of one step; the same for the same seed and step, whatever came before.

    Parameters
    ----------
    banks : dict of PatchBank
        Real patches of "near" and "mid".
    net : FieldGenerator
        Whose lattices the noise is for.
    batch : int
        Windows B.
    seed, step : int
        Of the run.
    """
    random = torch.Generator().manual_seed(seed * 1_000_003 + step)
    index = banks["near"].draw(batch, random)
    cover = banks["near"].cover[index]
    chosen = {"near": index, "mid": banks["mid"].draw_near(cover, random)}
    real = {k: turned(banks[k].depth[i], banks[k].valid[i], random) for k, i in chosen.items()}
    asked = (cover + _ASKED_SPREAD * torch.randn(batch, generator=random)).clamp(*_ASKED_RANGE)
    condition = random_conditions(asked, net.lattice.condition_size, random)
    noise = random_noise(net, batch, random)
    room = net.window - PATCH["mid"] + 1
    row, column = torch.randint(0, room, (2,), generator=random).tolist()
    gains = {k: (random_gain(batch, random), random_gain(batch, random)) for k in SCALES}
    return FieldDraw(real, noise, condition, gains, (row, column))


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


def random_gain(count: int, generator: torch.Generator) -> Tensor:
    """A random gain of depth (count, 1, 1, 1) per sample."""
    return torch.exp(_GAIN_LOGS * torch.randn(count, 1, 1, 1, generator=generator))
