"""Detail displaces outlines: it repeats without a seam, adds no cloud and takes none, and fades with the pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from skygen_addon.core.detail import CHANNELS, TILE_SIZE, TILE_TEXELS, WARP_TEXELS, detail_tile
from trainer.networks.atlas import places_on_atlas
from trainer.networks.dome import first_met
from trainer.networks.dome_detail import DETAIL_WARP, GREATEST_WARP_TEXELS, DetailTile

TEXEL_KM = 0.025


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tile(strength: float = 1.0, footprint_rad: float = 1e-4) -> DetailTile:
    return DetailTile(
        torch.from_numpy(detail_tile().copy()),
        torch.tensor(strength),
        torch.tensor([0.2, 0.7]),
        torch.tensor(footprint_rad),
        torch.tensor(TEXEL_KM),
    )


def displacement(of: DetailTile, east_km: Tensor, height_km: float = 1.5, spread_km: float = 0.0) -> tuple[Tensor, ...]:
    """Of places east of the camera, seen from below."""
    distance = torch.full_like(east_km, height_km)
    plane = torch.stack([east_km / height_km, torch.zeros_like(east_km)], dim=-1)
    height, spread, up = (torch.full_like(east_km, v) for v in (height_km, spread_km, 1.0))
    return of.displacement(distance, height, spread, plane, up)


def test_the_tile_wraps_and_is_normal() -> None:
    octaves = detail_tile()
    assert octaves.shape == (1, CHANNELS, TILE_SIZE + 1, TILE_SIZE + 1)
    np.testing.assert_array_equal(octaves[..., 0], octaves[..., -1])
    np.testing.assert_array_equal(octaves[..., 0, :], octaves[..., -1, :])
    inner = octaves[0, :, :-1, :-1].astype(np.float64)
    np.testing.assert_allclose(inner.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(inner.std((1, 2)), 1, atol=1e-5)


def test_octaves_have_their_wavelengths() -> None:
    """The mean frequency of a band, weighted by power: a little off its centre, for it is half an octave wide."""
    step = TILE_TEXELS / TILE_SIZE
    for octave, wavelength in enumerate(WARP_TEXELS):
        values = detail_tile()[0, 2 * octave, :-1, :-1].astype(np.float64)
        spectrum = np.abs(np.fft.fft2(values)) ** 2
        k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(TILE_SIZE, step)] * 2))
        mean = float((spectrum * k).sum() / spectrum.sum())
        assert mean == pytest.approx(1 / wavelength, rel=0.2)


def test_displacement_repeats_with_the_tile() -> None:
    east = torch.linspace(0.0, 1.0, 500)
    first = displacement(tile(), east)
    second = displacement(tile(), east + TILE_TEXELS * TEXEL_KM)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def test_displacement_has_its_size_and_its_limit() -> None:
    east = torch.linspace(0.0, TILE_TEXELS * TEXEL_KM, 20_000)
    found = torch.cat(displacement(tile(), east)) / TEXEL_KM
    expected = DETAIL_WARP * math.sqrt(sum(texels**2 for texels in WARP_TEXELS))
    assert float(found.std()) == pytest.approx(expected, rel=0.3)  # a line of eight wavelengths of the widest octave
    wide = torch.cat(displacement(tile(strength=5.0), east)) / TEXEL_KM
    assert float(wide.abs().max()) == pytest.approx(GREATEST_WARP_TEXELS, rel=1e-5)
    assert float(torch.cat(displacement(tile(strength=0.0), east)).abs().max()) == 0


@pytest.mark.parametrize(("footprint_rad", "spread_km"), [(0.2, 0.0), (1e-4, 0.5)], ids=["wide pixels", "grazing"])
def test_what_cannot_be_shown_is_left_out(footprint_rad: float, spread_km: float) -> None:
    """The widest octave has 0.2 km: a pixel of 0.3 km does not resolve it; over 0.5 km there is no one place."""
    east = torch.linspace(0.0, 1.0, 500)
    found = displacement(tile(footprint_rad=footprint_rad), east, spread_km=spread_km)
    assert float(torch.cat(found).abs().max()) == 0


def test_displaced_clouds_cover_what_they_covered() -> None:
    """A field read through the displacement keeps its distribution: here its mean, and the share above a threshold."""
    axis = torch.arange(1600) * (TILE_TEXELS * TEXEL_KM / 1600)
    east, north = (place.reshape(-1) for place in torch.meshgrid(axis, axis, indexing="ij"))
    plane = torch.stack([east, north], dim=-1)
    one = torch.ones_like(east)
    moved_east, moved_north = tile().displacement(one, 1.5 * one, 0 * one, plane, one)
    period = TILE_TEXELS * TEXEL_KM / (2 * math.pi)

    def field(x: Tensor, y: Tensor) -> Tensor:
        return torch.cos(3 * x / period) * torch.cos(2 * y / period)

    before, after = field(east, north), field(east + moved_east, north + moved_north)
    assert float(after.mean()) == pytest.approx(0, abs=0.01)
    for threshold in (-0.3, 0.2, 0.6):
        covered, left = (float((values > threshold).float().mean()) for values in (before, after))
        assert left == pytest.approx(covered, abs=0.01)


def test_a_small_step_on_the_atlas_is_a_step_on_the_lattice() -> None:
    """Within a window, moving a place's coordinates equals looking up the place moved; at its rim steps end."""
    texel_km, window, levels = torch.tensor(TEXEL_KM), 128, 3
    generator = torch.Generator().manual_seed(3)
    east, north = (torch.rand(2, 2000, generator=generator) * 2 - 1) * 20
    step = 0.02 * (torch.rand(2, 2000, generator=generator) * 2 - 1)
    places = places_on_atlas(east, north, texel_km, window, levels)
    whole = places_on_atlas(east + step[0], north + step[1], texel_km, window, levels)
    same = places.wider == whole.wider
    assert float(same.float().mean()) > 0.99
    torch.testing.assert_close(places.moved(step[0], step[1])[same], whole.grid[same], atol=2e-5, rtol=0)
    far = places.moved(1e3 * torch.ones_like(east), 1e3 * torch.ones_like(east))
    assert float(far[:, 0].max()) <= 1 - 1 / window + 1e-6
    inside = (places.row - places.middle).abs() <= 1 / levels
    assert bool(inside.all()) and float((far[:, 1] - places.middle).abs().max()) <= 1 / levels


def test_a_ray_meets_what_it_sees() -> None:
    """Of four rays one meets a dense cloud, one a thin one behind clear air, one passes a rim, one sees nothing."""
    distance = torch.arange(1.0, 21.0)[:, None] * torch.full((1, 4), 0.1)  # 20 4
    edge, extinction = torch.zeros(20, 4), torch.full((20, 4), 100.0)
    edge[5:15, 0] = 1.0
    edge[12, 1], extinction[12, 1] = 1.0, 0.5
    edge[7, 2] = 0.3  # nothing begins below a third
    held = torch.zeros(20, 4)
    held[9:12, 3] = 1.0  # an occupied cell without cloud
    stretch = torch.full_like(distance, 0.1)
    met_km, height_km, spread_km = first_met(distance, 0.5 * distance[:, :1], stretch, held, edge, extinction)
    torch.testing.assert_close(met_km, torch.tensor([0.6, 1.3, 0.8, 1.1]), atol=0.02, rtol=0)
    torch.testing.assert_close(height_km, 0.5 * met_km)
    assert float(spread_km[:3].max()) < 0.03
    assert bool(torch.isfinite(torch.stack([met_km, height_km, spread_km])).all())
