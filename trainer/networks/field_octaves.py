"""Octaves of cloud structure from lattice noise: splines, billows and fibres, without padding.

Maps are (B, C, S, S), all centred on the window; row 0 is north. Every octave has zero mean and
unit variance over the plane, so amplitudes add in squares. Nothing depends on the position in
the window, hence a window that moves by whole cells shows the same plane.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HALO = 16
"""Texels beyond the window on each side that every level computes, for convolutions and level matching."""

CELL_HALO = 2
"""Lattice cells beyond the computed texels on each side, for splines and billow neighbours."""

BILLOW_MEAN, BILLOW_DEVIATION = (-0.0012, 0.0076, 0.0014), (0.2370, -0.0039, -0.0016)
"""Moments of the raw billow at a place in its cell, measured over 30 million texels, as coefficients
of 1, cos x + cos y and cos x cos y with x and y from -pi to pi. Dividing them out hides the lattice."""

BILLOW_SKEWNESS = -0.836
"""Third moment of a billow octave: lobes have rounded tops and deep creases."""

_LARGEST_BUMP = 0.45


def cell_count(texels: int, ratio: int) -> int:
    """Even number of lattice cells of ``ratio`` texels that cover ``texels`` and the cell halo."""
    return 2 * math.ceil(texels / 2 / ratio) + 2 * CELL_HALO


def crop(maps: Tensor, size: int) -> Tensor:
    """Centre of maps (..., S, S) as (..., size, size)."""
    start = (maps.shape[-1] - size) // 2
    return maps[..., start : start + size, start : start + size]


def cubic_spline(x: Tensor) -> Tensor:
    """Cubic B-spline at distances in cells; its values at whole steps sum to 1."""
    x = x.abs()
    return torch.where(x < 1, 2 / 3 - x**2 + x**3 / 2, (2 - x).clamp(min=0.0) ** 3 / 6)


def _linear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0.0)


def resample_matrix(texels: int, cells: int, ratio: int, kernel: str) -> Tensor:
    """Weights (texels, cells) of lattice cells at texel centres, centred on the window.

    ``kernel`` is "linear", "cubic" (B-spline, smooth) or "noise": a B-spline whose rows have a
    sum of squares of 1 rather than a sum of 1, so that white noise has unit variance everywhere.
    """
    position = (torch.arange(texels, dtype=torch.float64) + 0.5 - texels / 2) / ratio
    cell = torch.arange(cells, dtype=torch.float64) + 0.5 - cells / 2
    weight = (_linear if kernel == "linear" else cubic_spline)(position[:, None] - cell[None, :])
    if kernel == "noise":
        weight = weight / weight.square().sum(1, keepdim=True).sqrt()
    return weight.float()


class Resample(nn.Module):
    """Maps on cells (B, C, n, n) to texels (B, C, S, S) by a separable kernel."""

    def __init__(self, texels: int, ratio: int, kernel: str) -> None:
        super().__init__()
        self.cells = cell_count(texels, ratio)
        self.register_buffer("weight", resample_matrix(texels, self.cells, ratio, kernel), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Centre crop to the cells needed, then interpolate."""
        weight: Tensor = self.weight
        return torch.matmul(torch.matmul(weight, crop(maps, self.cells)), weight.T)


