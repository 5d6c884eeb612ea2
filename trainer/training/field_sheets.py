"""Sample sheets of the field: captured, procedural and learned patches side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS
from skygen_addon.core.whole_file import whole_file

from ..networks.field_critic import DEPTH_CEILING
from ..networks.field_generator import FieldGenerator
from .field_patches import PatchBank

_SHOWN_TYPES = ("cumulus", "cumulus", "stratocumulus", "altocumulus", "stratus", "towering_cumulus")
_SHOWN_COVERS = (0.2, 0.5, 0.8)


def fixed_samples(field: FieldGenerator, seed: int = 11) -> tuple[tuple[Tensor, ...], Tensor]:
    """Noise and conditions of one sample per shown type and cover."""
    generator = torch.Generator().manual_seed(seed)
    count = len(_SHOWN_TYPES) * len(_SHOWN_COVERS)
    noise = tuple(torch.randn(count, n.channels, n.size, n.size, generator=generator) for n in field.lattice.noise)
    condition = torch.zeros(count, len(CONDITION_CHANNELS), field.lattice.condition_size, field.lattice.condition_size)
    for i, name in enumerate(_SHOWN_TYPES):
        for j, cover in enumerate(_SHOWN_COVERS):
            condition[j * len(_SHOWN_TYPES) + i, 0] = cover
            condition[j * len(_SHOWN_TYPES) + i, 1 + CLOUD_TYPES.index(name)] = 1
    return noise, condition


def _grey(depth: Tensor) -> NDArray[np.uint8]:
    bent = DEPTH_CEILING * (1 - torch.exp(-depth / DEPTH_CEILING))
    return ((1 - torch.exp(-0.35 * bent)) * 255).byte().numpy()


def _row(tiles: list[NDArray[np.uint8]], size: int = 128) -> NDArray[np.uint8]:
    from PIL import Image  # training itself does without

    shown = [np.asarray(Image.fromarray(t).resize((size, size), Image.Resampling.NEAREST)) for t in tiles]
    return np.concatenate([np.pad(t, 2, constant_values=90) for t in shown], axis=1)


def save_sheet(field: FieldGenerator, banks: dict[str, PatchBank], path: Path) -> None:
    """Write a PNG: rows of near patches, then of mid patches: captured, procedural, learned, per cover."""
    from PIL import Image

    noise, condition = fixed_samples(field)
    with torch.no_grad():
        learned, _ = field.columns(noise, condition)
        plain, _ = field.procedural.columns(noise, condition)
    columns, rows = len(_SHOWN_TYPES), []
    generator = torch.Generator().manual_seed(3)
    for level, scale in enumerate(("near", "mid")):
        bank = banks[scale]
        for j, cover in enumerate(_SHOWN_COVERS):
            index = bank.draw_near(torch.full((columns,), cover), generator)
            rows.append(_row([_grey(bank.depth[i, 0] * bank.valid[i, 0]) for i in index.tolist()]))
            for depths in (plain, learned):
                rows.append(_row([_grey(depths[level][j * columns + i, 0]) for i in range(columns)]))
    with whole_file(path) as partial:
        Image.fromarray(np.concatenate(rows, axis=0)).save(partial, format="PNG")
