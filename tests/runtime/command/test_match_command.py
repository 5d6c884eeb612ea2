"""The command ``match``: what it prints and writes, and what it refuses. Its renderer is the clear-sky model alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.errors import SkyGenError
from skygen_addon.core.geometry import FloatArray, direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.presets import read_preset
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.command.commands import main
from skygen_addon.runtime.command.match_command import read_sky
from skygen_addon.runtime.exr import write_exr
from skygen_addon.runtime.frame.sun_record import SunLight
from skygen_addon.runtime.match.match_messages import MatchFound, MatchStep, read_match_line


def clear_sky(azimuth_rad: float, elevation_rad: float, haze: float, width: int) -> FloatArray:
    """The model's sky over dark ground, without a sun's disc."""
    directions = panorama_directions(width)
    radiance = model_radiance(directions, direction_from_angles(azimuth_rad, elevation_rad), haze)
    radiance[directions[..., 2] < 0] = 0.1
    return radiance


class ClearRenderer:
    """Renders that."""

    def render(self, request: SkyRequest) -> FloatArray:
        return clear_sky(request.sun_azimuth_rad, request.sun_elevation_rad, request.haze, request.width)

    def render_frame(self, request: SkyRequest) -> Any:
        sun = SunLight(request.sun_azimuth_rad, request.sun_elevation_rad, (2.0, 2.0, 2.0), 1.0, 1.0)
        return SimpleNamespace(radiance=self.render(request), sun=sun)

    render_draft = render_frame


def run(*arguments: str | Path) -> int:
    return main(["match", *map(str, arguments)], lambda folder, threads: ClearRenderer())


@pytest.fixture
def panorama(tmp_path: Path) -> Path:
    """A clear sky with its sun at 300 and 20 degrees, one stop darker than the model."""
    azimuth, elevation = math.radians(300.0), math.radians(20.0)
    radiance = 0.5 * clear_sky(azimuth, elevation, 2.0, 1024)
    disc = panorama_directions(1024) @ direction_from_angles(azimuth, elevation) > math.cos(math.radians(0.5))
    radiance[disc] = 800.0
    path = tmp_path / "evening.exr"
    write_exr(path, radiance)
    return path


def test_it_tells_what_it_finds_and_writes_a_preset(
    panorama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, png = tmp_path / "evening_sky.json", tmp_path / "both.png"
    assert run(panorama, "--out", out, "--png", png) == 0
    printed = capsys.readouterr().out
    assert "Sun at azimuth 300" in printed and "(seen)" in printed
    assert "no clouds" in printed and str(out) in printed
    assert "give --seed 0 with it" in printed  # the preset alone would show another sky of its kind
    preset = read_preset(out)
    assert preset.label == "Evening Sky" and "evening.exr" in preset.description
    assert preset.controls.sun_azimuth_deg == pytest.approx(300.0, abs=0.5)
    assert preset.controls.haze == pytest.approx(2.0, rel=0.1)
    assert preset.controls.exposure_ev == pytest.approx(-1.0, abs=0.03)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_program_reads_steps_and_result(panorama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(panorama, "--progress", "json", "--pictures", tmp_path / "pictures") == 0
    messages = [read_match_line(line) for line in capsys.readouterr().out.splitlines()]
    assert all(isinstance(message, MatchStep) for message in messages[:-1])
    found = messages[-1]
    assert isinstance(found, MatchFound)
    assert found.controls.sun_elevation_deg == pytest.approx(20.0, abs=0.5)
    assert found.found[0].startswith("Sun at azimuth 300")
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["panorama.png", "sky.png"]


def test_a_refusal_is_one_line_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "flat.exr"
    write_exr(file, np.full((256, 512, 3), 0.5, dtype=np.float32))
    assert run(file, "--progress", "json") == 2
    caught = capsys.readouterr()
    error = read_match_line(caught.out.splitlines()[-1])
    assert isinstance(error, SkyGenError) and "no high dynamic range" in error.message
    assert caught.err.startswith("skygen: ") and caught.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.hdr", None, "does not exist"),
        ("picture.png", b"\x89PNG\r\n\x1a\n0000", "without high dynamic range"),
        ("photo.hdr", b"\xff\xd8\xff\xe0 JFIF", "without high dynamic range"),
        ("notes.txt", b"a sky", "no HDR picture"),
        ("empty.hdr", b"", "empty"),
        ("cut.exr", b"\x76\x2f\x31\x01\x02", "cannot read its header"),
    ],
)
def test_what_is_no_panorama_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name) == 2
    assert message in capsys.readouterr().err


def test_a_preset_must_be_a_json_file(panorama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(panorama, "--out", tmp_path / "preset.exr") == 2
    assert "ends in .json" in capsys.readouterr().err


def test_a_large_panorama_is_averaged_while_it_is_read(tmp_path: Path) -> None:
    """4096 to 2048 by blocks of four pixels, from both kinds of file."""
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0.1, 1.0, (1024, 2048, 3)).astype(np.float16).astype(np.float32)
    fine = coarse.repeat(2, axis=0).repeat(2, axis=1)
    write_exr(tmp_path / "large.exr", fine)
    np.testing.assert_allclose(read_sky(tmp_path / "large.exr").radiance, coarse, rtol=1e-5)
    mantissa = np.full((2048, 4096, 4), (100, 120, 140, 129), dtype=np.uint8)
    mantissa[::2] = (50, 60, 70, 129)
    (tmp_path / "large.hdr").write_bytes(b"#?RADIANCE\n\n-Y 2048 +X 4096\n" + mantissa.tobytes())
    read = read_sky(tmp_path / "large.hdr").radiance
    assert read.shape == (1024, 2048, 3)
    np.testing.assert_allclose(read, np.broadcast_to(np.array([75.5, 90.5, 105.5]) / 128, read.shape), rtol=1e-5)


def test_messages_that_are_none_are_ignored() -> None:
    for line in ("", "chatter", "[1]", json.dumps({"frame": 1}), json.dumps({"matched": {}, "more": 1})):
        assert read_match_line(line) is None


@pytest.mark.parametrize("command", ["match", "bake"])
def test_an_interrupted_command_promises_nothing_that_it_has_not(
    panorama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    def interrupt(folder: Path, threads: int | None) -> ClearRenderer:
        raise KeyboardInterrupt

    what = [str(panorama)] if command == "match" else ["--out", str(tmp_path / "sky"), "--frames", "1", "--width", "64"]
    assert main([command, *what], interrupt) == 130
    told = capsys.readouterr().err
    assert told.startswith("skygen: interrupted") and ("--skip-existing" in told) == (command == "bake")


@pytest.mark.parametrize("option", ["--out", "--png", "--pictures"])
def test_what_cannot_be_written_is_told_before_anything_is_tried(
    panorama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    place = tmp_path / "sky.json"
    if option == "--pictures":
        place.write_text("")
    else:
        place.mkdir()
    assert run(panorama, option, place) == 2
    told = capsys.readouterr()
    assert "folder" in told.err and "Trying" not in told.out
