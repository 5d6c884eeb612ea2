"""The field's networks: cover, level agreement, columns, shift, export, training."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.lattice import lattice_noise
from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS, field_signature
from tests.trainer.toy_data import captured_planes
from trainer.networks.cloud_spectra import SPECTRA, expected_ramp, normal_quantile
from trainer.networks.field_critic import PatchCritic, critic_view
from trainer.networks.field_export import example_inputs, export_field
from trainer.networks.field_generator import LEARNED_TYPES, FieldGenerator
from trainer.networks.field_octaves import Billow, Resample
from trainer.networks.procedural_field import FIELD_LATTICE, ProceduralField, field_lattice
from trainer.networks.vertical_profile import GREATEST_STRETCH, PROFILES, RELIEF_SLOPE, VerticalProfile, normal_stretch
from trainer.training.field import FieldConfig, load_field, train_field
from trainer.training.field_patches import held_out_sites, load_patches
from trainer.training.run import run as run_training

WINDOW = 64


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def noise_of(window: int, count: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    lattice = field_lattice(window)
    return tuple(torch.randn(count, n.channels, n.size, n.size, generator=generator) for n in lattice.noise)


def condition_of(window: int, count: int, cover: float, cloud_type: str) -> torch.Tensor:
    size = field_lattice(window).condition_size
    condition = torch.zeros(count, len(CONDITION_CHANNELS), size, size)
    condition[:, 0], condition[:, 1 + CLOUD_TYPES.index(cloud_type)] = cover, 1
    return condition


def test_lattice_steps_are_whole_and_sizes_even() -> None:
    assert FIELD_LATTICE.snap_texels == 64
    for noise in FIELD_LATTICE.noise:
        assert noise.size % 2 == 0 and FIELD_LATTICE.snap_texels % noise.cell_texels == 0
    assert FIELD_LATTICE.condition_size % 2 == 0


def test_expected_ramp_and_quantile_against_sampling_and_tables() -> None:
    samples = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for excess, deviation in ((-0.5, 0.4), (0.0, 1.0), (0.7, 0.3)):
        sampled = torch.relu(excess + deviation * samples).mean()
        exact = expected_ramp(torch.tensor(excess), torch.tensor(deviation))
        assert float(exact) == pytest.approx(float(sampled), abs=4e-3)
    found = normal_quantile(torch.tensor([0.5, 0.8413447, 0.0227501]))
    np.testing.assert_allclose(found, [0, 1, -2], atol=1e-3)


def test_octaves_have_unit_variance_at_every_place_of_the_lattice() -> None:
    white = torch.randn(4, 3, 132, 132, generator=torch.Generator().manual_seed(1))
    for maps in (Billow(512, 4)(white), Resample(512, 4, "noise")(white)[:, :1]):
        places = maps.reshape(4, 128, 4, 128, 4).permute(2, 4, 0, 1, 3).reshape(16, -1)
        np.testing.assert_allclose(places.mean(1), 0, atol=0.03)  # 6 sigma of correlated samples
        np.testing.assert_allclose(places.std(1), 1, atol=0.03)


@pytest.mark.parametrize("cloud_type", CLOUD_TYPES)
def test_asked_cover_is_measured_cover(cloud_type: str) -> None:
    field = ProceduralField(WINDOW)
    threshold = SPECTRA[CLOUD_TYPES.index(cloud_type)].cover_depth
    noise = noise_of(WINDOW, 100, seed=7)
    with torch.no_grad():
        for cover in (0.2, 0.6):
            depths, _ = field.columns(noise, condition_of(WINDOW, 100, cover, cloud_type))
            measured = float((depths[0] > threshold).float().mean())
            assert measured == pytest.approx(cover, abs=0.07)  # 0.05 of contract, 0.02 of sampling


def test_clear_and_overcast_are_exact() -> None:
    field = ProceduralField(WINDOW)
    with torch.no_grad():
        clear, _ = field.columns(noise_of(WINDOW, 4), condition_of(WINDOW, 4, 0.0, "cumulus"))
        overcast, _ = field.columns(noise_of(WINDOW, 4), condition_of(WINDOW, 4, 1.0, "stratus"))
    assert all(float(d.abs().max()) == 0 for d in clear)
    assert all(float(d.min()) > 2 for d in overcast)


@pytest.mark.parametrize("kind", [ProceduralField, FieldGenerator])
def test_levels_agree_where_both_exist(kind: type[torch.nn.Module]) -> None:
    field = kind(128)
    with torch.no_grad():
        depths, _ = field.columns(noise_of(128, 8), condition_of(128, 8, 0.5, "cumulus"))  # type: ignore[operator]
    for fine, wide in zip(depths, depths[1:], strict=False):
        mean = torch.nn.functional.avg_pool2d(fine, 4)
        middle = wide[..., 48:80, 48:80]
        assert float(mean.mean()) == pytest.approx(float(middle.mean()), rel=0.03)
        rms = float((mean - middle).square().mean().sqrt() / middle.mean())
        assert rms < 0.25  # the matching interpolates between wide texels


def test_window_moves_with_the_lattice() -> None:
    field = FieldGenerator(128)
    torch.nn.init.normal_(field.stages[0].head.weight, std=0.05)  # type: ignore[union-attr, arg-type]
    wide = noise_of(256, 1)  # a larger lattice from which two windows one step apart are cut
    lattice, step = field.lattice, 64

    def cut(shift: int) -> tuple[torch.Tensor, ...]:
        parts = []
        for noise, source in zip(lattice.noise, wide, strict=True):
            start = (source.shape[-1] - noise.size) // 2 + shift // noise.cell_texels
            parts.append(source[..., start : start + noise.size, start : start + noise.size])
        return tuple(parts)

    condition = condition_of(128, 1, 0.5, "cumulus")
    with torch.no_grad():
        here, _ = field.columns(cut(0), condition)
        there, _ = field.columns(cut(step), condition)
    # A step is 64, 16 and 4 texels of the three windows.
    for level, (a, b) in enumerate(zip(here, there, strict=True)):
        s = step // 4**level
        np.testing.assert_allclose(a[..., s:, s:], b[..., :-s, :-s], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_profile_keeps_the_column_and_bases_are_flat(level: int) -> None:
    profile = VerticalProfile()
    types = torch.zeros(1, 6, 32, 32)
    types[:, 0] = 1
    noise = torch.randn(1, 16, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 32, 32)
    filled = []
    for depth in (0.0, 0.5, 5.0, 30.0):
        maps = torch.full((1, 1, 32, 32), depth)
        for shells in (4, 8, 16):
            extinction = profile(
                maps,
                profile.parameters_of(types),
                noise[:, :shells],
                torch.zeros_like(maps),
                torch.linspace(0, 1, shells),
                level,
            )
            assert (extinction >= 0).all()
            np.testing.assert_allclose(extinction.mean(1), maps[:, 0], rtol=1e-4)
        assert depth == 0 or extinction[0, 0].min() > 0  # every cloudy column begins at the base
        filled.append(int((extinction[0, :, 8, 8] > 0.05 * extinction.max()).sum()))
    assert filled[3] > filled[1]  # thick columns are taller


def base_height(type_name: str, relief: float) -> float:
    """Height from which a column of a wide cloud is at least half as dense as at its densest."""
    profile = VerticalProfile()
    types = torch.zeros(1, len(CLOUD_TYPES), 64, 64)
    types[:, CLOUD_TYPES.index(type_name)] = 1
    depth, noise = torch.full((1, 1, 64, 64), 40.0), torch.full((1, 1, 64, 64), relief)
    height = torch.linspace(0, 1, 201)
    column = profile(depth, profile.parameters_of(types), None, noise, height, 0)[0, :, 32, 32]
    np.testing.assert_allclose(float(column.mean()), 40.0, rtol=1e-4)  # a raised base keeps what the column holds
    return float(height[column > 0.5 * column.max()].min())


def test_bases_of_stratus_undulate_and_those_of_towers_hardly_do() -> None:
    lift = {name: base_height(name, 1.0) - base_height(name, -1.0) for name in ("stratus", "towering_cumulus")}
    relief = {name: PROFILES[CLOUD_TYPES.index(name)].relief for name in lift}
    for name, lifted in lift.items():  # of two deviations; extinction grows with height, so that half of it lies higher
        assert lifted == pytest.approx(2 * RELIEF_SLOPE * relief[name], abs=0.03)
    assert lift["stratus"] > 0.1 > lift["towering_cumulus"]


def disc_tops(type_name: str, radius_texels: float, depth: float) -> torch.Tensor:
    """Heights (256,) of the top along a line through a round cloud on the finest level, without puffs."""
    profile = VerticalProfile()
    types = torch.zeros(1, len(CLOUD_TYPES), 256, 256)
    types[:, CLOUD_TYPES.index(type_name)] = 1
    axis = torch.arange(256) - 127.5
    maps = depth * (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius_texels**2).float()[None, None]
    height = torch.linspace(0, 1, 101)
    line = profile(maps, profile.parameters_of(types), None, torch.zeros_like(maps), height, 0)[0, :, 128]
    dense = (line > 0.5 * line.amax(0)) & (line > 0.1)
    return (dense * height[:, None]).amax(0)


def test_cumulus_are_about_as_high_as_wide() -> None:
    tops = {radius: float(disc_tops("cumulus", radius, 40.0)[128]) * 1300 / 25 for radius in (4, 8, 16, 32)}
    for radius, top in tops.items():  # texels, in a layer of 1.3 km
        assert 0.5 * radius < top < 2.2 * radius, (radius, top)
    assert disc_tops("cumulus", 16, 60.0)[128] > disc_tops("cumulus", 16, 8.0)[128] + 0.05  # thick ones are higher


@pytest.mark.parametrize(("radius", "least"), [(20, 1.0), (40, 1.0), (80, 0.8)])
def test_towers_are_up_to_three_times_as_high_as_wide_and_have_broad_heads(radius: int, least: float) -> None:
    """Clouds of 1, 2 and 4 km; the layer ends before the widest is as high as that."""
    tops = disc_tops("towering_cumulus", radius, 80.0) * 4000 / 25  # texels, in a layer of 4 km
    assert 2 * radius * least < float(tops.max()) < 2 * radius * 3
    head = int((tops > 0.7 * tops.max()).sum())
    assert head > 1.2 * radius  # a cone would have 0.6, half a ball 1.4


def test_a_slope_is_moved_farther_up_than_along_its_normal() -> None:
    rise = 0.01 * torch.arange(16.0)[None, None, None].expand(1, 1, 16, 16)
    found = normal_stretch(rise, torch.full_like(rise, 300.0))[..., 1:-1]
    torch.testing.assert_close(found, torch.full_like(found, 10**0.5))  # three texels up in each
    assert float(normal_stretch(100 * rise, torch.full_like(rise, 300.0)).max()) == GREATEST_STRETCH
    torch.testing.assert_close(normal_stretch(0 * rise, torch.full_like(rise, 300.0)), torch.ones_like(rise))


def test_export_matches_torch_and_keeps_shells_free(tmp_path: Path) -> None:
    field = FieldGenerator(WINDOW).eval()
    for stage in field.stages:
        torch.nn.init.normal_(stage.head.weight, std=0.05)  # type: ignore[union-attr, arg-type]
    path = tmp_path / "field.onnx"
    export_field(field, path)
    session = onnxruntime.InferenceSession(str(path))
    signature = field_signature(tuple(n.name for n in field.lattice.noise))
    assert [i.name for i in session.get_inputs()] == [t.name for t in signature.inputs]
    for shells in (3, 8):
        inputs = example_inputs(field.lattice, seed=2, shells=shells)
        (found,) = session.run(None, {i.name: v.numpy() for i, v in zip(session.get_inputs(), inputs, strict=True)})
        with torch.no_grad():
            expected = field(*inputs).numpy()
        assert found.shape == (3, shells, WINDOW, WINDOW)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_corrections_leave_types_alone_that_are_not_chosen() -> None:
    field = FieldGenerator(128).eval()
    for stage in field.stages:
        torch.nn.init.normal_(stage.head.weight, std=0.05)  # type: ignore[union-attr, arg-type]
    older = {name: value for name, value in field.state_dict().items() if name != "learned_share"}
    conditions = {name: condition_of(128, 1, 0.5, name) for name in ("cumulus", "altocumulus", "cirrus")}

    def corrections(chosen: FieldGenerator) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {k: chosen.columns_and_corrections(noise_of(128, 1), c)[2][0] for k, c in conditions.items()}

    every = corrections(field)
    assert every["cirrus"].abs().max() < 1e-5 < 0.01 < every["altocumulus"].abs().mean()
    field.learn_types(["cumulus", "cirrus"])
    assert field.learned_types == ("cumulus",)  # of cirrus nothing is learned
    some = corrections(field.at_window(128))
    torch.testing.assert_close(some["cumulus"], every["cumulus"])
    assert some["altocumulus"].abs().max() < 1e-5 and some["cirrus"].abs().max() < 1e-5
    other = FieldGenerator(128).eval()
    other.load_state_dict(older)
    assert other.learned_types == LEARNED_TYPES
    torch.testing.assert_close(corrections(other)["altocumulus"], every["altocumulus"])


def test_critic_ignores_what_the_mask_hides() -> None:
    critic = PatchCritic(width=4)
    depth = torch.rand(2, 1, 32, 32)
    valid = (torch.rand(2, 1, 32, 32) > 0.3).float()
    hidden = depth + (1 - valid) * 5
    torch.testing.assert_close(critic(critic_view(depth, valid)), critic(critic_view(hidden, valid)))


def test_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    data = captured_planes(tmp_path)
    config = FieldConfig(steps=4, batch=2, held_out=("c",))
    whole = train_field(data, tmp_path / "whole", 5, config=config)
    train_field(data, tmp_path / "parts", 5, config=replace(config, steps=2))
    parts = train_field(data, tmp_path / "parts", 5, config=config)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert (tmp_path / "parts" / "sheet.png").is_file()
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["steps"] == 4
    field = load_field(tmp_path / "parts", 128)
    torch.testing.assert_close(field.embed.weight, parts.embed.weight)


def test_sites_to_hold_out_follow_the_captures(tmp_path: Path) -> None:
    data = captured_planes(tmp_path)
    assert held_out_sites(data, ("c",)) == ("c",)
    (chosen,) = held_out_sites(data, ("nowhere", "c"))  # somebody else's captures: one of theirs
    for held in (False, True):
        assert set(load_patches(data, (chosen,), held)) == {"near", "mid"}
    with pytest.raises(CaptureError, match="missing"):
        held_out_sites(tmp_path / "none", ())


def test_training_names_what_a_stage_lacks_and_what_can_go_on(tmp_path: Path) -> None:
    captured_planes(tmp_path)
    with pytest.raises(CaptureError, match=r"timelapse.npz is missing.*timelapse/DAY.*leave it out: --only field\."):
        run_training(argparse.Namespace(recipe="smoke", max_minutes=None, data=tmp_path, only=None))


def test_missing_or_empty_captures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="missing"):
        train_field(tmp_path / "none", tmp_path / "run")
    with pytest.raises(CaptureError, match="nowhere"):
        train_field(captured_planes(tmp_path), tmp_path / "run", config=FieldConfig(held_out=("nowhere",)))


@pytest.mark.parametrize("name", ["cumulus", "towering_cumulus"])
def test_a_place_looks_the_same_from_windows_a_snap_apart(name: str) -> None:
    """Where both are read. Surroundings decide how high towers are: where rims stood for them they changed by 2 %."""
    field, lattice = ProceduralField().eval(), FIELD_LATTICE
    cells = torch.zeros(1, len(CONDITION_CHANNELS), lattice.condition_size, lattice.condition_size)
    cells[:, 0], cells[:, 1 + CLOUD_TYPES.index(name)] = 0.4, 1.0

    def seen(snaps: int) -> torch.Tensor:
        noise = []
        for stream, one in enumerate(lattice.noise):
            rows = np.arange(one.size // 2 - 1, -one.size // 2 - 1, -1, dtype=np.int64)
            columns = np.arange(-one.size // 2, one.size // 2, dtype=np.int64)
            columns += snaps * (lattice.snap_texels // one.cell_texels)
            noise.append(torch.tensor(lattice_noise(5, stream, [0], rows, columns, one.channels))[None])
        shown: torch.Tensor = field(*noise, cells, torch.linspace(0, 1, 4))
        return shown

    with torch.no_grad():
        here, east = seen(0), seen(1)
    for level, bound in ((0, 1e-3), (1, 1e-4), (2, 1e-5)):
        shift, rim = lattice.snap_texels // lattice.factor**level, 36
        one = here[level, :, rim:-rim, shift + rim : -rim]
        other = east[level, :, rim:-rim, rim : -shift - rim]
        assert float((one - other).abs().mean()) < bound * float(one.mean())
