"""Merged brackets against the light that was photographed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skygen_addon.core.errors import CaptureError
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from tests.comparison.merge_truth import covered, finer, relative_error, scenes_at, swept
from tests.comparison.simulated_camera import (
    CAMERAS,
    SimulatedCamera,
    bracket,
    bracket_exposures,
    move,
    shrink,
    synthetic_scene,
)
from trainer.captures.merging import exposure_merge
from trainer.captures.merging.camera_response import linear_response
from trainer.captures.merging.exposure_merge import MIN_SIDE, merge_stack
from trainer.captures.merging.merge_rows import Frame
from trainer.captures.merging.motion import Motion
from trainer.captures.merging.registration import STILL_PX, pair_motion, register
from trainer.captures.readers.picture_file import Picture

HDRI = Path(__file__).parents[3] / "shared" / "captures" / "hdri"
FINE = synthetic_scene(640)
SCENE = shrink(FINE, 2)
EXPOSURES = bracket_exposures(SCENE)
CAMERA = SimulatedCamera(CAMERAS["srgb"])


def _stack(camera: SimulatedCamera = CAMERA) -> list[Picture]:
    return bracket(camera, [SCENE] * 5, EXPOSURES)


@pytest.mark.parametrize("camera", sorted(CAMERAS))
@pytest.mark.parametrize("route", ["debevec", "robertson"])
def test_merged_light_is_within_2_percent(camera: str, route: str) -> None:
    """Median and, by the first route, 19 of 20 covered pixels; shot noise at these exposures is 0.3 to 0.7 %."""
    pictures = _stack(SimulatedCamera(CAMERAS[camera]))
    merged = merge_stack(pictures, route)
    error = relative_error(merged, SCENE, covered(pictures), per_channel=camera == "per channel")
    assert np.median(error) < 0.02
    if route == "debevec":
        assert np.quantile(error, 0.95) < 0.02
    assert "registered" not in merged.flags
    # Robertson keeps some of the curve that it started from: in codes 10 to 40 its light is off by 2 to 28 % (the other
    # route by 0.3 to 2.5), so that dark pixels of one exposure disagree with the next as if something had moved.
    assert "ghosts" not in merged.flags or route == "robertson"
    assert "white_balance" not in merged.flags and "wide_steps" not in merged.flags
    assert merged.notes["left_out"] == []
    json.dumps(merged.notes)


@pytest.mark.skipif(not HDRI.is_dir(), reason="the shared captures are not here")
@pytest.mark.parametrize("name", ["kloppenheim_02_1k.exr", "forest_slope_1k.hdr"])
def test_real_skies_merge_within_2_percent(name: str) -> None:
    scene = shrink(finer(read_panorama(HDRI / name).radiance, 512), 2)
    pictures = bracket(SimulatedCamera(CAMERAS["film"]), [scene] * 5, bracket_exposures(scene))
    error = relative_error(merge_stack(pictures), scene, covered(pictures))
    assert np.quantile(error, 0.95) < 0.02


def test_raw_and_16_bits_merge() -> None:
    """No rounding to speak of: what is left is shot noise; exposures marked 3 % wrong are mended first."""
    for camera in (SimulatedCamera(None, bits=16), SimulatedCamera(CAMERAS["film"], bits=16)):
        pictures = _stack(camera)
        if camera.curves is None:
            pictures[3] = replace(pictures[3], exposure=EXPOSURES[3] * 1.03)
        merged = merge_stack(pictures)
        assert np.quantile(relative_error(merged, SCENE, covered(_stack())), 0.95) < 0.02
        assert merged.notes["response"] == ("linear" if camera.curves is None else "debevec")


def test_what_is_clipped_is_stated_and_bounded() -> None:
    """The sun of 1e5 is thousands of times over the shortest exposure: its light there is the bound, not a guess."""
    merged = merge_stack(_stack())
    assert "sun_clipped" in merged.flags
    sun = SCENE.min(axis=-1) > 1 / EXPOSURES[0]
    assert sun.any()
    assert merged.notes["clipped_share"] == pytest.approx(sun.mean(), rel=0.5)  # and pixels at the sun's rim
    bound = merged.notes["brightest_known"]
    assert merged.radiance[sun] == pytest.approx(bound, rel=0.1)  # the curve's continuation above code 250
    dim = merge_stack(bracket(CAMERA, [np.minimum(SCENE, 1)] * 5, EXPOSURES))
    assert "sun_clipped" not in dim.flags
    assert dim.notes["clipped_share"] == 0


def test_what_is_dark_is_stated() -> None:
    dark = SCENE.copy()
    dark[-40:] = 1e-6
    merged = merge_stack(bracket(CAMERA, [dark] * 5, EXPOSURES))
    assert "dark_clipped" in merged.flags
    assert merged.notes["dark_share"] == pytest.approx(40 / 160, abs=0.005)
    assert (merged.radiance >= 0).all() and np.isfinite(merged.radiance).all()


def test_order_and_unit_of_exposures_do_not_matter() -> None:
    pictures = _stack()
    merged = merge_stack(pictures)
    shuffled = [replace(pictures[k], exposure=(pictures[k].exposure or 0) * 8) for k in (3, 0, 4, 2, 1)]
    again = merge_stack(shuffled)
    assert again.radiance == pytest.approx(merged.radiance, rel=1e-5)  # float32
    assert again.flags == merged.flags


@pytest.mark.parametrize(
    ("shift_px", "rotation_deg"),
    [((0.5, 0.5), 0.0), ((3.3, -2.2), 0.3), ((-14.6, 9.25), -0.8), ((31.0, -22.0), 1.0)],
)
def test_hand_held_motion_is_recovered(shift_px: tuple[float, float], rotation_deg: float) -> None:
    """Within 0.05 px in every corner, between exposures 2 EV apart (measured 0.02 on larger pictures)."""
    view = (slice(30, -30), slice(60, -60))  # the camera sees a part of a scene that goes on
    still = shrink(FINE[view], 2)
    moved = shrink(move(FINE, (2 * shift_px[0], 2 * shift_px[1]), rotation_deg)[view], 2)
    height, width = still.shape[:2]
    true = Motion(shift_px, -np.deg2rad(rotation_deg))
    expected = np.stack(true.coordinates(height, width, slice(0, height)))
    darker = CAMERA.expose(moved, EXPOSURES[1], 1).values, CAMERA.expose(still, EXPOSURES[2], 2).values
    brighter = CAMERA.expose(still, EXPOSURES[1], 3).values, CAMERA.expose(moved, EXPOSURES[2], 4).values
    # Where the brighter's pixels lie in the darker: as moved, or the way back where the brighter was moved.
    forth, back = pair_motion(*darker, wraps=False), pair_motion(*brighter, wraps=False)
    assert forth is not None and back is not None
    for found in (forth, back.inverse()):
        assert np.abs(np.stack(found.coordinates(height, width, slice(0, height))) - expected).max() < 0.05


@pytest.mark.parametrize("yaw_px", [0.5, 7.5, -43.5, 140.0])
def test_yaw_of_a_panorama_is_recovered(yaw_px: float) -> None:
    turned = shrink(np.roll(FINE, int(2 * yaw_px), axis=1), 2)
    codes = [CAMERA.expose(turned, EXPOSURES[1], 1).values, CAMERA.expose(SCENE, EXPOSURES[2], 2).values]
    found = register(codes, 1, wraps=True)[0]
    assert found is not None
    assert found.shift_px == pytest.approx((yaw_px, 0), abs=0.05)
    assert found.angle_rad == 0


def test_motions_compose_and_invert() -> None:
    first, second = Motion((3.0, -1.0), 0.02), Motion((-5.0, 2.5), -0.05)
    column, row = first.coordinates(40, 60, slice(0, 40))
    centre = np.array([29.5, 19.5])
    points = np.stack([column, row], axis=-1) - centre
    cosine, sine = np.cos(second.angle_rad), np.sin(second.angle_rad)
    expected = points @ np.array([[cosine, sine], [-sine, cosine]]) + centre + second.shift_px
    assert np.stack(second.after(first).coordinates(40, 60, slice(0, 40)), axis=-1) == pytest.approx(expected, abs=1e-4)
    none = first.inverse().after(first)
    assert none.shift_px == pytest.approx((0, 0), abs=1e-12) and none.angle_rad == 0


def test_aligned_stacks_are_left_alone() -> None:
    """Exactly: registering and being told that all is aligned give the same bits."""
    pictures = _stack()
    for wraps in (True, False):
        found = register([p.values for p in pictures], 2, wraps)
        assert found == [Motion(wraps=wraps)] * len(pictures)
    assert np.array_equal(merge_stack(pictures).radiance, merge_stack(pictures, aligned=True).radiance)
    assert STILL_PX <= 0.1


@pytest.mark.parametrize("motion", ["yaw", "hand-held"])
def test_misaligned_stacks_are_registered(motion: str) -> None:
    """Median within 2 %; 19 of 20 within 6 %, since texture of single pixels does not survive resampling.

    Not registered the median is off by more than 5 %.
    """
    seen = scenes_at(FINE, motion)
    exposures = bracket_exposures(seen[2])
    pictures = bracket(CAMERA, seen, exposures)
    merged = merge_stack(pictures)
    truth = seen[[p.name for p in pictures].index(merged.notes["reference"])]
    where = covered(bracket(CAMERA, [truth] * 5, exposures))
    where[:40] = where[-40:] = where[:, :40] = where[:, -40:] = False
    error = relative_error(merged, truth, where)
    assert "registered" in merged.flags and "white_balance" not in merged.flags
    assert merged.notes["unregistered"] == merged.notes["left_out"] == []
    assert np.median(error) < 0.02
    assert np.quantile(error, 0.95) < 0.06


def test_what_moved_is_taken_from_one_exposure() -> None:
    """Discs cross the view: the merge shows them where the reference does, and nowhere half."""
    seen = scenes_at(FINE, "ghost")
    pictures = bracket(CAMERA, seen, EXPOSURES)
    merged = merge_stack(pictures)
    truth = seen[[p.name for p in pictures].index(merged.notes["reference"])]
    inside = covered(bracket(CAMERA, [truth] * 5, EXPOSURES)) & swept(truth.shape[:2])[..., None]
    error = relative_error(merged, truth, inside)
    assert "ghosts" in merged.flags and "white_balance" not in merged.flags
    assert np.quantile(error, 0.95) < 0.06  # one exposure's noise and rounding instead of five
    assert merged.notes["ghost_share"] == pytest.approx(
        swept(truth.shape[:2]).mean(), abs=0.05
    )  # and a rim of 3 pixels


def test_stacks_that_cannot_be_merged_are_refused() -> None:
    pictures = _stack()
    small = replace(pictures[1], values=pictures[1].values[::2, ::2])
    refusals: list[tuple[list[Picture], str]] = [
        (pictures[:1], "fewer than 2"),
        ([], "fewer than 2"),
        ([pictures[0], small], "differ"),
        ([pictures[0], replace(pictures[1], exposure=None)], "not known"),
        ([pictures[0], replace(pictures[1], exposure=EXPOSURES[0] * 1.01)], "same exposure"),
    ]
    for stack, words in refusals:
        with pytest.raises(CaptureError, match=words) as refusal:
            merge_stack(stack)
        assert refusal.value.remedy
    flat = np.full((64, 96, 3), 0.5, dtype=np.float32)
    apart = bracket(CAMERA, [flat, flat], [1e-4, 1e4])
    with pytest.raises(CaptureError, match="No two exposures"):
        merge_stack(apart)


@pytest.mark.parametrize("camera", sorted(CAMERAS))
def test_white_balance_that_comes_and_goes_is_flagged(camera: str) -> None:
    """Red and blue of every other exposure 8 to 10 % off; a curve for each channel alone is no drift (see above)."""
    scenes = [SCENE * np.array([1.1, 1.0, 0.92]) if k % 2 else SCENE for k in range(5)]
    merged = merge_stack(bracket(SimulatedCamera(CAMERAS[camera]), scenes, EXPOSURES))
    assert "white_balance" in merged.flags
    assert merged.notes["channel_drift"] > 0.04


@pytest.mark.parametrize("frame", [0, 3, 4])
def test_an_exposure_of_another_view_is_left_out(frame: int) -> None:
    """The camera stood still for four, and looked elsewhere for one: to the bit the merge is that of the four."""
    other = shrink(synthetic_scene(640, seed=7), 2)[::-1]
    pictures = bracket(CAMERA, [other if k == frame else SCENE for k in range(5)], EXPOSURES)
    merged = merge_stack(pictures)
    assert merged.notes["left_out"] == [pictures[frame].name]
    without = merge_stack(pictures[:frame] + pictures[frame + 1 :])
    assert np.array_equal(merged.radiance, without.radiance)
    assert merged.notes["files"] == without.notes["files"]


def test_two_views_are_refused() -> None:
    other = shrink(synthetic_scene(640, seed=7), 2)[::-1]
    with pytest.raises(CaptureError, match="fewer than 2 exposures show the same view") as refusal:
        merge_stack(bracket(CAMERA, [SCENE, other], EXPOSURES[1:3]))
    assert refusal.value.remedy


def test_raw_exposures_without_overlap_keep_their_ratio() -> None:
    """8 EV apart; what the short one shows lies 2^8 over what the long one shows, as stated."""
    scene = np.full((128, 256, 3), 0.5 / 256, dtype=np.float32)
    scene[:64] = 0.5
    pictures = bracket(SimulatedCamera(None, bits=16), [scene] * 2, [1.0, 256.0])
    merged = merge_stack(pictures)
    assert merged.notes["unchecked_exposures"] == [[p.name for p in pictures]]
    ratio = float(np.median(merged.radiance[:60]) / np.median(merged.radiance[68:]))
    assert ratio == pytest.approx(256, rel=0.01)  # shot noise of medians is below 0.1 %
    assert "unchecked_exposures" not in merge_stack(_stack(SimulatedCamera(None, bits=16))).notes


def test_what_the_curve_covers_is_stated() -> None:
    merged = merge_stack(_stack())
    assert all(0 <= low < 30 and 180 < high <= 250 for low, high in merged.notes["covered_codes"])
    wide = merge_stack(bracket(CAMERA, [SCENE] * 2, [EXPOSURES[1], EXPOSURES[1] * 16]))  # 4 EV
    assert "wide_steps" in wide.flags
    raw = merge_stack(bracket(SimulatedCamera(None, bits=16), [SCENE] * 2, [EXPOSURES[1], EXPOSURES[1] * 16]))
    assert "wide_steps" not in raw.flags  # no curve to be uncertain of


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (8, 16), (40, 80), (23, 500), (500, 5), (64, 64), (64, 128)])
def test_small_pictures_are_merged_or_refused(size: tuple[int, int], linear: bool) -> None:
    """Nothing but a refusal comes out of the smallest: no fault of an array or of OpenCV."""
    height, width = size
    scene = np.tile(SCENE, (4, 2, 1))[:height, :width]
    camera = SimulatedCamera(None, bits=16) if linear else CAMERA
    for frames in (2, 3):
        stack = bracket(camera, [scene] * frames, EXPOSURES[1 : 1 + frames])
        if min(size) < MIN_SIDE:
            with pytest.raises(CaptureError, match="too small"):
                merge_stack(stack)
            continue
        try:
            assert merge_stack(stack).radiance.shape == scene.shape
        except CaptureError as refusal:
            assert refusal.remedy


def test_stacks_beyond_opencv_and_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    long = np.broadcast_to(np.zeros((1, 1, 3), dtype=np.uint8), (MIN_SIDE, 32_767, 3))  # takes no memory
    with pytest.raises(CaptureError, match="too large to merge"):
        merge_stack([replace(p, values=long) for p in _stack()[:2]])
    monkeypatch.setattr(exposure_merge, "MAX_STACK_BYTES", 2 * SCENE.size)
    with pytest.raises(CaptureError, match="exposures take"):
        merge_stack(_stack()[1:4])
    assert merge_stack(_stack()[1:3]).radiance.shape == SCENE.shape


def test_resampling_leaves_no_black_dots_beside_the_sun() -> None:
    """A cubic swings below black beside a line of light that is 65 times the sky; ours stays between the two."""
    values = np.full((40, 60, 3), 1000, dtype=np.uint16)
    values[:, 30:32] = 65535
    response = linear_response([values], [1.0])
    light, usable, clipped, _ = Frame(values, True, 1.0, Motion((0.4, 0.3), 0.01)).rows(slice(10, 30), response)
    inside = slice(4, -4)
    assert light[:, inside].min() == pytest.approx(1000 / 65535, rel=1e-5)
    assert light.max() <= 1
    assert clipped[:, 28:32].any(axis=1).all()
    assert not (clipped & usable).any()
