"""Rows of clouds: waves of one length whose crests keep to a slowly turning axis, as in altocumulus undulatus.

Phasor noise (Tricard et al. 2019) of oriented kernels (Gabor noise, Lagae et al. 2009): white noise
on the coarsest lattice is filtered by kernels of many crest axes, those near the local axis are
added up, and the sum is brought to about the same size everywhere; where it vanishes rows fork or
break off. That is a complex amplitude on lattice cells. Kernels that carry the wave themselves
interpolate it, so that waves may be shorter than cells. Axes are angles from east to south.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .field_octaves import CELL_HALO, cell_count, crop, cubic_spline

ROW_SPACING = 0.625
"""Length of the waves in cells of the coarsest lattice: 1 km at texture scale 1."""
SECTORS, WITHIN = 8, 3
"""Crest axes whose waves carry the interpolation, and kernels around each of them."""
AXES = SECTORS * WITHIN
REACH = 5
"""Reach of the kernels in cells."""
COHERENCE = 1.6
"""Deviation of the kernels in cells: rows keep in step over about seven waves to each side."""
UNEVENNESS = 0.5
"""Squared amplitude, in units of its mean, below which rows fade."""
GAIN = 2.3
"""Gives the waves unit variance after what interpolation takes from them; measured."""

ALIGNED = 5.0
"""How much stronger the axis of an endless stretch is than the slow turning."""
STRONGEST = 1.4
"""Strength of rows where their axis hardly turns and nothing breaks them."""
BROKEN = 0.75
"""Share of their strength that rows lose where they are broken up into cells without order."""
CROSSING, CROSSING_RAD = 0.45, math.radians(62.5)
"""Strength of the second waves, relative to the first and at most, and the angle at which they cross them: together
they make cells in rows."""
_STEEPNESS, _MOSTLY = 1.4, 0.4
"""How quickly order changes to disorder, and how much more common it is."""


def crest_axis_rad(index: int) -> float:
    """Angle of a kernel's crests; the middle one of a sector carries the interpolation."""
    return math.pi * (index - WITHIN // 2) / AXES


def _wave_vector(index: int) -> tuple[float, float]:
    """Across a kernel's crests: east and south, in radians per cell."""
    angle, size = crest_axis_rad(index) + math.pi / 2, 2 * math.pi / ROW_SPACING
    return size * math.cos(angle), size * math.sin(angle)


def _carrier(sector: int) -> tuple[float, float]:
    return _wave_vector(sector * WITHIN + WITHIN // 2)


class RowAmplitude(nn.Module):
    """Complex amplitudes of waves along given crests on lattice cells."""

    def __init__(self) -> None:
        super().__init__()
        axis = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        radius = torch.hypot(x, y)
        envelope = torch.exp(-0.5 * (radius / COHERENCE) ** 2)
        envelope = envelope * torch.cos(0.5 * math.pi * (radius / (REACH + 1)).clamp(max=1.0)) ** 2
        envelope = envelope / envelope.square().sum().sqrt()
        vectors = torch.tensor([_wave_vector(i) for i in range(AXES)], dtype=torch.float64)
        carriers = torch.tensor([_carrier(i // WITHIN) for i in range(AXES)], dtype=torch.float64)
        phase = vectors[:, :1, None] * x + vectors[:, 1:, None] * y
        kernels = torch.cat([envelope * torch.cos(phase), -envelope * torch.sin(phase)])[:, None]
        self.register_buffer("kernels", kernels.float(), persistent=False)
        taken = torch.sinc((vectors - carriers) / (2 * math.pi)).prod(1) ** 4  # by the spline that interpolates
        self.register_buffer("gain", (GAIN / taken).float()[None, :, None, None], persistent=False)
        signs = torch.sign(vectors[:, (1, 0)]).T[:, :, None, None].contiguous()
        self.register_buffer("signs", signs.float(), persistent=False)
        twice = torch.tensor([2 * crest_axis_rad(i) for i in range(AXES)], dtype=torch.float64)
        axes = torch.stack([torch.cos(twice), torch.sin(twice)], 1)[:, :, None, None]
        self.register_buffer("axes", axes.float(), persistent=False)
        once = torch.tensor([crest_axis_rad(i) for i in range(AXES)], dtype=torch.float64)
        turned = torch.stack([torch.cos(once), torch.sin(once)])[:, None, :, None, None]  # 2 1 AXES 1 1
        self.register_buffer("turned", turned.float(), persistent=False)
        self.least = math.cos(3 * math.pi / AXES)

    def forward(self, noise: Tensor, crests: Tensor) -> Tensor:
        """White noise (B, 3, n + 2 REACH, same) and crest axes (B, 2, n, n) to amplitudes (B, 2 SECTORS, n, n).

        ``crests`` holds cosine and sine of twice the axis, of unit length; where they vanish there are no
        waves. Amplitudes are real and imaginary parts by sector, such that their waves have unit variance.
        """
        near = torch.relu(functional.conv2d(crests, self.axes) - self.least)
        near = near / near.sum(1, keepdim=True).clamp(min=1e-3)  # none is near where there is no axis
        # Noise of one real channel would hold crests or troughs to the cells' centres. Its second part turns with the
        # axis so that the axis's other end has the conjugate.
        first, east, south = (functional.conv2d(noise[:, i : i + 1], self.kernels) for i in range(3))
        second = torch.cat([self.turned[0]] * 2, 1) * east + torch.cat([self.turned[1]] * 2, 1) * south
        (real, imaginary), (real_2, imaginary_2) = first.split(AXES, 1), second.split(AXES, 1)
        real, imaginary = (real - imaginary_2) * math.sqrt(0.5), (imaginary + real_2) * math.sqrt(0.5)
        real, imaginary = real * near, imaginary * near
        # An axis has no sign, but a kernel's wave has: those near to one another are added with the same.
        signed = functional.conv2d(imaginary, self.signs)
        in_step = torch.where(crests[:, :1] > 0, signed[:, :1], signed[:, 1:])
        energy = real.sum(1, keepdim=True).square() + in_step.square()
        even = self.gain / (energy + UNEVENNESS).sqrt()
        batch, _, height, width = real.shape
        parts = torch.stack([real * even, imaginary * even], 1)  # B 2 AXES n n
        parts = parts.reshape(batch, 2, SECTORS, WITHIN, height, width).sum(3).transpose(1, 2)
        return parts.reshape(batch, 2 * SECTORS, height, width)


class RowOrder(nn.Module):
    """Where clouds stand in rows, in cells along rows, or without order, and along which axis."""

    def __init__(self) -> None:
        super().__init__()
        self.amplitude = RowAmplitude()

    def forward(self, noise: Tensor, slow: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitudes (B, 2 SECTORS, n, n) of waves of unit variance, and their strength (B, 1, n, n).

        Parameters
        ----------
        noise : Tensor, shape (B, 4, n + 2 REACH, same)
            White; the first and the second waves take three channels each.
        slow : Tensor, shape (B, 4, n, n)
            Smooth noise of unit variance: cosine and sine of twice the axis, then crossing and breaking of rows.
        along : Tensor, shape (B, 2, n, n)
            The last two of CONDITION_CHANNELS: the more clouds are stretched, the nearer rows keep to that axis.
        """
        crests = slow[:, :2] - ALIGNED * along  # azimuths count from north, angles from east to south
        length = crests.square().sum(1, keepdim=True).sqrt()
        crests = crests / length.clamp(min=1e-3)
        kept = STRONGEST * length / (1 + length) * (1 - BROKEN * _share(slow[:, 3:] - _MOSTLY))
        crossed = CROSSING * _share(slow[:, 2:3])
        both = (1 + crossed.square()).sqrt()
        turn = 2 * CROSSING_RAD
        east, south = crests.split(1, 1)
        across = torch.cat(
            [math.cos(turn) * east - math.sin(turn) * south, math.sin(turn) * east + math.cos(turn) * south], 1
        )
        first, second = self.amplitude(noise[:, :3], crests), self.amplitude(noise[:, 1:], across)
        return (first + crossed * second) / both, kept * both


def _share(noise: Tensor) -> Tensor:
    """0 to 1: how much of the plane lies below a steepened normal deviate."""
    return 0.5 + 0.5 * torch.erf(noise * (_STEEPNESS * math.sqrt(0.5)))


class Rows(nn.Module):
    """Waves on a level's texels from their amplitudes on lattice cells.

    Parameters
    ----------
    texels : int
        Along each side.
    ratio : int
        Texels of a cell.
    """

    def __init__(self, texels: int, ratio: int) -> None:
        super().__init__()
        self.texels, self.ratio, self.cells = texels, ratio, cell_count(texels, ratio)
        place = (torch.arange(ratio, dtype=torch.float64) + 0.5) / ratio - 0.5
        tap = torch.arange(-CELL_HALO, CELL_HALO + 1, dtype=torch.float64)
        distance = place[:, None] - tap[None, :]  # ratio taps
        spline = cubic_spline(distance)
        down, right = [], []
        for sector in range(SECTORS):
            east, south = _carrier(sector)
            real, imaginary = spline * torch.cos(south * distance), spline * torch.sin(south * distance)
            down += [torch.stack([real, -imaginary], 1), torch.stack([imaginary, real], 1)]
            right += [spline * torch.cos(east * distance), -spline * torch.sin(east * distance)]
        self.register_buffer("down", torch.cat(down)[..., None].float(), persistent=False)
        self.register_buffer("right", torch.stack(right, 1)[:, :, None].float(), persistent=False)

    def forward(self, amplitude: Tensor) -> Tensor:
        """Amplitudes (B, 2 SECTORS, n, n) to waves (B, 1, S, S)."""
        cells, inner, ratio = self.cells, self.cells - 2 * CELL_HALO, self.ratio
        batch, side = amplitude.shape[0], inner * ratio
        columns = functional.conv2d(crop(amplitude, cells), self.down, groups=SECTORS)
        columns = columns.reshape(batch, 2 * SECTORS, ratio, inner, cells).transpose(2, 3)
        waves = functional.conv2d(columns.reshape(batch, 2 * SECTORS, side, cells), self.right)  # B ratio side inner
        return crop(waves.permute(0, 2, 3, 1).reshape(batch, 1, side, side), self.texels)
