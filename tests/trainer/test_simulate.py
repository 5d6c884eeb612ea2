"""The reference path tracer against analytic values, and simulated skies as files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from skygen_addon.core.errors import RequestError, SkyGenError
from trainer.networks.atlas import atlas_grid, sample
from trainer.networks.cloud_light import ASYMMETRY, droplet_lobes, dual_lobe, sky_share
from trainer.networks.sunlight import sharpened, shell_fill
from trainer.simulate import generate
from trainer.simulate.analytic_volumes import heap_extinction, slab_extinction
from trainer.simulate.cloud_volume import CloudVolume, VolumeSampler, height_km, make_volume
from trainer.simulate.generate import shard_path, simulate
from trainer.simulate.reference import TraceOptions, ratio_tracked_transmittance, trace_reference
from trainer.simulate.scattering_angles import deflect, scattering_cosines
from trainer.simulate.simulated_sky import SimulatedSky, disc_dome, is_held_out, load_sky
from trainer.simulate.volume_states import draw_state

SUN = normalize(torch.tensor([0.2, 0.5, 0.8]), dim=0)
BASE_KM, THICKNESS_KM = 1.5, 1.0


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def slab(depth: float, window: int = 32, texel_km: float = 2.0) -> CloudVolume:
    """A homogeneous layer so wide that its rim does not matter."""
    extinction = slab_extinction(depth / THICKNESS_KM, 2, 10, window)
    return make_volume(extinction, torch.linspace(BASE_KM, BASE_KM + THICKNESS_KM, 10), texel_km, SUN)


def heaps() -> CloudVolume:
    extinction = heap_extinction(
        3, extinction=20.0, heaps=30, radius_km=0.7, thickness_km=0.8, spread_km=4.0,
        levels=2, shells=10, window=128, texel_km=0.05,
    )  # fmt: skip
    return make_volume(extinction, torch.linspace(1.0, 2.2, 10), 0.05, SUN)


def views(count: int) -> Tensor:
    return normalize(torch.tensor([[0.3, -0.2, 0.9]]), dim=-1).expand(count, 3)


def many_views(count: int) -> Tensor:
    """Directions over the sky above 20 degrees."""
    generator = torch.Generator().manual_seed(12)
    up = 0.34 + 0.66 * torch.rand(count, generator=generator)
    azimuth = 2 * math.pi * torch.rand(count, generator=generator)
    level = torch.sqrt(1 - up * up)
    return torch.stack([level * torch.sin(azimuth), level * torch.cos(azimuth), up], dim=-1)


def test_phase_samples_have_the_phase_functions_mean_and_density() -> None:
    cosine = scattering_cosines(200_000, torch.Generator().manual_seed(0))
    assert abs(float(cosine.mean()) - ASYMMETRY) < 0.003  # 5 standard errors
    edges = torch.linspace(-1, 1, 11)
    share = torch.histc(cosine, 10, -1, 1) / cosine.numel()
    for low, high, measured in zip(edges[:-1], edges[1:], share, strict=True):
        mu = torch.linspace(float(low), float(high), 4001)
        expected = float(torch.trapezoid(dual_lobe(mu), mu)) * 2 * math.pi
        assert abs(float(measured) - expected) < 0.004
    turned = deflect(views(200_000).T.contiguous(), cosine, torch.Generator().manual_seed(1))
    torch.testing.assert_close((turned * views(200_000).T).sum(0), cosine, atol=2e-5, rtol=0)


def test_height_follows_the_earths_curvature() -> None:
    position = torch.tensor([[0.0, 112.88], [0.0, 0.0], [3.0, 0.0]])
    expected = [3.0, math.hypot(6371.0, 112.88) - 6371.0]
    torch.testing.assert_close(height_km(position), torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_point_look_up_equals_the_domes_look_up() -> None:
    volume, share = heaps(), 0.3
    plane = (torch.rand(500, 2, generator=torch.Generator().manual_seed(2)) - 0.5) * 30
    grid = atlas_grid(plane, volume.texel_km, volume.window, volume.levels)[None, None]
    fill, column = shell_fill(volume.atlas[:, :1])
    lower, upper, greatest = (sample(maps, grid)[0, 0, 0] for maps in (fill[4:5], fill[5:6], column))
    expected = sharpened(lower + share * (upper - lower)) * greatest
    position = torch.cat([plane.T, torch.zeros(1, 500)])
    height = torch.full((500,), float(torch.lerp(volume.shell_km[4], volume.shell_km[5], share)))
    found = VolumeSampler(volume).extinction(position, height)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)  # single precision, sharpened
    assert float(expected.max()) > 1


def test_majorants_bound_the_extinction_within_their_reach() -> None:
    volume = heaps()
    sampler = VolumeSampler(volume)
    generator = torch.Generator().manual_seed(4)
    position = torch.rand(3, 20_000, generator=generator) * 20 - 10
    position[2] = 1.0 + 1.2 * torch.rand(20_000, generator=generator)
    bound, reach = sampler.majorant(position)
    way = normalize(torch.randn(3, 20_000, generator=generator), dim=0)
    near = position + way * reach * torch.rand(20_000, generator=generator)
    assert (sampler.extinction(near) <= bound * (1 + 1e-5) + 1e-6).all()
    assert float(bound.max()) > 1


@pytest.mark.parametrize("make", [lambda: slab(8.0), heaps], ids=["slab", "heaps"])
def test_white_furnace(make: object) -> None:
    volume = make()  # type: ignore[operator]
    rays = trace_reference(volume, views(4000), TraceOptions(paths_per_ray=4), 5)
    whole = rays.transmittance + rays.sky_scatter + rays.ground_scatter
    assert abs(float(whole.mean()) - 1) < 1e-3  # conservative scattering: nothing is lost, whatever the noise


def test_single_scattering_in_a_thin_slab_is_analytic() -> None:
    depth = 0.6
    view = views(20_000)
    rays = trace_reference(slab(depth), view, TraceOptions(paths_per_ray=4, max_orders=1), 6)
    cos_view, cos_sun = float(view[0, 2]), float(SUN[2])
    # from below: light through the part above a point, then the part below it toward the camera
    a, b = depth / cos_sun, depth / cos_view
    phase = float(droplet_lobes((view[0] * SUN).sum()))
    expected = phase * b * (math.exp(-a) - math.exp(-b)) / (b - a)
    assert float(rays.transmittance.mean()) == pytest.approx(math.exp(-b), rel=0.01)  # the earth's curvature
    assert float(rays.sun_scatter.mean()) == pytest.approx(expected, rel=0.015)


def test_diffuse_transmission_of_a_thick_slab_follows_two_streams() -> None:
    depth = 40.0
    up = torch.tensor([[0.0, 0.0, 1.0]]).expand(20_000, 3)
    rays = trace_reference(slab(depth), up, TraceOptions(paths_per_ray=1), 7)
    reduced = (1 - ASYMMETRY) * depth
    eddington = 5 / (4 + 3 * reduced)  # overhead view of a conservative layer, (2 + 3 mu) / (4 + 3 tau)
    assert float(rays.sky_scatter.mean()) == pytest.approx(eddington, rel=0.1)


def test_the_similarity_relation_keeps_the_light() -> None:
    volume, view = heaps(), many_views(10_000)
    blurred = trace_reference(volume, view, TraceOptions(paths_per_ray=2), 8)
    sharp = trace_reference(volume, view, TraceOptions(paths_per_ray=2, sharp_orders=10_000), 9)
    for name, tolerance in (("sky_scatter", 0.03), ("ground_scatter", 0.03), ("sun_scatter", 0.15)):
        have, want = (float(getattr(r, name).mean()) for r in (blurred, sharp))
        assert have == pytest.approx(want, rel=tolerance), name  # the sun's forward peak is noisy and 5 % off


@pytest.mark.parametrize("make", [lambda: slab(15.0), heaps], ids=["slab", "heaps"])
def test_the_domes_formula_is_near_the_reference(make: object) -> None:
    volume = make()  # type: ignore[operator]
    view = many_views(4000)
    rays = trace_reference(volume, view, TraceOptions(paths_per_ray=4), 11)
    dome = disc_dome(volume, view.reshape(40, 100, 3)).reshape(6, -1)
    torch.testing.assert_close(torch.exp(-dome[0]).mean(), rays.transmittance.mean(), atol=0.01, rtol=0)
    traced = (rays.sun_scatter, rays.sky_scatter, rays.ground_scatter)
    for have, want in zip(dome[1:4], traced, strict=True):
        assert 0.7 < float(have.mean() / want.mean()) < 1.4  # what remains is left to shading


def test_tabulated_sun_depth_agrees_with_ratio_tracking() -> None:
    volume = heaps()
    sampler = VolumeSampler(volume)
    generator = torch.Generator().manual_seed(10)
    position = torch.rand(3, 4000, generator=generator) * 4 - 2
    position[2] = 1.05 + 0.5 * torch.rand(4000, generator=generator)
    tracked = ratio_tracked_transmittance(sampler, position, SUN, torch.ones(4000), generator)
    tabulated = torch.exp(-sampler.sun_depth(position))
    assert abs(float(tracked.mean()) - float(tabulated.mean())) < 0.04
    assert float(np.corrcoef(tracked, tabulated)[0, 1]) > 0.9


def test_sky_share_is_even_in_the_middle_of_a_slab_seen_level() -> None:
    level, depth = torch.zeros(1), torch.tensor([30.0])
    below = 2 * depth  # the share counts half of what lies below
    assert float(sky_share(level, depth, below)) == pytest.approx(0.5)
    assert float(sky_share(level, 1e4 * depth, torch.zeros(1))) < 0.05


def test_states_are_valid_independent_and_repeatable() -> None:
    states = [draw_state(1, index) for index in range(60)]
    assert draw_state(1, 7) == states[7]
    assert len({s.request.seed for s in states}) == 60
    covers = [s.request.low.cover + s.request.high.cover for s in states]
    assert min(covers) > 0
    elevations = np.degrees([s.request.sun_elevation_rad for s in states])
    assert elevations.min() < 6 and elevations.max() > 60


def test_simulated_skies_are_written_kept_and_read_again(tmp_path: Path) -> None:
    settings = dict(seed=2, disc=32, spp=16, window=128)
    assert simulate(tmp_path, 1, **settings) == 1
    first = shard_path(tmp_path, 0).read_bytes()
    assert simulate(tmp_path, 2, **settings) == 2
    assert shard_path(tmp_path, 0).read_bytes() == first
    simulate(tmp_path / "side by side", 2, workers=2, **settings)  # a sky does not depend on who else draws
    assert [shard_path(tmp_path / "side by side", i).read_bytes() for i in (0, 1)] == [
        shard_path(tmp_path, i).read_bytes() for i in (0, 1)
    ]
    sky = load_sky(shard_path(tmp_path, 1))
    assert sky.features.shape == (8, 32, 32) and sky.formula.shape == sky.reference.shape == (6, 8, 8)
    assert all(np.isfinite(maps).all() for maps in (sky.features, sky.formula, sky.reference, sky.light))
    for maps in (sky.formula, sky.reference):  # furnace: sky and ground at 1 give the cloud its opacity
        np.testing.assert_allclose(maps[[1, 2, 4, 5]].sum(0), sky.opacity, atol=0.02)
    again = load_sky(shard_path(tmp_path, 0))
    assert isinstance(again, SimulatedSky) and again.state["request"]["seed"] == draw_state(2, 0).request.seed


def test_skies_that_judge_training_are_traced_with_more_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[int] = []

    def noted(_draw: Any, tasks: list[tuple[Any, ...]], **_: Any) -> None:
        paths.extend(spp for *_, spp, _window in tasks)

    monkeypatch.setattr(generate, "draw_side_by_side", noted)
    simulate(tmp_path, 4, spp=32, held_out_spp=96)
    assert paths == [96 if is_held_out(index) else 32 for index in range(4)] and len(set(paths)) == 2


def test_bad_numbers_and_damaged_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        simulate(tmp_path, 0)
    with pytest.raises(RequestError):
        simulate(tmp_path, 1, disc=250)
    with pytest.raises(RequestError):
        simulate(tmp_path, 1, workers=0)
    shard_path(tmp_path, 0).write_bytes(b"not a shard")
    with pytest.raises(SkyGenError, match="simulate"):
        load_sky(shard_path(tmp_path, 0))
