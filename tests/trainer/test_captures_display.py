"""Tone-mapping: index known by hand, fusion equal to OpenCV's, pictures without seam, unit or halo."""

from __future__ import annotations

import io
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE, panorama_directions
from skygen_addon.core.measuring.sampling import shrink_panorama
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from trainer.captures.display.blend_pyramid import blend
from trainer.captures.display.exposure_fusion import fuse_disc, fuse_exposures, fused_code
from trainer.captures.display.global_curves import global_reinhard, plain_gamma, to_srgb
from trainer.captures.display.picture_output import preview_jpeg
from trainer.captures.display.tmqi import (
    MIN_EDGE,
    fidelity_map,
    local_statistics,
    naturalness,
    structural_fidelity,
    tone_mapped_quality,
)

CAPTURES = Path(__file__).parents[3] / "shared/captures/hdri"


def scene(width: int = 256, seed: int = 0) -> np.ndarray:
    """Sky with a sun over ground sixty times darker, both with soft texture, hue varying; smooth on the sphere."""
    directions = panorama_directions(width).astype(np.float64)
    waves = np.random.default_rng(seed).normal(size=(24, 3)) * 12
    texture = np.sin(directions @ waves.T + np.arange(24)).mean(axis=-1)
    up = 1 / (1 + np.exp(-directions[..., 2] * 40))
    sun = directions @ (np.array([0.6, 0.5, 0.62]) / np.linalg.norm([0.6, 0.5, 0.62]))
    light = (1 + up * 60) * np.exp(texture) + 3000 * np.exp((sun - 1) * 900)
    tint = 1 + 0.3 * np.stack([-directions[..., 2], 0 * up, directions[..., 2]], axis=-1)
    return (light[..., None] * tint).astype(np.float32)


# the index


def test_local_statistics_against_loops() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 14, 15)) * 40 + 100
    axis = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(axis, axis) / axis.sum() ** 2
    covariance, deviation_a, deviation_b = local_statistics(a, b)
    assert covariance.shape == (4, 5)  # whole windows of 11 only
    for row in range(4):
        for column in range(5):
            here = (slice(row, row + 11), slice(column, column + 11))
            da, db = a[here] - (window * a[here]).sum(), b[here] - (window * b[here]).sum()
            # float64 with differences of squares near 1e4: 1e-9 is far above rounding, far below any slip
            assert covariance[row, column] == pytest.approx((window * da * db).sum(), abs=1e-9)
            assert deviation_a[row, column] == pytest.approx(math.sqrt((window * da * da).sum()), abs=1e-9)
            assert deviation_b[row, column] == pytest.approx(math.sqrt((window * db * db).sum()), abs=1e-9)


@pytest.mark.parametrize("cycles", [16.0, 8.0, 4.0, 2.0, 1.0])
def test_visibility_follows_contrast_sensitivity(cycles: float) -> None:
    """A stripe pattern of one-pixel period has the same statistics everywhere, so its fidelity is a number."""
    stripes = np.where(np.arange(40) % 2, 1.0, -1.0) * np.ones((40, 1))
    axis = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    mean = (axis * np.where(np.arange(11) % 2, -1, 1)).sum() / axis.sum()
    spread = math.sqrt(1 - mean**2)
    sensitivity = 2.6 * (0.0192 + 0.114 * cycles) * math.exp(-((0.114 * cycles) ** 1.1))
    threshold = 128 / (1.4 * 100 * sensitivity)
    for deviation in (0.3 * threshold, threshold, 1.5 * threshold):
        seen = 0.5 * (1 + math.erf((deviation / threshold - 1) * 3 / math.sqrt(2)))
        expected = (2 * seen + 0.01) / (1 + seen**2 + 0.01)  # the radiance's contrast is seen for certain
        found = fidelity_map(stripes * 1e6, stripes * deviation / spread, cycles)
        assert found == pytest.approx(np.full_like(found, expected), abs=1e-6)  # C2 against 1e6 codes


