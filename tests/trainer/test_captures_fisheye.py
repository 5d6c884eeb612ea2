"""Fisheye stills: a known sky seen through a known lens comes back, and what is no fisheye is not taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from skygen_addon.core.atmosphere import Air, clear_sky, sky_view_coordinates
from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE, direction_from_angles, panorama_directions
from skygen_addon.runtime.panoramas.panorama_file import read_hdr
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture
from trainer.captures.readers.capture_file import read_capture, srgb_to_linear
from trainer.captures.readers.fisheye import panorama_width, unwrap_fisheye
from trainer.captures.readers.fisheye_circle import Circle, find_circle, leaves_frame_dark, shows_two_circles

SHARED = Path(__file__).resolve().parents[3] / "shared" / "captures"

SIZE = (260, 300)
CIRCLE = Circle(148.3, 131.7, 120.4)
SUN = direction_from_angles(np.deg2rad(200.0), np.deg2rad(35.0))
SUN_WIDTH_RAD = np.deg2rad(1.0)  # a pixel is 0.75 degrees: the sun is a round spot of known middle


def known_sky(directions: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Clear sky with a spot of a sun, radiance (..., 3) in unit directions."""
    table = clear_sky(float(np.arcsin(sun[2])), Air(haze=1.0)).radiance
    u, v = sky_view_coordinates(directions, sun)
    maps = (u * (table.shape[1] - 1)).astype(np.float32), (v * (table.shape[0] - 1)).astype(np.float32)
    sky = cv2.remap(table.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    angle = np.arccos(np.clip(directions @ sun, -1, 1))
    return sky + 500.0 * np.exp(-((angle / SUN_WIDTH_RAD) ** 2))[..., None]


def still(
    lens: str, sun: np.ndarray = SUN, substeps: int = 3, house: bool = False, white: float = np.inf, scale: int = 1
) -> np.ndarray:
    """What a lens images (h, w, 3), each pixel averaged: north at the top, east at the left, almost black around."""
    height, width = SIZE[0] * scale, SIZE[1] * scale
    circle = CIRCLE.scaled(scale, scale)
    column = (np.arange(width * substeps) + 0.5) / substeps - 0.5 - circle.column
    row = (np.arange(height * substeps) + 0.5) / substeps - 0.5 - circle.row
    right, down = np.meshgrid(column, row)
    radius = np.hypot(right, down) / circle.radius
    if lens == "equidistant":
        zenith = radius * (np.pi / 2)
    else:
        zenith = 2 * np.arcsin(np.clip(radius * np.sin(np.pi / 4), 0, 1))
    azimuth = np.arctan2(-right, -down)
    east, north = np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth)
    radiance = known_sky(np.stack([east, north, np.cos(zenith)], axis=-1), sun)
    if house:  # 70 degrees wide in the east, up to 20 degrees of elevation
        radiance[(np.abs(azimuth - np.pi / 2) < 0.6) & (zenith > np.deg2rad(70.0))] = 0.01
    radiance[radius > 1] = 0.0005
    averaged = np.minimum(radiance, white).reshape(height, substeps, width, substeps, 3).mean(axis=(1, 3))
    return averaged.astype(np.float32)


def exr(path: Path, radiance: np.ndarray) -> Path:
    planes = {n: np.ascontiguousarray(radiance[..., i], dtype=np.float32) for i, n in enumerate("RGB")}
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, planes) as file:
        file.write(str(path))
    return path


