"""Time-lapse days of simulated fisheye cameras: known cover, sun, brightness, damage, gaps, cameras, re-runs."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skygen_addon.core.errors import CaptureError
from trainer.captures.days import day_plots, timelapse
from trainer.captures.days.camera_model import fit_model
from trainer.captures.days.day_plots import draw_days
from trainer.captures.days.day_reading import MARK_NAMES, load_reading, read_day
from trainer.captures.days.day_state import CHANNELS, _brightness
from trainer.captures.days.find_days import find_days, list_frames
from trainer.captures.days.fisheye import Fisheye, find_circle
from trainer.captures.days.ingest_days import day_origin, ingest_days
from trainer.captures.days.sun_track import fit_camera, fit_day, sun_vector
from trainer.captures.days.timeline import timeline
from trainer.captures.origins import Origin

FIELDS = "file sha256 site licence source width height verdict reason flags sun state".split()
LATITUDE = 37.4
FRAMES, STEP_S = 36, 900.0
CAMERA = Fisheye((51.0, 49.0), 47.0, rotation_rad=0.15)
"""Of 104 x 100 pixels, turned 9 degrees."""


def sun_of_day(declination_deg: float, frames: int = FRAMES) -> np.ndarray:
    """(frames, 3) unit vectors about noon."""
    hour = (np.arange(frames) - frames / 2) * STEP_S * 2 * math.pi / 86400
    return np.stack(sun_vector(np.radians(declination_deg), hour, math.radians(LATITUDE)), -1)


def draw_frame(sun: np.ndarray, camera: Fisheye = CAMERA, cloud_from: float = 2.0, gain: float = 2.0) -> np.ndarray:
    """8-bit frame: blue sky with glare, the sun, and cloud ``gain`` times as bright where x > cloud_from."""
    row, column = np.mgrid[:100, :104].astype(float)
    seen = camera.directions(column, row)
    column_of_sun, row_of_sun = camera.project(*sun)
    away = np.arccos(np.clip(seen @ sun, -1, 1))
    clear = np.array([72.0, 98.0, 135.0]) / 255
    linear = clear**2.2 * (1 + 3 * np.exp(-away / 0.15)[..., None])
    cloud = (column - camera.centre[0]) / camera.radius > cloud_from
    near = np.hypot(column - column_of_sun, row - row_of_sun) < 2.6
    grey = clear.mean() * np.array([0.985, 1.0, 1.015])
    frame = np.where(cloud[..., None], gain * grey**2.2, linear) ** (1 / 2.2) * 255
    frame[near & ~cloud] = 255
    frame[np.hypot(column - camera.centre[0], row - camera.centre[1]) > camera.radius] = 6
    noise = np.random.default_rng(int(1e6 * abs(float(sun[0])))).normal(0, 1.0, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def write_day(folder: Path, declination_deg: float, *, frames: int = FRAMES, camera: Fisheye = CAMERA, **kind) -> Path:
    folder.mkdir(parents=True)
    for index, sun in enumerate(sun_of_day(declination_deg, frames)):
        Image.fromarray(draw_frame(sun, camera, **kind)).save(folder / f"{index:03d}.jpg", quality=96, subsampling=0)
    return folder


def by_file(lines: list[dict]) -> dict[str, dict]:
    return {line["file"]: line for line in lines}


def table_of(data: Path) -> dict[str, np.ndarray]:
    with np.load(data / "timelapse.npz") as kept:
        return {name: kept[name] for name in kept.files}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, dict]]:
    """Four days of one camera below odd folders, with damage; a turned and mirrored camera; two that are no skies."""
    root = tmp_path_factory.mktemp("archive") / "in"
    write_day(root / "roof" / "2024" / "clear", 18.0)
    write_day(root / "roof" / "2024" / "half", 5.0, cloud_from=0.0)
    write_day(root / "roof" / "damaged", -4.0)
    write_day(root / "roof" / "overcast", -8.0, cloud_from=-2.0)
    other = replace(CAMERA, rotation_rad=2.4, mirrored=True)
    for number, declination in enumerate((15.0, 0.0)):
        write_day(root / "yard" / f"day{number}", declination, camera=other)
    flat = root / "street"
    flat.mkdir()
    for index in range(26):
        picture = np.full((100, 104, 3), 40, np.uint8)
        picture[: 50 + index % 3] = (120, 150, 200)
        Image.fromarray(picture).save(flat / f"{index}.png")
    night = root / "night"
    night.mkdir()
    for index in range(26):
        Image.fromarray(np.full((100, 104, 3), index % 9, np.uint8)).save(night / f"{index}.png")
    day = root / "roof" / "damaged"
    (day / "004.jpg").write_bytes(b"")
    (day / "005.jpg").write_bytes((day / "006.jpg").read_bytes()[:900])
    (day / "007.jpg").write_text("a letter, not a picture")
    Image.fromarray(np.full((50, 52, 3), 90, np.uint8)).save(day / "009.jpg")
    Image.fromarray(np.full((100, 104, 3), (10, 190, 20), np.uint8)).save(day / "011.jpg")
    grey = np.asarray(Image.open(day / "030.jpg").convert("L").convert("RGB"))
    Image.fromarray(grey).save(day / "030.jpg")
    for missing in (20, 21):
        (day / f"{missing:03d}.jpg").unlink()
    lone = draw_frame(sun_of_day(-4.0)[15], cloud_from=-2.0)
    Image.fromarray(lone).save(day / "015.jpg", quality=96)
    data = root.parent / "data"
    lines = ingest_days(root, data, find_days(root, ()), {"roof": Origin("the roof", "CC0-1.0", "me")}, LATITUDE)
    return root, data, by_file(lines)


def test_days_are_found_anywhere(archive, tmp_path):
    root, _, _ = archive
    found = {day.relative_to(root).as_posix() for day in find_days(root, ())}
    assert found == {
        *("roof/2024/clear", "roof/2024/half", "roof/damaged", "roof/overcast"),
        *("yard/day0", "yard/day1", "street", "night"),
    }
    day = root / "street"
    assert day not in find_days(root, list_frames(day)[:3])  # 23 are left
    pictures = tmp_path / "panoramas"
    pictures.mkdir()
    for index in range(30):
        Image.new("RGB", (64, 32)).save(pictures / f"{index}.png")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for index in range(30):
        Image.new("RGB", (40 + index, 50)).save(mixed / f"{index}.png")
    assert find_days(tmp_path, ()) == []


def test_frames_run_in_order_of_their_numbers(tmp_path):
    for number in (10, 9, 100, 1):
        (tmp_path / f"f{number}.jpg").touch()
    assert [f.stem for f in list_frames(tmp_path)] == ["f1", "f9", "f10", "f100"]


def test_every_frame_has_a_line(archive):
    root, _, lines = archive
    there = {f.relative_to(root).as_posix() for day in find_days(root, ()) for f in list_frames(day)}
    assert set(lines) == there
    for line in lines.values():
        assert list(line) == FIELDS and "timelapse" in line["flags"]
        assert (line["verdict"] == "keep") == (line["reason"] is None)
        assert line["reason"] is None or line["state"]["message"]
        json.dumps(line, allow_nan=False)


def test_cover_is_what_was_drawn(archive):
    """The sky above 68 degrees of zenith angle is split down the middle; a clear and a closed sky are whole."""
    _, data, _ = archive
    table = table_of(data)
    for name, truth, tolerance in (("clear", 0, 0.03), ("half", 0.5, 0.08), ("overcast", 1, 0.03)):
        day = list(table["names"]).index(name)
        cover = table["values"][day, :, 0][table["mask"][day, :, 0]]
        assert len(cover) > FRAMES / 2
        assert np.abs(cover - truth).mean() < tolerance  # half: the glare takes a clear or a cloudy part away


def test_sun_stands_where_it_was(archive):
    """Half a pixel is a degree in a circle of 47 pixels; the horizon's radius is taken 3 % wide of the circle found,
    so elevations err by up to 2.7 degrees at the horizon; north comes from two paths' curvature."""
    _, _, lines = archive
    errors = []
    for name, declination in (("roof/2024/clear", 18.0), ("yard/day0", 15.0)):
        truth = sun_of_day(declination)
        seen = 0
        for index in range(FRAMES):
            sun = lines[f"{name}/{index:03d}.jpg"]["sun"]
            if sun is None:
                continue
            seen += 1
            azimuth, elevation = math.radians(sun["azimuth_deg"]), math.radians(sun["elevation_deg"])
            found = [math.cos(elevation) * math.sin(azimuth), math.cos(elevation) * math.cos(azimuth)]
            cosine = float(np.dot([*found, math.sin(elevation)], truth[index]))
            errors.append(math.degrees(math.acos(min(cosine, 1))))
        assert seen > 0.8 * FRAMES
    assert np.median(errors) < 4 and max(errors) < 9
    assert all(line["sun"] is None for file, line in lines.items() if file.startswith("roof/overcast"))