def test_fidelity_of_a_pattern_that_only_the_finest_scale_sees() -> None:
    """Halved, a chequerboard is flat: the other scales count 1, and S is the first to its weight."""
    board = np.indices((192, 192)).sum(axis=0) % 2 * 1.0
    first = fidelity_map(board * (2.0**32 - 1), board * 3, 16.0).mean()
    assert 0.3 < first < 0.95
    assert structural_fidelity(board, board * 3) == pytest.approx(first**0.0448, rel=1e-9)
    assert structural_fidelity(board, board * 200) == pytest.approx(1.0, abs=1e-6)  # both contrasts plain to see
    assert structural_fidelity(board, -board * 200 + 255) == 0.0  # inverted
    assert structural_fidelity(board * 0 + 7, board * 0 + 3) == 1.0  # nothing to see, nothing shown


def test_naturalness_at_known_means_and_contrasts() -> None:
    def blocks(mean: float, deviation: float) -> np.ndarray:
        cell = np.where(np.arange(121).reshape(11, 11) % 2, 60.5, -59.5)
        cell = cell - cell.mean()
        return np.tile(cell / cell.std(ddof=1) * deviation + mean, (4, 7))

    mode = 3.4 / 12.5 * 64.29  # of a beta distribution (4.4, 10.1)
    assert naturalness(blocks(115.94, mode)) == pytest.approx(1.0, abs=1e-9)
    assert naturalness(blocks(115.94 - 27.99, mode)) == pytest.approx(math.exp(-0.5), abs=1e-9)
    density = stats.beta(4.4, 10.1).pdf
    assert naturalness(blocks(115.94, 5.0)) == pytest.approx(density(5 / 64.29) / density(3.4 / 12.5), rel=1e-9)
    assert naturalness(blocks(115.94, 0.0)) == pytest.approx(0, abs=1e-12)
    assert naturalness(blocks(115.94, mode)[:, :72]) == pytest.approx(1.0, abs=0.01)  # a cut block hardly counts


def test_index_falls_with_each_distortion() -> None:
    radiance = scene(512)
    luma = plain_gamma(radiance, key=0.1).astype(np.float64)
    clean = tone_mapped_quality(radiance, luma.astype(np.uint8))
    assert clean.quality == pytest.approx(0.8012 * clean.fidelity**0.3046 + 0.1988 * clean.naturalness**0.7088)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=luma.shape)
    distortions = {
        "blur": lambda strength: cv2.GaussianBlur(luma, (0, 0), 2.0 * strength),
        "noise": lambda strength: luma + noise * 8 * strength,
        "clip": lambda strength: np.minimum(luma, 120 - 40 * strength),
        "fade": lambda strength: luma / (1 + 4 * strength),
    }
    for name, distort in distortions.items():
        worse = [clean.fidelity]
        for strength in (1, 2):
            display = np.clip(distort(strength), 0, 255).astype(np.uint8)
            worse.append(tone_mapped_quality(radiance, display).fidelity)
        assert 1 >= worse[0] > worse[1] > worse[2] >= 0, name


def test_index_ignores_the_unit_and_mirroring() -> None:
    radiance = scene(512)
    display = plain_gamma(radiance)
    quality = tone_mapped_quality(radiance, display)
    scaled = tone_mapped_quality(radiance * 1000, display)
    assert scaled.fidelity == pytest.approx(quality.fidelity, abs=1e-6)  # rounding of float32 radiance
    # 2 x 2 means and windows fall on the same pixels from either side of an even picture
    mirrored = tone_mapped_quality(radiance[:, ::-1], display[:, ::-1])
    assert mirrored.fidelity == pytest.approx(quality.fidelity, abs=1e-9)


def test_index_refuses_what_cannot_be_compared() -> None:
    radiance = np.ones((MIN_EDGE, MIN_EDGE, 3), np.float32)
    display = np.zeros((MIN_EDGE, MIN_EDGE, 3), np.uint8)
    assert tone_mapped_quality(radiance, display).naturalness == 0
    for bad in (display[:-1], display[..., :2], display[None]):
        with pytest.raises(CaptureError):
            tone_mapped_quality(radiance, bad)
    with pytest.raises(CaptureError):
        tone_mapped_quality(radiance[1:], display[1:])


