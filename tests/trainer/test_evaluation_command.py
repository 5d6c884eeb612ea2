"""``trainer evaluate`` from captures to tables and sheets, on a few skies; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from skygen_addon.core.bundle import installed_bundle
from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from trainer.__main__ import main
from trainer.evaluation.skies.real_skies import read_real_skies
from trainer.evaluation.skies.requests_like_captures import requests_like_captures

SITES = ("meadow", "harbour", "ridge", "dunes", "quay")


def clear_capture(number: int) -> np.ndarray:
    """Clear sky of another sun and haze over grey ground."""
    d = panorama_directions(256)
    sun = direction_from_angles(np.deg2rad(70.0 * number), np.deg2rad(20.0 + 9 * number))
    sky = model_radiance(np.maximum(d, [-1, -1, 0]), sun, 0.5 + 0.5 * number)
    return np.where(d[..., 2:] > 0, sky, 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of five captures and a data folder whose manifest keeps them."""
    captures, data = tmp_path_factory.mktemp("captures"), tmp_path_factory.mktemp("data")
    lines = []
    for number, site in enumerate(SITES):
        cv2.imwrite(str(captures / f"{site}.hdr"), clear_capture(number)[..., ::-1])
        entry = {"file": f"{site}.hdr", "site": site, "verdict": "keep", "flags": [], "state": {}}
        lines.append(json.dumps(entry))
    lines.append(json.dumps({"file": "night.hdr", "site": "night", "verdict": "reject", "flags": [], "state": {}}))
    (data / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return captures, data


def evaluate(captured: tuple[Path, Path], out: Path, *further: str) -> int:
    captures, data = captured
    return main(["evaluate", "--captures", str(captures), "--data", str(data), "--out", str(out), *further])


def test_it_writes_tables_figure_and_sheets(captured: tuple[Path, Path], tmp_path: Path) -> None:
    """Two skies of two sources; the second run draws none of them again and finds the same."""
    words = ["--skies", "2", "--only", "detail_off", "--resamples", "20", "--motion", "--held-out", "ridge", "quay"]
    assert evaluate(captured, tmp_path, *words) == 0
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    comparison = found["comparison"]
    assert [row["name"] for row in comparison["rows"]] == ["shipped", "detail_off"]
    assert comparison["real_files"] == comparison["real_sites"] == 5
    assert comparison["held_out_sites"] == ["quay", "ridge"]
    shipped, bare = comparison["rows"]
    assert shipped["shipped_better"] is None and 0 <= bare["shipped_better"] <= 1
    assert shipped["change"] is None and 0 < bare["change"] < 1
    assert shipped["kid_interval"][0] <= shipped["kid_interval"][1]
    assert found["real"]["skies"] == 5
    assert "| detail_off: " in (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    sheets = {path.name for path in tmp_path.glob("*.png")}
    assert sheets == {
        "evaluation.png",
        "sheet_real.png",
        "sheet_shipped.png",
        "sheet_detail_off.png",
        "sheet_unlabelled.png",
        "sheet_labelled.png",
    }
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "skies").iterdir()}
    assert len(drawn) == 4
    assert evaluate(captured, tmp_path, *words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "skies").iterdir()} == drawn
    assert json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8")) == found


def test_skies_like_the_captures_are_matched_once_and_judged_by_the_held_out_ones(
    captured: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sites in turn, each with about the height of its sun and its cover, haze in order; seeds and azimuths differ."""
    captures, data = captured
    real = read_real_skies(data, captures, frozenset())
    asked = requests_like_captures(real, installed_bundle(), 7, 128, tmp_path / "matches")
    assert [site for site, _ in asked] == [*sorted(SITES), *sorted(SITES)[:2]]
    assert len({request.seed for _, request in asked}) == len({request.sun_azimuth_rad for _, request in asked}) == 7
    by_site = dict(asked)
    for number, site in enumerate(SITES):  # without a disc the sun is placed by the light about it
        assert np.rad2deg(by_site[site].sun_elevation_rad) == pytest.approx(20.0 + 9 * number, abs=6)
        assert by_site[site].low.cover < 0.03 and by_site[site].high.cover < 0.03
    hazes = [by_site[site].haze for site in SITES]
    assert hazes == sorted(hazes)
    monkeypatch.setattr("trainer.evaluation.skies.requests_like_captures.match", None)  # what is kept is enough
    rows = []
    words = ["--like", "captures", "--skies", "5", "--only", "detail_off", "--resamples", "20", "--motion"]
    for held_out in (["ridge", "quay"], ["meadow", "harbour"]):
        assert evaluate(captured, tmp_path, *words, "--held-out", *held_out) == 0
        found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
        rows.append(found["comparison"]["rows"][0])
    assert found["asked"] == "captures"
    assert "asked for like the captures" in (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert rows[0]["kid"] == rows[1]["kid"] and rows[0]["kid_held_out"] != rows[1]["kid_held_out"]


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--skies", "1"], "Too few skies"),
        (["--resamples", "1"], "Too few skies"),
        (["--only", "dense_2021"], "needs its run"),
        (["--held-out", "nowhere", "--only", "shipped"], "nowhere"),
        (["--only", "sculpture"], "sculpture"),
        (["--bundle", "no/bundle"], "no/bundle"),
    ],
)
def test_bad_requests_are_refused_in_a_line(
    captured: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], further: list[str], message: str
) -> None:
    assert evaluate(captured, tmp_path, *further) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "evaluation.json").exists()


def test_captures_that_are_gone_are_named(
    captured: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate((tmp_path, captured[1]), tmp_path / "out") == 2
    assert "dunes.hdr" in capsys.readouterr().err
    assert evaluate((captured[0], tmp_path), tmp_path / "out") == 2
    assert "no kept captures" in capsys.readouterr().err
