"""Weather from frames to graph: a drawn fisheye day with known clouds, a series with known statistics, parity."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from skygen_addon.core.errors import BundleError, CaptureError
from skygen_addon.core.weather import weather_state
from skygen_addon.runtime.frame.weather_graph import WeatherGraph
from trainer.captures.days.cloud_map import find_rings
from trainer.captures.days.find_days import find_days
from trainer.captures.days.sun_track import Fisheye, fit_camera, follow_sun, sun_vector
from trainer.captures.days.timelapse import measure_archive, write_table
from trainer.networks.weather import WeatherStep, free_run
from trainer.training.weather import WeatherConfig, export_weather, train_weather
from trainer.training.weather_series import (
    autocovariance,
    fit_autoregression,
    load_series,
    spectrum,
)

TOY = WeatherConfig(steps=50, batch=8, window=32, hidden=8, learning_rate=0.02, warmup_steps=64)
LATITUDE = math.radians(37.4)
CAMERA = Fisheye((102.0, 98.0), 99.0)
FRAMES = 24


def sun_pixels(declination_deg: float, frame_s: float = 840.0) -> np.ndarray:
    hour = (np.arange(FRAMES) - FRAMES / 2) * frame_s * 2 * math.pi / 86400
    column, row = CAMERA.project(*sun_vector(np.radians(declination_deg), hour, LATITUDE))
    return np.stack([column, row], -1)


def draw_frame(sun: np.ndarray, cloudy) -> np.ndarray:
    """Blue sky with glare about the sun; ``cloudy`` (column -> bool) is white and hides the glare."""
    row, column = np.mgrid[:200, :204].astype(float)
    radius = np.hypot(column - CAMERA.centre[0], row - CAMERA.centre[1])
    glare = np.exp(-np.hypot(column - sun[0], row - sun[1]) / 14)[..., None]
    frame = np.array([75.0, 100.0, 130.0]) * (1 - glare) + 255 * glare
    frame[np.hypot(column - sun[0], row - sun[1]) < 4] = 255
    frame[cloudy(column)] = (148, 150, 154)
    frame[radius > CAMERA.radius] = 8
    noise = np.random.default_rng(1).normal(0, 1.5, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A clear, an overcast and a half-covered day, drawn and measured."""
    folder = tmp_path_factory.mktemp("days")
    days = {
        "a_clear": lambda column: column < -1,
        "b_overcast": lambda column: column > -1,
        "c_half": lambda column: column > CAMERA.centre[0],
        "d_clear": lambda column: column < -1,
    }
    for declination, (name, cloudy) in zip((10.0, 0.0, -5.0, -12.0), days.items(), strict=True):
        (folder / name).mkdir()
        for index, sun in enumerate(sun_pixels(declination)):
            Image.fromarray(draw_frame(sun, cloudy)).save(folder / name / f"{index:03d}.jpg", quality=95)
    kept = tmp_path_factory.mktemp("kept")
    write_table(measure_archive(folder, find_days(folder, ()), kept, math.degrees(LATITUDE)), folder / "timelapse.npz")
    with np.load(folder / "timelapse.npz") as table:
        return {key: table[key] for key in table.files}


@pytest.mark.parametrize(("day", "low", "high"), [(0, 0.0, 0.04), (1, 0.96, 1.0), (2, 0.4, 0.6), (3, 0.0, 0.04)])
def test_cover_of_drawn_days(measured, day, low, high):
    cover = measured["values"][day, :, 0][measured["mask"][day, :, 0]]
    assert len(cover) > FRAMES / 2
    assert low <= np.median(cover) <= high
    if day != 2:
        assert (np.abs(cover - np.median(cover)) < 0.12).all()  # also at noon, where glare looks like cloud


def test_sun_is_seen_only_without_cloud(measured):
    seen, mask = measured["values"][..., 4], measured["mask"][..., 4]
    assert seen[0][mask[0]].mean() > 0.9 and seen[1][mask[1]].mean() == 0


