"""A capture that shows hardly any sky: nothing is invented about the rest of it, whatever a person asks for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import disc_directions, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.cloud_opacity import CloudEstimate
from skygen_addon.core.measuring.measure import examine
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.measuring.sky_state import MIN_JUDGED_SHARE, cloud_cover, judged_share, mean_opacity
from skygen_addon.runtime.match.match_refusal import LEAST_SKY_SHARE, check_clouds
from trainer.__main__ import main


def forest(gap_deg: float, white: bool) -> np.ndarray:
    """Panorama (256, 512, 3) of leaves with a round gap of that radius overhead, onto white or clear blue sky."""
    d = panorama_directions(512)
    leaves = np.random.default_rng(2).uniform(0.005, 0.05, (*d.shape[:2], 1)) * [0.6, 1.0, 0.3]
    sky = np.full(d.shape, 0.8) if white else model_radiance(d, np.array([0.0, 0.8, 0.6]), 1.0)
    return np.where(d[..., 2:] > np.cos(np.deg2rad(gap_deg)), sky, leaves).astype(np.float32)


def judged_within(angle_deg: float) -> CloudEstimate:
    """An estimate that was made within an angle of the zenith, half of it cloud."""
    d = disc_directions(320)
    nothing = np.zeros(d.shape[:2], dtype=np.float32)
    valid = d[..., 2] > np.cos(np.deg2rad(angle_deg))
    return CloudEstimate((d[..., 0] > 0).astype(np.float32), nothing, valid, False, nothing, 0.0)


def test_cover_is_told_from_a_tenth_of_the_sky_on() -> None:
    """A cap of angle a takes 1 - cos a of the heights, the sky above 15 degrees 1 - sin 15."""
    for angle_deg in (5.0, 20.0, 22.0, 24.0, 60.0):
        clouds = judged_within(angle_deg)
        share = (1 - np.cos(np.deg2rad(angle_deg))) / (1 - np.sin(np.deg2rad(15.0)))
        assert judged_share(clouds) == pytest.approx(share, rel=0.03)  # its rim is counted by whole pixels
        if share < MIN_JUDGED_SHARE:
            assert cloud_cover(clouds) is None and mean_opacity(clouds) is None
        else:
            assert cloud_cover(clouds) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("white", [True, False])
def test_a_gap_between_leaves_tells_no_cover(white: bool) -> None:
    state = examine(Panorama(forest(18.0, white), ()), force=True).state
    assert state.reason == "obstructed" and state.calibration is not None
    assert state.cover is None and state.opacity is None
    assert state.as_dict()["cover"] is None and state.as_dict()["opacity"] is None


def test_matching_refuses_a_sky_in_which_no_clouds_can_be_told() -> None:
    check_clouds(judged_within(12.0))
    assert judged_share(judged_within(8.0)) < LEAST_SKY_SHARE
    with pytest.raises(CaptureError, match="Next to no sky"):
        check_clouds(judged_within(8.0))


def test_what_a_person_keeps_of_little_sky_says_so_all_the_way(tmp_path: Path) -> None:
    captures, data = tmp_path / "in", tmp_path / "data"
    captures.mkdir()
    radiance = forest(18.0, white=False)
    planes = {name: np.ascontiguousarray(radiance[..., i]) for i, name in enumerate("RGB")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, planes) as file:
        file.write(str(captures / "forest.exr"))
    ingest = ["ingest", str(captures), "--out", str(data), "--workers", "1"]
    assert main(ingest) == 0
    assert main(["curate", str(data), "--keep", "forest.exr"]) == 0
    assert main(ingest) == 0 and main(["curate", str(data)]) == 0
    entry = json.loads((data / "manifest.jsonl").read_text())
    assert entry["verdict"] == "keep" and "little_sky" in entry["flags"]
    assert entry["state"]["cover"] is None and entry["state"]["opacity"] is None
    (shard,) = data.glob("discs-*.npz")
    with np.load(shard) as arrays:
        assert np.isnan(arrays["cover"]).all() and 0 < arrays["valid"].mean() < 0.1
    (shard,) = data.glob("planes-*.npz")
    with np.load(shard) as arrays:
        for texel in arrays["texel_m"]:
            told = arrays[f"valid_share_{texel}m"] > 0
            assert np.array_equal(np.isnan(arrays[f"cover_{texel}m"]), ~told)
    report = (data / "report.html").read_text()
    assert "cover 0" not in report and "too little of the sky can be judged to tell its cover" in report
