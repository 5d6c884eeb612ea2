"""The procedural CloudField: octaves of splines, billows, fibres and rows, thresholded by cover.

A potential of zero mean and unit variance is summed from octaves whose amplitudes depend on the
cloud type; where it exceeds the quantile that belongs to the asked cover there is cloud, and the
excess sets the column's optical depth. The finest octaves are stronger in some places than in
others, as the edges of cumulus are torn on one side and firm on another. *Cover* is the fraction
of the plane whose vertical optical depth exceeds ``COVER_DEPTH`` (0.3; 0.06 for cirrus).

Three levels (texels of 400, 100 and 25 m at texture scale 1) share one potential; a level uses
the octaves that its texels resolve and takes the expectation over the finer ones, so that it
shows the area mean of the level below. What remains of the difference is divided out.

The octaves' amplitudes are those of :mod:`.cloud_spectra`, altocumulus stand in the rows of
:mod:`.cloud_rows`, the volume is filled by :mod:`.vertical_profile` and :mod:`.puffs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from skygen_addon.core.field_lattice import Lattice, NoiseInput
from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import GRAIN_CHANNEL, WINDOW_FACTOR, WINDOW_LEVELS

from .cloud_rows import REACH as ROW_REACH
from .cloud_rows import RowOrder, Rows
from .cloud_spectra import FINEST_DEVIATION, OCTAVES, RESOLVED, SPECTRA, depth_of, edge_shift, normal_quantile
from .field_octaves import BILLOW_SKEWNESS, HALO, Billow, Fibre, Resample, cell_count, crop, gaussian_blur
from .puffs import PUFF_OCTAVES, Puffs, puff_cells
from .vertical_profile import PARAMETERS, TEXEL_KM, VerticalProfile, tall_share

_LEVEL_NAMES = ("near", "mid", "wide")
COLUMN_NOISE = 3 * WINDOW_LEVELS
"""Noise inputs of the columns; those of the puffs follow."""
SETTINGS = 5 + PARAMETERS
"""Setting maps of a level."""
RELIEF = ((0.30, 0.15), (0.55, 0.45), (0.30, 0.40))
"""Amplitudes of the base's undulations, by level from the finest: of cells of four texels and of two. Strongest are
those of 200 to 800 m, about as wide as a layer is thick."""
_WIDE_REACH = 12
"""Reach in 1.6 km cells of the widest blur."""
_SLOW = (4, 7, 5, 6)
"""Channels of the widest noise whose widest blurs turn, cross and break rows; the first is the widest spline, too."""
_ROWS = OCTAVES.index("rows_1000")
_TORN_POWER, _TORN_MOST = 0.6, 2.0
"""Of the noise that says where edges are torn: what keeps the mean square of the finest octaves near that of even
ones, measured, and its greatest size."""


def field_lattice(window: int) -> Lattice:
    """Lattice of a field with windows of ``window`` texels; training uses small windows."""
    size = window + 2 * HALO
    noise = []
    for level in reversed(range(WINDOW_LEVELS)):
        name, texel = _LEVEL_NAMES[level], WINDOW_FACTOR**level
        coarse = cell_count(size, 4) + (2 * _WIDE_REACH if level == 2 else 0)
        noise += [
            NoiseInput(f"noise_{name}_4", 8 if level == 2 else 4, coarse, 4 * texel),
            NoiseInput(f"noise_{name}_2", 4, cell_count(size, 2), 2 * texel),
            NoiseInput(f"noise_{name}_1", 2, size + 2 * Fibre.REACH, texel),
        ]
    for octave in PUFF_OCTAVES:
        noise.append(
            NoiseInput(octave.name, octave.tall_slices, puff_cells(octave, window, WINDOW_FACTOR), octave.cell_texels)
        )
    return Lattice(
        window, WINDOW_LEVELS, WINDOW_FACTOR, TEXEL_KM, tuple(noise), cell_count(size, 4), 4 * WINDOW_FACTOR**2
    )


FIELD_LATTICE = field_lattice(512)
"""The lattice of every exported field: windows of 12.8, 51.2 and 204.8 km at texture scale 1."""

MATCH_RANGE = (0.4, 2.5)
"""Bounds of the factor that matches a level's optical depth to the wider level."""


