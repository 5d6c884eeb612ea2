"""CloudField: window arithmetic, wind as a shift, loops, cover, evolution; the shipped field's shift and windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.bundle import Bundle, WeatherScale
from skygen_addon.core.errors import RequestError
from skygen_addon.core.field_lattice import DRAFT_SHARE, Lattice, NoiseInput
from skygen_addon.core.geometry import FloatArray, plane_matrix
from skygen_addon.core.request import CLOUD_TYPES, LayerRequest
from skygen_addon.runtime.clouds.cloud_field import CloudField
from skygen_addon.runtime.clouds.field_noise import modulated_cover
from skygen_addon.runtime.clouds.layers import READ_SHARE
from skygen_addon.runtime.frame.frame import FrameRenderer

LATTICE = Lattice(
    window=64,
    levels=3,
    factor=4,
    texel_km=0.025,
    noise=(NoiseInput("noise_a", 2, 12, 64), NoiseInput("noise_b", 1, 80, 1)),
    condition_size=24,
    condition_cell_texels=64,
)
SNAP_KM = 64 * 0.025


class RecordingGraph:
    """Stands for field.onnx: keeps its inputs and returns ones."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}

    def __call__(self, **inputs: Any) -> list[FloatArray]:
        self.inputs = inputs
        return [np.ones((3, len(inputs["shell_height"]), 64, 64), dtype=np.float32)]


@pytest.fixture
def graph() -> RecordingGraph:
    return RecordingGraph()


@pytest.fixture
def field(graph: RecordingGraph) -> CloudField:
    weather = WeatherScale(1.0, 1, (1.0, 1.0, 1.0, 1.0), 1)
    return CloudField(Bundle(Path(), "test", "", LATTICE, weather, 16, "", "", {}), graph)


def test_camera_stays_within_half_a_step_and_matrix_is_the_stretch(field: CloudField) -> None:
    layer = LayerRequest(displacement_km=(10.3, -77.7), stretch=3.0, stretch_azimuth_rad=0.7, texture_scale=2.0)
    volume = field.volume(layer, 1, 0, 0.0, 4)
    np.testing.assert_allclose(volume.plane_matrix, plane_matrix(3.0, 0.7))
    assert volume.texel_km == pytest.approx(0.05)
    assert np.abs(volume.plane_offset_km).max() <= SNAP_KM * 2 / 2 + 1e-9
    steps = (plane_matrix(3.0, 0.7) @ [-10.3, 77.7] - volume.plane_offset_km) / (2 * SNAP_KM)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


def test_wind_shifts_noise_bit_for_bit(field: CloudField, graph: RecordingGraph) -> None:
    still = LayerRequest(evolution_phase=0.37)
    field.volume(still, 1, 0)
    before = dict(graph.inputs)
    # Clouds that moved east by a step show, at the window's centre, what lay a step farther west.
    field.volume(replace(still, displacement_km=(SNAP_KM, 0.0)), 1, 0)
    np.testing.assert_array_equal(graph.inputs["noise_b"][..., :, 64:], before["noise_b"][..., :, :-64])
    np.testing.assert_array_equal(graph.inputs["condition"][..., :, 1:], before["condition"][..., :, :-1])
    field.volume(replace(still, displacement_km=(0.0, SNAP_KM)), 1, 0)
    # North is up: what moved north lies in lower rows, so the new window's rows start a step later.
    np.testing.assert_array_equal(graph.inputs["noise_a"][..., :-1, :], before["noise_a"][..., 1:, :])


def test_noise_keeps_unit_variance_and_evolves_continuously(field: CloudField, graph: RecordingGraph) -> None:
    def noise(phase: float) -> FloatArray:
        field.volume(LayerRequest(evolution_phase=phase), 3, 1)
        return np.array(graph.inputs["noise_b"])

    for phase in (0.0, 0.1, 0.125, 100.6):
        assert noise(phase).std() == pytest.approx(1, abs=0.03)  # 6400 values: 3.4 sigma
    np.testing.assert_allclose(noise(0.25 - 1e-7), noise(0.25 + 1e-7), atol=1e-4)  # fine noise steps at 1/4
    assert abs(np.corrcoef(noise(0.0).ravel(), noise(2.0).ravel())[0, 1]) < 0.05


def test_loop_begins_and_ends_on_the_same_noise(field: CloudField, graph: RecordingGraph) -> None:
    first = LayerRequest(
        displacement_km=(0.4, 0.2),
        evolution_phase=0.3,
        loop_displacement_km=(0.4 - 5 * SNAP_KM, 0.2),
        loop_evolution_phase=-1.7,
    )
    last = replace(
        first,
        displacement_km=(0.4 + 5 * SNAP_KM, 0.2),
        evolution_phase=2.3,
        loop_displacement_km=first.displacement_km,
        loop_evolution_phase=0.3,
    )
    field.volume(first, 1, 0, loop_angle_rad=0.0)
    start = {k: np.array(v) for k, v in graph.inputs.items()}
    field.volume(last, 1, 0, loop_angle_rad=np.pi / 2)
    for name, value in start.items():
        np.testing.assert_allclose(graph.inputs[name], value, atol=1e-6)


@pytest.mark.parametrize("angle", [0.2, np.pi / 4, 1.3])
@pytest.mark.parametrize("evolved", [0.0, 0.03, 0.2])
def test_a_short_loop_keeps_unit_variance(
    angle: float, evolved: float, field: CloudField, graph: RecordingGraph
) -> None:
    """Half-way through a loop whose two phases share their noise its deviation would be 1.41."""
    layer = LayerRequest(evolution_phase=0.1 + evolved, loop_evolution_phase=0.1)
    field.volume(layer, 5, 0, loop_angle_rad=angle)
    assert graph.inputs["noise_b"].std() == pytest.approx(1, abs=0.03)  # 6400 values: 3.4 sigma


