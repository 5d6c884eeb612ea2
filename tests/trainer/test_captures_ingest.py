"""``trainer ingest`` and ``curate`` on made captures: every file gets its verdict, no work is done twice."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import direction_from_angles, panorama_directions, panorama_pixel
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.verdict import REASONS, SkyEvidence, judge
from trainer.__main__ import COMMANDS, main
from trainer.captures import items, measure_capture
from trainer.captures.ingest import unseen_lines
from trainer.captures.known_files import KnownFiles
from trainer.captures.overrides import read_overrides
from trainer.captures.settle import known_captures
from trainer.captures.split import split_of

SUN = direction_from_angles(np.deg2rad(120.0), np.deg2rad(40.0))
FIELDS = "file sha256 site licence source width height verdict reason flags sun state".split()


def write_exr(path: Path, radiance: np.ndarray) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    planes = {name: np.ascontiguousarray(radiance[..., i], dtype=np.float32) for i, name in enumerate("RGB")}
    with OpenEXR.File(header, planes) as file:
        file.write(str(path))


def write_exposure(path: Path, radiance: np.ndarray, steps: float) -> None:
    """An 8-bit picture as a camera with sRGB's curve takes it, ``steps`` EV from the middle exposure."""
    light = np.clip(radiance * 2.0**steps, 0, 1)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    Image.fromarray(np.uint8(np.round(255 * code))).save(path)


