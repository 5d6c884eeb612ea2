"""Figures and pictures of a shading network beside the bare formula, against the path tracer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skygen_addon.core.signatures import SHADE_CHANNELS
from skygen_addon.core.whole_file import whole_file
from trainer.networks.shade import CHANNEL_CENTRE, CHANNEL_SPREAD, Shade
from trainer.simulate.cloud_light_error import (
    irradiance_error,
    log_ratio,
    luminance,
    patch_log_ratio,
    patch_weight,
    sky_scale,
)

if TYPE_CHECKING:
    from .shade_data import ShadeData

SUN_BINS_DEG = (-2.0, 5.0, 15.0, 30.0, 90.0)
DEPTH_BINS = (0.0, 3.0, 10.0, 30.0, 1e6)
_VIEW_DEPTH = SHADE_CHANNELS.index("view_depth_low")


def measure_shade(network: Shade, data: ShadeData) -> dict[str, Any]:
    """Errors of formula and corrected formula on skies.

    Returns
    -------
    dict
        ``log_rms_*``: root mean square of ln(radiance / reference) over patches, weighted by
        opacity; ``irradiance_error_*``: mean relative error of the horizontal irradiance by cloud
        light, both as in :mod:`trainer.simulate.cloud_light_error`; ``bias_*``: ln(formula /
        reference) of total cloud light by sun elevation and by view depth, negative where too dark.
    """
    with torch.no_grad():
        correction = network.cells(data.pooled)
    corrected = data.formula * torch.exp(correction)
    figures: dict[str, Any] = {}
    weight = patch_weight(data.opacity)
    want = luminance(data.reference)
    for name, radiance in (("formula", data.formula), ("corrected", corrected)):
        have = luminance(radiance)
        figures[f"log_rms_{name}"] = float(((patch_log_ratio(have, want) ** 2 * weight).sum() / weight.sum()).sqrt())
        figures[f"irradiance_error_{name}"] = float(irradiance_error(have, want).abs().mean())
        figures[f"bias_by_sun_{name}"] = _bias_by_sun(data, have, want)
        figures[f"bias_by_depth_{name}"] = _bias_by_depth(data, have, want)
    figures["correction_rms"] = float(
        ((correction**2 * data.opacity).mean() / data.opacity.mean().clamp(min=1e-6)).sqrt()
    )
    return figures


def _bias_by_sun(data: ShadeData, have: Tensor, want: Tensor) -> dict[str, float | None]:
    elevation = torch.tensor([math.degrees(s["request"]["sun_elevation_rad"]) for s in data.states])
    scale = sky_scale(want)
    bins = zip(SUN_BINS_DEG[:-1], SUN_BINS_DEG[1:], strict=True)
    return {
        f"{low:g} to {high:g} deg": log_ratio((have * scale)[chosen], (want * scale)[chosen])
        for low, high in bins
        if (chosen := (elevation >= low) & (elevation < high)).any()
    }


def _bias_by_depth(data: ShadeData, have: Tensor, want: Tensor) -> dict[str, float | None]:
    scaled = data.pooled[:, _VIEW_DEPTH : _VIEW_DEPTH + 1]
    depth = torch.expm1(scaled * CHANNEL_SPREAD[_VIEW_DEPTH] + CHANNEL_CENTRE[_VIEW_DEPTH])
    scale = sky_scale(want)
    bins = zip(DEPTH_BINS[:-1], DEPTH_BINS[1:], strict=True)
    return {
        f"{low:g} to {high:g}": log_ratio((have * scale)[chosen], (want * scale)[chosen])
        for low, high in bins
        if (chosen := (depth >= low) & (depth < high) & (data.opacity > 0.05)).any()
    }


def draw_sheet(network: Shade, data: ShadeData, path: Path, skies: int = 8, scale: int = 3) -> None:
    """Tone-mapped cloud light of some skies: formula, corrected, reference, and the correction (grey is none)."""
    from PIL import Image  # training itself does without

    rows = []
    with torch.no_grad():
        correction = network.cells(data.pooled)
    corrected = data.formula * torch.exp(correction)
    for index in np.linspace(0, len(data.states) - 1, min(skies, len(data.states))).astype(int):
        reference = data.reference[index]
        bright = reference[:, data.opacity[index, 0] > 0.2]
        exposure = 0.5 / max(float(bright.mean()) if bright.numel() else 1.0, 1e-9)
        pictures = [_display(maps[index], exposure) for maps in (data.formula, corrected, data.reference)]
        log_part = ((correction[index] * data.opacity[index]).clamp(-1, 1) * 0.5 + 0.5).permute(1, 2, 0).numpy()
        pictures.append((log_part * 255).astype(np.uint8))
        rows.append(np.concatenate(pictures, axis=1))
    sheet = Image.fromarray(np.concatenate(rows, axis=0))
    with whole_file(path) as temporary:
        sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST).save(temporary, "PNG")


def _display(radiance: Tensor, exposure: float) -> NDArray[np.uint8]:
    """Radiance (3, n, n) as 8-bit (n, n, 3)."""
    linear = (radiance * exposure).permute(1, 2, 0).numpy()
    return (np.clip(linear / (1 + 0.35 * linear), 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
