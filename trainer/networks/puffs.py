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
from torch.nn import functional

from .field_octaves import CELL_HALO, Resample, cell_count

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
    tall_slices: int
    """The same in a layer of towers, several times as thick: lobes are about as high as wide there too."""
    amplitude: float
    """Relative to the others."""
    levels: int
    """On how many levels, from the finest, its cells are resolved."""


PUFF_OCTAVES = (
    PuffOctave("noise_puff_200", 8, 8, 16, 1.0, 2),
    PuffOctave("noise_puff_100", 4, 14, 28, 0.6, 1),
    PuffOctave("noise_puff_50", 2, 16, 16, 0.3, 1),
)


def puff_cells(octave: PuffOctave, size: int, factor: int) -> int:
    """Side of an octave's noise input whose widest level has ``size`` texels, levels a ``factor`` apart."""
    return cell_count(size, octave.cell_texels // factor ** (octave.levels - 1))


WIDE_AMPLITUDE = 1.3
"""Of the lobes twice as wide as the widest octave's that towers have too, relative to the sum of all octaves."""
_WIDE_COMMON = 0.26
"""Correlation of those lobes with the others, for they are made of the same noise; measured."""
_WIDE_OCTAVE = PuffOctave("", 2 * PUFF_OCTAVES[0].cell_texels, 8, 8, WIDE_AMPLITUDE, PUFF_OCTAVES[0].levels)


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
        widest = PUFF_OCTAVES[0].cell_texels // factor**level
        self.spread_wide = Resample(size, 2 * widest, "noise")
        power = math.fsum(o.amplitude**2 for o in PUFF_OCTAVES)
        self.gains = [o.amplitude / math.sqrt(power) for _, o in self.octaves]

    def forward(self, noise: tuple[Tensor, ...], shell_height: Tensor, tall: Tensor) -> Tensor:
        """Noise of every octave of PUFF_OCTAVES to puffs (k, 1, size, size).

        Parameters
        ----------
        noise : tuple of Tensor, shape (1, tall_slices, n, n)
            Lattices of the octaves.
        shell_height : Tensor, shape (k,)
            Fractions of the layer's thickness.
        tall : Tensor, shape (1, 1, size, size)
            Share of towers, 0 to 1.
        """
        total: Tensor | None = None
        for (index, octave), spread, gain in zip(self.octaves, self.spread, self.gains, strict=True):
            lattice = noise[index][0]  # slices n n
            shells = _on_shells(lattice, octave, shell_height, tall)
            smooth = spread(shells).clamp(-_TALLEST, _TALLEST)
            lobes = (torch.sqrt(smooth * smooth + _CREASE) - _MEAN) * (gain / _DEVIATION)
            total = lobes if total is None else total + lobes
        assert total is not None
        wide = self.spread_wide(_on_shells(_pooled(noise[0][0]), _WIDE_OCTAVE, shell_height, tall))
        wide = wide.clamp(-_TALLEST, _TALLEST)
        share = WIDE_AMPLITUDE * tall
        lobes = (torch.sqrt(wide * wide + _CREASE) - _MEAN) * (share / _DEVIATION)
        return (total + lobes) / torch.sqrt(1 + 2 * _WIDE_COMMON * share + share * share)


def _pooled(lattice: Tensor) -> Tensor:
    """Unit normal noise (slices / 2, n / 2 + 2, same) of twice as large cells from a lattice (slices, n, n), both even.

    Windows move by whole steps of more cells than two, so that the same cells always make a pair.
    """
    slices, side = lattice.shape[0] // 2, lattice.shape[-1]
    pairs = lattice.reshape(slices, 2, side, side).sum(1)
    halves = functional.avg_pool2d(pairs[None], 2) * math.sqrt(2.0)
    return functional.pad(halves, (1, 1, 1, 1), mode="replicate")[0]  # a halo of two cells again


def _on_shells(lattice: Tensor, octave: PuffOctave, shell_height: Tensor, tall: Tensor) -> Tensor:
    """Unit normal noise (k, 1, n, n) of a lattice (slices, n, n) at the heights of shells."""
    side, texels = lattice.shape[-1], tall.shape[-1]
    low = slice_weights(shell_height, octave.slices)
    if octave.tall_slices == octave.slices:
        return (low @ lattice.reshape(octave.slices, side * side)).reshape(-1, 1, side, side)
    high = slice_weights(shell_height, octave.tall_slices)
    low = functional.pad(low, (0, octave.tall_slices - octave.slices))
    share = _on_cells(tall, side, texels)  # 1 1 n n
    both = (torch.cat([low, high]) @ lattice.reshape(octave.tall_slices, side * side)).reshape(2, -1, 1, side, side)
    common = (low * high).sum(1)[:, None, None, None]  # k 1 1 1
    variance = (1 - share) ** 2 + share**2 + 2 * share * (1 - share) * common
    return (both[0] + (both[1] - both[0]) * share) / torch.sqrt(variance)


def _on_cells(maps: Tensor, side: int, texels: int) -> Tensor:
    """Means of a map (1, 1, texels, texels) over the cells (side) of a lattice; the rim repeats in its halo."""
    inner = side - 2 * CELL_HALO
    means = functional.avg_pool2d(maps, texels // inner)
    return functional.pad(means, (CELL_HALO, CELL_HALO, CELL_HALO, CELL_HALO), mode="replicate")
