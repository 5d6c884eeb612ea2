"""Cloud volumes from formulas: a slab, and heaps of domes. For checks that must not wait for a field."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainer.networks.atlas import texel_positions


def slab_extinction(extinction: float, levels: int, shells: int, window: int) -> Tensor:
    """Uniform extinction (L, k, N, N)."""
    return torch.full((levels, shells, window, window), extinction)


def heap_extinction(
    seed: int,
    *,
    extinction: float,
    heaps: int,
    radius_km: float,
    thickness_km: float,
    spread_km: float,
    levels: int,
    shells: int,
    window: int,
    texel_km: float,
) -> Tensor:
    """Flat-based domes at random places with soft sides, (L, k, N, N) in the unit of ``extinction``.

    Parameters
    ----------
    seed : int
        Chooses the places.
    extinction : float
        Value inside a cloud.
    heaps : int
        Number of domes within ``spread_km`` of the centre.
    radius_km, thickness_km : float
        Mean radius and height of a dome; each dome draws 0.5 to 1.5 of it.
    levels, shells, window, texel_km
        The volume's lattice; shells are evenly spaced over 1.5 thickness_km.
    """
    generator = Generator().manual_seed(seed)
    place = (torch.rand(heaps, 2, generator=generator) * 2 - 1) * spread_km
    size = 0.5 + torch.rand(heaps, generator=generator)
    plane = texel_positions(levels, window, torch.tensor(texel_km)).reshape(-1, 2)  # LNN 2
    height = torch.linspace(0.0, 1.5 * thickness_km, shells)
    deepest = torch.full((shells, plane.shape[0]), -1.0)
    for index in range(heaps):
        across = ((plane - place[index]) ** 2).sum(-1) / (radius_km * size[index]) ** 2
        up = (height / (thickness_km * size[index])) ** 2
        deepest = torch.maximum(deepest, 1 - across[None] - up[:, None])
    soft = (deepest / 0.15).clamp(0.0, 1.0)
    return (extinction * soft).reshape(shells, levels, window, window).transpose(0, 1).contiguous()
