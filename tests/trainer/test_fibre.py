"""Fibres: unit variance, and streaks that keep to the axis along which clouds are stretched."""

from __future__ import annotations

import math

import pytest
import torch

from trainer.networks.field_octaves import Fibre

SIZE = 192


def streaks(azimuth_deg: float, stretch: float, seed: int = 0) -> torch.Tensor:
    """Streaks (SIZE, SIZE), row 0 north, whose slow turning is everywhere the same at random."""
    generator = torch.Generator().manual_seed(seed)
    fibre = Fibre()
    noise = torch.randn(1, 1, SIZE + 2 * Fibre.REACH, SIZE + 2 * Fibre.REACH, generator=generator)
    turning = torch.randn(1, 2, 1, 1, generator=generator).expand(-1, -1, SIZE, SIZE)
    twice = 2 * math.radians(azimuth_deg)
    along = (1 - 1 / stretch) * torch.tensor([math.cos(twice), math.sin(twice)])
    return fibre(noise, fibre.weights(turning, along[None, :, None, None].expand(-1, -1, SIZE, SIZE)))[0, 0]


def axis_deg(maps: torch.Tensor) -> tuple[float, float]:
    """Azimuth along which a map changes least, 0 to 180 degrees, and how clearly, 0 to 1 (structure tensor)."""
    east = (maps[1:-1, 2:] - maps[1:-1, :-2]) / 2
    north = (maps[:-2, 1:-1] - maps[2:, 1:-1]) / 2
    xx, yy, xy = float(east.square().mean()), float(north.square().mean()), float((east * north).mean())
    steepest = 0.5 * math.atan2(2 * xy, xx - yy)  # from east towards north
    return math.degrees(-steepest) % 180, math.hypot(xx - yy, 2 * xy) / (xx + yy)


@pytest.mark.parametrize("azimuth_deg", [0.0, 45.0, 90.0, 135.0])
def test_streaks_keep_to_the_axis_of_stretch(azimuth_deg: float) -> None:
    off = []
    for seed in range(12):
        found, clear = axis_deg(streaks(azimuth_deg, 6.0, seed))
        off.append(abs((found - azimuth_deg + 90) % 180 - 90))
        assert clear > 0.3
    assert sorted(off)[len(off) // 2] < 15  # degrees on the lattice, where stretch is not seen yet


def test_without_stretch_the_axis_does_not_matter() -> None:
    torch.testing.assert_close(streaks(0.0, 1.0), streaks(60.0, 1.0))


@pytest.mark.parametrize("stretch", [1.0, 4.0])
def test_unit_variance(stretch: float) -> None:
    deviation = [float(streaks(30.0, stretch, seed).std()) for seed in range(8)]
    assert abs(sum(deviation) / len(deviation) - 1) < 0.1