# one curve


def test_srgb_and_global_curves() -> None:
    light = np.array([-1, 0, 0.0031308, 0.18, 0.5, 1, 9], np.float32)
    assert to_srgb(light).tolist() == [0, 0, 10, 118, 188, 255, 255]  # IEC 61966-2-1
    assert (plain_gamma(np.full((4, 8, 3), 77.0, np.float32)) == 118).all()  # the log-average is 18 % grey
    two = np.full((10, 20, 3), 2.0, np.float32)
    two[:, 10:] = 8.0  # log-average 4, so 0.09 and 0.36 after exposure; white is 0.36
    expected = [0.09 * (1 + 0.09 / 0.36**2) / 1.09, 1.0]
    assert global_reinhard(two)[0, ::19, 0].tolist() == to_srgb(np.array(expected, np.float32)).tolist()
    assert not plain_gamma(np.zeros((4, 8, 3), np.float32)).any()
    assert not global_reinhard(np.zeros((4, 8, 3), np.float32)).any()


# fusion


def test_blend_equals_opencv() -> None:
    """With the weights of Mertens et al.: contrast times a normal distribution of 0.2 about the middle code."""
    code = scene()[..., 1] ** np.float32(1 / 2.2)
    exposures = [np.minimum(code * np.float32(factor), 1) for factor in (0.1, 0.2, 0.4, 0.8)]
    weights = [np.abs(cv2.Laplacian(e, cv2.CV_32F)) * np.exp(-((e - 0.5) ** 2) / 0.08) + 1e-12 for e in exposures]
    layers = [(e, (w / sum(weights)).astype(np.float32)) for e, w in zip(exposures, weights, strict=True)]
    theirs = cv2.createMergeMertens(1.0, 0.0, 1.0).process([e * 255 for e in exposures])  # it divides by 255
    # both in float32; where all weights are near OpenCV's floor of 1e-12, quotients differ by rounding of 1e-3
    assert np.abs(blend(layers, wrap=False) - theirs).max() < 2e-3


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("shape", [(64, 128), (50, 100), (33, 67), (8, 16), (2, 4), (1, 2)])
def test_one_layer_comes_back(shape: tuple[int, int], wrap: bool) -> None:
    picture = np.random.default_rng(0).random(shape, dtype=np.float32)
    layers = [(picture, np.full(shape, weight, np.float32)) for weight in (0.25, 0.75)]
    assert np.abs(blend(layers, wrap) - picture).max() < 1e-5  # sums of float32 over the levels


def test_pyramid_goes_round() -> None:
    """Without the turn to the brightest column: cut elsewhere on its grid of 2 ** 6 pixels, nothing changes."""
    luminance = scene(128)[..., 1]
    lit = np.ones(luminance.shape, bool)
    code = fused_code(luminance, lit, wrap=True, night=False)
    turned = fused_code(np.roll(luminance, 64, axis=1), lit, wrap=True, night=False)
    assert np.abs(np.roll(turned, -64, axis=1) - code).max() < 1e-4  # float32 sums in another order
    flat = fused_code(np.roll(luminance, 64, axis=1), lit, wrap=False, night=False)
    assert np.abs(np.roll(flat, -64, axis=1) - code).max() > 0.01  # a flat pyramid does differ at the cut


@pytest.mark.parametrize("columns", [1, 7, 64, 100, 255])
def test_a_turned_panorama_gives_the_same_picture(columns: int) -> None:
    radiance = scene()
    turned = fuse_exposures(np.roll(radiance, columns, axis=1))
    assert (np.roll(turned, -columns, axis=1) == fuse_exposures(radiance)).all()