def clear_panorama(width: int = 256) -> np.ndarray:
    directions = panorama_directions(width)
    sky = model_radiance(np.maximum(directions, [-1, -1, 0]), SUN, 1.0)
    stripes = 0.04 + 0.03 * (np.sin(9 * directions[..., :1]) > 0)  # a ground that is not the same all around
    radiance = np.where(directions[..., 2:] > 0, sky, stripes)
    row, column = panorama_pixel(SUN, width)
    radiance[int(row), int(column)] += 3e4
    return radiance.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures of every kind, ingested once."""
    root = tmp_path_factory.mktemp("captures")
    captures = root / "in"
    (captures / "more").mkdir(parents=True)
    sky = clear_panorama()
    write_exr(captures / "meadow_1k.exr", sky)
    write_exr(captures / "more" / "meadow_turned.exr", 0.25 * np.roll(sky, 64, axis=1)[:, ::-1])
    stars = np.full((512, 1024, 3), 0.01)
    rng = np.random.default_rng(7)
    stars[rng.integers(2, 200, 900), rng.integers(0, 1024, 900)] = 0.03
    write_exr(captures / "stars.exr", stars * [1.0, 1.0, 1.1])
    write_exr(captures / "black_but_sun.exr", np.where(sky > 100, sky, 0))
    write_exr(captures / "grey.exr", np.repeat(sky[..., 1:2], 3, axis=-1))
    write_exr(captures / "tall.exr", np.ones((300, 300, 3)))
    write_exr(captures / "tiny.exr", np.ones((1, 2, 3)))
    (captures / "empty.hdr").write_bytes(b"")
    (captures / "words.hdr").write_text("#?RADIANCE\n")
    whole = (captures / "meadow_1k.exr").read_bytes()
    (captures / "cut.exr").write_bytes(whole[: len(whole) // 3])
    (captures / "notes.txt").write_text("not a capture")
    (captures / "to_nowhere.hdr").symlink_to(captures / "is_not_there.hdr")
    (captures / "stack").mkdir()
    for steps in (-4, -2, 0, 2, 4):
        write_exposure(captures / "stack" / f"hill_{steps:+d}ev.png", np.roll(sky, 100, axis=1), steps)
    write_exposure(captures / "phone.png", np.roll(sky, 30, axis=1), 0)
    (captures / "walls").mkdir()
    for number in range(24):  # a day that shows no fisheye circle
        write_exposure(
            captures / "walls" / f"frame_{number:03d}.png",
            np.tile(np.linspace(0.1, 0.9, 64)[:, None] * [1, 0.8, 0.5], (60, 1, 1)),
            0,
        )
    rows = ["file,site,licence,origin", "meadow_1k.exr,the_meadow,CC0-1.0,made here"]
    (captures / "CAPTURES.csv").write_text("\n".join(rows) + "\n")
    assert main(["ingest", str(captures), "--out", str(root / "data")]) == 2  # the link to nowhere
    return root


def manifest(data: Path) -> dict[str, dict]:
    return {e["file"]: e for e in map(json.loads, (data / "manifest.jsonl").read_text().splitlines())}


def test_every_file_gets_its_verdict(folder: Path) -> None:
    entries = manifest(folder / "data")
    assert {name: e["reason"] for name, e in entries.items()} == {
        "meadow_1k.exr": None,
        "more/meadow_turned.exr": "duplicate",
        "stars.exr": "night",
        "black_but_sun.exr": "sun_only",
        "grey.exr": "graded",
        "tall.exr": "not_panorama",
        "tiny.exr": "low_resolution",
        "empty.hdr": "unreadable",
        "words.hdr": "unreadable",
        "cut.exr": "unreadable",
        "to_nowhere.hdr": "unreadable",
        "phone.png": "graded",
        **{f"stack/hill_{steps}ev.png": "duplicate" for steps in ("-4", "-2", "+0", "+2", "+4")},
        **{f"walls/frame_{number:03d}.png": "not_panorama" for number in range(24)},
    }
    for entry in entries.values():
        assert list(entry) == FIELDS
        assert entry["verdict"] == ("keep" if entry["reason"] is None else "reject")
        assert entry["reason"] in (None, *REASONS)
    kept = entries["meadow_1k.exr"]
    assert (kept["site"], kept["licence"], kept["source"]) == ("the_meadow", "CC0-1.0", "made here")
    assert abs(kept["sun"]["azimuth_deg"] - 120) < 1 and abs(kept["sun"]["elevation_deg"] - 40) < 1
    assert entries["stars.exr"]["sun"] is None
    assert kept["state"]["calibrated_by"] == "model" and abs(np.log(kept["state"]["scale"])) < 0.05


def test_training_data_need_only_numpy(folder: Path) -> None:
    name = f"{split_of('the_meadow')}-000.npz"
    with np.load(folder / "data" / f"discs-{name}", allow_pickle=False) as discs:
        assert discs["radiance"].shape == (1, 512, 512, 3) and discs["radiance"].dtype == np.float32
        assert discs["valid"].shape == (1, 512, 512) and list(discs["site"]) == ["the_meadow"]
        assert discs["radiance"].max() < 100  # the sun is taken out
    with np.load(folder / "data" / f"planes-{name}", allow_pickle=False) as planes:
        assert list(planes["channels"]) == ["depth", "valid", "log_luminance", "alpha"]
        for texel, size in ((25, 144), (100, 128), (400, 80)):
            maps = planes[f"maps_{texel}m"]
            assert maps.shape == (1, 4, size, size) and np.isfinite(maps).all()
            assert np.all((maps[:, 1] == 0) | (maps[:, 1] == 1)) and np.all(maps[:, 0] >= 0)
            assert planes[f"cover_{texel}m"][0] < 0.05  # a clear sky


def test_second_run_measures_nothing_and_one_more_file_measures_one(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(folder, root, symlinks=True)
    caplog.set_level(logging.INFO)
    before = (root / "data" / "manifest.jsonl").read_bytes()
    arguments = ["ingest", str(root / "in"), "--out", str(root / "data")]
    assert main(arguments) == 2
    assert " 0 measured now" in caplog.text
    assert (root / "data" / "manifest.jsonl").read_bytes() == before
    write_exr(root / "in" / "wide.exr", np.ones((200, 600, 3)))
    caplog.clear()
    assert main(arguments) == 2
    assert " 1 measured now" in caplog.text
    assert not list(root.rglob("*.tmp"))


def test_a_persons_verdict_survives(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(folder, root, symlinks=True)
    data = root / "data"
    assert main(["curate", str(data), "--reject", "meadow_1k.exr=graded"]) == 0
    assert manifest(data)["meadow_1k.exr"]["reason"] == "graded"
    assert main(["ingest", str(root / "in"), "--out", str(data)]) == 2
    rejected = manifest(data)["meadow_1k.exr"]
    assert (rejected["verdict"], rejected["reason"]) == ("reject", "graded") and "override" in rejected["flags"]
    assert main(["curate", str(data), "--undo", "meadow_1k.exr"]) == 0
    assert manifest(data) == manifest(folder / "data")
    from PIL import Image

    with Image.open(data / "contact_sheet.png") as sheet:
        assert sheet.width > 1000


@pytest.mark.parametrize("wish", ["meadow_1k.exr=ugly", "nowhere.exr=night"])
def test_an_impossible_wish_is_refused_and_changes_nothing(
    folder: Path, tmp_path: Path, wish: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    assert main(["curate", str(data), "--reject", wish]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["curate", str(data)]) == 0
    assert manifest(data) == manifest(folder / "data")


def test_a_folder_without_captures_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        assert main(["ingest", str(place), "--out", str(tmp_path / "data")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "holds no capture" in lines[0] and "is not a folder" in lines[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_offered_is_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0 and f"python -m trainer {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["paint"], "paint"), (["evaluate"], "evaluate"), (["report"], "report"), ([], "COMMAND"),
        (["train"], "recipe"), (["train", "fast"], "quick"), (["train", "quick", "--only", "sun"], "sun"),
        (["export"], "RUN"),
        (["export", "runs/quick", "--colour", "red"], "--colour"), (["curate"], "DATA"),
    ],
)  # fmt: skip
def test_other_commands_recipes_and_options_are_one_line_and_exit_code_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("trainer") and named in told and told.count("\n") == 1 and "--help" in told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"sky_share": 0.0, "overhead_share": 0.05, "foliage": 0.9}, "obstructed"),
        ({"sky_share": 0.1, "overhead_share": 0.0, "foliage": 0.4}, "indoor"),
        ({"stars": 2379, "patches": 65}, "night"),
        ({"stars": 1100, "patches": 215}, None),  # broken cloud has both points and patches
        ({"ground_ratio": 8.7, "blueness": 0.2}, "night"),
        ({"ground_ratio": 8.7, "blueness": 0.6}, None),  # snow under a deep blue sky
        ({"peak_share": 0.2}, "graded"),
    ],
)
def test_judgement(change: dict[str, float], reason: str | None) -> None:
    evidence = {"sky_share": 0.9, "overhead_share": 1.0, "foliage": 0.0, "stars": 0, "patches": 0}
    evidence |= {"ground_ratio": 0.3, "blueness": 0.5, "black_share": 0.0, "peak_share": 0.0}
    assert judge(SkyEvidence(**{**evidence, **change}), ()) == reason  # type: ignore[arg-type]


def test_curate_refuses_what_another_version_measured_and_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    before = {p: p.read_bytes() for p in data.rglob("*") if p.is_file()}
    monkeypatch.setattr(items, "ALGORITHM", items.ALGORITHM + 1)
    assert main(["curate", str(data)]) == 2
    assert "Run trainer ingest again" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in data.rglob("*") if p.is_file()} == before


def test_a_damaged_item_is_measured_again(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    kept = manifest(data)["meadow_1k.exr"]
    assert items.read_item(data, kept["sha256"]) is not None
    items.entry_item(data, kept).write_bytes(b"")
    assert items.read_item(data, kept["sha256"]) is None


def test_curate_says_of_sites_what_ingest_says(folder: Path, tmp_path: Path) -> None:
    """The stack shows the meadow's sky and takes its site; without the meadow it has its own."""
    root = tmp_path / "copy"
    shutil.copytree(folder, root, symlinks=True)
    data = root / "data"
    assert manifest(data)["stack/hill_-4ev.png"]["site"] == "the_meadow"
    assert main(["curate", str(data), "--reject", "meadow_1k.exr=graded"]) == 0
    after_curate = manifest(data)
    assert main(["ingest", str(root / "in"), "--out", str(data)]) == 2  # the link to nowhere
    assert manifest(data) == after_curate


