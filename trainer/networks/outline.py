"""The outline of a cloud along a line: soft in the shells, sharpened where it is read, exact between two samples."""

from __future__ import annotations

import torch
from torch import Tensor

SHARPNESS = 3.0
"""How much steeper than the shells' own a cloud's top is."""


def sharpened(fill: Tensor) -> Tensor:
    """Share of a column's greatest extinction, 0 to 1, with a firm edge at one half."""
    return ((fill - 0.5) * SHARPNESS + 0.5).clamp(0.0, 1.0)


def mean_sharpened(first: Tensor, last: Tensor) -> Tensor:
    """Mean of :func:`sharpened` over a step along which the outline goes linearly from ``first`` to ``last``."""

    def integral(outline: Tensor) -> Tensor:
        raised = (outline - 0.5) * SHARPNESS + 0.5
        return 0.5 * raised.clamp(0.0, 1.0).square() + torch.relu(raised - 1)

    rise = last - first
    flat = rise.abs() < 1e-3
    slope = torch.where(flat, torch.ones_like(rise), rise) * SHARPNESS
    return torch.where(flat, sharpened(0.5 * (first + last)), (integral(last) - integral(first)) / slope)


def clear_stretch(first: Tensor, last: Tensor) -> Tensor:
    """Share of a step that lies in front of the cloud it enters, 0 where it begins inside or leaves one."""
    rise = last - first
    entry = ((0.5 - first) / rise.clamp(min=1e-3)).clamp(0.0, 1.0)
    return torch.where(rise > 0, entry, torch.zeros_like(rise))


def over_step(first: Tensor, last: Tensor) -> Tensor:
    """Extinction of a step between two samples: their mean; where one lies in clear air (0), the other's."""
    return torch.where(torch.minimum(first, last) > 0, 0.5 * (first + last), torch.maximum(first, last))
