"""EXR frames: what is written reads back, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from skygen_addon.core.errors import OutputError
from skygen_addon.runtime import exr
from skygen_addon.runtime.exr import read_exr, write_exr


def sky(peak: float = 1.0, height: int = 40) -> np.ndarray:
    radiance = np.random.default_rng(1).random((height, 2 * height, 3), dtype=np.float32)
    radiance[3, 5] = peak
    return radiance


def test_float_reads_back_bit_for_bit(tmp_path: Path) -> None:
    radiance = sky(3e7)
    assert write_exr(tmp_path / "a.exr", radiance, pixel_format="float", request_digest="cafe") is False
    frame = read_exr(tmp_path / "a.exr")
    assert np.array_equal(frame.radiance, radiance) and frame.radiance.dtype == np.float32
    assert not frame.half and frame.request_digest == "cafe"


@pytest.mark.parametrize(
    "peak, half", [(1.0, True), (65504.0, True), (65504.01, False), (65520.0, False), (4e6, False)]
)
def test_auto_is_half_exactly_while_the_peak_fits(tmp_path: Path, peak: float, half: bool) -> None:
    radiance = sky(peak)
    assert write_exr(tmp_path / "a.exr", radiance) is half
    frame = read_exr(tmp_path / "a.exr")
    assert frame.half is half and frame.radiance.max() == radiance.max()
    # Half floats have 11 significant bits, so rounding errs by 2^-12 of the value at most, 2^-25 near zero.
    assert np.allclose(frame.radiance, radiance, rtol=2**-11, atol=2**-24)


def test_half_refuses_what_it_would_clip(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="auto or float"):
        write_exr(tmp_path / "a.exr", sky(70000.0), pixel_format="half")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("height", [8, 31, 32, 33, 100])
def test_dwaa_is_whole_smaller_and_near(tmp_path: Path, height: int) -> None:
    """Smooth with fine grain of 1 %, and a sun of 5e4: half of the pixels lose less than that grain."""
    rows, columns = np.mgrid[0:height, 0 : 2 * height] / height
    radiance = np.stack([0.2 + 0.3 * rows, 0.4 + 0.2 * np.sin(columns), 0.9 - 0.4 * rows], axis=-1).astype(np.float32)
    radiance *= 1 + 0.01 * np.random.default_rng(1).standard_normal(radiance.shape, dtype=np.float32)
    radiance[2:5, 5:8] = 5e4
    assert write_exr(tmp_path / "dwaa.exr", radiance, compression="dwaa", request_digest="cafe") is True
    write_exr(tmp_path / "zip.exr", radiance)
    frame = read_exr(tmp_path / "dwaa.exr")
    assert (frame.half, frame.compression, frame.request_digest) == (True, "dwaa", "cafe")
    assert read_exr(tmp_path / "zip.exr").compression == "zip"
    error = np.abs(frame.radiance - radiance) / radiance
    assert np.median(error) < 0.01 and frame.radiance.min() >= 0
    assert frame.radiance[2:5, 5:8].sum() == pytest.approx(radiance[2:5, 5:8].sum(), rel=0.02)
    if height == 100:
        assert (tmp_path / "dwaa.exr").stat().st_size < 0.6 * (tmp_path / "zip.exr").stat().st_size


def test_dwaa_refuses_what_it_would_clip(tmp_path: Path) -> None:
    for peak, pixel_format in ((70000.0, "auto"), (70000.0, "half"), (1.0, "float")):
        with pytest.raises(OutputError, match="DWAA|largest half"):
            write_exr(tmp_path / "a.exr", sky(peak), pixel_format=pixel_format, compression="dwaa")
    with pytest.raises(ValueError, match="piz"):
        write_exr(tmp_path / "a.exr", sky(), compression="piz")
    assert list(tmp_path.iterdir()) == []


def test_rows_channels_and_primaries_are_where_readers_expect_them(tmp_path: Path) -> None:
    radiance = np.zeros((8, 16, 3), dtype=np.float32)
    radiance[0, 15] = (0.25, 0.5, 2.0)
    write_exr(tmp_path / "a.exr", radiance)
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        header = dict(file.header())
        values = [float(file.channels()[name].pixels[0, 15]) for name in "RGB"]
    assert values == [0.25, 0.5, 2.0]
    assert header["chromaticities"] == pytest.approx((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290))
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-6])
def test_impossible_radiance_is_a_defect(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="radiance is"):
        write_exr(tmp_path / "a.exr", sky(value))
    assert list(tmp_path.iterdir()) == []


def test_other_shapes_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="float32"):
        write_exr(tmp_path / "a.exr", sky().astype(np.float64))
    with pytest.raises(ValueError, match="H, W, 3"):
        write_exr(tmp_path / "a.exr", sky()[..., 0])


def test_a_full_disk_leaves_the_old_frame_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_exr(tmp_path / "a.exr", sky(1.0))
    before = (tmp_path / "a.exr").read_bytes()

    class FullDisk(OpenEXR.File):  # type: ignore[misc]
        def write(self, name: str) -> None:
            Path(name).write_bytes(b"half a frame")
            raise RuntimeError(f'Failed to write pixel data to image file "{name}". {os.strerror(28)}.')

    monkeypatch.setattr(OpenEXR, "File", FullDisk)
    with pytest.raises(OutputError, match="disk is full"):
        write_exr(tmp_path / "a.exr", sky(2.0))
    assert [p.name for p in tmp_path.iterdir()] == ["a.exr"]
    assert (tmp_path / "a.exr").read_bytes() == before


@pytest.mark.parametrize("compression", ["zip", "dwaa"])
@pytest.mark.parametrize("lost", [1, 100, 3000])
def test_a_write_that_was_cut_off_silently_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int, compression: str
) -> None:
    """OpenEXR does not report an error when the last buffered bytes do not fit on the disk."""
    whole = exr._write

    def cut(path: Path, *arguments: object) -> None:
        whole(path, *arguments)  # type: ignore[arg-type]
        os.truncate(path, path.stat().st_size - lost)

    monkeypatch.setattr(exr, "_write", cut)
    with pytest.raises(OutputError, match="disk is full"):
        write_exr(tmp_path / "a.exr", sky(), compression=compression)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_really_full_device_is_reported_by_openexr(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError) as caught:
        exr._write(Path("/dev/full"), sky(height=256).astype(np.float32), "zip", None)
    assert caught.value.errno == 28


def test_a_missing_folder_and_a_file_in_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not a folder"):
        write_exr(tmp_path / "missing" / "a.exr", sky())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        write_exr(tmp_path / "file" / "a.exr", sky())


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    with pytest.raises(OutputError):
        read_exr(path)
    write_exr(path, sky())
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(OutputError, match="Bake the frame again"):
        read_exr(path)
    path.write_bytes(b"no picture")
    with pytest.raises(OutputError):
        read_exr(path)