def test_brightness_is_the_ratio_to_clear_sky(archive):
    _, data, _ = archive
    table = table_of(data)
    column = CHANNELS.index("brightness")
    for name, truth in (("clear", 0.0), ("half", math.log2(1.5))):  # half the sky twice as bright
        day = list(table["names"]).index(name)
        known = table["mask"][day, :, column]
        assert known.sum() > FRAMES / 2
        # the aureole outside the glare mask is a part of the clear half and weighs more at noon: 0.2 of log2
        assert np.median(table["values"][day, known, column]) == pytest.approx(truth, abs=0.2)
    overcast = list(table["names"]).index("overcast")
    assert not table["mask"][overcast, :, column].any()  # without clear sky nothing tells the exposure


def test_exposures_that_the_camera_wrote_bridge_frames_without_clear_sky():
    """Two routes: exposure from clear pixels (known at both ends) and from the shutter."""
    shutter = np.array([1.0, 2.0, 4.0, 1.0, 2.0])
    exposed = np.stack([np.log2(shutter) + [0, 0, 1.5, 0, 0], np.log2(shutter)], -1)
    exposed[2, 1] = np.nan
    assert math.isnan(_brightness(exposed, np.full(5, np.nan), np.arange(5))[2])
    assert _brightness(exposed, shutter, np.arange(5)) == pytest.approx([0, 0, 1.5, 0, 0], abs=1e-12)


