"""Brackets stored as JPEG: what stands still is no ghost, what moved is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from tests.comparison.merge_truth import finer, scenes_at, swept, through_jpeg, with_discs
from tests.comparison.simulated_camera import (
    CAMERAS,
    SimulatedCamera,
    bracket,
    bracket_exposures,
    shrink,
    synthetic_scene,
)
from trainer.captures.merging.camera_response import linear_response
from trainer.captures.merging.coding_loss import CodeTable, coded_in_blocks
from trainer.captures.merging.exposure_merge import merge_stack

HDRI = Path(__file__).parents[3] / "shared" / "captures" / "hdri"
SKIES = ["chinese_garden_1k.hdr", "forest_slope_1k.hdr", "wasteland_clouds_puresky_1k.hdr"]
CAMERA = SimulatedCamera(CAMERAS["srgb"])
here = pytest.mark.skipif(not HDRI.is_dir(), reason="the shared captures are not here")


@here
@pytest.mark.parametrize("quality", [75, 90, 98])
@pytest.mark.parametrize("name", SKIES)
def test_still_skies_have_no_ghosts(name: str, quality: int) -> None:
    """Below the share of pixels from which a stack is flagged."""
    scene = shrink(finer(read_panorama(HDRI / name).radiance, 512), 2)
    merged = merge_stack(through_jpeg(bracket(CAMERA, [scene] * 5, bracket_exposures(scene)), quality))
    assert "ghosts" not in merged.flags
    assert merged.notes["ghost_share"] < 0.001
    assert "registered" not in merged.flags and merged.notes["left_out"] == []


def _mean_light(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luminance over 5 x 5 pixels, of which JPEG keeps most."""
    return np.asarray(cv2.blur(radiance @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32), (5, 5)))


@pytest.mark.parametrize("quality", [75, 95])
def test_what_moved_is_still_taken_from_one_exposure(quality: int) -> None:
    """Discs of 11 pixels' radius: 9 of 10 pixels that they swept are within 10 %, which doubles are not."""
    fine = synthetic_scene(1024)
    seen = scenes_at(fine, "ghost")
    exposures = bracket_exposures(shrink(fine, 2))
    pictures = through_jpeg(bracket(CAMERA, seen, exposures), quality)
    merged = merge_stack(pictures)
    truth = seen[[p.name for p in pictures].index(merged.notes["reference"])]
    area = swept(truth.shape[:2])
    ratio = _mean_light(merged.radiance) / _mean_light(truth)
    error = np.abs(ratio / np.median(ratio) - 1)
    assert "ghosts" in merged.flags
    assert merged.notes["ghost_share"] == pytest.approx(area.mean(), abs=0.02)  # and a rim of 5 pixels
    assert np.quantile(error[area], 0.9) < 0.1
    assert np.quantile(error[~area], 0.9) < 0.05


@pytest.mark.parametrize("quality", [75, 95])
def test_what_moved_before_clipped_cloud_leaves_few_doubles(quality: int) -> None:
    """The reference exposure shows the cloud clipped, but JPEG made codes below clipping of many of its pixels.

    Of what the discs swept, without where the reference shows them, 95 % is right within 30 %. A double of the bright
    disc, which takes a tenth of that area, has half of the cloud's light.
    """
    fine = synthetic_scene(1024)
    seen = scenes_at(fine, "ghost")
    pictures = through_jpeg(bracket(CAMERA, seen, bracket_exposures(shrink(fine, 2))), quality)
    merged = merge_stack(pictures)
    reference = [p.name for p in pictures].index(merged.notes["reference"])
    blank = np.ones((*seen[0].shape[:2], 3), dtype=np.float32)
    shown = (with_discs(blank, reference) != 1).any(axis=-1).astype(np.uint8)
    beside = swept(blank.shape[:2]) & ~(cv2.dilate(shown, np.ones((9, 9), dtype=np.uint8)) > 0)
    ratio = _mean_light(merged.radiance) / _mean_light(seen[reference])
    error = np.abs(ratio / np.median(ratio) - 1)
    assert np.quantile(error[beside], 0.95) < 0.3


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_blocks_are_told(subsampling: str) -> None:
    """On the grid of JPEG only: cut off the grid, or not coded, there are none."""
    scene = shrink(synthetic_scene(1024), 2)
    pictures = bracket(CAMERA, [scene] * 3, bracket_exposures(scene)[1:4])
    assert not coded_in_blocks([p.values for p in pictures])
    coded = [p.values for p in through_jpeg(pictures, 90, subsampling)]
    assert coded_in_blocks(coded)
    assert not coded_in_blocks([v[4:, 4:] for v in coded])


def test_light_turns_back_to_codes() -> None:
    """Within the table's step, for a response that is known."""
    response = linear_response([np.zeros((4, 4, 3), dtype=np.uint8)], [1.0])
    codes = np.tile(np.arange(1, 256, dtype=np.uint8)[None, :, None], (1, 1, 3))
    found = CodeTable.of(response).codes(response.light(codes))
    assert found == pytest.approx(codes.astype(float), abs=0.1)  # 255 codes over the square of 4096 steps


def test_not_coded_stays_as_it_was() -> None:
    """A picture that is not coded with loss is compared by its noise alone."""
    scene = shrink(synthetic_scene(1024), 2)
    merged = merge_stack(bracket(CAMERA, [scene] * 5, bracket_exposures(scene)))
    assert "coding_error_codes" not in merged.notes
