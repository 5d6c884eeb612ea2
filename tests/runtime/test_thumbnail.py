"""Thumbnails: every shipped preset has one, the command makes them, and they look where they say."""

from __future__ import annotations

import math
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import build
from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.own_presets import thumbnail_path
from skygen_addon.core.presets import SHIPPED_PRESETS, load_preset, preset_names
from skygen_addon.runtime.command.commands import main
from skygen_addon.runtime.preview import write_png
from skygen_addon.runtime.thumbnail import THUMBNAIL_SIZE, look, thumbnail, view_directions

LARGEST_BYTES = 60_000
Load = Callable[[Path, "int | None"], Any]


def read_png(path: Path) -> NDArray[np.uint8]:
    """Picture (H, W, 3) of a PNG whose rows hold pixels or differences to the left neighbour (filters 0 and 1)."""
    data, position, body, width, height = path.read_bytes(), 8, b"", 0, 0
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        kind, chunk = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        assert struct.unpack(">I", data[position + 8 + length : position + 12 + length]) == (zlib.crc32(kind + chunk),)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert (depth, colour) == (8, 2)
        body += chunk if kind == b"IDAT" else b""
        position += 12 + length
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    pixels = rows[:, 1:].reshape(height, width, 3)
    sums = np.cumsum(pixels, axis=1, dtype=np.uint64).astype(np.uint8)
    assert set(rows[:, 0]) <= {0, 1}
    return np.where((rows[:, 0] == 1)[:, None, None], sums, pixels)


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_has_a_thumbnail(name: str) -> None:
    path = thumbnail_path(name, SHIPPED_PRESETS)
    assert path.is_file(), "run: python -m skygen_addon thumbnails"
    assert path.stat().st_size < LARGEST_BYTES
    picture = read_png(path)
    assert picture.shape == (THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3) and picture.std() > 5


def test_thumbnails_are_of_shipped_presets_and_differ() -> None:
    pictures = sorted(SHIPPED_PRESETS.glob("*.png"))
    assert [path.stem for path in pictures] == list(preset_names())
    assert len({path.read_bytes() for path in pictures}) == len(pictures)


def test_the_extension_and_the_distribution_carry_them() -> None:
    names = build.extension_files("linux-x64", [])
    assert {f"presets/{name}.png" for name in preset_names()} <= set(names)
    assert "*.png" in build.project()["tool"]["setuptools"]["package-data"]["*"]


def test_the_command_draws_all_presets_in_one_call(bundle_folder: Path, load: Load, tmp_path: Path) -> None:
    out = tmp_path / "new"
    assert main(["thumbnails", "--out", str(out), "--size", "16", "--bundle", str(bundle_folder)], load) == 0
    assert sorted(path.stem for path in out.iterdir()) == list(preset_names())
    assert all(read_png(path).shape == (16, 16, 3) for path in out.iterdir())


def test_the_command_draws_one_preset_with_the_shipped_model(shipped_bundle: Path, tmp_path: Path) -> None:
    """A cloudless sky, so that it is quick: bright blue above grey ground, with the sun's glare in it."""
    words = ["thumbnails", "--preset", "clear_noon", "--out", str(tmp_path), "--size", "48", "--threads", "1"]
    assert main([*words, "--bundle", str(shipped_bundle)]) == 0
    picture = read_png(tmp_path / "clear_noon.png").astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    assert (blue[:36] >= red[:36] - 4).all() and (blue[20:36] - red[20:36] > 25).all()  # sky, white about the sun
    assert (np.abs(blue[44:] - red[44:]) < 25).all()  # ground
    assert (picture[:20].min(-1) > 250).sum() >= 4  # a sun that can be seen


