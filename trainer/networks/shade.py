"""Shading: a small convolutional network that corrects the analytic scattering formula.

It always runs on a disc of one size D, so a preview and a 16K bake agree. It pools the disc to
D / CELL cells, looks at three scales, and returns the natural log of (path-traced / formula)
cloud radiance, bounded and interpolated back to D, so the correction is smooth.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from skygen_addon.core.signatures import SHADE_CHANNELS

CELL = 4
"""Disc pixels along the side of one cell of the prediction."""
BOUND = 1.5
"""Greatest absolute log correction, a factor of 4.5."""
CHANNEL_CENTRE = (1.0, 1.0, 0.5, 0.5, 0.0, 0.5, 0.4, -2.0)
"""Subtracted from SHADE_CHANNELS."""
CHANNEL_SPREAD = (1.2, 1.0, 0.8, 0.8, 0.6, 0.4, 0.5, 2.0)
"""Divides SHADE_CHANNELS."""


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate"), nn.SiLU())


class Shade(nn.Module):
    """Features on the disc to log correction; signature ``SHADE`` of :mod:`skygen_addon.core.signatures`.

    Parameters
    ----------
    width : int
        Channels at the finest scale; coarser scales have 4/3 and 5/3 of it.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        channels = len(SHADE_CHANNELS)
        middle, coarse = width * 4 // 3, width * 5 // 3
        self.register_buffer("centre", torch.tensor(CHANNEL_CENTRE)[None, :, None, None])
        self.register_buffer("spread", torch.tensor(CHANNEL_SPREAD)[None, :, None, None])
        # mean of every channel, and the mean square of the two view depths: how broken the cell is
        self.enter = nn.Sequential(_convolution(channels + 2, width), _convolution(width, width))
        self.down_1 = nn.Sequential(_convolution(width, middle), _convolution(middle, middle))
        self.down_2 = nn.Sequential(_convolution(middle, coarse), _convolution(coarse, coarse))
        self.up_1 = _convolution(coarse + middle, middle)
        self.up_0 = _convolution(middle + width, width)
        self.leave = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.leave.weight)
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def pooled(self, features: Tensor) -> Tensor:
        """Scaled channels and the two view depths' mean squares on cells, (b, 10, D / CELL, D / CELL)."""
        centred = (features - self.centre) / self.spread
        view_depths = torch.cat([centred[:, 0:1], centred[:, 2:3]], dim=1)
        return functional.avg_pool2d(torch.cat([centred, view_depths * view_depths], dim=1), CELL)

    def cells(self, pooled: Tensor) -> Tensor:
        """Log correction (b, 3, D / CELL, D / CELL) of :meth:`pooled` features."""
        fine = self.enter(pooled)  # b w D/4 D/4
        middle = self.down_1(functional.avg_pool2d(fine, 2))
        coarse = self.down_2(functional.avg_pool2d(middle, 2))
        middle = self.up_1(torch.cat([_twice(coarse), middle], dim=1))
        fine = self.up_0(torch.cat([_twice(middle), fine], dim=1))
        return BOUND * torch.tanh(self.leave(fine) / BOUND)

    def forward(self, features: Tensor) -> Tensor:
        """Log correction (b, 3, D, D)."""
        return functional.interpolate(
            self.cells(self.pooled(features)), scale_factor=float(CELL), mode="bilinear", align_corners=False
        )


def _twice(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
