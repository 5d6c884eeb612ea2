"""Simulated captures and sequences: the format of ingest, known motion, random access, resuming, refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skygen_addon.core.controls import LayerControls, SkyControls
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import direction_from_angles, disc_directions
from skygen_addon.core.measuring.cloud_plane import PlaneScale
from skygen_addon.core.measuring.measure import remove_sun
from skygen_addon.core.measuring.sun_position import SunPosition
from skygen_addon.core.request import LayerRequest, SkyRequest, request_from_dict
from trainer.__main__ import main
from trainer.captures.items import item_path
from trainer.captures.manifest import read_manifest
from trainer.captures.training_maps import PLANE_CHANNELS, unproject
from trainer.simulate.capture_series import FOLDER, CaptureSeries, simulate_captures
from trainer.simulate.marcher import Marcher
from trainer.simulate.moving_states import draw_motion, states_at
from trainer.simulate.simulated_captures import as_measured, plan_captures
from trainer.simulate.volume_states import SkyState, draw_state
from trainer.training.field_patches import held_out_sites

SERIES = CaptureSeries(captures=2, sequences=1, sequence_frames=3, step_s=30.0, seed=5, disc=64, window=128)
WORDS = "simulate --captures 2 --sequences 1 --sequence-frames 3 --step-s 30 --seed 5 --disc 64 --window 128".split()
FIELDS = "file sha256 site licence source width height verdict reason flags sun state".split()
SEQUENCE = "simulated_5_sequence_00000"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that the command filled once."""
    root = tmp_path_factory.mktemp("data")
    assert main([*WORDS, "--out", str(root)]) == 0
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_they_lie_apart_from_real_captures_with_the_lines_of_ingest(data: Path) -> None:
    assert [p.name for p in data.iterdir()] == [FOLDER]
    entries = read_manifest(data / FOLDER)
    assert len(entries) == 5
    for entry in entries.values():
        assert list(entry) == FIELDS and entry["verdict"] == "keep" and entry["reason"] is None
        assert entry["flags"] == ["simulated"] and entry["sun"]["azimuth_deg"] == 0
        request = request_from_dict(entry["state"]["request"])
        assert np.degrees(request.sun_elevation_rad) == pytest.approx(entry["sun"]["elevation_deg"], abs=1e-3)
        assert 0 <= entry["state"]["cover"] <= 1
    assert len({e["sha256"] for e in entries.values()}) == 5
    assert len({e["site"] for e in entries.values()}) == 3  # two captures and one sequence
    frames = [e["state"] for name, e in entries.items() if name.startswith(SEQUENCE)]
    assert [(f["frame"], f["time_s"]) for f in frames] == [(0, 0.0), (1, 30.0), (2, 60.0)]


def test_discs_and_planes_are_read_as_those_of_ingest(data: Path) -> None:
    entries = read_manifest(data / FOLDER)
    with np.load(data / FOLDER / "discs-train-000.npz", allow_pickle=False) as discs:
        assert discs["radiance"].shape == (5, 64, 64, 3) and discs["radiance"].dtype == np.float32
        assert np.isfinite(discs["radiance"]).all() and discs["radiance"].min() >= 0
        assert discs["radiance"].max() < 100  # no sun's disc
        assert discs["valid"].dtype == np.uint8
        np.testing.assert_array_equal(discs["valid"][0], disc_directions(64)[..., 2] > 0)
        assert list(discs["files"]) == sorted(entries)
        assert list(discs["site"]) == [entries[file]["site"] for file in discs["files"]]
        assert discs["sun_elevation_rad"].dtype == discs["cover"].dtype == np.float32
    with np.load(data / FOLDER / "planes-train-000.npz", allow_pickle=False) as planes:
        assert tuple(planes["channels"]) == PLANE_CHANNELS
        maps = planes["maps_100m"]
        assert maps.shape == (5, 4, 128, 128) and np.isfinite(maps).all()
        assert maps[:, 0].min() >= 0 and maps[:, 0].max() <= 30
    wanted = (SEQUENCE,)
    assert held_out_sites(data / FOLDER, wanted) == wanted  # what training reads sites with


def test_curate_draws_them_and_changes_nothing(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data / FOLDER, copy)
    before = contents(copy)
    assert main(["curate", str(copy)]) == 0
    drawn = (".png", ".jpg", ".html", "compared.json")
    assert {name: kept for name, kept in contents(copy).items() if not name.endswith(drawn)} == before


def test_a_stopped_run_goes_on_to_the_same_files_with_any_number_of_workers(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data / FOLDER, copy)
    entries = read_manifest(copy)
    for file in (f"{SEQUENCE}/frame_0001", "simulated_5_capture_00000"):
        item_path(copy, entries[file]["sha256"]).with_suffix(".json").unlink()  # maps without their finding: stopped
    item_path(copy, entries["simulated_5_capture_00001"]["sha256"]).unlink()
    (copy / "manifest.jsonl").unlink()
    assert simulate_captures(copy, SERIES, max_minutes=0.0) == (2, 5)  # no time: what is there is put together
    assert len(read_manifest(copy)) == 2
    assert simulate_captures(copy, SERIES, workers=2) == (5, 5)
    assert contents(copy) == contents(data / FOLDER)


