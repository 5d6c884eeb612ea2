"""Camera pictures and captures of any kind: known pixels come back, whatever cannot be read is a verdict."""

from __future__ import annotations

import io
import resource
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture
from trainer.captures.readers.capture_file import read_capture, srgb_to_linear
from trainer.captures.readers.picture_file import read_picture

EXPOSURE = 1 / 250 * (200 / 100) / 4.0**2
"""Of 1/250 s at ISO 200 and f/4. A shutter marked 1/250 may count as the 1/256 s that it opens for."""


def codes(dtype: Any, height: int = 20, width: int = 30) -> np.ndarray:
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(5).integers(0, top, (height, width, 3), endpoint=True).astype(dtype)


def encode(path: Path, values: np.ndarray, options: tuple[int, ...] = ()) -> Path:
    """RGB, RGBA or grey values by OpenCV."""
    stored = values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[2]]]
    assert cv2.imwrite(str(path), stored, list(options))
    return path


def rejected(*files: Path) -> str:
    with pytest.raises(RejectedCapture) as caught:
        read_capture(files)
    assert caught.value.message and caught.value.remedy
    return caught.value.reason


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_code_values_come_back(tmp_path: Path, name: str, dtype: Any) -> None:
    values = codes(dtype)
    if name == "a.jpg":
        if dtype == np.uint16:
            pytest.skip("JPEG has 8 bits")
        values = np.full_like(values, 90) + np.arange(30, dtype=np.uint8)[None, :, None]
    picture = read_picture(encode(tmp_path / name, values, (cv2.IMWRITE_JPEG_QUALITY, 100)))
    assert picture.values.dtype == dtype and not picture.linear and picture.exposure is None
    # a smooth grey ramp at quality 100 keeps its code values to the rounding of the transform
    assert np.abs(picture.values.astype(int) - values.astype(int)).max() <= (2 if name == "a.jpg" else 0)


def test_grey_palette_and_alpha(tmp_path: Path) -> None:
    values, wide = codes(np.uint8), codes(np.uint16)
    assert np.array_equal(
        read_picture(encode(tmp_path / "g.png", wide[..., 0])).values, np.repeat(wide[..., :1], 3, axis=-1)
    )
    alpha = np.concatenate([wide, wide[..., :1]], axis=-1)
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_picture(encode(tmp_path / name, alpha)).values, wide)  # alpha is dropped, not mixed
    palette = Image.fromarray(values).quantize(17)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_picture(tmp_path / "p.png").values, np.asarray(palette.convert("RGB")))
    Image.fromarray(values).convert("LA").save(tmp_path / "la.png")
    assert (np.ptp(read_picture(tmp_path / "la.png").values, axis=-1) == 0).all()


def test_what_no_camera_writes_is_refused(tmp_path: Path) -> None:
    values = codes(np.uint8, 128, 256)
    Image.fromarray(values).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(values).convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(values).convert("LAB").save(tmp_path / "lab.tif")
    encode(tmp_path / "float.tif", values.astype(np.float32))
    encode(tmp_path / "grey_float.tif", values[..., 0].astype(np.float32))
    only_alpha = np.concatenate([np.zeros_like(values), values[..., :1]], axis=-1)
    encode(tmp_path / "alpha.png", only_alpha)
    encode(tmp_path / "alpha.tif", only_alpha)
    for path in sorted(tmp_path.iterdir()):
        assert rejected(path) == "unreadable", path.name


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8769).update({33434: IFDRational(1, 250), 34855: 200, 33437: IFDRational(4, 1)})
    return tags


@pytest.mark.parametrize("orientation", [2, 3, 6, 7])
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_exif_gives_the_exposure_and_does_not_turn(tmp_path: Path, name: str, orientation: int) -> None:
    values = np.zeros((40, 80, 3), dtype=np.uint8)
    values[:10, :20] = 200  # bright in one corner
    Image.fromarray(values).save(tmp_path / name, exif=exif(orientation).tobytes())
    picture = read_picture(tmp_path / name)
    assert picture.values.shape == (40, 80, 3) and picture.values[:8, :16].min() > 150
    assert picture.values[18:].max() < 50 and picture.values[:, 36:].max() < 50  # beyond the JPEG's blocks of 16
    assert picture.exposure == pytest.approx(EXPOSURE, rel=0.03)


CAMERA = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
"""XYZ to linear sRGB (IEC 61966-2-1): with this as its colour matrix a camera's own channels are sRGB."""


