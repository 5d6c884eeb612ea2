"""``python -m trainer simulate --errors``: the formula's error against the path tracer, as a table.

With a bundle also what its shading network leaves of it, on the skies that its training held out.

What a cell of the table says is what the shading network has to learn away: how much too bright
(above 0) or too dark cloud light is by the formula, for one range of sun elevation and of optical
depth along the view ray, and how far single patches are off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from skygen_addon.core.bundle import Bundle
from skygen_addon.core.errors import CaptureError
from skygen_addon.core.signatures import SHADE, SHADE_CHANNELS
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.graphs import Graph
from trainer.networks.shade import CELL

from .cloud_light_error import (
    POOL,
    irradiance_error,
    log_ratio,
    luminance,
    patch_log_ratio,
    patch_weight,
    sky_scale,
)
from .simulated_sky import SimulatedSky, is_held_out, load_sky

SUN_BINS_DEG = (-2.0, 0.0, 5.0, 15.0, 30.0, 60.0, 90.0)
DEPTH_BINS = (0.0, 1.0, 3.0, 10.0, 30.0, math.inf)
FILE, BUNDLE_FILE = "formula_error.md", "bundle_error.md"


@dataclass(frozen=True)
class Cell:
    """Error over the patches of some skies."""

    skies: int
    """Skies that have such a patch."""
    bias: float | None
    """ln(sum of formula / sum of reference), every sky's light counted alike; None without a sky."""
    rms: float | None
    """Root mean square of ln(formula / reference) of patches, weighted by opacity; None without a sky."""


@dataclass(frozen=True)
class SunRow:
    """Errors for one range of sun elevation."""

    name: str
    """Such as "0 to 5"; degrees."""
    by_depth: tuple[Cell, ...]
    """One for each of DEPTH_BINS."""
    total: Cell
    """All depths together."""
    irradiance: tuple[float, float] | None
    """Mean and mean absolute relative error of the horizontal irradiance by cloud light; None without a sky."""


def error_rows(skies: Iterable[SimulatedSky], shade: Graph | None = None) -> list[SunRow]:
    """Rows of SUN_BINS_DEG, then one of all; skies whose sun is lower than all bins count in the last row only.

    ``shade`` is a bundle's graph, which corrects the formula.

    Raises
    ------
    CaptureError
        If the skies have discs of different sizes.
    """
    maps = [_maps(sky, shade) for sky in skies]
    sizes = sorted({CELL * m[0].shape[-1] for m in maps})
    if len(sizes) > 1:
        raise CaptureError(
            f"The skies have discs of {' and '.join(str(size) for size in sizes)} pixels.",
            "Keep skies of one --disc in a folder.",
        )
    have, want, opacity, depth = (torch.cat([m[i] for m in maps]) for i in range(4))
    sun_deg = torch.cat([m[4] for m in maps])
    weight, ratio = patch_weight(opacity), patch_log_ratio(have, want)
    scale = sky_scale(want)
    light = [functional.avg_pool2d(maps * scale, POOL) for maps in (have, want)]
    irradiance = irradiance_error(have, want)

    def cell(chosen: Tensor) -> Cell:
        chosen = chosen & (weight > 0)
        if not chosen.any():
            return Cell(0, None, None)
        mean_square = (ratio[chosen] ** 2 * weight[chosen]).sum() / weight[chosen].sum()
        skies = int(chosen.any(3).any(2).any(1).sum())
        return Cell(skies, log_ratio(light[0][chosen], light[1][chosen]), float(mean_square.sqrt()))

    def row(name: str, chosen: Tensor) -> SunRow:
        of_sky = chosen[:, None, None, None]
        bins = zip(DEPTH_BINS[:-1], DEPTH_BINS[1:], strict=True)
        cells = tuple(cell(of_sky & (depth >= low) & (depth < high)) for low, high in bins)
        errors = irradiance[chosen]
        pair = (float(errors.mean()), float(errors.abs().mean())) if chosen.any() else None
        return SunRow(name, cells, cell(of_sky & (depth >= 0)), pair)

    ends = zip(SUN_BINS_DEG[:-1], SUN_BINS_DEG[1:], strict=True)
    rows = [
        row(f"{low:g} to {high:g}", (sun_deg >= low) & ((sun_deg < high) | (high == SUN_BINS_DEG[-1])))
        for low, high in ends
    ]
    return [*rows, row("all", torch.ones_like(sun_deg, dtype=torch.bool))]


