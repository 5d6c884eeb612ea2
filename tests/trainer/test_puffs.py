"""Puffs: unit variance, rounded lobes, the same at equal heights, independent between distant heights."""

from __future__ import annotations

import torch

from skygen_addon.core.signatures import WINDOW_FACTOR
from trainer.networks.puffs import PUFF_OCTAVES, Puffs, puff_cells, slice_weights

SIZE = 256


def noise() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    sides = [(o.slices, puff_cells(o, SIZE, WINDOW_FACTOR)) for o in PUFF_OCTAVES]
    return tuple(torch.randn(1, slices, side, side, generator=generator) for slices, side in sides)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))


def test_unit_variance_at_every_height() -> None:
    puffs = Puffs(SIZE, 0, WINDOW_FACTOR)(noise(), torch.linspace(0, 1, 16))
    assert puffs.shape == (16, 1, SIZE, SIZE)
    assert abs(float(puffs.mean())) < 0.05
    assert (puffs.std(dim=(1, 2, 3)) - 1).abs().max() < 0.12


def test_heights_decide_not_the_number_of_shells() -> None:
    puffs = Puffs(SIZE, 0, WINDOW_FACTOR)
    lattices = noise()
    torch.testing.assert_close(
        puffs(lattices, torch.linspace(0, 1, 4))[1], puffs(lattices, torch.linspace(0, 1, 16))[5], rtol=1e-4, atol=1e-4
    )


def test_puffs_change_with_height() -> None:
    puffs = Puffs(SIZE, 0, WINDOW_FACTOR)(noise(), torch.linspace(0, 1, 16))
    assert correlation(puffs[4], puffs[5]) > 0.3
    assert abs(correlation(puffs[2], puffs[10])) < 0.1


def test_the_coarser_level_shows_the_widest_octave_of_the_finer() -> None:
    lattices = noise()
    height = torch.tensor([0.5])
    fine = torch.nn.functional.avg_pool2d(Puffs(SIZE, 0, WINDOW_FACTOR)(lattices, height), WINDOW_FACTOR)[0, 0]
    coarse = Puffs(SIZE, 1, WINDOW_FACTOR)(lattices, height)[0, 0]
    start = (SIZE - SIZE // WINDOW_FACTOR) // 2
    assert correlation(fine, coarse[start : start + SIZE // WINDOW_FACTOR, start : start + SIZE // WINDOW_FACTOR]) > 0.6


def test_slice_weights_keep_variance() -> None:
    weights = slice_weights(torch.linspace(0, 1, 37), 6)
    torch.testing.assert_close(weights.square().sum(1), torch.ones(37))