def test_a_wish_on_any_exposure_counts_for_the_bracket(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    assert main(["curate", str(data), "--keep", "stack/hill_+2ev.png"]) == 0
    stack = [e for name, e in manifest(data).items() if name.startswith("stack/")]
    assert len(stack) == 5 and {e["verdict"] for e in stack} == {"keep"}


def test_captures_in_a_folder_that_closed_are_not_forgotten(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    lines = unseen_lines(Path("in"), data, [Path("in/stack"), Path("in/walls")])
    captures = known_captures(data, lines, closed=True)
    assert [c.file for c in captures] == ["stack/hill_-4ev.png"] and len(captures[0].further) == 4
    assert sum("timelapse" in line["flags"] for line in lines.values()) == 24
    assert unseen_lines(Path("in"), data, []) == {}


def test_a_closed_capture_of_an_earlier_version_is_unreadable_until_it_opens(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    lines = unseen_lines(Path("in"), data, [Path("in/stack")])
    for item in (data / "items").iterdir():
        item.unlink()
    with pytest.raises(CaptureError, match="ingest again"):
        known_captures(data, lines)
    (capture,) = known_captures(data, lines, closed=True)
    assert capture.found["reason"] == "unreadable" and "folder is closed" in capture.found["state"]["message"]


def test_data_of_another_folder_are_not_replaced(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    before = (data / "manifest.jsonl").read_bytes()
    assert main(["ingest", str(folder / "in" / "stack"), "--out", str(data)]) == 2
    assert "holds the training data of" in capsys.readouterr().err
    assert (data / "manifest.jsonl").read_bytes() == before


def test_a_file_that_grows_while_it_is_read_is_read_again_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sky.exr"
    write_exr(path, clear_panorama())
    (tmp_path / "data" / "items").mkdir(parents=True)
    job = measure_capture.CaptureJob((path,), tmp_path / "data", False, None)
    read = measure_capture.read_capture

    def read_late(files: Sequence[Path], projection: str) -> Panorama:
        panorama = read(files, projection)
        path.write_bytes(path.read_bytes() + b"more")
        return panorama

    monkeypatch.setattr(measure_capture, "read_capture", read_late)
    known = KnownFiles(tmp_path / "data", tmp_path)
    early = measure_capture.measure_capture(job)
    known.learn([path], early.marks, early.digests)
    assert early.found["reason"] == "unreadable" and known.sha256([path]) is None
    assert not list((tmp_path / "data" / "items").iterdir())
    monkeypatch.setattr(measure_capture, "read_capture", read)
    late = measure_capture.measure_capture(job)
    known.learn([path], late.marks, late.digests)
    assert late.found["reason"] is None and known.sha256([path]) == late.digests


def test_a_process_that_dies_is_no_verdict_on_the_file(tmp_path: Path) -> None:
    lost = measure_capture.lost_capture([tmp_path / "sky.exr"])
    known = KnownFiles(tmp_path, tmp_path)
    known.learn([tmp_path / "sky.exr"], lost.marks, lost.digests)
    assert lost.lost and not lost.fresh and known.sha256([tmp_path / "sky.exr"]) is None


def test_a_verdict_follows_a_file_that_was_moved(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(folder, root, symlinks=True)
    data = root / "data"
    assert main(["curate", str(data), "--reject", "./meadow_1k.exr=Graded"]) == 0
    (root / "in" / "elsewhere").mkdir()
    (root / "in" / "meadow_1k.exr").rename(root / "in" / "elsewhere" / "field.exr")
    assert main(["ingest", str(root / "in"), "--out", str(data)]) == 2  # the link to nowhere
    moved = manifest(data)["elsewhere/field.exr"]
    assert (moved["reason"], "override" in moved["flags"]) == ("graded", True)
    assert main(["curate", str(data), "--keep", "elsewhere/field.exr"]) == 0  # the newest verdict counts
    assert manifest(data)["elsewhere/field.exr"]["verdict"] == "keep"
    assert list(read_overrides(data)) == ["elsewhere/field.exr"]
    (root / "in" / "elsewhere" / "field.exr").rename(root / "in" / "hay.exr")
    assert main(["ingest", str(root / "in"), "--out", str(data)]) == 2
    assert "override" in manifest(data)["hay.exr"]["flags"]
    assert main(["curate", str(data), "--undo", "hay.exr"]) == 0
    assert read_overrides(data) == {} and "override" not in manifest(data)["hay.exr"]["flags"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--keep", "empty.hdr"], "cannot be kept"),
        (["--reject", "walls/frame_003.png=night"], "a frame of a day"),
        (["--keep", "grey.exr", "--reject", "grey.exr=night"], "kept and rejected"),
        (["--undo", "grey.exr"], "no verdict by hand"),
    ],
)
def test_a_wish_without_effect_is_refused(
    folder: Path, tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    assert main(["curate", str(data), *words]) == 2
    assert told in capsys.readouterr().err and not (data / "overrides.json").exists()


def test_a_bracket_is_merged_without_its_damaged_exposure(folder: Path, tmp_path: Path) -> None:
    captures = tmp_path / "in"
    shutil.copytree(folder / "in" / "stack", captures)
    damaged = captures / "hill_-2ev.png"
    damaged.write_bytes(damaged.read_bytes()[:2000])
    assert main(["ingest", str(captures), "--out", str(tmp_path / "data")]) == 0
    entries = manifest(tmp_path / "data")
    assert "incomplete" in entries["hill_-4ev.png"]["flags"] and entries["hill_-4ev.png"]["verdict"] == "keep"
    assert (entries["hill_-2ev.png"]["verdict"], entries["hill_-2ev.png"]["reason"]) == ("reject", "unreadable")
    assert entries["hill_+2ev.png"]["verdict"] == "keep" and entries["hill_-4ev.png"]["site"] == "hill"
