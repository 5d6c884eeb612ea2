"""Simulated skies as the shading network's training data, and the loss on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.errors import CaptureError
from trainer.networks.shade import Shade
from trainer.simulate.simulated_sky import is_held_out, load_sky

_DIM = 0.02
"""Part of a sky's mean cloud radiance that is added to both sides of the ratio, against empty cells."""


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

    def on(self, device: str) -> ShadeData:
        """The same on a device."""
        maps = (values.to(device) for values in (self.pooled, self.formula, self.reference, self.opacity))
        return ShadeData(*maps, self.states)


def load_shade_data(data_dir: Path) -> tuple[ShadeData, list[int], list[int]]:
    """All skies of a folder written by ``simulate``, and which are for training and which held out.

    Raises
    ------
    CaptureError
        If there are fewer than eight skies, or none to hold out.
    """
    files = sorted(data_dir.glob("sky_*.npz"))
    numbers = [int(file.stem.split("_")[1]) for file in files]
    held_out = [k for k, number in enumerate(numbers) if is_held_out(number)]
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


def turned(data: ShadeData, which: int) -> ShadeData:
    """The skies turned by quarter turns or mirrored; nothing on the disc knows north."""

    def turn(maps: Tensor) -> Tensor:
        maps = torch.rot90(maps, which % 4, (2, 3))
        return torch.flip(maps, (3,)) if which >= 4 else maps

    return ShadeData(turn(data.pooled), turn(data.formula), turn(data.reference), turn(data.opacity), data.states)
