"""Patch critics of the CloudField: one per scale, on column optical depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DEPTH_CEILING = 10.0
"""Optical depth beyond which captures cannot tell: both real and generated depths are bent to it."""
VIEW_CHANNELS = 3


def critic_view(depth: Tensor, valid: Tensor) -> Tensor:
    """What a critic sees: cover, body and mask, (B, 3, n, n), of depth and valid (B, 1, n, n)."""
    bent = DEPTH_CEILING * (1 - torch.exp(-depth / DEPTH_CEILING))
    views = torch.cat([1 - torch.exp(-bent), 1 - torch.exp(-bent / 5)], 1)
    return torch.cat([(views * 2 - 1) * valid, valid], 1)


class PatchCritic(nn.Module):
    """Strided convolutions to a mean over overlapping patches' verdicts; no normalisation layers.

    Parameters
    ----------
    width : int
        Channels of the first layer.
    depth : int
        Number of halvings.
    """

    def __init__(self, width: int = 24, depth: int = 3) -> None:
        super().__init__()
        layers = [nn.Conv2d(VIEW_CHANNELS, width, 3, padding=1)]
        for i in range(depth):
            layers.append(nn.Conv2d(width * 2 ** min(i, 2), width * 2 ** min(i + 1, 2), 4, stride=2, padding=1))
        last = width * 2 ** min(depth, 2)
        self.layers = nn.ModuleList([*layers, nn.Conv2d(last, last, 3, padding=1)])
        self.verdict = nn.Conv2d(last, 1, 1)

    def forward(self, view: Tensor) -> Tensor:
        """View (B, 3, n, n) to one number per sample (B,)."""
        maps = view
        for layer in self.layers:
            maps = functional.leaky_relu(layer(maps), 0.2)
        return self.verdict(maps).mean((1, 2, 3))
