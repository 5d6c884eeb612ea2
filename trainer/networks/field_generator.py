"""The learned CloudField: the procedural field's 100 m and 25 m levels, refined by convolutions.

The 400 m level stays procedural: captures show the plane only within a few kilometres, where
no 400 m structure can be seen. Each stage looks at the excess of the procedural potential, the
noise and the conditions, and returns a correction of the excess, which moves cloud edges, and a
gain of optical depth. The wider level's correction is handed down. Corrections fade out for
stratus and cirrus, of whose shapes the captures hold too few, and for types that are left alone
because skies are no nearer to captures by them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import GRAIN_CHANNEL, WINDOW_FACTOR

from .cloud_spectra import depth_of
from .field_octaves import HALO, crop
from .procedural_field import COLUMN_NOISE, FIELD_LATTICE, LevelMaps, ProceduralField

EXCESS_LIMIT = 0.5
"""Largest correction of the excess, in deviations of the potential."""
GAIN_LIMIT = 0.5
"""Largest correction of log optical depth."""
STAGE_HALO = 8
"""Texels that a stage's convolutions take from each side."""
_FEATURES = 12
_UNSEEN = tuple(CLOUD_TYPES.index(name) for name in ("stratus", "cirrus"))
LEARNED_TYPES = tuple(name for index, name in enumerate(CLOUD_TYPES) if index not in _UNSEEN)
"""Types that corrections may change; of the others the captures hold too few."""


class RefineStage(nn.Module):
    """Padding-free network of one level: most width at a quarter of the resolution."""

    def __init__(self, width: int = 48, fine: int = 12) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(_FEATURES * 16, width, 3)
        self.mix = nn.Conv2d(width, width, 1)
        self.expand = nn.Conv2d(width, fine * 16, 1)
        self.fine = nn.ModuleList([nn.Conv2d(fine + _FEATURES, fine, 3), nn.Conv2d(fine, fine, 3)])
        self.head = nn.Conv2d(fine, 2, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, 12, S, S) with S divisible by 4 to raw corrections (B, 2, S - 16, S - 16)."""
        wide = functional.leaky_relu(self.reduce(functional.pixel_unshuffle(features, 4)), 0.2)
        wide = functional.leaky_relu(wide + self.mix(wide), 0.2)
        maps = functional.pixel_shuffle(self.expand(wide), 4)  # (B, fine, S - 8, S - 8)
        maps = torch.cat([maps, crop(features, maps.shape[-1])], 1)
        for layer in self.fine:
            maps = functional.leaky_relu(layer(maps), 0.2)
        return crop(self.head(maps), features.shape[-1] - 2 * STAGE_HALO)


def _of_all_types(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights of before types could be chosen are those of a field that changes all that it has learned."""
    state.setdefault(f"{prefix}learned_share", module.learned_share)