@pytest.mark.parametrize("width", [256, 300, 250])
@pytest.mark.parametrize("sun_at", [0.0, 0.1, 0.5])
def test_no_seam_at_the_cut_or_over_the_poles(width: int, sun_at: float) -> None:
    """The scene is smooth on the sphere: at the cut it bends no more than inside, wherever the sun is."""
    luminance = scene(width)[..., 1]
    turn = int(sun_at * width) - int(np.argmax(luminance.sum(axis=0)))
    luminance = np.roll(luminance, turn, axis=1)

    def bend(code: np.ndarray) -> np.ndarray:
        """Step between columns less the mean of the steps on either side: rms over rows, the cut first."""
        step = np.roll(code, -1, axis=1) - code  # step c leads from column c to the next
        jump = step - (np.roll(step, 1, axis=1) + np.roll(step, -1, axis=1)) / 2
        return np.roll(np.sqrt((jump**2).mean(axis=0)), 1)

    lit = np.ones(luminance.shape, bool)
    code = fused_code(luminance, lit, wrap=True, night=False)
    within = bend(fused_code(np.roll(luminance, width // 3, axis=1), lit, wrap=True, night=False))[width // 3]
    flat = fused_code(luminance, lit, wrap=False, night=False)
    # Measured 0.96 to 1.01 of what the same place shows inside the picture, where the pyramid's grid falls elsewhere
    # on it; a pyramid that does not go round shows four times as much and more.
    assert bend(code)[0] < 1.1 * within
    assert bend(flat)[0] > 3 * within
    for rows in (code[:4], code[:-5:-1]):
        over = np.abs(rows[0] - np.roll(rows[0], width // 2)).max()
        assert over < np.abs(np.diff(rows, axis=0)).max()  # one row further, like the rows on this side


def test_the_unit_does_not_matter() -> None:
    radiance = scene()
    display = fuse_exposures(radiance)
    assert (fuse_exposures(radiance * 1024) == display).all()  # exact in floating point
    for factor in (1000.0, 1e-6, 1e-30, 1e30):
        scaled = fuse_exposures((radiance * factor).astype(np.float32)).astype(int)
        difference = np.abs(scaled - display)
        # the product is rounded to float32, which tips a code value that lies on the edge of two
        assert difference.max() <= 1 and (difference > 0).mean() < 5e-3, factor


def test_sky_and_ground_are_readable_at_once_where_one_curve_fails() -> None:
    rng = np.random.default_rng(3)
    radiance = np.exp(rng.normal(scale=0.1, size=(128, 256, 1))).astype(np.float32) * np.ones(3, np.float32)
    radiance[:64] *= 200.0
    fused, gamma = fuse_exposures(radiance), plain_gamma(radiance)
    sky, ground = fused[8:56, :, 0], fused[72:120, :, 0]
    assert sky.std() > 6 and ground.std() > 6  # texture of 10 % is some 10 codes under a plain exposure
    assert gamma[8:56, :, 0].std() < 0.5  # the sky is clipped
    assert sky.mean() > ground.mean() + 20  # still the right way round


def test_no_halo_along_an_edge() -> None:
    """Flat sky over flat ground stays almost flat: what swells beside the horizon is far below the step."""
    radiance = np.ones((128, 256, 3), np.float32)
    radiance[:64] = 40.0
    profile = fuse_exposures(radiance)[:, 128, 0].astype(int)
    step = profile[32] - profile[96]
    assert step > 60
    # Measured: a swell of 28 of 160 codes over 64 rows, which is the sky's own slow shading to the eye. A halo is
    # a rim: here 4 codes over the last eight rows above, and one dark row of 9 codes below.
    assert np.abs(profile[:64] - profile[32]).max() < 0.2 * step
    assert np.abs(profile[64:] - profile[96]).max() < 0.2 * step
    assert np.abs(profile[56:64] - profile[56]).max() < 0.05 * step
    assert np.abs(profile[65:72] - profile[72]).max() < 0.05 * step


def test_colours_keep_their_hue() -> None:
    radiance = scene()
    display = fuse_exposures(radiance)
    assert display.max() == 255
    code = display / 255.0
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    inside = (display.max(axis=-1) < 250) & (display.min(axis=-1) > 25)
    found = (linear / linear.sum(axis=-1, keepdims=True))[inside]
    truth = (radiance / radiance.sum(axis=-1, keepdims=True))[inside]
    assert inside.mean() > 0.5
    assert np.abs(found - truth).max() < 0.02  # half a code at 25 is 4 % of a channel's light
    grey = fuse_exposures(np.repeat(radiance[..., :1], 3, axis=-1))
    assert (grey == grey[..., :1]).all()


@pytest.mark.parametrize("sun", [10.0, 1e5, 1e30])
def test_a_sun_is_a_white_core_and_nothing_else_changes(sun: float) -> None:
    radiance = scene()
    bare = fuse_exposures(radiance)
    radiance[60:62, 20:22] = sun * float((radiance @ REC709_LUMINANCE).max())
    display = fuse_exposures(radiance)
    assert (display[60:62, 20:22] >= 250).all()
    away = np.abs(display.astype(int) - bare)[:, 60:]
    assert np.median(away) <= 3  # four pixels of 32768 move neither range nor mean


def test_pictures_without_content() -> None:
    black = np.zeros((32, 64, 3), np.float32)
    assert not fuse_exposures(black).any()
    even = fuse_exposures(black + 3)
    assert (even == even[0, 0, 0]).all() and 100 < even[0, 0, 0] < 130  # a middle grey
    half = scene()
    half[64:] = 0  # a fisheye still saw no ground
    display = fuse_exposures(half)
    assert not display[64:].any() and display[:64].mean() > 80
    for shape in ((8, 16), (4, 8), (1, 2), (3, 7)):
        tiny = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
        assert fuse_exposures(tiny).shape == tiny.shape and fuse_exposures(tiny, wrap=False).std() > 0


def test_a_known_night_is_darker_and_keeps_its_lights() -> None:
    radiance = scene()
    day, night = fuse_exposures(radiance), fuse_exposures(radiance, night=True)
    assert night.mean() < 0.85 * day.mean()  # sky and ground lie far apart: darker ground is soon black
    assert night.max() == day.max() == 255


def test_disc_ignores_what_lies_outside() -> None:
    disc = scene(256)[:, :128]
    axis = (np.arange(128) + 0.5) / 64 - 1
    outside = np.hypot(axis[:, None], axis[None, :]) > 1
    other = disc.copy()
    other[outside] = 1e6
    display = fuse_disc(disc)
    assert (fuse_disc(other) == display).all()
    assert not display[outside].any() and display[~outside].min() >= 0 and display[~outside].mean() > 60
    assert (fuse_disc(disc, valid=~outside) == display).all()
    assert not fuse_disc(disc, valid=np.zeros_like(outside)).any()


def test_refuses_other_shapes() -> None:
    for picture, mask in ((np.ones((4, 8), np.float32), None), (np.ones((4, 8, 3), np.float32), np.ones((4, 4), bool))):
        with pytest.raises(CaptureError):
            fuse_exposures(picture, valid=mask)


def test_preview_averages_light_before_the_curve() -> None:
    fine = scene(256)
    halves = fine.reshape(64, 2, 128, 2, 3).mean(axis=(1, 3))
    file = preview_jpeg(fine, width=128)
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.format == "JPEG" and picture.size == (128, 64)
    assert file == preview_jpeg(halves.astype(np.float32), width=128)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs the shared captures")
@pytest.mark.parametrize(
    "name", ["spruit_sunrise_1k", "immenstadter_horn_1k", "kloofendal_48d_partly_cloudy_puresky_1k"]
)
def test_measures_better_than_one_curve_on_captures(name: str) -> None:
    radiance = shrink_panorama(read_panorama(CAPTURES / f"{name}.hdr").radiance, 512)
    fused = tone_mapped_quality(radiance, fuse_exposures(radiance)).quality
    assert fused > tone_mapped_quality(radiance, plain_gamma(radiance)).quality
    assert fused > tone_mapped_quality(radiance, global_reinhard(radiance)).quality