def test_frame_spacing_comes_from_the_sun(measured):
    assert measured["frame_s"][0] == pytest.approx(840, rel=0.1)


def test_sun_path_bridges_hidden_sun():
    truth = np.stack([sun_pixels(d) for d in (20.0, 0.0, -15.0)])
    blobs = truth.copy()
    blobs[1, 7:18] = np.nan
    camera, paths = fit_camera(blobs, Fisheye((103.0, 97.0), 97.0), LATITUDE, [blobs.shape[1]] * 3, [math.nan] * 3)
    followed = [follow_sun(b, camera, path, LATITUDE, len(b)) for b, path in zip(blobs, paths, strict=True)]
    assert np.hypot(*(followed[1][0] - truth[1]).T).max() < 2
    assert not followed[1][1][10] and followed[0][1].all()


def test_rings_are_taken_for_reflections_and_clouds_are_not():
    row, column = np.mgrid[:80, :80]
    radius = np.hypot(row - 41.5, column - 39)
    sky = radius < 38
    ring = np.where((radius > 22) & (radius < 26), 0.4, 0.0)
    found = find_rings(ring, sky, (40.0, 39.0))
    assert found[(radius > 22.5) & (radius < 25.5)].min() > 0.3 and found[radius < 18].max() == 0
    assert find_rings(np.where(column > 40, 0.9, 0.0), sky, (40.0, 39.0)).max() == 0
    assert find_rings(np.full(sky.shape, 0.9), sky, (40.0, 39.0)).max() == 0