class FieldGenerator(nn.Module):
    """CloudField with learned stages; the signature and the lattice are the procedural field's.

    Parameters
    ----------
    window : int
        Texels N along each side of a window, divisible by 4.
    """

    def __init__(self, window: int = FIELD_LATTICE.window) -> None:
        super().__init__()
        self.procedural = ProceduralField(window)
        self.lattice = self.procedural.lattice
        self.window = window
        self.embed = nn.Conv2d(len(CLOUD_TYPES) + 1, 4, 1)
        self.stages = nn.ModuleList([RefineStage(), RefineStage()])  # near, mid
        self.register_buffer("learned_share", torch.zeros(1, len(CLOUD_TYPES), 1, 1))
        self.learned_share: Tensor
        self.learn_types(LEARNED_TYPES)
        self.register_load_state_dict_pre_hook(_of_all_types)
        self.autocast: torch.dtype | None = None
        """Type in which the stages' convolutions reckon while training; None for that of the weights."""

    def learn_types(self, names: Sequence[str]) -> None:
        """Let corrections change these types of LEARNED_TYPES only; they are exported and kept with the weights."""
        shares = [float(name in names and name in LEARNED_TYPES) for name in CLOUD_TYPES]
        self.learned_share = torch.tensor(shares, device=self.learned_share.device).view(1, -1, 1, 1)

    @property
    def learned_types(self) -> tuple[str, ...]:
        """Types that corrections change."""
        shares = self.learned_share.flatten().tolist()
        return tuple(name for name, share in zip(CLOUD_TYPES, shares, strict=True) if share)

    def at_window(self, window: int) -> FieldGenerator:
        """A copy with the same weights and another window size."""
        other = FieldGenerator(window)
        other.load_state_dict(copy.deepcopy(self.state_dict()))
        return other

    def refined(
        self, level: int, noise: Tensor, condition: Tensor, maps: LevelMaps, handed_down: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Column depth (B, 1, S - 16, S - 16) and corrections (B, 2, same), of excess and log depth."""
        size = self.procedural.size
        spread: nn.Module = self.procedural.linear[2 - level]
        unseen = sum(condition[:, 1 + i : 2 + i] for i in _UNSEEN)
        learned = (condition[:, 1:GRAIN_CHANNEL] * self.learned_share).sum(1, keepdim=True)
        cells = torch.cat([self.embed(condition[:, 1 : GRAIN_CHANNEL + 1]), unseen, learned], 1)
        context, strength = spread(cells).split([5, 1], 1)
        base = maps.potential
        if handed_down is not None:
            base = base + handed_down
        depth = depth_of(base, maps.deviation, maps.settings)
        shown = torch.cat([(0.5 * base).clamp(-2.0, 2.0), 1 - torch.exp(-depth), 1 - torch.exp(-0.2 * depth)], 1)
        features = torch.cat([shown, crop(noise, size), maps.erosion, context], 1)
        raw = self._corrected(level, features)
        inner = raw.shape[-1]
        correction = torch.tanh(raw) * crop(strength, inner)
        excess = crop(base, inner) + EXCESS_LIMIT * correction[:, :1]
        depth = depth_of(excess, crop(maps.deviation, inner), crop(maps.settings, inner))
        depth = depth * torch.exp(GAIN_LIMIT * correction[:, 1:])
        return depth, correction

    def _corrected(self, level: int, features: Tensor) -> Tensor:
        """What a stage makes of its features."""
        if self.autocast is None:
            return self.stages[level](features)
        with torch.autocast(features.device.type, self.autocast):
            return self.stages[level](features).float()

    def columns(self, noise: tuple[Tensor, ...], condition: Tensor) -> tuple[list[Tensor], list[LevelMaps]]:
        """Matched column depths (B, 1, N, N) and the procedural maps, finest first."""
        depths, maps, _ = self.columns_and_corrections(noise, condition)
        return depths, maps

    def columns_and_corrections(
        self, noise: tuple[Tensor, ...], condition: Tensor
    ) -> tuple[list[Tensor], list[LevelMaps], list[Tensor]]:
        """As :meth:`columns`, with the corrections of near and mid."""
        maps = self.procedural.levels(noise, condition)
        mid, mid_correction = self.refined(1, noise[5], condition, maps[1], None)
        handed_down = self.procedural.spline_4(EXCESS_LIMIT * mid_correction[:, :1])
        near, near_correction = self.refined(0, noise[8], condition, maps[0], handed_down)
        depths = self.procedural.matched([near, mid, maps[2].depth])
        return depths, maps, [near_correction, mid_correction]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Noise lattices coarse to fine, condition, shell_height; see signatures.field_signature."""
        *noise, condition, shell_height = inputs
        depths, maps = self.columns(tuple(noise), condition)
        return self.procedural.fill(depths, maps, tuple(noise[COLUMN_NOISE:]), shell_height)


assert 2 * STAGE_HALO + WINDOW_FACTOR * 2 * 2 <= 2 * HALO  # what is left suffices to match levels
