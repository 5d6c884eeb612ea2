"""Puffs: unit variance, rounded lobes, the same at equal heights, independent between distant heights; towers."""

from __future__ import annotations

import pytest
import torch

from skygen_addon.core.signatures import WINDOW_FACTOR
from trainer.networks.puffs import PUFF_OCTAVES, Puffs, puff_cells, slice_weights

SIZE = 256


def noise() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    sides = [(o.tall_slices, puff_cells(o, SIZE, WINDOW_FACTOR)) for o in PUFF_OCTAVES]
    return tuple(torch.randn(1, slices, side, side, generator=generator) for slices, side in sides)


def made(share: float, heights: torch.Tensor, level: int = 0) -> torch.Tensor:
    """Puffs where a share of the clouds are towers."""
    return Puffs(SIZE, level, WINDOW_FACTOR)(noise(), heights, torch.full((1, 1, SIZE, SIZE), share))


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_unit_variance_at_every_height(share: float) -> None:
    puffs = made(share, torch.linspace(0, 1, 16))
    assert puffs.shape == (16, 1, SIZE, SIZE)
    assert abs(float(puffs.mean())) < 0.07  # towers have some hundred lobes here
    assert (puffs.std(dim=(1, 2, 3)) - 1).abs().max() < 0.12


def test_heights_decide_not_the_number_of_shells() -> None:
    torch.testing.assert_close(
        made(0.0, torch.linspace(0, 1, 4))[1], made(0.0, torch.linspace(0, 1, 16))[5], rtol=1e-4, atol=1e-4
    )


def test_puffs_change_with_height() -> None:
    puffs = made(0.0, torch.linspace(0, 1, 16))
    assert correlation(puffs[4], puffs[5]) > 0.3
    assert abs(correlation(puffs[2], puffs[10])) < 0.1


def test_puffs_of_towers_change_faster_with_height(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their layer is several times as thick, and lobes of equal width are to be about as high as wide."""
    monkeypatch.setattr("trainer.networks.puffs.WIDE_AMPLITUDE", 0.0)
    heights = torch.linspace(0, 1, 15)
    low, tall = made(0.0, heights), made(1.0, heights)
    mean = [sum(correlation(p[i], p[i + 1]) for i in range(14)) / 14 for p in (low, tall)]
    assert mean[1] < 0.6 * mean[0]


def test_towers_have_wider_lobes_too() -> None:
    """A lobe's width further on along the plane, puffs of cumulus have nothing in common; those of towers have."""
    step = PUFF_OCTAVES[0].cell_texels
    near = [made(share, torch.tensor([0.3, 0.5, 0.7])) for share in (0.0, 1.0)]
    low, tall = (correlation(p[..., step:], p[..., :-step]) for p in near)
    assert tall > low + 0.15


def test_towers_stand_where_their_share_is() -> None:
    heights, share = torch.tensor([0.3]), torch.zeros(1, 1, SIZE, SIZE)
    share[..., SIZE // 2 :] = 1.0
    mixed = Puffs(SIZE, 0, WINDOW_FACTOR)(noise(), heights, share)
    away = 3 * 2 * PUFF_OCTAVES[0].cell_texels  # a lobe spreads over some cells, which towers have of twice the width
    torch.testing.assert_close(
        mixed[..., : SIZE // 2 - away], made(0.0, heights)[..., : SIZE // 2 - away], rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        mixed[..., SIZE // 2 + away :], made(1.0, heights)[..., SIZE // 2 + away :], rtol=1e-4, atol=1e-4
    )


def test_the_coarser_level_shows_the_widest_octave_of_the_finer() -> None:
    height = torch.tensor([0.5])
    fine = torch.nn.functional.avg_pool2d(made(0.0, height), WINDOW_FACTOR)[0, 0]
    coarse = made(0.0, height, level=1)[0, 0]
    start = (SIZE - SIZE // WINDOW_FACTOR) // 2
    assert correlation(fine, coarse[start : start + SIZE // WINDOW_FACTOR, start : start + SIZE // WINDOW_FACTOR]) > 0.6


def test_slice_weights_keep_variance() -> None:
    weights = slice_weights(torch.linspace(0, 1, 37), 6)
    torch.testing.assert_close(weights.square().sum(1), torch.ones(37))