def brightest(radiance: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Unit vector of the middle of what is bright within 6 degrees, above the ring's level."""
    directions = panorama_directions(radiance.shape[1]).astype(np.float64)
    luminance = radiance @ REC709_LUMINANCE
    near = directions @ around > np.cos(np.deg2rad(6.0))
    excess = np.maximum(luminance - 0.2 * luminance[near].max(), 0) * near
    weight = excess * np.hypot(directions[..., 0], directions[..., 1])  # the cosine of elevation: solid angle
    middle = (directions * weight[..., None]).sum(axis=(0, 1))
    return np.asarray(middle / np.linalg.norm(middle))


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("lens", ["equidistant", "equisolid"])
@pytest.mark.parametrize(("azimuth", "elevation"), [(200.0, 35.0), (80.0, 12.0), (310.0, 78.0)])
def test_a_known_sky_comes_back(tmp_path: Path, lens: str, named: bool, azimuth: float, elevation: float) -> None:
    sun = direction_from_angles(np.deg2rad(azimuth), np.deg2rad(elevation))
    name = f"roof_{lens}.exr" if named else "roof.exr"
    files = [exr(tmp_path / name, still(lens, sun))]
    read = read_capture(files) if named else read_capture(files, projection=lens)
    assert read.flags == ("fisheye",) and read.notes["projection"] == lens and read.notes["files"] == 1
    height, width = read.radiance.shape[:2]
    assert width == 2 * height and width == 4 * round(CIRCLE.radius)  # as many rows to the horizon as pixels
    angle = np.rad2deg(np.arccos(np.clip(brightest(read.radiance, sun) @ sun, -1, 1)))
    assert angle < 0.1  # a seventh of a pixel: the circle is found that well; the contract asks for 0.3 degrees
    assert read.covered is not None and not read.covered[height // 2 :].any()
    assert not read.radiance[height // 2 :].any()
    assert read.covered[: height // 2 - 2].all()  # all but the row or two at the rim, which mix with the surround
    directions = panorama_directions(width).astype(np.float64)
    expected = known_sky(directions, sun)
    far = read.covered & (directions @ sun < np.cos(np.deg2rad(8.0)))
    error = np.abs(read.radiance / expected - 1)[far]
    # interpolation over 0.75 degrees where the sky is steep: at the horizon, and there a tenth of a pixel of radius
    assert np.percentile(error, 99) < 0.02 and error.max() < 0.06


def test_the_wrong_lens_is_seen(tmp_path: Path) -> None:
    path = exr(tmp_path / "roof.exr", still("equisolid"))
    wrong = brightest(read_capture([path]).radiance, SUN)  # at 55 degrees from the zenith the lenses differ by 3.8
    theta = np.deg2rad(55.0)
    expected = np.sin(theta / 2) / np.sin(np.pi / 4) * 90.0
    assert np.rad2deg(np.arccos(wrong[2])) == pytest.approx(expected, abs=0.3)
    with pytest.raises(CaptureError, match="orthographic"):
        read_capture([path], projection="orthographic")


@pytest.mark.parametrize("house", [False, True])
@pytest.mark.parametrize("white", [np.inf, 0.5])
def test_the_circle_is_found(house: bool, white: float) -> None:
    picture = still("equidistant", house=house, white=white)  # a white level of 0.5 saturates sun and glow
    for noise in (0.0, 0.004):  # of a dim surround in 8 bits
        noisy = picture + np.random.default_rng(7).normal(0, noise, picture.shape)
        found = find_circle(np.maximum(noisy, 0) @ REC709_LUMINANCE)
        assert found is not None
        assert np.abs([found.column - CIRCLE.column, found.row - CIRCLE.row, found.radius - CIRCLE.radius]).max() < 0.5


def test_display_pictures_and_frames_that_cut_the_circle(tmp_path: Path) -> None:
    linear = np.clip(2 * still("equidistant"), 0, 1)[30:]  # 18 pixels of the circle's top are outside the frame
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    values = np.round(coded * 255).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "roof.png"), values[..., ::-1])
    read = read_capture([tmp_path / "roof.png"])
    assert set(read.flags) == {"display_referred", "fisheye", "sun_clipped"}
    column, row, radius = read.notes["circle"]
    # half a pixel: 8 bits and a cut rim
    assert np.abs([column - CIRCLE.column, row - (CIRCLE.row - 30), radius - CIRCLE.radius]).max() < 0.5
    assert read.covered is not None
    height, width = read.radiance.shape[:2]
    north = width // 4  # column of +Y: u = 0.5 - 0.25
    assert not read.covered[height // 2 - 8, north] and read.covered[height // 2 - 8, 3 * width // 4]
    assert not read.radiance[height // 2 - 8, north].any()


def test_large_stills_are_averaged_down() -> None:
    assert panorama_width(Circle(0, 0, 1500.0)) == 4096
    circle, width = CIRCLE.scaled(4, 4), 480
    large = still("equidistant", substeps=1, scale=4)
    striped = large * np.where(np.arange(large.shape[1]) % 2, 1.5, 0.5).astype(np.float32)[:, None]
    directions = panorama_directions(width).astype(np.float64)
    for picture in (large, striped):  # stripes of one pixel have the mean of none, if all pixels are averaged
        panorama, covered = unwrap_fisheye(picture, circle, "equidistant", width)
        far = covered & (directions @ SUN < np.cos(np.deg2rad(8.0)))
        error = np.abs(panorama / known_sky(directions, SUN) - 1)[far]
        # a panorama's pixel is 0.75 degrees; stripes do not divide evenly into 4.01 pixels, a hundredth is left
        assert np.percentile(error, 99) < 0.03


def test_no_circle_is_no_fisheye(tmp_path: Path) -> None:
    row, column = np.mgrid[:300, :400]
    square = (np.maximum(np.abs(row - 150), np.abs(column - 200)) < 100).astype(float)
    ellipse = (((row - 150) / 80) ** 2 + ((column - 200) / 150) ** 2 < 1).astype(float)
    vignette = np.exp(-(((row - 150) / 80.0) ** 2) - ((column - 200) / 80.0) ** 2)
    dot = (np.hypot(row - 150, column - 200) < 20).astype(float)
    noise = np.random.default_rng(8).uniform(0, 1, (300, 400))
    for picture in (square, ellipse, dot, noise, np.zeros((300, 400)), np.ones((300, 400)), vignette):
        assert find_circle(picture) is None
    with pytest.raises(RejectedCapture) as caught:
        read_capture([exr(tmp_path / "a.exr", np.repeat(ellipse[..., None], 3, axis=-1))])
    assert caught.value.reason == "not_panorama" and (caught.value.width, caught.value.height) == (400, 300)
    tiny = cv2.resize(still("equidistant"), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    with pytest.raises(RejectedCapture) as caught:
        read_capture([exr(tmp_path / "tiny.exr", tiny)])
    assert caught.value.reason == "low_resolution"


def world(directions: np.ndarray) -> np.ndarray:
    """Known sky over uneven ground (..., 3) in all directions."""
    x, y, z = np.moveaxis(directions, -1, 0)
    ground = 0.06 * (1.3 + np.sin(9 * x) * np.cos(7 * y))[..., None] * np.array([1.0, 0.9, 0.7])
    return np.where(z[..., None] > 0.01, known_sky(directions, SUN), ground)


def two_lenses(height: int, upright: bool, share: float, frame: float) -> np.ndarray:
    """What a camera with two lenses of 190 degrees stores (h, 2h, 3): front and back, or up and down."""
    axis = (np.arange(height) + 0.5 - height / 2) / (share * height / 2)
    right, up = np.meshgrid(axis, -axis)
    radius = np.hypot(right, up)
    angle, turn = radius * np.deg2rad(95.0), np.arctan2(up, right)
    ahead, across, above = np.cos(angle), np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn)
    halves = []
    for side in (1.0, -1.0):
        places = (side * across, side * ahead, above) if upright else (across, side * above, side * ahead)
        halves.append(np.where(radius[..., None] > 1, frame, world(np.stack(places, axis=-1))))
    return np.concatenate(halves, axis=1).astype(np.float32)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize(("height", "share", "frame"), [(128, 1.0, 0.0), (256, 0.9, 0.002), (300, 1.02, 0.002)])
def test_two_circles_side_by_side_are_no_panorama(
    tmp_path: Path, height: int, share: float, frame: float, upright: bool
) -> None:
    with pytest.raises(RejectedCapture) as caught:
        read_capture([exr(tmp_path / "theta.exr", two_lenses(height, upright, share, frame))])
    assert caught.value.reason == "not_panorama" and "titch" in caught.value.remedy
    assert (caught.value.width, caught.value.height) == (2 * height, height)


def test_one_circle_in_a_frame_twice_as_wide_is_a_fisheye_still(tmp_path: Path) -> None:
    square = still("equidistant")[:, 18:278]
    read = read_capture([exr(tmp_path / "wide.exr", np.pad(square, ((0, 0), (130, 130), (0, 0))))])
    assert "fisheye" in read.flags and read.notes["projection"] == "equidistant"
    # as in a square frame: a seventh of a pixel
    assert np.rad2deg(np.arccos(np.clip(brightest(read.radiance, SUN) @ SUN, -1, 1))) < 0.1


def panoramas() -> dict[str, np.ndarray]:
    """Panoramas whose top, bottom or all of it might be taken for a dark frame."""
    directions = panorama_directions(512).astype(np.float64)
    z, azimuth = directions[..., 2:], np.arctan2(directions[..., 0], directions[..., 1])[..., None]
    plain = world(directions)
    noise = np.random.default_rng(3).standard_normal(plain.shape)
    spot = 2e4 * np.exp(-((np.arccos(np.clip(z, -1, 1)) / np.deg2rad(1.0)) ** 2))
    stars = np.where(np.random.default_rng(4).uniform(size=z.shape) > 0.997, 1.0, 0.002)
    lamps = np.where((np.abs(z) < 0.3) & (np.cos(2 * azimuth) < -0.8), 5.0, 0.02)  # at the middles of both halves
    return {
        "plain": plain,
        "noisy": np.maximum(plain * (1 + 0.5 * noise), 0),
        "noise": np.random.default_rng(5).uniform(size=plain.shape),
        "sun at the zenith": plain + spot,
        "patched nadir": np.where(z < -0.9, 0, plain),
        "black ground": np.where(z < 0, 0, plain),
        "tripod": np.where((z < -0.5) & (np.cos(3 * azimuth) > 0.9), 0, plain),
        "stars over black": np.where(z > 0, stars, 0) * np.ones(3),
        "sky all black but the sun": np.where(plain > 100, plain, 0),
        "lit belt": np.where(np.abs(z) < 0.5, 1.0, 0.001) * np.ones(3),
        "lamps in a square": lamps * np.ones(3),
        "uniform": np.ones_like(plain),
        "black": np.zeros_like(plain),
    }


def test_panoramas_are_no_circles() -> None:
    for name, radiance in panoramas().items():
        for size in (256, 512):
            luminance = cv2.resize(radiance @ REC709_LUMINANCE, (size, size // 2), interpolation=cv2.INTER_AREA)
            for turn in (0, size // 8, size // 4):
                turned = np.roll(luminance, turn, axis=1)
                assert find_circle(turned) is None, name
                assert not shows_two_circles(turned) and not leaves_frame_dark(turned), name


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared captures")
def test_real_panoramas_stay_panoramas() -> None:
    for path in sorted((SHARED / "hdri").iterdir()):
        luminance = read_hdr(path).radiance @ REC709_LUMINANCE
        small = cv2.resize(luminance, (256, 128), interpolation=cv2.INTER_AREA)
        for picture in (luminance, small, np.roll(small, 64, axis=1)):
            assert find_circle(picture) is None, path.name
            assert not shows_two_circles(picture) and not leaves_frame_dark(picture), path.name


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared captures")
def test_real_frames_and_real_panoramas() -> None:
    for day in sorted((SHARED / "timelapse").iterdir()):
        circles = []
        for path in sorted(day.glob("*.jpg"))[5::50]:
            values = cv2.imread(str(path))
            assert values is not None
            found = find_circle(srgb_to_linear(values[..., ::-1]) @ REC709_LUMINANCE)
            assert found is not None, path
            circles.append((found.column, found.row, found.radius))
        assert np.ptp(np.array(circles), axis=0).max() < 6.0, day  # one camera: the rim fades in and out by clouds
    for path in sorted((SHARED / "hdri").glob("*_1k.hdr"))[::6]:
        luminance = read_hdr(path).radiance @ REC709_LUMINANCE
        height = luminance.shape[0]
        assert find_circle(luminance[:, :height]) is None and find_circle(luminance[:, height // 2 :][:, :700]) is None
