"""The command line: what it writes, and one line with exit code 2 for everything impossible."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.errors import BundleError
from skygen_addon.core.job import read_job
from skygen_addon.runtime.command.commands import NOBODY_READS, main
from skygen_addon.runtime.exr import read_exr
from skygen_addon.runtime.preview import tone_map, write_png

Run = Callable[..., int]


@pytest.fixture
def run(bundle_folder: Path, load: Callable[..., Any]) -> Run:
    """Runs a command line with the lobe renderer."""

    def run_words(*words: object) -> int:
        bundle = ["--bundle", str(bundle_folder)] if words and words[0] != "presets" else []
        return main([*map(str, words), *bundle], load)

    return run_words


def test_bake_writes_a_sequence_and_its_job(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("bake", "--preset", "golden_hour", "--frames", "1-5x2", "--width", 64, "--out", out, "--seed", 7) == 0
    assert sorted(p.name for p in out.iterdir()) == ["sky.json", "sky_0001.exr", "sky_0003.exr", "sky_0005.exr"]
    request = read_job(out / "sky.json").requests[1]
    assert request.time_s == pytest.approx(2 / 24 * 60) and request.seed == 7
    text = capsys.readouterr().out
    assert "3/3" in text and "frames/s" in text and "left" in text


def test_options_reach_the_requests(run: Run, tmp_path: Path) -> None:
    options = ["--sun-elevation", 10, "--sun-azimuth", 90, "--cover", 0.7, "--fps", 30, "--time-scale", 120]
    options += ["--temperature", 7200, "--tint", -3.5]
    assert run("bake", "--frames", "31", "--width", 64, "--out", tmp_path / "o", *options, "--time-offset", 5) == 0
    request = read_job(tmp_path / "o" / "sky.json").requests[0]
    assert request.time_s == pytest.approx(125)
    assert request.sun_elevation_rad == pytest.approx(np.deg2rad(10))
    assert request.sun_azimuth_rad == pytest.approx(np.pi / 2)
    assert request.low.cover == 0.7
    assert (request.white_balance_k, request.white_balance_tint) == (7200, -3.5)
    assert (
        run("bake", "--preset", "high_cirrus", "--frames", "1", "--width", 64, "--out", tmp_path, "--cover", 0.1) == 0
    )
    request = read_job(tmp_path / "sky.json").requests[0]
    assert (request.low.cover, request.high.cover) == (0.0, 0.1)  # the main layer is the high one


def test_a_loop_bakes_one_period_and_tells_how_it_bends_the_wind(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bake", "--loop", 24, "--width", 64, "--out", tmp_path / "o") == 0
    assert "loop: the low layer" in capsys.readouterr().out
    job = read_job(tmp_path / "o" / "sky.json")
    assert job.frames == tuple(range(1, 25))
    apart = np.subtract(job.requests[3].low.displacement_km, job.requests[3].low.loop_displacement_km)
    assert np.abs(apart / 1.28 - np.round(apart / 1.28)).max() < 1e-9  # 64 texels of 20 m
    assert run("bake", "--loop", 24, "--frames", "25", "--width", 64, "--out", tmp_path / "p") == 0
    assert (tmp_path / "p" / "sky_0025.exr").read_bytes() == (tmp_path / "o" / "sky_0001.exr").read_bytes()


def test_a_job_runs_again_elsewhere_and_in_parts(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    assert run("bake", "--frames", "1-4", "--width", 64, "--out", first) == 0
    assert run("bake", "--job", first / "sky.json", "--out", second, "--frames", "3,2") == 0
    assert sorted(p.name for p in second.glob("*.exr")) == ["sky_0002.exr", "sky_0003.exr"]
    assert (second / "sky_0003.exr").read_bytes() == (first / "sky_0003.exr").read_bytes()
    assert run("bake", "--job", first / "sky.json", "--frames", "2") == 0
    assert len(read_job(first / "sky.json").frames) == 4  # running a part leaves the job whole


def test_compression_is_chosen_and_checked(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("bake", "--frames", "1-2", "--width", 64, "--out", tmp_path / "o")
    assert run(*words, "--compression", "dwaa") == 0
    assert read_exr(tmp_path / "o" / "sky_0002.exr").compression == "dwaa"
    assert run("bake", "--job", tmp_path / "o" / "sky.json", "--out", tmp_path / "p", "--compression", "zip") == 0
    assert read_exr(tmp_path / "p" / "sky_0002.exr").compression == "zip"
    capsys.readouterr()
    assert run(*words, "--compression", "piz") == 2 and "zip, dwaa" in capsys.readouterr().err
    assert run(*words, "--compression", "dwaa", "--format", "float") == 2
    assert "half floats only" in capsys.readouterr().err


def test_one_frame_again_leaves_the_job_whole_and_another_sky_is_told(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("bake", "--width", 64, "--out", tmp_path)
    assert run(*words, "--frames", "1-4") == 0
    whole = read_job(tmp_path / "sky.json")
    assert run(*words, "--frames", "3") == 0
    assert read_job(tmp_path / "sky.json") == whole and "note" not in capsys.readouterr().out
    assert run(*words, "--frames", "3", "--seed", 5) == 0
    assert "note: frames 1-2, 4 in" in capsys.readouterr().out
    assert read_job(tmp_path / "sky.json").frames == (3,)


def test_skip_existing_goes_on(run: Run, tmp_path: Path, renderer: Any) -> None:
    words = ("bake", "--width", 64, "--out", tmp_path / "o", "--skip-existing")
    assert run(*words, "--frames", "1-3") == 0
    assert run(*words, "--frames", "1-5") == 0
    assert len(renderer.rendered) == 5


def test_frame_equals_the_baked_one_and_makes_a_preview(run: Run, tmp_path: Path) -> None:
    assert run("bake", "--frames", "1-3", "--width", 64, "--out", tmp_path / "o") == 0
    assert run("frame", "--frame", 3, "--width", 64, "--out", tmp_path / "f" / "my.exr", "--png") == 0
    assert (tmp_path / "f" / "my.exr").read_bytes() == (tmp_path / "o" / "sky_0003.exr").read_bytes()
    png = (tmp_path / "f" / "my.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (64, 32)
    assert run("frame", "--width", 64, "--out", tmp_path / "g") == 0
    assert (tmp_path / "g" / "sky_0001.exr").is_file()
    assert run("frame", "--width", 64, "--out", tmp_path / "my.png") == 2  # nor a folder of that name
    assert not (tmp_path / "my.png").exists()


def test_a_bright_sun_is_written_as_float(run: Run, tmp_path: Path, renderer: Any) -> None:
    renderer.peak = 2e5
    assert run("frame", "--width", 64, "--out", tmp_path / "a.exr", "--sun-elevation", 40) == 0
    frame = read_exr(tmp_path / "a.exr")
    assert not frame.half and frame.radiance.max() > 65504
    assert run("frame", "--width", 64, "--out", tmp_path / "b.exr", "--format", "half") == 2
    assert not (tmp_path / "b.exr").exists()


def test_bench_writes_a_table_and_json(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "--widths", "128,64", "--repeat", 2, "--out", tmp_path / "bench.json") == 0
    data = json.loads((tmp_path / "bench.json").read_text())
    assert [row["width"] for row in data["rows"]] == [64, 128]
    assert all(row["frame_s"] > 0 and row["peak_mib"] > 1 for row in data["rows"])
    assert data["drafts"] is None  # not asked for
    assert "peak MiB" in capsys.readouterr().out


def test_presets_are_listed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("presets") == 0
    assert len(capsys.readouterr().out.splitlines()) >= 12


REFUSALS = {
    "unknown preset": ["--preset", "sunny"],
    "missing preset file": ["--preset", "mine.json"],
    "empty range": ["--frames", ""],
    "backwards range": ["--frames", "9-1"],
    "absurd range": ["--frames", "1-99999999"],
    "unreadable range": ["--frames", "one"],
    "frames of thousands of digits": ["--frames", "1-" + "9" * 5000],
    "width not a multiple of 4": ["--width", "1022"],
    "width of nothing": ["--width", "0"],
    "width that is no number": ["--width", "wide"],
    "negative seed": ["--seed", "-1"],
    "no film": ["--fps", "0"],
    "fps that is no number": ["--fps", "nan"],
    "sun beyond the zenith": ["--sun-elevation", "91"],
    "cover in percent": ["--cover", "40"],
    "negative time scale": ["--time-scale", "-1"],
    "infinite offset": ["--time-offset", "inf"],
    "loop of nothing": ["--loop", "0"],
    "unknown format": ["--format", "jpeg"],
    "no threads": ["--threads", "0"],
    "unknown option": ["--colour", "red"],
    "missing job": ["--job", "nowhere.json"],
    "missing bundle": ["--bundle", "nowhere"],
    "negative first frame": ["--first-frame", "-3"],
    "nowhere": ["--out", ""],
}


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS.keys())
def test_bad_input_is_one_line_exit_code_2_and_no_files(
    words: list[str], bundle_folder: Path, load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["bake", "--bundle", str(bundle_folder), "--out", str(out), *words], load) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("skygen: ") and captured.err.count("\n") == 1
    assert captured.err.count(". ") >= 1 and captured.err.endswith(".\n")  # what is wrong, and the remedy
    assert not out.exists()


@pytest.mark.parametrize("command", ["bake", "frame"])
def test_a_renderer_that_does_not_load_leaves_no_folder(bundle_folder: Path, tmp_path: Path, command: str) -> None:
    def refuse(folder: Path, threads: int | None) -> Any:
        raise BundleError("field.onnx is damaged.", "Reinstall SkyGen.")

    words = [command, "--width", "64", "--bundle", str(bundle_folder), "--out", str(tmp_path / "out")]
    assert main(words, refuse) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["bake"], ["frame"], [], ["dance"], ["bake", "--job", "a.json", "--seed", "3"]])
def test_incomplete_commands_are_refused(
    words: list[str], bundle_folder: Path, load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = ["--bundle", str(bundle_folder)] if words[:1] in (["bake"], ["frame"]) else []
    assert main([*words, *bundle], load) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("damage", ["schema", "missing graph", "not json", "foreign keys"])
def test_damaged_bundles_are_refused(run: Run, bundle_folder: Path, tmp_path: Path, damage: str, capsys: Any) -> None:
    path = bundle_folder / "model.json"
    data = json.loads(path.read_text())
    if damage == "schema":
        path.write_text(json.dumps({**data, "schema": 99}))
    elif damage == "missing graph":
        (bundle_folder / "field.onnx").unlink()
    elif damage == "not json":
        path.write_text("{")
    else:
        path.write_text(json.dumps({**data, "lattice": {"window": 3}}))
    assert run("bake", "--width", 64, "--out", tmp_path / "o") == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "o").exists()


def test_a_file_in_place_of_the_output_folder(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o").write_text("mine")
    assert run("bake", "--width", 64, "--out", tmp_path / "o") == 2
    assert run("frame", "--width", 64, "--out", tmp_path / "o" / "a.exr") == 2
    assert (tmp_path / "o").read_text() == "mine"
    assert capsys.readouterr().err.count("\n") == 2


def test_outputs_are_checked_before_anything_is_rendered(
    run: Run, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.exr", "b.png", "file"):
        (tmp_path / name).mkdir() if "." in name else (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for words in (
        ["frame", "--out", ""], ["frame", "--out", "a.exr"], ["frame", "--out", "b.exr", "--png"],
        ["frame", "--out", "x" * 300 + ".exr"], ["frame", "--out", "file"], ["bench", "--out", "a.exr"],
        ["bench", "--out", ""], ["bench", "--out", "file/bench.json"], ["bake", "--frames", "1", "--out", "file"],
        ["bake", "--frames", "1", "--loop", "24", "--out", "file"],
    ):  # fmt: skip
        assert run(*words, *(["--width", 64] if words[0] != "bench" else ["--widths", 64])) == 2
        captured = capsys.readouterr()
        assert not captured.out and captured.err.count("\n") == 1
    assert not renderer.rendered and sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("widths", ["abc", "", "64,", "64-128", "9" * 5000, "66", "1.5"])
def test_bench_names_the_widths(run: Run, renderer: Any, capsys: pytest.CaptureFixture[str], widths: str) -> None:
    assert run("bench", "--widths", widths) == 2
    told = capsys.readouterr().err
    assert "width" in told and "frame list" not in told and len(told) < 200 and not renderer.rendered


def test_one_frame_is_one_frame(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bake", "--frames", "1", "--width", 64, "--out", tmp_path / "o") == 0
    assert capsys.readouterr().out.startswith("1 frame of 64 px into ")


def test_a_defect_is_not_dressed_up(bundle_folder: Path, tmp_path: Path) -> None:
    def broken(folder: Path, threads: int | None) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(["frame", "--bundle", str(bundle_folder), "--out", str(tmp_path / "a.exr")], broken)


def test_exit_codes_reach_the_shell() -> None:
    words = [sys.executable, "-m", "skygen_addon"]
    root = Path(__file__).resolve().parents[3]
    good = subprocess.run([*words, "presets"], cwd=root, capture_output=True, text=True)
    bad = subprocess.run([*words, "bake", "--preset", "sunny", "--out", "x"], cwd=root, capture_output=True, text=True)
    assert good.returncode == 0 and "fair_cumulus" in good.stdout
    assert bad.returncode == 2 and bad.stderr.count("\n") == 1 and not bad.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Windows report a reader that is gone in another way")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_reading_ends_it_quietly(unbuffered: str) -> None:
    root = Path(__file__).resolve().parents[3]
    reader, writer = os.pipe()
    os.close(reader)  # as `| head -1` does sooner or later
    done = subprocess.run(
        [sys.executable, "-m", "skygen_addon", "presets"],
        cwd=root, stdout=writer, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writer)
    assert done.stderr == "" and done.returncode == NOBODY_READS


def test_the_preview_keeps_order_and_hue(tmp_path: Path) -> None:
    grey = np.repeat(np.geomspace(1e-4, 1e5, 64, dtype=np.float32)[None, :, None], 3, axis=2)
    display = tone_map(grey)
    assert (np.diff(display[0, :, 1].astype(int)) >= 0).all() and display.max() == 255
    assert (display == display[..., :1]).all()  # grey stays grey
    blue = tone_map(np.array([[[0.1, 0.2, 0.9]]], dtype=np.float32))[0, 0]
    assert blue[0] < blue[1] < blue[2]
    write_png(tmp_path / "a.png", display)
    png = (tmp_path / "a.png").read_bytes()
    start = png.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", png[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8).reshape(1, 1 + 64 * 3)
    assert (rows[:, 1:].reshape(1, 64, 3) == display).all()