def write_dng(path: Path, mosaic: np.ndarray, orientation: int = 1, neutral: tuple[float, ...] = (1, 1, 1)) -> Path:
    """The least DNG (Adobe DNG 1.4): one 16-bit RGGB mosaic of white level 16383, without compression."""
    kinds = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 10: "i"}
    height, width = mosaic.shape

    def directory(entries: list[tuple[int, int, Any]], at: int) -> bytes:
        """Entries (tag, type, values) and their values as they lie at an offset."""
        head, tail = struct.pack("<H", len(entries)), b""
        end = at + 2 + 12 * len(entries) + 4
        for tag, kind, values in sorted(entries, key=lambda e: e[0]):
            raw = values if kind == 2 else struct.pack(f"<{len(values)}{kinds[kind]}", *values)
            count = len(raw) if kind == 2 else len(values) // (2 if kind in (5, 10) else 1)
            if len(raw) > 4:
                place, tail = struct.pack("<I", end + len(tail)), tail + raw + raw[:0] + b"\0" * (len(raw) % 2)
            else:
                place = raw.ljust(4, b"\0")
            head += struct.pack("<HHI", tag, kind, count) + place
        return head + b"\0\0\0\0" + tail

    inner_at, data_at = 1024, 2048
    matrix = [v for m in CAMERA.ravel() for v in (round(m * 10000), 10000)]
    entries: list[tuple[int, int, Any]] = [(254, 4, [0]), (256, 4, [width]), (257, 4, [height]), (258, 3, [16])]
    entries += [(259, 3, [1]), (262, 3, [32803]), (271, 2, b"SkyGen\0"), (272, 2, b"Test\0"), (273, 4, [data_at])]
    entries += [(274, 3, [orientation]), (277, 3, [1]), (278, 4, [height]), (279, 4, [2 * mosaic.size])]
    entries += [(284, 3, [1]), (33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]), (34665, 4, [inner_at])]
    entries += [(50706, 1, [1, 4, 0, 0]), (50708, 2, b"SkyGen Test\0"), (50714, 3, [0]), (50717, 4, [16383])]
    entries += [(50721, 10, matrix), (50728, 5, [v for n in neutral for v in (round(n * 1000), 1000)])]
    entries += [(50778, 3, [21])]  # D65
    inner = [(33434, 5, [1, 250]), (33437, 5, [4, 1]), (34855, 3, [200])]
    content = (b"II*\0" + struct.pack("<I", 8) + directory(entries, 8)).ljust(inner_at, b"\0")
    content = (content + directory(inner, inner_at)).ljust(data_at, b"\0")
    path.write_bytes(content + mosaic.astype("<u2").tobytes())
    return path