def _maps(sky: SimulatedSky, shade: Graph | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Luminance by formula and by reference and opacity (1, 1, n, n), view depth of patches, sun elevation (1,)."""
    formula, reference = (sky.cloud_light(name)[None] for name in ("formula", "reference"))
    if shade is not None:
        (log_correction,) = shade(features=sky.features.astype(np.float32)[None])
        formula = formula * torch.exp(functional.avg_pool2d(torch.from_numpy(log_correction), CELL))
    opacity = torch.from_numpy(sky.opacity)[None, None]
    features = dict(zip(SHADE_CHANNELS, sky.features.astype(np.float32), strict=True))
    depth = torch.from_numpy(np.expm1(features["view_depth_low"]) + np.expm1(features["view_depth_high"]))[None, None]
    own_weight = 1 - torch.exp(-depth) + 1e-6  # the depth of a patch is that of its clouds, not of its gaps
    mean = [functional.avg_pool2d(m, CELL * POOL) for m in (torch.log1p(depth) * own_weight, own_weight)]
    elevation = torch.tensor([math.degrees(sky.state["request"]["sun_elevation_rad"])])
    return luminance(formula), luminance(reference), opacity, torch.expm1(mean[0] / mean[1]), elevation


def error_table(rows: list[SunRow], skies: int, *, held_out: bool = False, bundle: str | None = None) -> str:
    """The rows as Markdown; ``bundle`` is the name of the one that corrects the formula, if any."""
    names = [
        f"depth {low:g} to {high:g}" if high < math.inf else f"depth over {low:g}"
        for low, high in zip(DEPTH_BINS[:-1], DEPTH_BINS[1:], strict=True)
    ]
    which = "held out from training, " if held_out else ""
    which += "with the learned correction" if bundle else "before any learned correction"
    header = ["sun, degrees", *names, "all depths", "irradiance"]
    lines = [
        f"# Cloud light: the formula{f' corrected by {bundle}' if bundle else ''} against the path tracer",
        "",
        f"{skies} simulated skies, {which}. A cell is bias / RMS (skies): the bias is",
        "ln(formula / reference) of the luminance of cloud light, above 0 where too bright, every sky counted alike;",
        f"RMS is that of ln(formula / reference) over patches of {POOL * CELL} x {POOL * CELL} disc pixels, weighted",
        "by opacity. Depth is the optical depth of both layers along the view ray. Irradiance is the relative error of",
        "the horizontal irradiance by cloud light: mean / mean absolute.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
    ]
    for row in rows:
        fields = [_cell_text(cell) for cell in (*row.by_depth, row.total)]
        both = "-" if row.irradiance is None else f"{row.irradiance[0]:+.1%} / {row.irradiance[1]:.1%}"
        lines.append("| " + " | ".join([row.name, *fields, both]) + " |")
    return "\n".join(lines) + "\n"


def _cell_text(cell: Cell) -> str:
    bias = "dark" if cell.bias is None else f"{cell.bias:+.2f}"
    return "-" if cell.rms is None else f"{bias} / {cell.rms:.2f} ({cell.skies})"


def write_errors(folder: Path, bundle: Bundle | None = None) -> str:
    """Table of all skies of a folder that ``simulate --frames`` filled, also written to its FILE.

    With a bundle two tables, of those skies that training holds out, go to BUNDLE_FILE: the formula's, and the one
    with the bundle's correction.

    Raises
    ------
    CaptureError
        If there is no sky, or skies have discs of different sizes, or of another than the bundle's.
    BundleError
        If the bundle's shading network cannot be read.
    SkyGenError
        If a sky is damaged.
    """
    files = sorted(folder.glob("sky_*.npz"))
    if bundle is not None:
        files = [file for file in files if is_held_out(int(file.stem.split("_")[1]))]
    if not files:
        raise CaptureError(
            f"{folder} holds no simulated sky{' that training holds out' if bundle else ''}.",
            "Run `python -m trainer simulate --frames 150 --out DATA` first.",
        )
    rows = error_rows(load_sky(file) for file in files)
    table = error_table(rows, len(files), held_out=bundle is not None)
    if bundle is not None:
        disc = load_sky(files[0]).features.shape[-1]
        if disc != bundle.disc_size:
            raise CaptureError(
                f"The skies have discs of {disc} pixels, {bundle.name} shades one of {bundle.disc_size}.",
                f"Simulate with --disc {bundle.disc_size}.",
            )
        shade = Graph(bundle.folder / "shade.onnx", SHADE, sizes={"D": bundle.disc_size})
        rows = error_rows((load_sky(file) for file in files), shade)
        table += "\n" + error_table(rows, len(files), held_out=True, bundle=bundle.name)
    with whole_file(folder / (BUNDLE_FILE if bundle else FILE)) as temporary:
        temporary.write_text(table, encoding="utf-8")
    return table