def test_days_that_cannot_be_measured_leave_no_table(tmp_path):
    with pytest.raises(CaptureError):
        write_table(measure_archive(tmp_path, find_days(tmp_path, ()), tmp_path / "kept", 37.43), tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def write_series(path, keep=0.75, days=6, length=140, seed=0):
    """A table whose channels are AR(1) with known deviations."""
    random = np.random.default_rng(seed)
    deviation = np.array([0.8, 0.7, 0.5, 0.3])
    state = random.normal(size=(days, 4))
    series = []
    for _ in range(length):
        state = keep * state + math.sqrt(1 - keep**2) * random.normal(size=state.shape)
        series.append(state * deviation)
    values = np.stack(series, 1)
    values[..., 0] = 1 / (1 + np.exp(-values[..., 0]))
    np.savez(
        path,
        names=np.array([f"day{d}" for d in range(days)]),
        channels=np.array(["cover", "density", "grain", "haze"]),
        values=values.astype(np.float32),
        mask=np.ones(values.shape, bool),
        frame_s=np.full(days, 300.0),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    write_series(folder / "timelapse.npz")
    figures = train_weather(folder / "timelapse.npz", folder / "run", minutes=2, config=TOY)
    scale = export_weather(folder / "run" / "weather.pt", folder / "weather.onnx")
    return folder, figures, scale


def test_three_days_are_enough(tmp_path):
    """Two to train on and one to judge by: what a beginner has."""
    write_series(tmp_path / "timelapse.npz", days=3)
    figures = train_weather(tmp_path / "timelapse.npz", tmp_path / "run", minutes=1, config=replace(TOY, steps=2))
    assert len(figures["held_out_days"]) == 1
    assert (tmp_path / "run" / "runs.png").is_file()


def test_series_keep_known_statistics(tmp_path):
    write_series(tmp_path / "t.npz", keep=0.8, days=12)
    series = load_series(tmp_path / "t.npz")
    # the slow mean (2 h) takes a part of the variance of a walk with a memory of half an hour, about a sixth
    assert series.deviation == pytest.approx((0.8, 0.7, 0.5, 0.3), rel=0.25)
    assert len(series.held_out) == 3
    fit = fit_autoregression([series.states[i] for i in series.training], [series.known[i] for i in series.training])
    assert np.abs(fit.keep - 0.78).max() < 0.06


def test_days_are_held_out_by_name(tmp_path):
    """A day that knows nothing of a channel too; its run does not go on with another day held out."""
    write_series(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as table:
        columns = dict(table)
    columns["mask"][4, :, 3] = False
    np.savez(tmp_path / "t.npz", **columns)
    series = load_series(tmp_path / "t.npz", ["day4"])
    assert series.held_out == (4,) and series.training == (0, 1, 2, 3, 5) and series.active == tuple(range(6))
    with pytest.raises(CaptureError, match="no day noday"):
        load_series(tmp_path / "t.npz", ["day4", "noday"])
    assert load_series(tmp_path / "t.npz", ["day4", "day2", "day4"]).held_out == (2, 4)
    for held_out in ([], [f"day{number}" for number in range(6)]):
        with pytest.raises(CaptureError, match="all or none"):
            load_series(tmp_path / "t.npz", held_out)
    toy = replace(TOY, steps=2)
    figures = train_weather(tmp_path / "t.npz", tmp_path / "run", minutes=1, config=toy, held_out=["day4"])
    assert figures["held_out_days"] == ["day4"] and figures["lag1_held_out"][3] is None
    assert all(isinstance(value, float) for value in figures["lag1_held_out"][:3])
    assert figures["spectrum_error_lstm_held_out"] > 0
    with pytest.raises(BundleError):
        train_weather(tmp_path / "t.npz", tmp_path / "run", minutes=1, config=toy, held_out=["day3"])


def test_gaps_do_not_bias_autocovariance():
    random = np.random.default_rng(0)
    state, known = random.normal(size=(4000, 4)), (random.uniform(size=(4000, 4)) < 0.5).astype(float)
    covariance = autocovariance([state * known], [known], (0, 1))
    assert covariance[0] == pytest.approx(np.ones(4), abs=0.1) and np.abs(covariance[1]).max() < 0.12
    flat = np.zeros((24, 1))
    flat[0] = 1
    assert spectrum(flat, (240.0, 15.0)) == pytest.approx(np.ones((2, 1)))  # white noise has a flat spectrum


def test_training_meets_the_series(trained):
    _, figures, _ = trained
    assert figures["nll_lstm_held_out"] < figures["nll_ar1_held_out"] + 0.15
    assert np.abs(np.array(figures["std_lstm"]) - 1).max() < 0.35  # forty steps only
    assert figures["twin_distance_after_warmup"] < 1e-3


def test_training_resumes(trained):
    folder, figures, _ = trained
    again = train_weather(folder / "timelapse.npz", folder / "run", minutes=2, config=TOY)
    assert again == figures


def test_graph_equals_torch_along_a_walk(trained):
    folder, _, scale = trained
    saved = torch.load(folder / "run" / "weather.pt", weights_only=True)
    network = WeatherStep(scale.hidden)
    network.load_state_dict(saved["network"])
    innovations = torch.randn(100, 1, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = free_run(network, network.start(1), innovations).numpy()
    step = WeatherGraph(folder / "weather.onnx")
    current = tuple(t.numpy() for t in network.start(1))
    for innovation, wanted in zip(innovations.numpy(), expected, strict=True):
        current = step(*current, innovation)
        assert np.abs(current[0] - wanted).max() < 1e-5


def test_graph_drives_the_weather(trained):
    folder, _, scale = trained
    step = WeatherGraph(folder / "weather.onnx")
    states = np.array([weather_state(t, 1, scale, step) for t in np.arange(0, 86400, 900.0)])
    assert np.isfinite(states).all() and states.std(0).min() > 0.2


def test_a_graph_of_another_width_is_refused(trained):
    folder, _, _ = trained
    step = WeatherGraph(folder / "weather.onnx")
    four, wrong = np.zeros((1, 4), np.float32), np.zeros((1, 7), np.float32)
    with pytest.raises(BundleError):
        step(four, wrong, wrong, four)


def test_missing_inputs_are_refused(tmp_path):
    with pytest.raises(CaptureError):
        train_weather(tmp_path / "none.npz", tmp_path / "run")
    with pytest.raises(BundleError):
        export_weather(tmp_path / "none.pt", tmp_path / "weather.onnx")
