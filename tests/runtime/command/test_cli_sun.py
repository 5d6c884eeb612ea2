"""The command line's sun by date and place: into the requests, along with sky time, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.job import read_job
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.command.commands import main

# NREL SPA by pvlib 0.16: azimuth 194.3402, elevation 39.8720 degrees without refraction
GOLDEN = ("--sun-date", "2003-10-17T12:30:30-07:00", "--latitude", "39.742476", "--longitude", "-105.1786")


@pytest.fixture
def requests(bundle_folder: Path, load: Callable[..., Any], tmp_path: Path) -> Callable[..., list[SkyRequest]]:
    """Requests of a bake with the lobe renderer."""

    def bake(*words: str) -> list[SkyRequest]:
        out = tmp_path / "out"
        command = ["bake", "--width", "64", "--bundle", str(bundle_folder), "--out", str(out), *words]
        assert main(command, load) == 0
        return list(read_job(out / "sky.json").requests)

    return bake


def angles_deg(request: SkyRequest) -> list[float]:
    """Azimuth and elevation."""
    return [float(angle) for angle in np.rad2deg([request.sun_azimuth_rad, request.sun_elevation_rad])]


def test_a_date_and_place_set_the_sun(requests: Callable[..., list[SkyRequest]]) -> None:
    (request,) = requests("--frames", "1", *GOLDEN)
    assert angles_deg(request) == pytest.approx([194.3402, 39.8720], abs=0.02)  # what the ephemeris promises
    (in_utc,) = requests("--frames", "1", "--sun-date", "2003-10-17T19:30:30", *GOLDEN[2:])
    assert in_utc == request


def test_north_turns_the_azimuth(requests: Callable[..., list[SkyRequest]]) -> None:
    (turned,) = requests("--frames", "1", *GOLDEN, "--north", "90")
    assert angles_deg(turned) == pytest.approx([104.3402, 39.8720], abs=0.02)
    (turned,) = requests("--frames", "1", *GOLDEN, "--north", "-170.5")
    assert angles_deg(turned) == pytest.approx([4.8402, 39.8720], abs=0.02)


def test_the_sun_moves_with_sky_time(requests: Callable[..., list[SkyRequest]]) -> None:
    """Two seconds of film are two hours of sky at time scale 3600: 30 degrees at the pole, on one level."""
    pole = ("--sun-date", "2026-06-21T12:00Z", "--latitude", "90", "--longitude", "0", "--time-scale", "3600")
    first, last = (angles_deg(r) for r in requests("--frames", "1,49", *pole))
    assert (last[0] - first[0]) % 360 == pytest.approx(30, abs=0.01)
    assert first[1] == pytest.approx(23.436, abs=0.02) and last[1] == pytest.approx(first[1], abs=0.01)
    (later,) = requests("--frames", "1", *pole, "--time-offset", "7200")
    assert angles_deg(later) == pytest.approx(last, abs=1e-9)


def test_one_frame_equals_the_baked_one(
    requests: Callable[..., list[SkyRequest]], bundle_folder: Path, load: Callable[..., Any], tmp_path: Path
) -> None:
    requests("--frames", "1-3", *GOLDEN)
    words = ["frame", "--frame", "3", "--width", "64", "--bundle", str(bundle_folder), "--out", str(tmp_path / "a.exr")]
    assert main([*words, *GOLDEN], load) == 0
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "out" / "sky_0003.exr").read_bytes()


def test_a_night_is_told(requests: Callable[..., list[SkyRequest]], capsys: pytest.CaptureFixture[str]) -> None:
    requests("--frames", "1-2", "--sun-elevation", "-14.5")
    assert "2 of 2 frames are dark: the sun stands up to 14.5 degrees below" in capsys.readouterr().out
    requests("--frames", "1-2", "--sun-elevation", "-7.9")
    assert "dark" not in capsys.readouterr().out


REFUSALS = {
    "--latitude and --longitude are missing": GOLDEN[:2],
    "--longitude is missing": GOLDEN[:4],
    "--sun-date is missing": GOLDEN[2:],
    "--sun-date and --latitude and --longitude are missing": ("--north", "10"),
    "--sun-elevation does not go with --sun-date": (*GOLDEN, "--sun-elevation", "10"),
    "--sun-azimuth does not go with --sun-date": (*GOLDEN, "--sun-azimuth", "10"),
    "--sun-azimuth 194.34 --sun-elevation 39.87": (*GOLDEN, "--loop", "24"),
    "'yesterday' is no date": ("--sun-date", "yesterday", *GOLDEN[2:]),
    "no time of day": ("--sun-date", "2026-06-21", *GOLDEN[2:]),
    "latitude_deg is 91": (*GOLDEN[:2], "--latitude", "91", "--longitude", "0"),
    "longitude_deg is nan": (*GOLDEN[:4], "--longitude", "nan"),
    "north_deg is inf": (*GOLDEN, "--north", "inf"),
    "time_s is nan": (*GOLDEN, "--loop", "24", "--time-offset", "nan"),
    "beyond the calendar": ("--sun-date", "9999-12-31T12:00", *GOLDEN[2:], "--time-offset", "1e6"),
    "does not go with --job": ("--job", "sky.json", *GOLDEN),
    "invalid float value": (*GOLDEN[:4], "--longitude", "2E21'"),
}  # fmt: skip


@pytest.mark.parametrize("told", REFUSALS)
def test_refusals_are_one_line_and_exit_code_2(
    told: str, bundle_folder: Path, load: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["bake", "--bundle", str(bundle_folder), "--out", str(out), *REFUSALS[told]], load) == 2
    captured = capsys.readouterr()
    assert told in captured.err and captured.err.count("\n") == 1 and captured.err.endswith(".\n")
    assert not out.exists()
