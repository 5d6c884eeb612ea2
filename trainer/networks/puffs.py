"""Puffs: billows in three dimensions that give clouds their cauliflower sides and tops.

Each octave is smooth normal noise in a lattice of cells over the plane and slices over the
height of the layer; ``|noise|`` has rounded lobes between sharp creases (billowed noise, Ebert
et al. 2003). The octaves have physical sizes over the plane; a level shows those that its texels
resolve. Zero mean; unit variance with all octaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .field_octaves import Resample, cell_count

_CREASE = 0.02
"""Added to the square of the noise under the root, so that creases are a little rounded."""
_TALLEST = 1.8
"""Normal noise is clipped here, so that rare lobes do not stand out as fingers."""
_MEAN, _DEVIATION = 0.795, 0.514
"""Of sqrt(n * n + _CREASE) for clipped standard normal n."""


@dataclass(frozen=True)
class PuffOctave:
    """One octave of puffs."""

    name: str
    """Of its noise input."""
    cell_texels: int
    """Cell in texels of the finest level; a lobe spans about two cells."""
    slices: int
    """Cells between the layer's base and its top, ends included."""
    amplitude: float
    """Relative to the others."""
    levels: int
    """On how many levels, from the finest, its cells are resolved."""


PUFF_OCTAVES = (
    PuffOctave("noise_puff_200", 8, 8, 1.0, 2),
    PuffOctave("noise_puff_100", 4, 14, 0.6, 1),
    PuffOctave("noise_puff_50", 2, 16, 0.3, 1),
)


def puff_cells(octave: PuffOctave, size: int, factor: int) -> int:
    """Side of an octave's noise input whose widest level has ``size`` texels, levels a ``factor`` apart."""
    return cell_count(size, octave.cell_texels // factor ** (octave.levels - 1))


def slice_weights(height: Tensor, slices: int) -> Tensor:
    """Weights (k, slices) of noise slices at heights (k,) from 0 to 1; each row's squares sum to 1."""
    place = height[:, None] * (slices - 1) - torch.arange(slices, dtype=torch.float32, device=height.device)[None, :]
    distance = place.abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0.0) ** 3 / 6
    weight = torch.where(distance < 1, near, far)
    return weight / weight.square().sum(1, keepdim=True).sqrt()


class Puffs(nn.Module):
    """Puffs of one level on its shells.

    Parameters
    ----------
    size : int
        Texels along each side.
    level : int
        0 finest.
    factor : int
        Texel size ratio of neighbouring levels.
    """

    def __init__(self, size: int, level: int, factor: int) -> None:
        super().__init__()
        self.octaves = [(i, o) for i, o in enumerate(PUFF_OCTAVES) if level < o.levels]
        self.spread = nn.ModuleList(Resample(size, o.cell_texels // factor**level, "noise") for _, o in self.octaves)
        power = math.fsum(o.amplitude**2 for o in PUFF_OCTAVES)
        self.gains = [o.amplitude / math.sqrt(power) for _, o in self.octaves]

    def forward(self, noise: tuple[Tensor, ...], shell_height: Tensor) -> Tensor:
        """Noise (1, slices, n, n) of every octave of PUFF_OCTAVES to puffs (k, 1, size, size).

        ``shell_height`` (k,) are fractions of the layer's thickness.
        """
        total: Tensor | None = None
        for (index, octave), spread, gain in zip(self.octaves, self.spread, self.gains, strict=True):
            lattice = noise[index][0]  # slices n n
            side = lattice.shape[-1]
            weights = slice_weights(shell_height, octave.slices)
            shells = (weights @ lattice.reshape(octave.slices, side * side)).reshape(-1, 1, side, side)
            smooth = spread(shells).clamp(-_TALLEST, _TALLEST)
            lobes = (torch.sqrt(smooth * smooth + _CREASE) - _MEAN) * (gain / _DEVIATION)
            total = lobes if total is None else total + lobes
        assert total is not None
        return total
