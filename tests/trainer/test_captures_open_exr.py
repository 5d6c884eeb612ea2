"""OpenEXR: every kind the library writes comes back, what is no picture is refused, damage is an error."""

from __future__ import annotations

import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skygen_addon.runtime.panoramas.open_exr import read_exr
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture

HEIGHT, WIDTH = 40, 80  # more than one tile of 32 and one block of 32 lines, neither filled


def smooth(dtype: Any = np.float32) -> np.ndarray:
    """Sky-like values (HEIGHT, WIDTH, 3) from 0.3 to 60, or whole numbers."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    base = np.exp(np.sin(row / 9) + np.cos(column / 13))
    picture = np.stack([base, 2 * base + 0.5, 7 * base + 1], axis=-1)
    return (picture * (10 if np.dtype(dtype).kind == "u" else 1)).astype(dtype)


def channels(picture: np.ndarray, names: tuple[str, str, str] = ("R", "G", "B")) -> dict[str, Any]:
    return {name: np.ascontiguousarray(picture[..., i]) for i, name in enumerate(names)}


def write(path: Path, header: dict[str, Any], planes: dict[str, Any]) -> Path:
    with OpenEXR.File(header, planes) as file:
        file.write(str(path))
    return path


def header_of(compression: str, tiled: bool) -> dict[str, Any]:
    header: dict[str, Any] = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION")}
    header["type"] = OpenEXR.tiledimage if tiled else OpenEXR.scanlineimage
    if tiled:
        header["tiles"] = OpenEXR.TileDescription()
    return header


LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "ZSTD", "HTJ2K32", "HTJ2K256")


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
@pytest.mark.parametrize("compression", [*LOSSLESS, "PXR24", "B44", "B44A", "DWAA", "DWAB"])
def test_every_compression_comes_back(tmp_path: Path, compression: str, dtype: Any, tiled: bool) -> None:
    picture = smooth(dtype)
    read = read_exr(write(tmp_path / "a.exr", header_of(compression, tiled), channels(picture)))
    expected = picture.astype(np.float32)
    assert read.covered is None and read.radiance.dtype == np.float32
    error = float((np.abs(read.radiance - expected) / expected).max())
    if dtype == np.float32 and compression == "PXR24":
        assert error < 2**-16  # it keeps 15 bits of the mantissa, rounded
    elif dtype == np.float16 and compression.startswith("B44"):
        # 6-bit differences in blocks of 4 x 4 after a shift by the block's range: a fraction of that range,
        # here below a factor of 2
        assert error < 0.04
    elif dtype != np.uint32 and compression.startswith("DWA"):
        assert error < 0.04  # lossy by design; level 45 is made to be invisible, about a percent of smooth tones
    else:
        assert error == 0.0


def test_parts_and_layers(tmp_path: Path) -> None:
    left, right = smooth(), 3 * smooth()
    depth = {"Z": np.ones((HEIGHT, WIDTH), np.float32)}
    flat = {"type": OpenEXR.scanlineimage}

    def parts(*planes: tuple[str, dict[str, Any]]) -> Path:
        path = tmp_path / "parts.exr"
        with OpenEXR.File([OpenEXR.Part(dict(flat), dict(p), name) for name, p in planes]) as file:
            file.write(str(path))
        return path

    read = read_exr(parts(("depth", depth), ("left", channels(left)), ("right", channels(right))))
    assert read.part == "left" and np.array_equal(read.radiance, left)
    grey = {"Y": np.ascontiguousarray(left[..., 0])}
    read = read_exr(parts(("grey", grey), ("colour", channels(right))))  # colour goes before grey
    assert read.part == "colour" and np.array_equal(read.radiance, right)
    read = read_exr(parts(("depth", depth), ("grey", grey)))
    assert read.channels == ("Y", "Y", "Y") and np.array_equal(read.radiance, np.repeat(left[..., :1], 3, axis=-1))

    def layered(*layers: str) -> dict[str, Any]:
        planes: dict[str, Any] = {"ViewLayer.Depth.Z": depth["Z"]}
        for scale, layer in enumerate(layers, 1):
            planes |= channels(scale * left, (f"{layer}.R", f"{layer}.G", f"{layer}.B"))
        return planes

    read = read_exr(write(tmp_path / "a.exr", dict(flat), layered("ViewLayer.Sky")))
    assert read.channels[0] == "ViewLayer.Sky.R" and np.array_equal(read.radiance, left)
    read = read_exr(write(tmp_path / "a.exr", dict(flat), layered("ViewLayer.Diffuse", "ViewLayer.Combined")))
    assert np.array_equal(read.radiance, 2 * left)
    stereo = layered("ViewLayer.Combined.right", "ViewLayer.Combined.left")
    assert np.array_equal(read_exr(write(tmp_path / "a.exr", dict(flat), stereo)).radiance, 2 * left)
    with pytest.raises(RejectedCapture, match="several layers"):
        read_exr(write(tmp_path / "a.exr", dict(flat), layered("ViewLayer.Diffuse", "ViewLayer.Gloss")))
    with pytest.raises(RejectedCapture, match="no R, G, B or Y"):
        read_exr(write(tmp_path / "a.exr", dict(flat), {"A": depth["Z"]}))


def corners(left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], dtype=np.int32), np.array([right, bottom], dtype=np.int32)


def test_windows(tmp_path: Path) -> None:
    picture = smooth()
    data = corners(-8, 4, WIDTH - 9, HEIGHT + 3)  # 8 columns hang over at the left, 4 rows lack at the top
    header = {"dataWindow": data, "displayWindow": corners(0, 0, 99, 49)}
    read = read_exr(write(tmp_path / "a.exr", header, channels(picture)))
    assert read.radiance.shape == (50, 100, 3) and read.covered is not None
    assert np.array_equal(read.radiance[4 : HEIGHT + 4, : WIDTH - 8], picture[:, 8:])
    assert read.covered[4 : HEIGHT + 4, : WIDTH - 8].all() and read.covered.sum() == HEIGHT * (WIDTH - 8)
    assert not read.radiance[~read.covered].any()
    header = {"dataWindow": corners(500, 0, 500 + WIDTH - 1, HEIGHT - 1), "displayWindow": corners(0, 0, 99, 49)}
    with pytest.raises(RejectedCapture, match="outside its display window"):
        read_exr(write(tmp_path / "b.exr", header, channels(picture)))


def test_decreasing_lines_and_panoramas(tmp_path: Path) -> None:
    picture = np.repeat(np.repeat(smooth(), 4, axis=0), 4, axis=1)
    path = write(tmp_path / "a.exr", {"lineOrder": OpenEXR.DECREASING_Y}, channels(picture))
    read = read_panorama(path)
    assert np.array_equal(read.radiance, picture) and read.notes["projection"] == "panorama" and read.covered is None


ACES_CG = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)

REC709_TO_ACES_CG = np.array(
    [[0.613097, 0.339523, 0.047379], [0.070194, 0.916354, 0.013452], [0.020616, 0.109570, 0.869815]]
)
"""As the ACES configurations of OpenColorIO hold it ("Utility - Linear - sRGB" to AP1, Bradford)."""


def test_colours_of_other_primaries_become_rec709(tmp_path: Path) -> None:
    colours = np.random.default_rng(9).uniform(0, 1, (HEIGHT, WIDTH, 3))
    colours[0, :3] = np.eye(3)  # pure red, green and blue lie inside of ACEScg
    colours[1, :8] = np.arange(8)[:, None]  # grey stays grey, from one white to the other
    tagged = (colours @ REC709_TO_ACES_CG.T).astype(np.float32)
    read = read_exr(write(tmp_path / "a.exr", {"chromaticities": ACES_CG}, channels(tagged)))
    assert np.abs(read.radiance - colours).max() < 1e-3 * 7  # a thousandth of the brightest: six decimals above
    assert np.abs(read.radiance - colours)[2:].max() < 1e-3
    assert read.primaries is not None and np.allclose(read.primaries, ACES_CG, atol=1e-5)
    for alike in ({}, {"chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)}):
        read = read_exr(write(tmp_path / "b.exr", alike, channels(tagged)))
        assert np.array_equal(read.radiance, tagged) and read.primaries is None
    grey = {"Y": np.ascontiguousarray(tagged[..., 0])}
    read = read_exr(write(tmp_path / "y.exr", {"chromaticities": ACES_CG}, grey))
    assert np.array_equal(read.radiance[..., 2], tagged[..., 0]) and read.primaries is None


def test_colours_outside_rec709_are_clipped_and_told(tmp_path: Path) -> None:
    green = np.zeros((128, 256, 3), np.float32)
    green[..., 1] = 1.0  # of ACEScg: no mixture of Rec.709's primaries
    green[0, 0] = np.nan
    green[0, 1] = np.inf
    read = read_panorama(write(tmp_path / "a.exr", {"chromaticities": ACES_CG}, channels(green)))
    assert read.flags == ("non_finite", "negative") and read.radiance.min() == 0
    assert np.isfinite(read.radiance).all() and np.allclose(read.notes["primaries"], ACES_CG, atol=1e-5)


def by_hand(
    width: int, height: int, planes: list[tuple[str, int, np.ndarray]], size: tuple[int, int] = (0, 0)
) -> bytes:
    """A scan line file without compression, byte by byte: (name, sampling, half values) in order of names.

    ``size`` overrides what the header says of the windows.
    """

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(value)) + value

    listed = b"".join(n.encode() + b"\0" + struct.pack("<IBxxxii", 1, 0, s, s) for n, s, _ in planes) + b"\0"
    window = struct.pack("<4i", 0, 0, (size[0] or width) - 1, (size[1] or height) - 1)
    head = struct.pack("<II", 20000630, 2) + attribute("channels", "chlist", listed)
    head += attribute("compression", "compression", b"\0") + attribute("lineOrder", "lineOrder", b"\0")
    head += attribute("dataWindow", "box2i", window) + attribute("displayWindow", "box2i", window)
    head += attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    head += attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0))
    head += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    lines, table, at = b"", b"", len(head) + 8 * height
    for y in range(height):
        line = b"".join(p[y // s].astype("<f2").tobytes() for _, s, p in planes if y % s == 0)
        table += struct.pack("<Q", at + len(lines))
        lines += struct.pack("<iI", y, len(line)) + line
    return head + table + lines


def test_a_file_by_hand_is_read_as_the_layout_says(tmp_path: Path) -> None:
    picture = smooth(np.float16)
    planes = [(name, 1, picture[..., "RGB".index(name)]) for name in "BGR"]
    (tmp_path / "a.exr").write_bytes(by_hand(WIDTH, HEIGHT, planes))
    assert np.array_equal(read_exr(tmp_path / "a.exr").radiance, picture.astype(np.float32))


def test_luminance_chroma_subsampled_and_deep_are_refused(tmp_path: Path) -> None:
    half = np.ones((HEIGHT // 2, WIDTH // 2), dtype=np.float16)
    whole = np.ones((HEIGHT, WIDTH), dtype=np.float16)
    (tmp_path / "chroma.exr").write_bytes(by_hand(WIDTH, HEIGHT, [("BY", 2, half), ("RY", 2, half), ("Y", 1, whole)]))
    with pytest.raises(RejectedCapture, match="luminance-chroma"):
        read_exr(tmp_path / "chroma.exr")
    (tmp_path / "sub.exr").write_bytes(by_hand(WIDTH, HEIGHT, [("B", 2, half), ("G", 1, whole), ("R", 2, half)]))
    with pytest.raises(RejectedCapture, match="subsampled"):
        read_exr(tmp_path / "sub.exr")
    deep = np.empty((HEIGHT, WIDTH), dtype=object)
    deep[:] = [[np.ones(1 + (i + j) % 2, dtype=np.float32) for j in range(WIDTH)] for i in range(HEIGHT)]
    header = {"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}
    with pytest.raises(RejectedCapture, match="deep"):
        read_exr(write(tmp_path / "deep.exr", header, {name: deep.copy() for name in "RGB"}))


@pytest.mark.parametrize(
    "size", [(40000, 20000), (32768, 16384), (30000, 30000), (2**31 - 1, 2**31 - 1), (16, 10**8), (-5, 8)]
)
def test_absurd_headers_take_no_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    planes = [(name, 1, np.ones((8, 16), dtype=np.float16)) for name in "BGR"]
    (tmp_path / "a.exr").write_bytes(by_hand(16, 8, planes, size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RejectedCapture) as caught:
        read_exr(tmp_path / "a.exr")
    assert caught.value.reason == "unreadable" and caught.value.remedy
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 200_000  # the least of these sizes would take 1.6 GB


def small_files(folder: Path) -> list[bytes]:
    """Valid files of several kinds, some kilobytes each."""
    picture = smooth(np.float16)[:12, :24]
    found = [by_hand(24, 12, [(name, 1, picture[..., "RGB".index(name)]) for name in "BGR"])]
    for compression in (*LOSSLESS, "PXR24", "B44A", "DWAA"):
        for tiled in (False, True):
            found.append(write(folder / "s.exr", header_of(compression, tiled), channels(picture)).read_bytes())
    header = {"dataWindow": corners(2, 1, 25, 12), "displayWindow": corners(0, 0, 31, 15)}
    found.append(write(folder / "s.exr", header, channels(picture)).read_bytes())
    parts = [OpenEXR.Part({}, {"Z": np.ones((12, 24), np.float32)}, "z"), OpenEXR.Part({}, channels(picture), "c")]
    with OpenEXR.File(parts) as file:
        file.write(str(folder / "s.exr"))
    return [*found, (folder / "s.exr").read_bytes()]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_a_refusal_never_a_crash(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    if not (kept := folder / "exr_kinds").exists():
        kept.mkdir()
        for number, content in enumerate(small_files(folder)):
            (kept / f"{number:02d}").write_bytes(content)
    files = sorted(kept.iterdir())
    whole = bytearray(files[data.draw(st.integers(0, len(files) - 1))].read_bytes())
    reach = data.draw(st.sampled_from([400, len(whole)]))  # the header is hit as often as all of the rest
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(reach, len(whole)) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    path = folder / "damaged.exr"
    path.write_bytes(bytes(whole))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read = read_exr(path)
    except RejectedCapture as error:
        assert error.reason == "unreadable" and error.message and error.remedy
    else:
        assert read.radiance.ndim == 3 and read.radiance.shape[2] == 3
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 800_000  # a header of up to 64 MiB of pixels is believed, and copied a few times