class Billow(nn.Module):
    """Union of randomly placed, randomly sized paraboloid bumps: cauliflower lobes.

    The value is the maximum over the 21 nearest cells of b - |x - p|^2, b a bump's height and p its
    point (a power diagram, Aurenhammer 1987; billows after Worley 1996). Points stray from their
    cell's centre by a normal deviate of 0.42 cells: their density ripples by 6 % only, so that
    no rows and columns show as they do with one point inside each cell.
    """

    STRAY = 0.42

    def __init__(self, texels: int, ratio: int) -> None:
        super().__init__()
        self.texels, self.ratio = texels, ratio
        self.cells = cell_count(texels, ratio) - 2 * CELL_HALO
        sub = (torch.arange(ratio, dtype=torch.float32) + 0.5) / ratio - 0.5
        sub_y, sub_x = torch.meshgrid(sub, sub, indexing="ij")
        ones = torch.ones_like(sub_x)
        kernel = torch.stack([2 * sub_x, 2 * sub_y, ones], -1).reshape(ratio * ratio, 3, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)
        wave_x, wave_y = torch.cos(2 * math.pi * sub_x), torch.cos(2 * math.pi * sub_y)
        mean, deviation = (
            m[0] + m[1] * (wave_x + wave_y) + m[2] * wave_x * wave_y for m in (BILLOW_MEAN, BILLOW_DEVIATION)
        )
        self.register_buffer("offset", (sub_x**2 + sub_y**2 + mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("gain", (1 / deviation).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Noise (B, 3 or more, n, n): x and y of the points, bump height. Returns (B, 1, S, S)."""
        n = self.cells
        noise = crop(noise, n + 2 * CELL_HALO)
        point_x, point_y = (self.STRAY * noise[:, :2]).clamp(-1.0, 1.0).split(1, 1)
        bump = (0.5 + 0.5 * torch.erf(noise[:, 2:3] * math.sqrt(0.5))) * _LARGEST_BUMP
        best: Tensor | None = None
        for row in range(-CELL_HALO, CELL_HALO + 1):
            for column in range(-CELL_HALO, CELL_HALO + 1):
                if abs(row) + abs(column) == 2 * CELL_HALO:
                    continue  # the four corners are too far to matter
                r, c = row + CELL_HALO, column + CELL_HALO
                x = point_x[..., r : r + n, c : c + n] + column
                y = point_y[..., r : r + n, c : c + n] + row
                b = bump[..., r : r + n, c : c + n]
                value = functional.conv2d(torch.cat([x, y, b - x * x - y * y], 1), self.kernel)
                best = value if best is None else torch.maximum(best, value)
        assert best is not None
        spread = functional.pixel_shuffle((best - self.offset) * self.gain, self.ratio)  # (B, 1, n r, n r)
        return crop(spread, self.texels)


class Fibre(nn.Module):
    """Streaks along a slowly turning direction: oriented filters mixed by a direction field."""

    ORIENTATIONS = 4
    REACH = 8
    ALIGNED = 2.5
    """How much stronger the axis of an endless stretch is than the slow turning."""

    def __init__(self) -> None:
        super().__init__()
        axis = torch.arange(-self.REACH, self.REACH + 1, dtype=torch.float32)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        kernels = []
        for i in range(self.ORIENTATIONS):
            angle = math.pi * i / self.ORIENTATIONS
            along = x * math.cos(angle) + y * math.sin(angle)
            across = -x * math.sin(angle) + y * math.cos(angle)
            kernel = torch.exp(-0.5 * ((along / 4.0) ** 2 + (across / 0.9) ** 2))
            kernels.append(kernel / kernel.square().sum().sqrt())
        self.register_buffer("kernels", torch.stack(kernels)[:, None], persistent=False)
        flat = torch.stack(kernels).flatten(1)
        self.register_buffer("common", (flat @ flat.T)[:, :, None, None], persistent=False)

    def weights(self, direction: Tensor, along: Tensor) -> Tensor:
        """Weights (B, 4, n, n) of the directions in which streaks run, for streaks of unit variance.

        Parameters
        ----------
        direction : Tensor, shape (B, 2, n, n)
            Cosine and sine of doubled angles, of unit variance: the slow turning.
        along : Tensor, shape (B, 2, n, n)
            The last two of CONDITION_CHANNELS: the more clouds are stretched, the nearer streaks keep to that axis.
        """
        direction = direction - self.ALIGNED * along  # azimuths count from north, angles from east to south
        parts = []
        for i in range(self.ORIENTATIONS):
            angle = 2 * math.pi * i / self.ORIENTATIONS
            along = direction[:, :1] * math.cos(angle) + direction[:, 1:2] * math.sin(angle)
            parts.append(torch.relu(along + 0.15) ** 2 + 0.02)
        weight = torch.cat(parts, 1)
        common: Tensor = self.common
        variance = (weight * functional.conv2d(weight, common)).sum(1, keepdim=True)  # filters overlap
        return weight / variance.sqrt()

    def forward(self, noise: Tensor, weights: Tensor) -> Tensor:
        """White noise (B, 1, S + 16, S + 16) and weights (B, 4, S, S) to streaks (B, 1, S, S)."""
        return (functional.conv2d(noise, self.kernels) * weights).sum(1, keepdim=True)


def gaussian_blur(maps: Tensor, sigma: float, reach: int) -> Tensor:
    """White noise (B, 1, n, n) blurred to unit variance, (B, 1, n - 2 reach, n - 2 reach)."""
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=maps.device)
    kernel = torch.exp(-0.5 * (axis / sigma) ** 2)
    kernel = kernel / kernel.square().sum().sqrt()
    return functional.conv2d(functional.conv2d(maps, kernel[None, None, None, :]), kernel[None, None, :, None])
