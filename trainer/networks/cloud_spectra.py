"""Spectra of the cloud types: how strong each octave is, and how its excess becomes a column's optical depth.

After Perlin-Worley cloud modelling (Schneider 2015) with the expected value of a ramp under
normal noise, E relu(x + s n) = x Phi(x / s) + s phi(x / s).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

OCTAVES = (
    *("spline_12800", "spline_6400", "spline_3200", "spline_1600", "spline_800", "spline_400"),
    *("spline_200", "spline_100", "spline_50", "spline_25"),
    *("billow_1600", "billow_800", "billow_400", "billow_200", "billow_100", "billow_50"),
    *("fibre_400", "fibre_100", "fibre_25"),
    "rows_1000",
)
"""Octaves by their cell size in metres, and rows by their spacing."""

RESOLVED = (
    (1.0,) * 20,
    (*(1.0,) * 8, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0),
    (*(1.0,) * 6, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.25),
)
"""Share of each octave that a level's texels resolve: near, mid, wide. Of rows, wide texels hold 0.6 in the mean, but
with two and a half of them a wave that much would show their grid."""


@dataclass(frozen=True)
class CloudSpectrum:
    """Amplitudes of one cloud type's octaves and how its excess becomes optical depth."""

    spline: tuple[float, ...]
    """12.8 km down to 25 m, ten octaves."""
    billow: tuple[float, ...]
    """1.6 km down to 50 m, six octaves."""
    fibre: tuple[float, ...]
    """400, 100 and 25 m."""
    ramp: float
    """Excess over which the edge rises, in deviations of the potential."""
    edge_depth: float
    """Optical depth gained over the ramp."""
    core_depth: float
    """Optical depth gained per deviation beyond the ramp."""
    cover_depth: float
    """Optical depth from which a column counts as cloud."""
    rows: float = 0.0
    """Waves of 1 km, at strength 1; see :class:`.cloud_rows.RowOrder`."""
    torn: float = 0.0
    """How much the log of the finest octaves' strength varies from place to place: torn edges beside firm ones."""


SPECTRA = (
    CloudSpectrum(
        (0.25, 0.30, 0.42, 0.30, 0.18, 0.09, 0.05, 0.04, 0.03, 0.02),
        (0.60, 0.60, 0.46, 0.31, 0.19, 0.11),
        (0.0, 0.0, 0.0),
        0.25,
        6.0,
        20.0,
        0.3,
        torn=0.9,
    ),
    CloudSpectrum(
        (0.20, 0.25, 0.30, 0.15, 0.12, 0.08, 0.05, 0.04, 0.03, 0.02),
        (0.95, 0.35, 0.30, 0.20, 0.12, 0.06),
        (0.0, 0.0, 0.0),
        0.60,
        4.0,
        6.0,
        0.3,
    ),
    CloudSpectrum(
        (0.35, 0.40, 0.35, 0.20, 0.10, 0.15, 0.08, 0.05, 0.03, 0.02),
        (0.25, 0.50, 0.75, 0.40, 0.16, 0.08),
        (0.10, 0.05, 0.0),
        0.70,
        2.0,
        2.2,
        0.3,
        0.95,
    ),
    CloudSpectrum(
        (0.60, 0.55, 0.45, 0.40, 0.30, 0.20, 0.12, 0.07, 0.04, 0.02),
        (0.15, 0.12, 0.10, 0.06, 0.03, 0.0),
        (0.05, 0.0, 0.0),
        0.80,
        8.0,
        5.0,
        0.3,
    ),
    CloudSpectrum(
        (0.40, 0.50, 0.40, 0.18, 0.06, 0.04, 0.03, 0.02, 0.02, 0.0),
        (0.10, 0.05, 0.05, 0.0, 0.0, 0.0),
        (0.55, 0.50, 0.36),
        1.20,
        0.35,
        0.60,
        0.06,
    ),
    CloudSpectrum(
        (0.30, 0.40, 0.60, 0.35, 0.15, 0.08, 0.05, 0.04, 0.03, 0.02),
        (0.85, 0.60, 0.42, 0.28, 0.17, 0.10),
        (0.0, 0.0, 0.0),
        0.20,
        8.0,
        42.0,
        0.3,
    ),
)
"""Spectra in the order of CLOUD_TYPES."""

FINEST_DEVIATION = 0.04
"""Deviation of the potential inside a 25 m texel."""
_SATURATION = 2.5
"""Excess from which optical depth no longer grows."""
_CLOSED_FROM, _CLOSED_AT = 2.0, 6.0
"""Mean excess from which and at which a layer counts as closed: covers of 0.97 and nearly 1."""
_CLOSED_DEVIATION, _CLOSED_MOST = 0.9, 2.0
"""Deviation of the log of what a closed layer holds beyond saturation, and its greatest value."""


def expected_ramp(excess: Tensor, deviation: Tensor) -> Tensor:
    """Mean of relu(excess + deviation * n) over standard normal n."""
    t = excess / deviation
    return excess * (0.5 + 0.5 * torch.erf(t * math.sqrt(0.5))) + deviation * (
        torch.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)
    )


def normal_quantile(probability: Tensor) -> Tensor:
    """Quantile of the normal distribution within 4.5e-4 (Abramowitz and Stegun 26.2.23)."""
    low = torch.minimum(probability, 1 - probability).clamp(min=1e-6)
    t = torch.sqrt(-2 * torch.log(low))
    tail = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (
        1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t
    )
    return torch.where(probability < 0.5, -tail, tail)


def column_depth(excess: Tensor, deviation: Tensor, ramp: Tensor, edge: Tensor, core: Tensor) -> Tensor:
    """Expected optical depth of a column whose unresolved excess has a deviation; all maps alike."""
    first, second = expected_ramp(excess, deviation), expected_ramp(excess - ramp, deviation)
    return (first - second) * (edge / ramp) + core * (second - torch.relu(excess - _SATURATION))


def depth_of(excess: Tensor, deviation: Tensor, settings: Tensor) -> Tensor:
    """Column depth of an excess under a level's setting maps; 0 where there is no cover.

    Where a layer is closed all columns are saturated; there depth varies about as much as that of
    stratocumulus does, which is near log-normal (Cahalan et al. 1994), but never falls below saturation.
    """
    shift, ramp, edge, core, gate = (
        settings[:, :1],
        settings[:, 1:2],
        torch.exp(settings[:, 2:3]),
        torch.exp(settings[:, 3:4]),
        settings[:, 4:5],
    )
    closed = ((shift - _CLOSED_FROM) / (_CLOSED_AT - _CLOSED_FROM)).clamp(0.0, 1.0)
    thicker = 1 + closed * torch.exp((_CLOSED_DEVIATION * (excess - shift)).clamp(max=_CLOSED_MOST))
    return torch.relu(column_depth(excess, deviation, ramp, edge, core) - 1e-3) * gate * thicker


def edge_shift(spectrum: CloudSpectrum) -> float:
    """Excess at which the finest level reaches the depth that counts as cloud."""
    excess = torch.linspace(-1, 2, 6001)
    one = torch.ones_like(excess)
    depth = column_depth(
        excess, one * FINEST_DEVIATION, one * spectrum.ramp, one * spectrum.edge_depth, one * spectrum.core_depth
    )
    return float(excess[int((depth > spectrum.cover_depth).nonzero()[0])])