def mosaic_of(radiance: np.ndarray) -> np.ndarray:
    """RGGB mosaic (H, W) of 14 bits, clipped."""
    mosaic = radiance[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = radiance[0::2, 0::2, 0], radiance[1::2, 1::2, 2]
    return np.round(np.minimum(mosaic, 1.0) * 16383)


def flat_fields(height: int = 64, width: int = 128) -> np.ndarray:
    radiance = np.empty((height, width, 3))
    radiance[:, : width // 2], radiance[:, width // 2 :] = (0.2, 0.4, 0.6), (0.5, 0.25, 0.125)
    return radiance


def test_raw_is_linear_and_not_turned(tmp_path: Path) -> None:
    radiance = flat_fields()
    path = write_dng(tmp_path / "named.jpg", mosaic_of(radiance), orientation=6)  # the content decides
    picture = read_picture(path)
    assert picture.linear and picture.values.dtype == np.uint16 and picture.values.shape == radiance.shape
    assert picture.exposure == pytest.approx(EXPOSURE, rel=1e-3)
    inner = np.ones((64, 128), dtype=bool)
    inner[:, 58:70] = False  # demosaicing mixes at the edge between the fields
    error = np.abs(picture.values / 65535 - radiance)[inner]
    assert error.max() < 5e-4  # 14-bit codes and a colour matrix of four decimals
    balanced = write_dng(tmp_path / "b.dng", mosaic_of(radiance * [0.5, 1.0, 0.8]), neutral=(0.5, 1.0, 0.8))
    error = np.abs(read_picture(balanced).values / 65535 - radiance)[inner]
    assert error.max() < 5e-4  # the camera's white balance is undone


def test_single_raw_and_display_pictures_are_flagged(tmp_path: Path) -> None:
    radiance = flat_fields(128, 256)
    raw = read_capture([write_dng(tmp_path / "a.dng", mosaic_of(radiance))])
    assert raw.flags == ("single_exposure",)
    assert raw.notes["projection"] == "panorama" and raw.notes["files"] == 1
    assert np.abs(raw.radiance - radiance)[:, :110].max() < 5e-4
    radiance[20:30, 20:30] = 4.0
    assert "sun_clipped" in read_capture([write_dng(tmp_path / "b.dng", mosaic_of(radiance))]).flags
    radiance[20:30, 20:30] = 0.5
    radiance[100:110, 20:30] = 4.0  # a lamp below the horizon is no sun
    assert "sun_clipped" not in read_capture([write_dng(tmp_path / "c.dng", mosaic_of(radiance))]).flags
    coded = codes(np.uint8, 128, 256) // 2
    display = read_capture([encode(tmp_path / "d.png", coded)])
    assert display.flags == ("display_referred",)
    # the sRGB curve at three places of IEC 61966-2-1
    assert srgb_to_linear(np.array([0, 10, 188, 255], dtype=np.uint8)) == pytest.approx(
        [0, 10 / 255 / 12.92, ((188 / 255 + 0.055) / 1.055) ** 2.4, 1], rel=1e-6
    )
    assert np.array_equal(display.radiance, srgb_to_linear(coded))
    coded[3, 3] = 255
    assert "sun_clipped" in read_capture([encode(tmp_path / "e.png", coded)]).flags


def test_a_bracket_is_one_capture(tmp_path: Path) -> None:
    row, column = np.mgrid[:128, :256]
    radiance = (0.02 * np.exp(2.5 * (1 + np.sin(row / 17) * np.cos(column / 23))))[..., None] * [0.8, 1.0, 1.2]
    files = []
    for steps in (-4, -2, 0, 2):
        linear = np.clip(radiance * 2.0**steps, 0, 1)
        coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        files.append(encode(tmp_path / f"view_ev{steps:+d}.png", np.round(coded * 65535).astype(np.uint16)))
    merged = read_capture(files)
    assert "bracket" in merged.flags and merged.notes["files"] == 4 and merged.notes["projection"] == "panorama"
    ratio = merged.radiance / radiance
    # what the merge promises for 8 bits at 2 EV, in its own unit; its own tests measure closer
    assert np.percentile(np.abs(ratio / np.median(ratio) - 1), 99) < 0.02
    (tmp_path / "view_ev+4.png").write_bytes(files[0].read_bytes()[:200])
    rest = read_capture([*files, tmp_path / "view_ev+4.png"])  # the damaged one is left out, and told
    assert "incomplete" in rest.flags and rest.notes["unreadable"] == ["view_ev+4.png"]
    assert np.array_equal(rest.radiance, merged.radiance)
    nameless = [encode(tmp_path / f"{n}.png", codes(np.uint8, 64, 128)) for n in ("one", "two")]
    assert rejected(*nameless) == "unreadable"  # nothing tells their exposures


def exr(path: Path, radiance: np.ndarray, names: str = "RGB") -> Path:
    planes = {n: np.ascontiguousarray(radiance[..., i], dtype=np.float32) for i, n in enumerate(names)}
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, planes) as file:
        file.write(str(path))
    return path


def test_values_are_mended_as_in_panoramas(tmp_path: Path) -> None:
    radiance = np.random.default_rng(6).uniform(0.5, 2, (128, 256, 3)).astype(np.float32)
    broken = radiance.copy()
    broken[0, 0], broken[1, 1, 0], broken[2, 2] = np.nan, np.inf, -3
    read = read_capture([exr(tmp_path / "a.exr", broken)])
    assert set(read.flags) == {"non_finite", "negative"} and read.covered is None
    assert np.array_equal(read.radiance[0, 0], np.median([broken[0, 1], broken[1, 0], read.radiance[1, 1]], axis=0))
    assert not read.radiance[2, 2].any()
    assert read.radiance[1, 1, 0] == broken[np.isfinite(broken)].max()
    assert np.array_equal(read.radiance[3:], radiance[3:])
    assert rejected(exr(tmp_path / "b.exr", np.full((128, 256, 3), np.nan))) == "unreadable"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def test_every_bad_file_has_its_reason(tmp_path: Path) -> None:
    values = codes(np.uint8, 128, 256)
    good = {name: encode(tmp_path / f"good{name}", values).read_bytes() for name in (".png", ".jpg", ".tif")}
    bad = {"empty.png": b"", "empty.exr": b"", "text.jpg": b"not a picture, by far", "text.exr": b"neither is this"}
    bad |= {"text.dng": b"nor this", "short.png": b"\x89", "cut_header.tif": good[".tif"][:6]}
    bad |= {f"cut{name}": content[: len(content) * 3 // 4] for name, content in good.items()}
    bad |= {"huge.png": png_header(40000, 20000), "page.html": b"<html>" * 99, "thin.png": png_header(30000, 15000)}
    bad["chunk.png"] = good[".png"][:33] + b"\xff\0\0\0" + good[".png"][37:]  # the first IDAT claims 4 GB
    bad["movie.cr3"] = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64)
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        assert rejected(tmp_path / name) == "unreadable", name
    with pytest.raises(RejectedCapture) as caught:
        read_capture([tmp_path / "huge.png"])
    assert (caught.value.width, caught.value.height) == (40000, 20000)
    assert rejected(tmp_path / "missing.png") == "unreadable"
    (tmp_path / "folder.exr").mkdir()
    assert rejected(tmp_path / "folder.exr") == "unreadable"
    assert rejected(encode(tmp_path / "dot.png", values[:1, :1])) == "not_panorama"
    assert rejected(encode(tmp_path / "two_dots.png", values[:1, :2])) == "low_resolution"
    assert rejected(exr(tmp_path / "dot.exr", values[:1, :1] / 255)) == "not_panorama"
    assert rejected(exr(tmp_path / "two_dots.exr", values[:1, :2] / 255)) == "low_resolution"
    assert rejected(encode(tmp_path / "photo.png", values[:, :200])) == "not_panorama"
    assert rejected(encode(tmp_path / "small.png", values[:32, :64])) == "low_resolution"
    assert rejected(exr(tmp_path / "alpha.exr", values[..., :1] / 255, "A")) == "unreadable"
    assert rejected() == "unreadable"
    wrong = tmp_path / "wrong.exr"
    wrong.write_bytes(good[".png"])  # a wrong name alone is no fault
    assert read_capture([wrong]).flags[0] == "display_referred"


def test_no_permission_is_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [encode(tmp_path / "a.png", codes(np.uint8)), exr(tmp_path / "a.exr", np.ones((4, 8, 3)))]

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read whatever a mode forbids
    for path in files:
        assert rejected(path) == "unreadable"


def kinds() -> list[tuple[str, bytes]]:
    """Valid 2:1 pictures of 256 pixels, as small as they get."""
    values = np.zeros((128, 256, 3), dtype=np.uint8)
    values[30:50, 40:90] = (200, 100, 50)
    found = []
    for suffix, option in ((".png", ()), (".jpg", ()), (".tif", ()), (".tif", (cv2.IMWRITE_TIFF_COMPRESSION, 1))):
        for stored in (values, values.astype(np.uint16) * 257):
            if not (suffix == ".jpg" and stored.dtype == np.uint16):
                done, coded = cv2.imencode(suffix, stored, list(option))
                assert done
                found.append((suffix, coded.tobytes()))
    for suffix in ("JPEG", "TIFF", "PNG"):
        stream = io.BytesIO()
        more = {"progressive": True} if suffix == "JPEG" else {}
        Image.fromarray(values).convert("P" if suffix == "PNG" else "RGB").save(
            stream, suffix, exif=exif().tobytes(), **more
        )
        found.append((f".{suffix.lower()}", stream.getvalue()))
    return found


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pictures_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    suffix, content = data.draw(st.sampled_from(KINDS))
    whole = bytearray(content)
    reach = data.draw(st.sampled_from([200, len(whole)]))  # headers are hit as often as all of the rest
    from_end = data.draw(st.booleans())  # a TIFF keeps its directory at the end
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(reach, len(whole)) - 1))
        whole[-1 - at if from_end else at] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(bytes(whole))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damaged metadata
        try:
            read = read_capture([path])
        except RejectedCapture as error:
            assert error.reason in ("unreadable", "not_panorama", "low_resolution") and error.message and error.remedy
        else:
            assert isinstance(read, Panorama) and read.radiance.shape[1] == 2 * read.radiance.shape[0]
            assert np.isfinite(read.radiance).all() and read.radiance.min() >= 0
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 1_000_000  # 64 MiB of pixels are believed, here up to twelve times that in float and copies


KINDS = kinds()