def test_damage_is_marked_and_stops_nothing(archive):
    _, data, lines = archive
    wanted = {
        **dict.fromkeys(("004", "005", "007", "011"), ("unreadable", "unreadable")),
        "009": ("low_resolution", "other_size"),
        "030": ("night", "night"),
        "015": (None, "outlier"),
        "016": (None, "measured"),
    }
    for stem, (reason, mark) in wanted.items():
        line = lines[f"roof/damaged/{stem}.jpg"]
        assert (line["reason"], line["state"]["mark"]) == (reason, mark), stem
    table = table_of(data)
    day = list(table["names"]).index("damaged")
    marks = [MARK_NAMES[m] for m in table["mark"][day]]
    assert [i for i, m in enumerate(marks) if m == "gap"] == [20, 21]
    assert not table["mask"][day, :, 0][[4, 5, 7, 9, 11, 15, 20, 21, 30]].any()
    assert table["frame_s"][day] == pytest.approx(STEP_S, rel=0.05)  # gaps do not make the sun slower


def test_no_broken_byte_stops_a_day(tmp_path):
    """200 pictures with noise in head or body, JPEG and PNG: each is marked, none raises."""
    random = np.random.default_rng(3)
    frame = Image.fromarray(draw_frame(sun_of_day(5.0)[18]))
    for suffix in ("jpg", "png"):
        frame.save(tmp_path / f"whole.{suffix}")
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        for number in range(100):
            broken = bytearray(whole)
            reach = 200 if number % 2 else len(whole)
            for place in random.integers(0, reach, 1 + number % 7):
                broken[place] = int(random.integers(256))
            (tmp_path / f"{number}.{suffix}").write_bytes(bytes(broken))
    read_day(tmp_path, tmp_path / "kept.npz")
    reading = load_reading(tmp_path / "kept.npz")
    assert len(reading.files) == 202 and (reading.mark == MARK_NAMES.index("unreadable")).sum() > 20


def test_cameras_are_told_apart_and_what_is_no_sky_is_left_out(archive):
    _, data, lines = archive
    assert set(table_of(data)["names"]) == {"clear", "half", "damaged", "overcast", "day0", "day1"}
    assert len(list((data / "days" / "cameras").glob("*.npz"))) == 2
    assert {line["reason"] for file, line in lines.items() if file.startswith("street/")} == {"not_panorama"}
    assert {line["reason"] for file, line in lines.items() if file.startswith("night/")} == {"night"}