def test_a_preset_file_is_drawn_beside_others(bundle_folder: Path, load: Load, tmp_path: Path) -> None:
    mine = tmp_path / "Mein Köln.json"
    shutil.copy(SHIPPED_PRESETS / "overcast.json", mine)
    words = [
        "thumbnails",
        "--preset",
        str(mine),
        "--out",
        str(tmp_path),
        "--size",
        "16",
        "--bundle",
        str(bundle_folder),
    ]
    assert main(words, load) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["Mein Köln.json", "Mein Köln.png"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--preset", "sunny"], "no preset 'sunny'"),
        (["--preset", "mine.json"], "cannot be read"),
        (["--size", "8"], "--size is 8"),
        (["--size", "4000"], "--size is 4000"),
        (["--out", ""], "empty"),
        (["--out", "FILE/in"], "FILE/in is not a folder"),
    ],
)
def test_bad_requests_draw_nothing(
    words: list[str], reason: str, bundle_folder: Path, load: Load, renderer: Any, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "FILE").write_text("")
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    words = [word.replace("FILE", str(tmp_path / "FILE")) for word in words]
    assert main(["thumbnails", *words, *out, "--bundle", str(bundle_folder)], load) == 2
    said = capsys.readouterr().err.replace(str(tmp_path / "FILE"), "FILE")
    assert reason in said and said.count("\n") == 1
    assert renderer.rendered == [] and not (tmp_path / "out").exists()


def test_the_view_is_a_perspective_one() -> None:
    """Straight lines stay straight, the centre looks along the axis, edges lie half the field away from it."""
    rays = view_directions(math.radians(200.0), math.radians(30.0), math.radians(80.0), 101).astype(float)
    axis = direction_from_angles(math.radians(200.0), math.radians(30.0))
    assert rays[50, 50] == pytest.approx(axis, abs=1e-6)
    half = math.atan(math.tan(math.radians(40.0)) * 100 / 101)  # pixel centres lie half a pixel inside
    for row, column in ((0, 50), (100, 50), (50, 0), (50, 100)):
        assert math.acos(rays[row, column] @ axis) == pytest.approx(half, abs=1e-5)
    assert rays[0, 50, 2] > rays[50, 50, 2] > rays[100, 50, 2]  # row 0 is above
    azimuth = np.degrees(np.arctan2(rays[50, :, 0], rays[50, :, 1])) % 360
    assert (np.diff(azimuth) > 0).all()  # looking south-west, west is at the right
    for line in (rays[:, 20], rays[70, :]):  # directions of a straight line lie in one plane
        assert np.linalg.svd(line)[1][2] < 1e-5


def test_looking_at_a_panorama_gives_its_radiance() -> None:
    """A sky whose radiance is its direction: what is looked at is the direction itself, across the seam too."""
    width = 512
    panorama = panorama_directions(width)
    for azimuth_deg in (0.0, 90.0, 269.9, 271.0):  # the panorama's edge lies at 270 degrees
        rays = view_directions(math.radians(azimuth_deg), math.radians(40.0), math.radians(90.0), 64)
        seen = look(panorama, rays)
        assert np.abs(seen - rays).max() < (math.pi / width) ** 2 * 4  # curvature within a pixel


def test_the_sun_stands_left_of_the_middle_and_glares() -> None:
    """The brightest pixel is the sun's; its glare fades outwards and ends at what is not very bright."""
    width, azimuth, elevation = 512, math.radians(100.0), math.radians(40.0)
    sun = direction_from_angles(azimuth, elevation).astype(np.float32)
    dark = np.full((width // 2, width, 3), 0.2, np.float32)
    near = (panorama_directions(width) @ sun) > math.cos(math.radians(0.6))
    lit = np.where(near[..., None], np.float32(20000.0), dark)
    picture, plain = (thumbnail(sky, azimuth, 96).astype(int).sum(-1) for sky in (lit, dark))
    row, column = (int(np.mean(where)) for where in np.nonzero(picture == picture.max()))
    assert 24 < column < 46 and 20 < row < 60
    ring = [picture[row, column - distance] for distance in (0, 3, 6, 12, 20)]
    assert ring == sorted(ring, reverse=True) and ring[3] > plain[row, column - 12]
    cloud = np.where(near[..., None], np.float32(8.0), dark)  # brighter than any cloud in the sun
    assert (thumbnail(cloud, azimuth, 96).astype(int).sum(-1) != plain).sum() < 40


def test_differences_and_pixels_are_the_same_picture(tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for differences in (False, True):
        write_png(tmp_path / "a.png", picture, differences=differences)
        assert (read_png(tmp_path / "a.png") == picture).all()


def test_a_thumbnail_shows_the_clouds_that_a_click_brings() -> None:
    """Seed 0 and frame 1 are what a new world has."""
    from skygen_addon.runtime.thumbnail import thumbnail_request

    request = thumbnail_request(load_preset("fair_cumulus"))
    assert (request.seed, request.time_s, request.loop_angle_rad) == (0, 0.0, 0.0)