@dataclass
class LevelMaps:
    """What a level offers to its finer neighbour and to a learned generator; S = window + 2 HALO."""

    potential: Tensor
    """(B, 1, S, S) excess over the threshold, resolved part, in deviations."""
    depth: Tensor
    """(B, 1, S, S) expected column optical depth, before matching."""
    deviation: Tensor
    """(B, 1, S, S) deviation of the unresolved part."""
    erosion: Tensor
    """(B, 2, S, S) noise that continues over the levels; input of the learned generator only."""
    relief: Tensor
    """(B, 1, S, S) noise of the base's height, near unit variance, continued over the levels."""
    settings: Tensor
    """(B, C, S, S) setting maps: shift, ramp, log edge, log core, gate, then the profile's parameters."""


class ProceduralField(nn.Module):
    """CloudField without learned weights; ``forward`` has the signature of ``field.onnx``.

    Parameters
    ----------
    window : int
        Texels N along each side of a window, even.
    """

    def __init__(self, window: int = FIELD_LATTICE.window) -> None:
        super().__init__()
        self.lattice = field_lattice(window)
        self.window, self.size = window, window + 2 * HALO
        self.profile = VerticalProfile()
        self.puffs = nn.ModuleList(Puffs(window, level, WINDOW_FACTOR) for level in range(WINDOW_LEVELS - 1))
        self.fibre = Fibre()
        self.row_order = RowOrder()
        self.rows = nn.ModuleList(Rows(self.size, 4 * WINDOW_FACTOR ** (2 - level)) for level in range(WINDOW_LEVELS))
        self.spline_4 = Resample(self.size, 4, "cubic")
        self.noise_2, self.noise_4 = Resample(self.size, 2, "noise"), Resample(self.size, 4, "noise")
        self.linear = nn.ModuleList(Resample(self.size, 4 * WINDOW_FACTOR**step, "linear") for step in range(3))
        self.match = Resample(window, WINDOW_FACTOR, "linear")
        self.billow = nn.ModuleDict({str(r): Billow(self.size, r) for r in (2, 4, 8, 16)})
        table = torch.tensor([[*s.spline, *s.billow, *s.fibre, s.rows] for s in SPECTRA])
        self.register_buffer("amplitudes", table.T.contiguous(), persistent=False)  # (20, types)
        metres = torch.tensor([float(name.split("_")[1]) for name in OCTAVES])
        self.register_buffer("fineness", 0.3 * torch.log(1600.0 / metres)[None, :, None, None], persistent=False)
        self.register_buffer("unresolved", 1 - torch.tensor(RESOLVED), persistent=False)
        rows = [(edge_shift(s), s.ramp, math.log(s.edge_depth), math.log(s.core_depth), s.torn) for s in SPECTRA]
        self.register_buffer("edges", torch.tensor(rows).T.contiguous(), persistent=False)  # (5, types)

    def at_window(self, window: int) -> ProceduralField:
        """The same field with another window size."""
        return ProceduralField(window)

    def settings(self, condition: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitudes (B, 20, c, c) and setting maps (B, SETTINGS + 4, c, c) on the condition cells.

        ``order`` (B, 1, c, c) is the strength of rows. The last four setting maps are the unresolved
        deviations of near, mid and wide, and how torn edges are.
        """
        cover, grain = condition[:, :1], condition[:, GRAIN_CHANNEL : GRAIN_CHANNEL + 1]
        types = condition[:, 1 : 1 + len(CLOUD_TYPES)]
        types = types / types.sum(1, keepdim=True).clamp(min=1e-6)
        amplitude = functional.conv2d(types, self.amplitudes[:, :, None, None]) * torch.exp(grain * self.fineness)
        amplitude = torch.cat([amplitude[:, :_ROWS], amplitude[:, _ROWS:] * order], 1)
        power = amplitude.square()
        amplitude = amplitude / power.sum(1, keepdim=True).sqrt()
        power = amplitude.square()
        deviation = (functional.conv2d(power, self.unresolved[:, :, None, None]) + FINEST_DEVIATION**2).sqrt()
        edges = functional.conv2d(types, self.edges[:, :, None, None])
        billow = power[:, 10:16] * amplitude[:, 10:16]
        skewness = BILLOW_SKEWNESS * billow.sum(1, keepdim=True)
        z = normal_quantile(1 - cover)
        quantile = z + skewness / 6 * (z.clamp(-2.5, 2.5).square() - 1)  # Cornish and Fisher 1938
        shift = edges[:, :1] - quantile + 4.0 * torch.relu(cover - 0.97) / 0.03
        gate = (cover * 100.0).clamp(0.0, 1.0)
        shapes = [shift, edges[:, 1:4], gate, self.profile.parameters_of(types)]
        return amplitude, torch.cat([*shapes, deviation, edges[:, 4:]], 1)

    def _level(
        self, level: int, noise: tuple[Tensor, ...], ground: tuple[Tensor, ...], wider: tuple[Tensor, ...]
    ) -> tuple[LevelMaps, tuple[Tensor, ...]]:
        """Maps of one level, and the parts of its potential and erosion that the finer level continues."""
        four, two, one = noise
        spread: nn.Module = self.linear[2 - level]
        amplitude, settings, along, slow, row_amplitude = ground
        used = {2: (5, 10, 11, 16), 1: (6, 7, 12, 13, 10, 11, 17), 0: (8, 9, 14, 15, 12, 13, 18)}[level]
        used = (*used, _ROWS)
        a = dict(zip(used, spread(torch.cat([amplitude[:, i : i + 1] for i in used], 1)).split(1, 1), strict=True))
        maps = spread(settings)
        smooth = gaussian_blur(crop(one[:, :1], self.size + 4), 0.8, 2)
        octaves_2 = self.noise_2(two[:, (0, 1, 3)])
        raw_4 = crop(four, self.spline_4.cells)
        if level == 2:
            low = amplitude[:, :4]
            parts = [slow[:, :1]] + [
                gaussian_blur(crop(four[:, i : i + 1], raw_4.shape[-1] + 2 * reach), sigma, reach)
                for i, sigma, reach in ((5, 2.3, 7), (6, 1.15, 4))
            ]
            gains = (1.03, 1.06, 1.25)
            base = sum(low[:, i : i + 1] * p * g for i, (p, g) in enumerate(zip(parts, gains, strict=True)))
            direction_weights = self.fibre.weights(slow[:, :2], along)
            eight_hundred = amplitude[:, 4:5]
            octaves_4 = self.noise_4(raw_4[:, (0, 1, 3)])
            eroded = 0.8 * octaves_4[:, :2] + 0.6 * octaves_2[:, :2]
            kept = (
                self.spline_4(base)
                + spread(low[:, 3:4]) * octaves_4[:, 2:]
                + spread(eight_hundred) * octaves_2[:, 2:]
                + a[5] * smooth
            )
            kept = kept + a[16] * self.fibre(one[:, 1:], spread(direction_weights))
            potential = kept + a[10] * self.billow["4"](four) + a[11] * self.billow["2"](two)
            relief = RELIEF[2][0] * octaves_4[:, :1] + RELIEF[2][1] * octaves_2[:, :1]
            carried: tuple[Tensor, ...] = (kept, torch.cat([eroded, relief], 1), direction_weights, four, two)
        else:
            kept_wider, eroded_wider, direction_weights, four_wider, two_wider = wider
            up = self.spline_4(torch.cat([kept_wider, eroded_wider], 1))
            fine_4 = self.noise_4(four[:, :2])
            eroded = 0.75 * up[:, 1:3] + 0.5 * fine_4 + 0.43 * octaves_2[:, :2]
            spline_a, spline_b, billow_a, billow_b, billow_c, billow_d, fibre, _ = used
            splines = a[spline_a] * octaves_2[:, 2:] + a[spline_b] * smooth
            billows = a[billow_a] * self.billow["4"](four) + a[billow_b] * self.billow["2"](two)
            if level == 0:
                torn = maps[:, SETTINGS + WINDOW_LEVELS :]
                uneven = torn * up[:, 2:3].clamp(-_TORN_MOST, _TORN_MOST) - _TORN_POWER * torn * torn
                strength = torch.exp(uneven)
                splines, billows = splines * strength, billows * strength
            kept = up[:, :1] + splines + a[fibre] * self.fibre(one[:, 1:], spread(direction_weights))
            wide_billows = a[billow_c] * self.billow["16"](four_wider) + a[billow_d] * self.billow["8"](two_wider)
            kept = kept + wide_billows
            potential = kept + billows
            relief = up[:, 3:] + RELIEF[level][0] * fine_4[:, :1] + RELIEF[level][1] * octaves_2[:, :1]
            carried = (kept, torch.cat([eroded, relief], 1), direction_weights, four, two)
        potential = potential + (math.sqrt(RESOLVED[level][_ROWS]) * a[_ROWS]) * self.rows[level](row_amplitude)
        deviation = maps[:, SETTINGS + level : SETTINGS + 1 + level]
        excess = potential + maps[:, :1]
        depth = depth_of(excess, deviation, maps)
        return LevelMaps(excess, depth, deviation, eroded, relief, maps[:, :SETTINGS]), carried

    def levels(self, noise: tuple[Tensor, ...], condition: Tensor) -> list[LevelMaps]:
        """Maps of the levels, finest first, before they are matched to each other."""
        along, cells = condition[:, GRAIN_CHANNEL + 1 :], self.spline_4.cells
        widest = crop(noise[0], cells + 2 * _WIDE_REACH)
        slow = torch.cat([gaussian_blur(widest[:, i : i + 1], 4.6, _WIDE_REACH) for i in _SLOW], 1)
        white = crop(noise[0][:, 4:].flip(1), cells + 2 * ROW_REACH)
        row_amplitude, order = self.row_order(white, slow, along)
        ground = (*self.settings(condition, order), along, slow, row_amplitude)
        wide, carried = self._level(2, noise[0:3], ground, ())
        mid, carried = self._level(1, noise[3:6], ground, carried)
        near, _ = self._level(0, noise[6:9], ground, carried)
        return [near, mid, wide]

    def matched(self, depths: list[Tensor]) -> list[Tensor]:
        """Column depths (B, 1, N, N), finest first, each near the area mean of the finer one.

        ``depths`` are (B, 1, T, T) with T at least N + 2 WINDOW_FACTOR.
        """
        wider = crop(depths[-1], self.window)
        out = [wider]
        cells = self.match.cells
        for depth in reversed(depths[:-1]):
            mean = functional.avg_pool2d(crop(depth, cells * WINDOW_FACTOR), WINDOW_FACTOR)
            ratio = (self.match(crop(wider, cells)) + 0.02) / (self.match(mean) + 0.02)
            wider = crop(depth, self.window) * ratio.clamp(*MATCH_RANGE)
            out.insert(0, wider)
        return out

    def fill(
        self, depths: list[Tensor], maps: list[LevelMaps], puffs: tuple[Tensor, ...], shell_height: Tensor
    ) -> Tensor:
        """Extinction (L, k, N, N), finest level first, of matched column depths (1, 1, N, N) and puff noise."""
        shapes = [crop(m.settings[:, 5:], self.window) for m in maps]
        filled = [
            self.profile.filled(depth, shape, level)
            for level, (depth, shape) in enumerate(zip(depths, shapes, strict=True))
        ]
        parts = []
        for level, (depth, shape, wider) in enumerate(zip(depths, shapes, [*filled[1:], None], strict=True)):
            noise = None
            if level < len(self.puffs):
                noise = self.puffs[level](puffs, shell_height, tall_share(shape)).transpose(0, 1)
            relief = crop(maps[level].relief, self.window)
            parts.append(self.profile(depth, shape, noise, relief, shell_height, level, wider))
        return torch.cat(parts, 0)

    def columns(self, noise: tuple[Tensor, ...], condition: Tensor) -> tuple[list[Tensor], list[LevelMaps]]:
        """Matched column depths and maps, finest first."""
        maps = self.levels(noise, condition)
        return self.matched([m.depth for m in maps]), maps

    def forward(self, *inputs: Tensor) -> Tensor:
        """Noise lattices coarse to fine, condition, shell_height; see signatures.field_signature."""
        *noise, condition, shell_height = inputs
        depths, maps = self.columns(tuple(noise), condition)
        return self.fill(depths, maps, tuple(noise[COLUMN_NOISE:]), shell_height)
