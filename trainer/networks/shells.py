"""Concentric shells above the camera: where a ray meets them."""

from __future__ import annotations

import torch
from torch import Tensor

from skygen_addon.core.geometry import EARTH_RADIUS_KM


def shell_distance_km(sin_elevation: Tensor, height_km: Tensor) -> Tensor:
    """Distance from a camera on the ground to a shell, without cancellation; see core.geometry."""
    rise = sin_elevation * EARTH_RADIUS_KM
    square = (2 * EARTH_RADIUS_KM) * height_km + height_km * height_km
    return square / (rise + torch.sqrt(rise * rise + square))