def test_loop_off_the_lattice_is_refused(field: CloudField) -> None:
    layer = LayerRequest(loop_displacement_km=(-0.5, 0.0))
    with pytest.raises(RequestError, match="whole steps of 1.6 km"):
        field.volume(layer, 1, 0, loop_angle_rad=0.3)


def test_seeds_layers_and_cache(field: CloudField, graph: RecordingGraph) -> None:
    seen = []
    for seed, layer_index in ((1, 0), (2, 0), (1, 1), (1, 0)):
        field.volume(LayerRequest(), seed, layer_index)
        seen.append(np.array(graph.inputs["noise_a"]))
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[0], seen[2])
    np.testing.assert_array_equal(seen[0], seen[3])


@pytest.mark.parametrize("cover", [0.02, 0.3, 0.5, 0.9])
def test_modulated_cover_keeps_its_mean(cover: float) -> None:
    noise = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    assert modulated_cover(cover, 0.65, noise).mean() == pytest.approx(cover, abs=0.01)


def test_no_cover_is_exactly_clear_and_full_cover_is_uniform(field: CloudField, graph: RecordingGraph) -> None:
    assert not field.volume(LayerRequest(cover=0.0), 1, 0).extinction_per_thickness.any()
    field.volume(LayerRequest(cover=1.0), 1, 0)
    assert (graph.inputs["condition"][0, 0] == 1).all()


@pytest.fixture(scope="module")
def shipped_volume(sky_renderer: FrameRenderer) -> Callable[..., FloatArray]:
    """Extinction (L, K, N, N) by the shipped field, of broken cumulus with the given changes."""

    @lru_cache(maxsize=2)
    def extinction(**changes: Any) -> FloatArray:
        layer = replace(LayerRequest(cover=0.6, evolution_phase=0.3), **changes)
        return sky_renderer._field.volume(layer, 3, 0, shells=8).extinction_per_thickness

    return extinction


def test_wind_by_whole_cells_shifts_the_shipped_clouds(
    sky_renderer: FrameRenderer, shipped_volume: Callable[..., FloatArray]
) -> None:
    """One cell to the east and two to the south: 64, 16 and 4 texels, and twice as many rows.

    Away from the rims, that is: how far inside its cloud a place lies is averaged over squares of up
    to 16 finest texels, four of them to each side. Bound: single precision.
    """
    lattice = sky_renderer.bundle.lattice
    cell_km = lattice.snap_texels * lattice.texel_km
    still, moved = shipped_volume(), shipped_volume(displacement_km=(cell_km, -2 * cell_km))
    for level in range(lattice.levels):
        step, rim = lattice.snap_texels // lattice.factor**level, 96 // lattice.factor**level
        inside = slice(rim, -rim)
        before = still[level, :, : -2 * step, :-step][:, inside, inside]
        after = moved[level, :, 2 * step :, step:][:, inside, inside]
        assert before.std() > 1
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * before.max())


def test_the_shipped_windows_agree_where_both_exist(shipped_volume: Callable[..., FloatArray]) -> None:
    """The optical depth of columns, averaged over 4 x 4 texels, is that of the wider window in the middle.

    The finer ones are matched to what wide texels interpolate, and a column holds only so much where it is
    packed. Measured: means of 0.94 and 0.95 of the wider ones, correlations 0.98 and 0.96.
    """
    columns = shipped_volume().mean(1)
    size = columns.shape[-1] // 4
    middle = slice(3 * size // 2, 5 * size // 2)
    for fine, wide in zip(columns, columns[1:], strict=False):
        averaged, there = fine.reshape(size, 4, size, 4).mean((1, 3)), wide[middle, middle]
        assert averaged.mean() == pytest.approx(there.mean(), rel=0.1)
        assert np.corrcoef(averaged.ravel(), there.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", CLOUD_TYPES)
def test_the_field_of_drafts_shows_the_middle_of_the_whole_one(name: str, shipped_bundle: Path) -> None:
    """Even where the camera stands half a snap off the centre: what a draft reads, level by level."""
    field = FrameRenderer(shipped_bundle, 1)._field
    mix = tuple(float(name == one) for one in CLOUD_TYPES)
    layer = LayerRequest(cover=0.4, type_mix=mix, thickness_km=2.0, displacement_km=(0.79, -0.79))
    small, whole = (field.volume(layer, 3, 0, shells=4, draft=draft) for draft in (True, False))
    assert small.extinction_per_thickness.shape[-1] == 320
    np.testing.assert_array_equal(small.plane_offset_km, whole.plane_offset_km)
    half = math.ceil(READ_SHARE * field.window / DRAFT_SHARE)
    shown, expected = (one.around_camera(2 * half).extinction_per_thickness for one in (small, whole))
    for level in range(3):
        difference = float(np.abs(shown[level] - expected[level]).mean())
        assert difference < 0.003 * float(expected[level].mean()) + 1e-6


def test_drafts_do_not_depend_on_what_is_kept(shipped_bundle: Path) -> None:
    field, layer = FrameRenderer(shipped_bundle, 1)._field, LayerRequest(cover=0.3)
    alone = field.volume(layer, 1, 0, shells=4, draft=True).extinction_per_thickness
    field.forget()
    whole = field.volume(layer, 1, 0, shells=4).extinction_per_thickness
    again = field.volume(layer, 1, 0, shells=4, draft=True).extinction_per_thickness
    assert whole.shape[-1] > alone.shape[-1]
    np.testing.assert_array_equal(again, alone)