def test_a_longer_series_keeps_what_is_there(data: Path, tmp_path: Path) -> None:
    shorter = plan_captures(2, 1, 3, 30.0, seed=5, disc=64, window=128)
    longer = plan_captures(3, 2, 5, 30.0, seed=5, disc=64, window=128)
    assert len(longer) == 3 + 2 * 5
    assert {c.sha256 for c in shorter} < {c.sha256 for c in longer}
    assert {c.sha256 for c in plan_captures(1, 0, 1, 30.0, seed=6, disc=64, window=128)}.isdisjoint(
        c.sha256 for c in shorter
    )


def test_a_frame_is_what_it_is_when_drawn_alone(data: Path) -> None:
    index = 2_000_000
    state = draw_state(5, index)
    (moment,) = states_at(state, draw_motion(state, 5, index), [2], 30.0)
    sky = Marcher(128).march(moment, 64)
    radiance = sky.radiance
    if sky.sun_transmittance > 1e-3 and moment.request.sun_elevation_rad > 0:
        radiance = remove_sun(radiance, SunPosition(0.0, moment.request.sun_elevation_rad, 1.0, 1.0, False))
    entry = read_manifest(data / FOLDER)[f"{SEQUENCE}/frame_0002"]
    assert request_from_dict(json.loads(json.dumps(entry["state"]["request"]))) == moment.request
    with np.load(item_path(data / FOLDER, entry["sha256"])) as item:
        np.testing.assert_array_equal(item["radiance"], radiance)


def test_wind_and_evolution_are_integrated_and_the_sun_stands_in_the_north() -> None:
    state = draw_state(5, 3)
    controls = draw_motion(state, 5, 3)
    first, last = states_at(state, controls, [0, 40], 15.0)
    assert first.request.low.displacement_km == (0.0, 0.0) and last.request.time_s == 600.0
    for layer, moved in ((controls.low, last.request.low), (controls.high, last.request.high)):
        expected = np.array(layer.velocity_km_s()) * 600
        np.testing.assert_allclose(moved.displacement_km, expected, rtol=1e-9, atol=1e-12)
        assert moved.evolution_phase == pytest.approx(layer.evolution_per_hour / 6)
        along = [np.sin(moved.stretch_azimuth_rad), np.cos(moved.stretch_azimuth_rad)]
        assert np.cross(np.append(along, 0), np.append(expected, 0))[2] == pytest.approx(0, abs=1e-9)
    turned, drawn = last.request, state.request
    assert turned.sun_azimuth_rad == 0 and turned.sun_elevation_rad == pytest.approx(drawn.sun_elevation_rad)
    angle = turned.low.stretch_azimuth_rad - drawn.low.stretch_azimuth_rad + drawn.sun_azimuth_rad
    assert np.sin(angle) == pytest.approx(0, abs=1e-9)  # a stretch has two ends
    still = replace(turned.low, displacement_km=(0.0, 0.0), evolution_phase=0.0)
    assert replace(still, stretch_azimuth_rad=0.0) == replace(drawn.low, stretch_azimuth_rad=0.0)


def test_clouds_move_by_the_imposed_displacement() -> None:
    low = LayerControls(
        cover=0.5, types={"altocumulus": 1.0}, base_km=1.5, thickness_km=0.2, wind_speed_m_s=10.0, wind_toward_deg=90.0,
        evolution_per_hour=0.0,
    )  # fmt: skip
    state = SkyState(SkyRequest(seed=9, sun_elevation_rad=0.9, low=LayerRequest(cover=0.5)), 0.0)
    moments = states_at(state, SkyControls(low=low), [0, 2], 20.0)
    scale = PlaneScale(50, 64, 30.0)
    marcher = Marcher(128)
    maps = []
    for moment in moments:
        alpha = 1 - np.exp(-marcher.march(moment, 96).view_depth)
        maps.append(unproject(alpha[..., None], (alpha >= 0).astype(np.float32), scale, base_km=1.55)[0][..., 0])

    def agreement(east: int, north: int) -> float:
        middle = slice(16, 48)
        shifted = maps[1][16 - north : 48 - north, 16 + east : 48 + east]
        return float(np.corrcoef(maps[0][middle, middle].ravel(), shifted.ravel())[0, 1])

    best = max(((e, n) for e in range(-12, 13) for n in range(-12, 13)), key=lambda shift: agreement(*shift))
    assert abs(best[0] - 8) <= 1 and abs(best[1]) <= 1  # 400 m east are 8 texels; parallax blurs by one
    assert agreement(*best) > 0.8


def test_what_is_known_of_a_marched_sky_becomes_a_measurement() -> None:
    state = draw_state(5, 1_000_000)
    turned = SkyState(replace(state.request, sun_azimuth_rad=0.0, sun_elevation_rad=0.5), state.grain)
    sky = Marcher(128).march(turned, 32)
    measured = as_measured(sky, turned)
    assert measured.clouds is not None and measured.sun is not None
    np.testing.assert_allclose(measured.sun.direction, direction_from_angles(0.0, 0.5))
    np.testing.assert_allclose(measured.clouds.alpha, 1 - np.exp(-(sky.low[0] + sky.high[0])))
    set_sun = SkyState(replace(turned.request, sun_elevation_rad=-0.02), state.grain)
    assert as_measured(sky, set_sun).sun is None


def test_discs_of_two_sizes_are_not_mixed(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data / FOLDER, copy)
    with pytest.raises(RequestError, match="--disc 64"):
        simulate_captures(copy, replace(SERIES, disc=32))
    assert contents(copy) == contents(data / FOLDER)
