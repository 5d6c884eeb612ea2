"""What is seen within degrees of the sun: the aureole and what thin clouds diffract, at any pixel size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skygen_addon.core.geometry import panorama_directions, panorama_solid_angles
from skygen_addon.core.phase_functions import (
    AUREOLE_ASYMMETRY,
    AUREOLE_SHARE,
    DROPLET_PEAK_ASYMMETRY,
    DROPLET_PEAK_SHARE,
    aureole_phase,
)
from trainer.networks.compose import Compose, narrow_lobe

SUN = torch.tensor([0.0, 0.6, 0.8])
THIN_AIR = torch.tensor([[1e-6, 1e-6, 1e-6, 8.0], [1e-6, 1e-6, 1e-6, 1.3]])
IRRADIANCE = torch.tensor([3.0, 2.0, 1.0])


def _sphere(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (W / 2, W, 3) of a panorama and their solid angles (W / 2, W)."""
    angles = np.repeat(panorama_solid_angles(width)[:, None], width, axis=1)
    return torch.from_numpy(panorama_directions(width)).float(), torch.from_numpy(angles).float()


@pytest.mark.parametrize("share_and_asymmetry", [
    (AUREOLE_SHARE, AUREOLE_ASYMMETRY), (DROPLET_PEAK_SHARE, DROPLET_PEAK_ASYMMETRY)
])  # fmt: skip
@pytest.mark.parametrize("width", [128, 512, 2048])
def test_a_narrow_lobe_keeps_its_light_at_every_resolution(
    width: int, share_and_asymmetry: tuple[float, float]
) -> None:
    """Pixels of 2.8 degrees, wider than the lobes, down to 0.18; as it is, a lobe falls between or fills wide ones."""
    share, asymmetry = share_and_asymmetry
    direction, angles = _sphere(width)
    away = (direction - SUN).square().sum(-1)
    lobe = narrow_lobe(away, share, asymmetry, torch.tensor(2 * math.pi / width))
    assert float((lobe * angles).sum()) == pytest.approx(share, rel=0.12 if width == 128 else 0.02)


def test_small_pixels_see_the_phase_function_itself() -> None:
    angle = torch.tensor([0.0, 0.01, 0.05, 0.3])
    away = 2 - 2 * torch.cos(angle.double())
    found = narrow_lobe(away, AUREOLE_SHARE, AUREOLE_ASYMMETRY, torch.tensor(1e-4))
    np.testing.assert_allclose(found, aureole_phase(np.cos(angle.double().numpy())), rtol=1e-4)


def _composed(depth: float, width: int) -> torch.Tensor:
    """Radiance (W / 2, W, 3) of black air with one dark cloud of an optical depth everywhere."""
    direction, _ = _sphere(width)
    low = torch.zeros(6, *direction.shape[:2])
    low[0] = depth
    nothing = torch.zeros(3)
    return Compose()(
        direction, torch.zeros(1, 6, 8, 8), low, torch.zeros_like(low), torch.zeros(1, 3, 4, 4), SUN,
        torch.zeros(6, 3), THIN_AIR, nothing, torch.tensor(0.0), torch.tensor(0.0), nothing,
        torch.tensor(1.0), IRRADIANCE, torch.tensor(2 * math.pi / width), torch.ones(3),
    )  # fmt: skip


@pytest.mark.parametrize("depth", [0.0, 0.1, 1.0, 4.0])
def test_thin_clouds_diffract_what_they_scatter_once(depth: float) -> None:
    """Depth x exp(-depth) of the sun's light, of which the peak's share goes into a few degrees; none without cloud."""
    direction, angles = _sphere(1024)
    radiance = _composed(depth, 1024)
    near = direction @ SUN > math.cos(math.radians(30))
    received = (radiance * (angles * near)[..., None]).sum((0, 1))
    expected = DROPLET_PEAK_SHARE * depth * math.exp(-depth) * IRRADIANCE
    torch.testing.assert_close(received, expected, rtol=0.03, atol=1e-6)  # two percent lie beyond 30 degrees
    assert float(radiance[direction[..., 2] < 0].max()) < 1e-4


def test_a_closed_cloud_hides_the_sun() -> None:
    assert float(_composed(60.0, 256).max()) < 1e-12


@pytest.mark.parametrize("depth", [0.2, 1.0, 30.0])
def test_the_aureole_of_the_air_before_a_cloud_is_dimmed_by_the_cloud(depth: float) -> None:
    """Half of the sky's sunlight gets through elsewhere, but the air before this cloud lies in its shadow."""
    direction, _ = _sphere(512)
    low = torch.zeros(6, *direction.shape[:2])
    low[0], low[4] = depth, 5.0  # km
    parts = torch.zeros(1, 6, 8, 8)
    parts[:, 3:] = 1.0
    air = torch.tensor([[0.01, 0.01, 0.01, 8.0], [0.02, 0.02, 0.02, 1.3]])
    nothing = torch.zeros(3)
    radiance = Compose()(
        direction, parts, low, torch.zeros_like(low), torch.zeros(1, 3, 4, 4), SUN, torch.zeros(6, 3), air, nothing,
        torch.tensor(1.0), torch.tensor(0.5), nothing, torch.tensor(1.0), nothing,
        torch.tensor(2 * math.pi / 512), torch.ones(3),
    )[..., 0]  # fmt: skip
    clear = narrow_lobe(
        (direction - SUN).square().sum(-1), AUREOLE_SHARE, AUREOLE_ASYMMETRY, torch.tensor(2 * math.pi / 512)
    )
    seen = direction @ SUN > math.cos(math.radians(3))
    assert float(seen.sum()) > 10
    share = (radiance / clear)[seen]
    assert (share >= 0.99 * math.exp(-depth)).all() and (share <= 2.01 * math.exp(-depth)).all()
