"""Readers: pictures whose pixels are known before they are written, and damage that must be named."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skygen_addon.core.errors import CaptureError
from skygen_addon.runtime.panoramas.panorama_file import MIN_WIDTH, mend, read_panorama
from skygen_addon.runtime.panoramas.radiance_hdr import read_radiance
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture


def encode_rgbe(radiance: np.ndarray) -> np.ndarray:
    """Ward's float to RGBE, (H, W, 4) uint8."""
    peak = radiance.max(axis=-1)
    mantissa, exponent = np.frexp(peak)
    scale = np.where(peak > 1e-32, mantissa * 256 / np.maximum(peak, 1e-38), 0)
    rgbe = np.zeros((*radiance.shape[:2], 4), dtype=np.uint8)
    rgbe[..., :3] = (radiance * scale[..., None]).astype(np.uint8)
    rgbe[..., 3] = np.where(peak > 1e-32, exponent + 128, 0)
    return rgbe


def write_hdr(path: Path, rgbe: np.ndarray, coding: str, resolution: str | None = None, header: str = "") -> None:
    height, width = rgbe.shape[:2]
    body = bytearray()
    for row in rgbe:
        if coding == "new":
            body += bytes([2, 2, width >> 8, width & 255])
            for channel in row.T:
                start = 0
                while start < width:  # runs of equal bytes of any length, literals of one byte otherwise
                    stop = start
                    while stop < width and channel[stop] == channel[start] and stop - start < 127:
                        stop += 1
                    body += bytes([128 + stop - start, channel[start]])
                    start = stop
        elif coding == "old":
            start = 0
            while start < width:
                stop = start
                while stop < width and (row[stop] == row[start]).all():
                    stop += 1
                body += row[start].tobytes()
                repeat = stop - start - 1
                while repeat:  # the low byte first, higher bytes in the runs that follow at once
                    body += bytes([1, 1, 1, repeat & 255])
                    repeat >>= 8
                start = stop
        else:
            body += row.tobytes()
    line = resolution or f"-Y {height} +X {width}"
    path.write_bytes(f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n{header}\n{line}\n".encode() + bytes(body))


def picture(height: int = 6, width: int = 400) -> np.ndarray:
    """Flat stretches longer than 255 pixels, and noise; values that RGBE holds to 1 %."""
    rng = np.random.default_rng(1)
    radiance = np.full((height, width, 3), 0.5)
    radiance[:, 300:] = rng.uniform(0.6, 1.0, (height, 100, 3)) * 10 ** rng.uniform(-3, 4, (height, 100, 1))
    radiance[1] = 0.0
    return radiance


@pytest.mark.parametrize("coding", ["flat", "old", "new"])
def test_all_codings_give_the_same_pixels(tmp_path: Path, coding: str) -> None:
    radiance = picture()
    rgbe = encode_rgbe(radiance)
    rgbe[..., :3][rgbe[..., 0] == 1] = 2  # (1, 1, 1, n) is a run in the old coding, never a pixel
    write_hdr(tmp_path / "a.hdr", rgbe, coding)
    write_hdr(tmp_path / "b.hdr", rgbe, "flat")
    read = read_radiance(tmp_path / "a.hdr")
    assert np.array_equal(read, read_radiance(tmp_path / "b.hdr"))
    peak = radiance.max(axis=-1, keepdims=True)
    assert np.all(np.abs(read - radiance) <= peak / 200 + 1e-30)  # half of one of 128 steps, and the middle value
    assert np.all(read[1] == 0)


@pytest.mark.parametrize(
    ("resolution", "turn"),
    [
        ("-Y 3 +X 5", lambda p: p),
        ("+Y 3 +X 5", lambda p: p[::-1]),
        ("-Y 3 -X 5", lambda p: p[:, ::-1]),
        ("+Y 3 -X 5", lambda p: p[::-1, ::-1]),
        ("+X 3 -Y 5", lambda p: p.transpose(1, 0, 2)),
        ("-X 3 +Y 5", lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
        ("+X 3 +Y 5", lambda p: p.transpose(1, 0, 2)[::-1]),
        ("-X 3 -Y 5", lambda p: p.transpose(1, 0, 2)[:, ::-1]),
    ],
)
def test_orientations(tmp_path: Path, resolution: str, turn: object) -> None:
    rgbe = encode_rgbe(np.random.default_rng(2).uniform(0.5, 1, (3, 5, 3)))
    write_hdr(tmp_path / "plain.hdr", rgbe, "flat")
    write_hdr(tmp_path / "turned.hdr", rgbe, "flat", resolution)
    expected = turn(read_radiance(tmp_path / "plain.hdr"))  # type: ignore[operator]
    assert np.array_equal(read_radiance(tmp_path / "turned.hdr"), expected)


@pytest.mark.parametrize("resolution", ["-Y 20000 +X 40000", "+X 40000 -Y 20000", "-Y 0 +X 8", "-Y 4 +X 0"])
def test_absurd_radiance_sizes_are_refused_from_the_header(tmp_path: Path, resolution: str) -> None:
    write_hdr(tmp_path / "a.hdr", encode_rgbe(np.ones((2, 4, 3))), "flat", resolution)
    tracemalloc.start()
    assert refusal(tmp_path / "a.hdr") == "unreadable"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # 40000 x 20000 pixels would take 9.6 GB; a header some kilobytes


def test_old_coding_repeats_across_shifts(tmp_path: Path) -> None:
    # 1 + 300 pixels: 300 = 44 + 1 * 256 takes two runs, the second shifted by 8 bits (Ward, oldreadcolrs)
    body = bytes([128, 64, 32, 129, 1, 1, 1, 44, 1, 1, 1, 1, 10, 20, 30, 120]) + bytes([1, 1, 1, 9])
    (tmp_path / "a.hdr").write_bytes(b"#?RADIANCE\n\n-Y 1 +X 311\n" + body)
    read = read_radiance(tmp_path / "a.hdr")[0]
    assert np.allclose(read[:301], np.array([128.5, 64.5, 32.5]) * 2.0 ** (129 - 136))  # exact in binary
    assert np.allclose(read[301:], np.array([10.5, 20.5, 30.5]) * 2.0 ** (120 - 136))


def test_exposure_line_is_undone(tmp_path: Path) -> None:
    rgbe = encode_rgbe(np.full((2, 4, 3), 0.5))
    write_hdr(tmp_path / "plain.hdr", rgbe, "flat")
    write_hdr(tmp_path / "exposed.hdr", rgbe, "flat", header="EXPOSURE=4\nEXPOSURE= 0.5\n")
    assert np.allclose(read_radiance(tmp_path / "exposed.hdr") * 2, read_radiance(tmp_path / "plain.hdr"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_error_never_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    source = tmp_path / "whole.hdr"
    write_hdr(source, encode_rgbe(picture(4)), "new")
    whole = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    broken = tmp_path / "broken.hdr"
    broken.write_bytes(bytes(whole))
    try:
        read = read_radiance(broken)
    except CaptureError as error:
        assert error.remedy
    else:
        assert read.ndim == 3 and np.all(np.isfinite(read)) and read.min() >= 0


def write_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {k: v.astype(np.float32) for k, v in channels.items()}) as file:
        file.write(str(path))


def refusal(path: Path) -> str:
    with pytest.raises(RejectedCapture) as caught:
        read_panorama(path)
    return caught.value.reason


def test_exr_pixels_and_mended_values(tmp_path: Path) -> None:
    radiance = np.random.default_rng(3).uniform(0, 2, (MIN_WIDTH // 2, MIN_WIDTH, 3)).astype(np.float32)
    broken = radiance.copy()
    broken[0, 0], broken[1, 1], broken[2, 2] = np.nan, np.inf, -1
    write_exr(tmp_path / "good.exr", dict(zip("RGB", np.moveaxis(radiance, -1, 0), strict=True)))
    write_exr(tmp_path / "broken.exr", dict(zip("RGB", np.moveaxis(broken, -1, 0), strict=True)))
    good, mended = read_panorama(tmp_path / "good.exr"), read_panorama(tmp_path / "broken.exr")
    assert np.array_equal(good.radiance, radiance) and good.flags == ()
    assert set(mended.flags) == {"non_finite", "negative"}
    assert np.isfinite(mended.radiance).all() and mended.radiance.min() >= 0
    assert np.array_equal(mended.radiance[3:], radiance[3:])


def test_holes_take_what_lies_around_them() -> None:
    ramp = np.repeat(np.arange(1.0, 65.0, dtype=np.float32)[None, :, None], 3, axis=-1) * np.ones(
        (32, 1, 1), np.float32
    )
    broken = ramp.copy()
    broken[10, 20, 1] = np.nan  # one channel: the pixel takes one colour
    broken[15:22, 40:47] = -np.inf
    broken[0, 5], broken[31, 63] = np.inf, np.nan
    mended, flags = mend("a", broken)
    assert flags == ("non_finite", "single_channel")
    assert np.array_equal(mended[10, 20], ramp[10, 20])  # the median of a symmetric neighbourhood of a ramp
    inside = mended[15:22, 40:47, 0]
    assert inside.min() >= 40 and inside.max() <= 48  # nothing but values of the block's own rim
    assert (inside[3, 0], inside[3, -1]) == (40, 48)
    assert (mended[0, 5] == 64).all() and mended[31, 63, 0] == 63
    whole = ~np.isfinite(broken).all(axis=-1)
    assert np.array_equal(mended[~whole], ramp[~whole]) and np.isnan(broken[10, 20, 1])  # the input is left alone
    for red in (np.nan, np.inf):
        broken = ramp.copy()
        broken[..., 0] = red
        with pytest.raises(RejectedCapture, match="not finite"):
            mend("a", broken)


def test_primaries_of_a_radiance_header(tmp_path: Path) -> None:
    rgbe = encode_rgbe(np.random.default_rng(5).uniform(0.5, 1, (4, 8, 3)))
    write_hdr(tmp_path / "plain.hdr", rgbe, "flat")
    plain = read_radiance(tmp_path / "plain.hdr")
    for told in ("0 0 0 0 0 0 0 0", "0.64 0.33 0.30 0.60 0.15 0.06 0.3127 0.329", ""):  # as Photoshop writes; Rec.709
        write_hdr(tmp_path / "a.hdr", rgbe, "flat", header=f"PRIMARIES={told}\n")
        assert np.array_equal(read_radiance(tmp_path / "a.hdr"), plain)
    write_hdr(tmp_path / "a.hdr", rgbe, "flat", header="PRIMARIES=0.708 0.292 0.170 0.797 0.131 0.046 0.3127 0.3290\n")
    # ITU-R BT.2087, rounded there to four decimals
    to_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
    assert np.abs(read_radiance(tmp_path / "a.hdr") - plain @ to_709.T).max() < 3e-4
    # equal energy white, as Radiance's own: grey stays grey
    grey = encode_rgbe(np.full((4, 8, 3), 0.7))
    write_hdr(tmp_path / "g.hdr", grey, "flat", header="PRIMARIES=0.64 0.33 0.29 0.60 0.15 0.06 0.3333 0.3333\n")
    assert np.allclose(read_radiance(tmp_path / "g.hdr"), (0.7 * 256 // 1 + 0.5) / 256, rtol=1e-5)
    write_hdr(tmp_path / "bad.hdr", rgbe, "flat", header="PRIMARIES=red green blue\n")
    assert refusal(tmp_path / "bad.hdr") == "unreadable"


def test_refusals_name_their_reason(tmp_path: Path) -> None:
    square = np.ones((300, 300))
    small = np.ones((8, 16))
    write_exr(tmp_path / "square.exr", {"R": square, "G": square, "B": square})
    write_exr(tmp_path / "small.exr", {"R": small, "G": small, "B": small})
    write_exr(tmp_path / "alpha.exr", {"A": np.ones((256, 512))})
    (tmp_path / "empty.hdr").write_bytes(b"")
    (tmp_path / "text.exr").write_bytes(b"not a picture")
    whole = (tmp_path / "square.exr").read_bytes()
    (tmp_path / "cut.exr").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "square.exr") == "not_panorama"
    assert refusal(tmp_path / "small.exr") == "low_resolution"
    for name in ("alpha.exr", "empty.hdr", "text.exr", "cut.exr", "missing.hdr"):
        assert refusal(tmp_path / name) == "unreadable"


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    write_hdr(tmp_path / "really_hdr.exr", encode_rgbe(np.random.default_rng(4).uniform(1, 2, (128, 256, 3))), "new")
    assert read_panorama(tmp_path / "really_hdr.exr").radiance.shape == (128, 256, 3)
