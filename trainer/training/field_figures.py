"""Figures of a trained field: asked against measured cover, and distance to held-out captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS
from skygen_addon.core.whole_file import whole_file

from ..networks.field_critic import DEPTH_CEILING
from ..networks.field_generator import FieldGenerator
from .field_patches import PatchBank, load_patches

SIDE = 9
"""Texels of the squares whose distribution is compared."""
PROJECTIONS = 256
SQUARES = 6000
COVER_DEPTH = 0.3
"""Optical depth from which a column counts as cloud."""
_COVERS = (0.2, 0.4, 0.6, 0.8)
_TYPES = ("cumulus", "stratocumulus", "altocumulus", "towering_cumulus")


def squares(depth: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
    """Random squares (n, SIDE * SIDE) of opacity from patches (P, 1, s, s) that are valid all over."""
    bent = DEPTH_CEILING * (1 - torch.exp(-depth / DEPTH_CEILING))
    opacity = functional.unfold(1 - torch.exp(-bent), SIDE, stride=3).permute(0, 2, 1).reshape(-1, SIDE * SIDE)
    whole = functional.unfold(valid, SIDE, stride=3).permute(0, 2, 1).reshape(-1, SIDE * SIDE).amin(1) > 0.5
    found = opacity[whole]
    return found[torch.randint(len(found), (SQUARES,), generator=generator)]


def sliced_wasserstein(first: Tensor, second: Tensor, generator: torch.Generator) -> float:
    """Mean 1-Wasserstein distance of two samples (n, d) over random directions (Rabin et al. 2011), times 1000."""
    direction = functional.normalize(torch.randn(first.shape[1], PROJECTIONS, generator=generator), dim=0)
    a, b = (torch.sort(sample @ direction, dim=0).values for sample in (first, second))
    return 1000 * float((a - b).abs().mean())


def _generated(field: FieldGenerator, bank: PatchBank, learned: bool, generator: torch.Generator) -> Tensor:
    """Near patches (P, 1, n, n) that were asked for the covers of a bank, of all trained types."""
    parts = []
    cells = field.lattice.condition_size
    for start in range(0, min(len(bank.cover), 160), 16):
        cover = bank.cover[start : start + 16]
        noise = tuple(
            torch.randn(len(cover), n.channels, n.size, n.size, generator=generator) for n in field.lattice.noise
        )
        condition = torch.zeros(len(cover), len(CONDITION_CHANNELS), cells, cells)
        condition[:, 0] = cover[:, None, None]
        for i in range(len(cover)):
            condition[i, 1 + CLOUD_TYPES.index(_TYPES[i % len(_TYPES)])] = 1
        columns, _ = field.columns(noise, condition) if learned else field.procedural.columns(noise, condition)
        parts.append(columns[0])
    return torch.cat(parts)


def measured_cover(
    field: FieldGenerator, generator: torch.Generator, windows: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Cover of columns of 25 m over some windows of 6.4 km by type and asked cover.

    Clouds are kilometres wide, so a mean over some windows strays; the procedural field is measured on the
    same noise, and what learning changes strays little.

    Returns
    -------
    dict
        By type and asked cover: ``learned`` and ``procedural`` mean, ``change`` from one to the other, and
        the standard errors of the mean and of the change.
    """
    wide = field.at_window(256)
    cells, root = wide.lattice.condition_size, windows**0.5
    table: dict[str, dict[str, dict[str, float]]] = {}
    for kind in _TYPES:
        table[kind] = {}
        for asked in _COVERS:
            condition = torch.zeros(1, len(CONDITION_CHANNELS), cells, cells)
            condition[:, 0], condition[:, 1 + CLOUD_TYPES.index(kind)] = asked, 1
            rows = []
            for _ in range(windows):
                noise = tuple(
                    torch.randn(1, n.channels, n.size, n.size, generator=generator) for n in wide.lattice.noise
                )
                near = [made.columns(noise, condition)[0][0] for made in (wide, wide.procedural)]
                rows.append([float((depth > COVER_DEPTH).float().mean()) for depth in near])
            covers = torch.tensor(rows)
            change = covers[:, 0] - covers[:, 1]
            table[kind][f"asked_{asked:g}"] = {
                "learned": round(float(covers[:, 0].mean()), 3),
                "procedural": round(float(covers[:, 1].mean()), 3),
                "change": round(float(change.mean()), 3),
                "error_of_mean": round(float(covers[:, 0].std()) / root, 3),
                "error_of_change": round(float(change.std()) / root, 3),
            }
    return table


def measure_field(
    field: FieldGenerator, data: Path, held_out: tuple[str, ...], out: Path, windows: int
) -> dict[str, Any]:
    """Measure and write ``out`` (JSON).

    Parameters
    ----------
    field : FieldGenerator
        With windows of 64 texels.
    data : Path
        Folder of ``trainer ingest``.
    held_out : tuple of str
        Sites that the training never saw.
    out : Path
        File to write.
    windows : int
        Windows over which cover is measured, at least 2.

    Returns
    -------
    dict
        ``cover`` of :func:`measured_cover`; ``sliced_wasserstein_25m``: distance x 1000 of
        opacity squares of the held-out captures to learned, procedural and training patches.
    """
    generator = torch.Generator().manual_seed(5)
    training, held = load_patches(data, held_out), load_patches(data, held_out, held=True)
    real = squares(held["near"].depth, held["near"].valid, generator)
    figures: dict[str, Any] = {"sliced_wasserstein_25m": {}, "cover": {}}
    with torch.no_grad():
        for name, learned in (("learned", True), ("procedural", False)):
            depth = _generated(field, held["near"], learned, generator)
            sample = squares(depth, torch.ones_like(depth), generator)
            figures["sliced_wasserstein_25m"][name] = sliced_wasserstein(real, sample, generator)
        other = squares(training["near"].depth, training["near"].valid, generator)
        figures["sliced_wasserstein_25m"]["training_captures"] = sliced_wasserstein(real, other, generator)
        figures["cover"] = measured_cover(field, generator, windows)
    with whole_file(out) as partial:
        partial.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return figures
