"""Haze between the camera and the clouds: the same before a cloud and before a gap beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainer.networks.compose import Compose
from trainer.networks.shells import shell_distance_km

SUN = torch.tensor([0.0, 0.6, 0.8])
AIR = torch.tensor([[0.006, 0.013, 0.03, 8.0], [0.05, 0.05, 0.05, 1.3]])
GLOW = torch.tensor([0.02, 0.03, 0.05])
SKY = torch.tensor([0.3, 0.4, 0.6])
BASE_KM = 1.3


def composed(
    depth: float, *, air_light: float, sun_share: float, ceiling_km: float, glow: torch.Tensor, glare: float = 0.0
) -> torch.Tensor:
    """Radiance (9, 3) of black clouds of a depth at their base under an even sky, from 1 to 85 degrees up."""
    elevation = torch.deg2rad(torch.tensor([1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 50.0, 70.0, 85.0]))
    direction = torch.stack([torch.cos(elevation), torch.zeros(9), torch.sin(elevation)], -1)[:, None]
    sky = torch.zeros(1, 6, 8, 8)
    sky[:, :3] = SKY[None, :, None, None]
    sky[:, :3] *= 1 + glare * torch.linspace(1, -1, 8)  # brighter on the sun's side
    sky[:, 3:] = 0.1 * glare
    low = torch.zeros(6, 9, 1)
    low[0], low[4] = depth, shell_distance_km(direction[..., 2], torch.tensor(BASE_KM))
    return Compose()(
        direction, sky, low, torch.zeros(6, 9, 1), torch.zeros(1, 3, 4, 4), SUN, torch.zeros(6, 3), AIR, torch.zeros(3),
        torch.tensor(air_light), torch.tensor(sun_share), glow, torch.tensor(ceiling_km), torch.zeros(3),
        torch.tensor(0.001), torch.ones(3),
    )[:, 0]  # fmt: skip


@pytest.mark.parametrize("glare", [0.0, 0.6])
def test_air_before_a_gap_is_as_dark_as_before_a_cloud(glare: float) -> None:
    """What a gap shows is the haze before a black cloud, and the clear sky's light from beyond."""
    shaded: dict[str, Any] = {"air_light": 0.6, "sun_share": 0.7, "glow": GLOW, "glare": glare}
    lit: dict[str, Any] = {"air_light": 1.0, "sun_share": 1.0, "glow": torch.zeros(3), "glare": glare}
    cloud = composed(60.0, **shaded, ceiling_km=BASE_KM)
    gap = composed(0.0, **shaded, ceiling_km=BASE_KM)
    clear = composed(0.0, **lit, ceiling_km=0.0)
    haze = composed(60.0, **lit, ceiling_km=BASE_KM)
    # A cloud takes the aureole from the air before it, a gap has what is left of it there.
    own = (gap - cloud) - (clear - haze)
    assert own.abs().max() < 1e-4 + 0.02 * glare
    assert (gap[0] / cloud[0]).max() < 1.15  # a degree up nearly all is haze
    assert (clear[0] / cloud[0]).min() > 1.4  # which the clear sky would outshine


def test_without_clouds_it_is_the_clear_sky_bit_for_bit() -> None:
    lit: dict[str, Any] = {"air_light": 1.0, "sun_share": 1.0, "glow": torch.zeros(3)}
    clear = composed(0.0, **lit, ceiling_km=0.0)
    torch.testing.assert_close(clear, SKY.expand(9, 3))
    assert torch.equal(composed(0.0, **lit, ceiling_km=BASE_KM), clear)
    assert torch.equal(composed(0.0, air_light=0.5, sun_share=0.5, glow=GLOW, ceiling_km=0.0), clear)
