"""Shards of training data: a site stays on its side, and one more capture rewrites one shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.measuring.cloud_plane import PLANE_SCALES
from trainer.captures.items import item_path, save_arrays
from trainer.captures.shards import SKIES_PER_SHARD, assemble
from trainer.captures.split import HELD_OUT_SITES, split_of

TRAIN = [site for site in (f"site{n}" for n in range(200)) if split_of(site) == "train"]
HELD = [site for site in (f"site{n}" for n in range(200)) if split_of(site) == "held_out"]


def entry(data: Path, number: int, site: str, **changes: Any) -> dict[str, Any]:
    """A kept sky whose radiance is its number, with its item."""
    sha256 = f"{number:020x}".ljust(64, "0")
    maps = {f"plane_{s.texel_m}m": np.full((4, s.size, s.size), number, np.float32) for s in PLANE_SCALES}
    radiance = np.full((4, 4, 3), number, np.float32)
    item_path(data, sha256).parent.mkdir(exist_ok=True)
    save_arrays(item_path(data, sha256), {"radiance": radiance, "valid": np.ones((4, 4), np.uint8), **maps})
    state = {"cover": 0.5, "overcast": False}
    line = {"file": f"f{number:04d}.hdr", "sha256": sha256, "site": site, "verdict": "keep", "sun": None}
    return {**line, "flags": [], "state": state, **changes}


def table(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {e["file"]: e for e in entries}


def times(data: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in data.glob("*-*.npz")}


def skies(data: Path, kind: str = "discs") -> dict[str, dict[str, Any]]:
    """What shards hold: file -> site, side and shard."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(data.glob(f"{kind}-*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            assert len(shard["files"]) <= SKIES_PER_SHARD
            for n, file in enumerate(shard["files"]):
                assert file not in found  # nobody is in two shards
                value = shard["radiance"][n, 0, 0, 0] if kind == "discs" else shard["maps_100m"][n, 0, 0, 0]
                assert int(value) == int(str(file)[1:5])  # the maps are that sky's own
                found[str(file)] = {"site": str(shard["site"][n]), "side": path.stem.split("-")[1], "shard": path.name}
    return found


@pytest.fixture
def forty(tmp_path: Path) -> dict[str, dict[str, Any]]:
    sites = (TRAIN[:3] + HELD[:1]) * 10
    entries = table([entry(tmp_path, n, site) for n, site in enumerate(sites)])
    assert assemble(tmp_path, entries) == (40, 3)  # 30 for training in two, 10 held out in one
    return entries


def test_a_site_stays_on_its_side(tmp_path: Path, forty: dict[str, dict[str, Any]]) -> None:
    for kind in ("discs", "planes"):
        found = skies(tmp_path, kind)
        assert found.keys() == forty.keys()
        assert all(sky["site"] == forty[file]["site"] for file, sky in found.items())
        assert all(sky["side"] == split_of(sky["site"]) for sky in found.values())
    assert all(split_of(site) == "held_out" for site in HELD_OUT_SITES)


def test_about_an_eighth_of_the_sites_is_held_out() -> None:
    share = np.mean([split_of(f"meadow_{n}") == "held_out" for n in range(4000)])
    assert abs(share - 1 / 8) < 0.02  # four standard deviations of 4000 draws


def test_one_more_capture_rewrites_one_shard(tmp_path: Path, forty: dict[str, dict[str, Any]]) -> None:
    before = times(tmp_path)
    assert assemble(tmp_path, forty) == (40, 3)
    assert times(tmp_path) == before  # nothing new, nothing written
    more = forty | table([entry(tmp_path, 40, TRAIN[5])])
    assert assemble(tmp_path, more) == (41, 3)
    changed = {name for name, time in times(tmp_path).items() if before.get(name) != time}
    assert {name.split("-", 1)[1] for name in changed} == {"train-001.npz"}
    assert skies(tmp_path).keys() == more.keys()


def test_a_rejected_capture_leaves_only_its_shard(tmp_path: Path, forty: dict[str, dict[str, Any]]) -> None:
    before, there = times(tmp_path), skies(tmp_path)
    rejected = {**forty["f0000.hdr"], "verdict": "reject"}
    assert assemble(tmp_path, {**forty, "f0000.hdr": rejected}) == (39, 3)
    changed = {name for name, time in times(tmp_path).items() if before.get(name) != time}
    assert changed == {there["f0000.hdr"]["shard"], there["f0000.hdr"]["shard"].replace("discs", "planes")}
    assert skies(tmp_path).keys() == forty.keys() - {"f0000.hdr"}


def test_what_is_said_of_a_sky_follows_into_its_shard(tmp_path: Path, forty: dict[str, dict[str, Any]]) -> None:
    moved = {**forty["f0004.hdr"], "site": HELD[2]}
    lit = {**forty["f0005.hdr"], "sun": {"azimuth_deg": 90.0, "elevation_deg": 30.0}}
    assert assemble(tmp_path, {**forty, "f0004.hdr": moved, "f0005.hdr": lit})[0] == 40
    found = skies(tmp_path)
    assert (found["f0004.hdr"]["site"], found["f0004.hdr"]["side"]) == (HELD[2], "held_out")
    with np.load(tmp_path / found["f0005.hdr"]["shard"]) as shard:
        elevation = shard["sun_elevation_rad"][list(shard["files"]).index("f0005.hdr")]
    assert np.rad2deg(elevation) == pytest.approx(30.0, abs=1e-4)  # float32


def test_damage_and_older_files_are_replaced(tmp_path: Path, forty: dict[str, dict[str, Any]]) -> None:
    (tmp_path / "planes.npz").write_bytes(b"of an earlier format")
    (tmp_path / "discs-003.npz").write_bytes(b"of an earlier format")
    (tmp_path / "discs-train-000.npz").unlink()
    assert assemble(tmp_path, forty) == (40, 3)
    assert skies(tmp_path).keys() == forty.keys() and skies(tmp_path, "planes").keys() == forty.keys()
    (tmp_path / "shards.json").write_text("{")
    assert assemble(tmp_path, forty) == (40, 3)
    assert assemble(tmp_path, {}) == (0, 0)
    assert not list(tmp_path.glob("*.npz"))


def test_frames_and_further_exposures_are_no_skies(tmp_path: Path) -> None:
    lead = entry(tmp_path, 1, TRAIN[0])
    member = {**entry(tmp_path, 2, TRAIN[0]), "state": {"merged_into": "f0001.hdr"}}
    frame = {**entry(tmp_path, 3, TRAIN[0]), "flags": ["timelapse"]}
    assert assemble(tmp_path, table([lead, member, frame])) == (1, 1)
    assert skies(tmp_path).keys() == {"f0001.hdr"}