def test_sites(archive):
    root, _, lines = archive
    assert lines["roof/2024/clear/000.jpg"]["site"] == "the roof"
    assert lines["roof/2024/clear/000.jpg"]["licence"] == "CC0-1.0"
    assert lines["yard/day0/000.jpg"]["site"] == lines["yard/day1/003.jpg"]["site"] == "yard"
    near = {"roof": Origin("a", None, None), "roof\\2024/": Origin("b", None, None)}
    assert day_origin(root, root / "roof" / "2024" / "clear", near).site == "b"
    assert day_origin(root, root / "roof" / "damaged", near).site == "a"


def test_nothing_is_measured_twice(archive, monkeypatch):
    root, data, lines = archive
    before = table_of(data)
    stamps = {p.name: p.stat().st_mtime_ns for p in [*data.glob("*.*"), *(data / "days").iterdir()]}

    def fail(*arguments):
        raise AssertionError(f"measured again: {arguments}")

    monkeypatch.setattr(timelapse, "measure_day", fail)
    monkeypatch.setattr("trainer.captures.days.camera_groups.fit_model", fail)
    monkeypatch.setattr("trainer.captures.days.day_reading._decode", fail)
    monkeypatch.setattr("trainer.captures.days.ingest_days.draw_days", fail)
    origins = {"roof": Origin("the roof", "CC0-1.0", "me")}
    assert by_file(ingest_days(root, data, find_days(root, ()), origins, LATITUDE)) == lines
    assert {p.name: p.stat().st_mtime_ns for p in [*data.glob("*.*"), *(data / "days").iterdir()]} == stamps
    assert all(np.array_equal(before[k], v, equal_nan=v.dtype.kind == "f") for k, v in table_of(data).items())


def test_the_table_stays_while_a_day_is_closed(archive, tmp_path):
    """Days that cannot be read now are still in it; with none left to read it is not taken away either."""
    root, data, _ = archive
    shutil.copytree(data, tmp_path / "data")
    before = (tmp_path / "data" / "timelapse.npz").read_bytes()
    days = [day for day in find_days(root, ()) if day.name != "clear"]
    for those in (days, []):
        ingest_days(root, tmp_path / "data", those, {}, LATITUDE, keep_table=True)
        assert (tmp_path / "data" / "timelapse.npz").read_bytes() == before
    ingest_days(root, tmp_path / "data", [], {}, LATITUDE)
    assert not (tmp_path / "data" / "timelapse.npz").exists()


def test_a_frame_more_is_one_frame_read(archive, tmp_path, monkeypatch):
    root, _, _ = archive
    day = tmp_path / "day"
    shutil.copytree(root / "roof" / "2024" / "clear", day)
    last = day / "035.jpg"
    content = last.read_bytes()
    last.unlink()
    read_day(day, tmp_path / "kept.npz")
    last.write_bytes(content)
    from trainer.captures.days import day_reading

    decoded, decode = [], day_reading._decode
    monkeypatch.setattr(day_reading, "_decode", lambda file, by: decoded.append(file) or decode(file, by))
    read_day(day, tmp_path / "kept.npz")
    assert decoded == [last]
    read_day(day, tmp_path / "whole.npz")
    grown, whole = load_reading(tmp_path / "kept.npz"), load_reading(tmp_path / "whole.npz")
    assert all(np.array_equal(getattr(grown, n), v, equal_nan=v.dtype.kind == "f") for n, v in vars(whole).items())
    (tmp_path / "kept.npz").write_bytes(b"cut off")
    read_day(day, tmp_path / "kept.npz")
    assert load_reading(tmp_path / "kept.npz") is not None


def test_a_latitude_that_is_ten_degrees_wrong_moves_the_sun_by_little(archive, tmp_path):
    """Pixels fix the paths and the pole; a level camera and its circle fix the elevation."""
    root, _, _ = archive
    readings = {}
    for name in ("clear", "half"):
        path = tmp_path / f"{name}.npz"
        readings[read_day(root / "roof" / "2024" / name, path)] = path
    right, wrong = fit_model(readings, LATITUDE), fit_model(readings, LATITUDE - 10)
    assert abs(right.level.rotation_rad - wrong.level.rotation_rad) < math.radians(4)
    assert right.level.centre == wrong.level.centre and right.level.radius == wrong.level.radius


