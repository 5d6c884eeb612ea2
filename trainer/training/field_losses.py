"""Losses of the field beside those of its critics: cover as the procedural field's, levels that agree."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skygen_addon.core.signatures import WINDOW_FACTOR

from ..networks.field_octaves import crop
from .ranks import Ranks


def soft_cover(depth: Tensor) -> Tensor:
    """Differentiable stand-in of "depth above 0.3": half there."""
    square = depth.square()
    return square / (square + 0.09)


def cover_loss(depth: Tensor, plain: Tensor, ranks: Ranks) -> Tensor:
    """Squared difference of cover to the procedural field's, in squares of 8 texels and over the batch."""
    difference = functional.avg_pool2d(soft_cover(depth), 8) - functional.avg_pool2d(soft_cover(plain), 8)
    return difference.square().mean() + 10 * ranks.square_of_mean(difference)


def match_loss(fine: Tensor, wide: Tensor, ranks: Ranks) -> Tensor:
    """Squared difference of a level's area means to the wider level, both as opacities."""
    mean = functional.avg_pool2d(fine, WINDOW_FACTOR)
    opacity, expected = (1 - torch.exp(-0.2 * d) for d in (mean, crop(wide, mean.shape[-1])))
    return (opacity - expected).square().mean() + 10 * ranks.square_of_mean(opacity - expected)