def test_a_day_beside_the_fit_has_the_path_of_one_inside_it():
    """Two routes to one day's path: in the joint fit, and alone with its camera."""
    camera = Fisheye((102.0, 98.0), 99.0)
    blobs = []
    for declination in (18.0, 4.0, -10.0):
        blobs.append(np.stack(camera.project(*sun_of_day(declination).T), -1))
    latitude_rad = math.radians(LATITUDE)
    joint, paths = fit_camera(
        np.array(blobs), replace(camera, radius=97.0), latitude_rad, [len(b) for b in blobs], [math.nan] * len(blobs)
    )
    alone = fit_day(blobs[1], joint, math.radians(LATITUDE), known_s=math.nan, usual_s=float(STEP_S), length=FRAMES)
    assert alone[2] == pytest.approx(paths[1, 2], rel=0.01)
    assert alone[2] == pytest.approx(STEP_S, rel=0.1)  # clock and camera trade a little


@pytest.mark.parametrize(
    ("names", "slots", "step_s"),
    [
        (["a_1", "a_2", "a_3", "a_6", "a_7", "a_8"], [0, 1, 2, 5, 6, 7], math.nan),
        (["f10", "f15", "f20", "f25", "f30", "f40"], [0, 1, 2, 3, 4, 6], math.nan),
        ([f"20240501_1200{s:02d}" for s in (0, 10, 20, 31, 50, 59)], [0, 1, 2, 3, 5, 6], 10.0),
        (["x1", "x90", "x91", "x500", "x501"], [0, 1, 2, 3, 4], math.nan),
    ],
)
def test_slots(tmp_path, names, slots, step_s):
    files = [tmp_path / f"{name}.jpg" for name in names]
    for number, file in enumerate(files):
        file.touch()
        os.utime(file, (1e9 + number * 1e-3,) * 2)
    found = timeline(files, [None] * len(files))
    assert found.slot.tolist() == slots
    assert math.isnan(found.step_s) if math.isnan(step_s) else found.step_s == pytest.approx(step_s, abs=0.01)


def test_times_of_camera_or_files_show_gaps(tmp_path):
    files = [tmp_path / f"{name}.jpg" for name in "abcdefg"]
    times = [0, 60, 121, 180, 240, 480, 540]
    for file, at in zip(files, times, strict=True):
        file.touch()
        os.utime(file, (1e9 + at,) * 2)
    wanted = [0, 1, 2, 3, 4, 8, 9]
    by_camera = timeline(files, [float(t) for t in times])
    assert by_camera.slot.tolist() == wanted and by_camera.step_s == pytest.approx(60, abs=0.5)
    by_file_time = timeline(files, [None] * len(files))
    assert by_file_time.slot.tolist() == wanted and math.isnan(by_file_time.step_s)


def test_circle_of_a_wide_frame_and_no_circle():
    row, column = np.mgrid[:120, :213].astype(float)
    disc = np.where(np.hypot(column - 100, row - 60) < 52, 120.0, 5.0)
    circle = find_circle(disc)
    assert circle.centre == pytest.approx((100, 60), abs=0.5) and circle.radius == pytest.approx(52, abs=1.0)
    for picture in (np.where(row < 60, 120.0, 20.0), np.full(row.shape, 90.0), np.where(column < 150, 90.0, 5.0)):
        with pytest.raises(CaptureError):
            find_circle(picture)


def test_plots_are_paged(tmp_path, monkeypatch):
    monkeypatch.setattr(day_plots, "PAGE_DAYS", 2)
    days, slots = 3, 30
    random = np.random.default_rng(0)
    table = {
        "names": np.array([f"day{d:02d}" for d in range(days)]),
        "channels": np.array(CHANNELS),
        "values": random.uniform(size=(days, slots, len(CHANNELS))).astype(np.float32),
        "mask": np.ones((days, slots, len(CHANNELS)), bool),
        "frame_s": np.full(days, 300.0),
        "mark": np.zeros((days, slots), np.uint8),
        "mark_names": np.array(MARK_NAMES),
    }
    np.savez(tmp_path / "t.npz", **table)
    drawn = draw_days(tmp_path / "t.npz", tmp_path / "timelapse.png")
    assert [p.name for p in drawn] == ["timelapse-000.png", "timelapse-001.png"] and all(p.is_file() for p in drawn)
