"""Which pictures of a folder are one bracket, by file name and by EXIF."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import exifread
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.trainer.test_captures_pictures import mosaic_of, write_dng
from trainer.captures.merging.bracket_stacks import exposure_of, group_brackets, real_shutter_s, stack_exposures
from trainer.captures.merging.exposure_headers import real_f_number
from trainer.captures.merging.exposure_names import named_exposure
from trainer.captures.readers.camera_raw import read_raw, stack_balance
from trainer.captures.readers.capture_file import read_capture


def _picture(
    path: Path,
    shutter_s: float | None = None,
    taken: str | None = None,
    iso: int = 100,
    size: tuple[int, int] = (8, 4),
    model: str = "Camera",
) -> Path:
    """A tiny JPEG with EXIF."""
    exif = Image.Exif()
    exif[0x0110] = model
    inner = exif.get_ifd(0x8769)
    if shutter_s is not None:
        inner[0x829A] = shutter_s
        inner[0x829D] = 8.0
        inner[0x8827] = iso
    if taken is not None:
        inner[0x9003] = f"2024:06:01 12:{taken}"
    Image.fromarray(np.zeros((size[1], size[0], 3), dtype=np.uint8)).save(path, exif=exif)
    return path


def _raw(path: Path, parts: int, taken: str, neutral: tuple[float, ...] = (1, 1, 1), light: float = 0.1) -> Path:
    """A DNG of evenly lit grey, exposed for one part of a second at ISO 200 and f/4."""
    row, column = np.mgrid[:128, :256]
    radiance = light * (1 + 0.5 * np.sin(row / 9) * np.cos(column / 11))[..., None] * np.ones(3)
    write_dng(path, mosaic_of(radiance), neutral=neutral)
    content = bytearray(path.read_bytes())
    clock, at, tail = f"2024:06:01 12:{taken}\0".encode(), 1024, 1024 + 2 + 4 * 12 + 4
    entries = [(33434, 5, 1, struct.pack("<I", tail)), (33437, 5, 1, struct.pack("<I", tail + 8))]
    entries += [(34855, 3, 1, struct.pack("<HH", 200, 0)), (36867, 2, len(clock), struct.pack("<I", tail + 16))]
    inner = struct.pack("<H", 4) + b"".join(struct.pack("<HHI", *e[:3]) + e[3] for e in entries) + bytes(4)
    inner += struct.pack("<IIII", 1, parts, 4, 1) + clock
    content[at : at + len(inner)] = inner  # the directory that tells the exposure lies there
    path.write_bytes(content)
    return path


def _names(groups: list[tuple[Path, ...]]) -> list[tuple[str, ...]]:
    return [tuple(p.name for p in group) for group in groups]


@pytest.mark.parametrize(
    ("stem", "exposure", "rest"),
    [
        ("view_ev-2", 0.25, "view*"),
        ("view_EV+1", 2.0, "view*"),
        ("view_+2EV", 4.0, "view*"),
        ("view-2ev", 0.25, "view*"),
        ("view_m2ev", 0.25, "view*"),
        ("view_p1.5ev_b", 2**1.5, "view*_b"),
        ("view_0ev", 1.0, "view*"),
        ("view minus1ev", 0.5, "view*"),
        ("view-1_250s", 1 / 250, "view*"),
        ("view_1-60sec", 1 / 60, "view*"),
        ("view_exp0.004", 0.004, "view*"),
        ("view_exposure_1_30", 1 / 30, "view*"),
        ("view_0.5s", 0.5, "view*"),
        ("view (2s)", 2.0, "view (*)"),
    ],
)
def test_names_state_exposures(stem: str, exposure: float, rest: str) -> None:
    found = named_exposure(stem)
    assert found is not None
    assert found.exposure == pytest.approx(exposure)
    assert found.rest == rest


@pytest.mark.parametrize("stem", ["IMG_0001", "DSC_1_250", "level2", "seven_ev", "exp2", "20240601_1200_00", "2seas"])
def test_other_names_state_none(stem: str) -> None:
    assert named_exposure(stem) is None


def test_marked_shutters_open_for_powers_of_two() -> None:
    assert real_shutter_s(1 / 60) == pytest.approx(1 / 64)
    assert real_shutter_s(1 / 250) == pytest.approx(1 / 256)
    assert real_shutter_s(30.0) == pytest.approx(32.0)
    assert real_shutter_s(1 / 8000) == pytest.approx(1 / 8192)
    assert real_shutter_s(1.0) == pytest.approx(1.0)
    assert real_shutter_s(0.0123) == 0.0123  # a telephone's, on no scale


def test_names_make_a_stack_from_short_to_long(tmp_path: Path) -> None:
    files = [_picture(tmp_path / f"view_ev{ev}.jpg") for ev in ("+2", "-2", "0")]
    files.append(_picture(tmp_path / "other_ev0.jpg"))
    groups = _names(group_brackets(files))
    assert ("view_ev-2.jpg", "view_ev0.jpg", "view_ev+2.jpg") in groups
    assert ("other_ev0.jpg",) in groups
    assert stack_exposures(files[:3]) == [4.0, 0.25, 1.0]


def test_names_go_before_equal_exif(tmp_path: Path) -> None:
    """Developed from one raw: the same EXIF in each."""
    files = [_picture(tmp_path / f"a_{ev}ev.jpg", 1 / 100, "00:00") for ev in ("-2", "+2")]
    assert len(group_brackets(files)) == 1
    assert stack_exposures(files) == [0.25, 4.0]


def test_exif_splits_bursts_where_an_exposure_repeats(tmp_path: Path) -> None:
    shutters = [1 / 100, 1 / 400, 1 / 25] * 2
    clock = ["00:10", "00:11", "01:00", "01:01", "01:02", "01:03"]
    files = [
        _picture(tmp_path / f"IMG_{i}.jpg", shutter, taken)
        for i, (shutter, taken) in enumerate(zip(shutters, clock, strict=True), start=98)
    ]
    # 98 and 99 lie a minute before the rest by the clock, though their numbers run on; 103 repeats 100.
    assert _names(group_brackets(files)) == [
        ("IMG_99.jpg", "IMG_98.jpg"),
        ("IMG_102.jpg", "IMG_101.jpg", "IMG_100.jpg"),
        ("IMG_103.jpg",),
    ]


def test_numbers_stand_in_for_a_clock(tmp_path: Path) -> None:
    files = [_picture(tmp_path / f"P{i}.jpg", s) for i, s in ((9, 1 / 400), (10, 1 / 100), (11, 1 / 25), (13, 1 / 6))]
    assert _names(group_brackets(files)) == [("P9.jpg", "P10.jpg", "P11.jpg"), ("P13.jpg",)]


def test_cameras_and_sizes_are_kept_apart(tmp_path: Path) -> None:
    files = [
        _picture(tmp_path / "a1.jpg", 1 / 400),
        _picture(tmp_path / "a2.jpg", 1 / 100, model="Other"),
        _picture(tmp_path / "a3.jpg", 1 / 25, size=(4, 4)),
    ]
    assert all(len(group) == 1 for group in group_brackets(files))


def test_sequences_are_no_stacks(tmp_path: Path) -> None:
    same = [_picture(tmp_path / f"same{i:03d}.jpg", 1 / 100, f"00:{i:02d}") for i in range(12)]
    # Automatic exposure that drifts by thirds of a stop as the sun sets.
    drift = [_picture(tmp_path / f"drift{i:03d}.jpg", 2 ** (-9 + i / 3), f"10:{i:02d}") for i in range(12)]
    # Five minutes apart, whatever the exposures are.
    slow = [_picture(tmp_path / f"slow{i:03d}.jpg", 4.0 ** (i % 3 - 4), f"{20 + 5 * i}:00") for i in range(6)]
    assert all(len(group) == 1 for group in group_brackets(same + drift + slow))


def test_iso_counts_as_exposure(tmp_path: Path) -> None:
    files = [_picture(tmp_path / f"i{i}.jpg", 1 / 100, f"00:0{i}", iso=100 * 4**i) for i in range(3)]
    (stack,) = group_brackets(files)
    assert _names([stack]) == [("i0.jpg", "i1.jpg", "i2.jpg")]
    ratios = [(exposure_of(p) or 0) for p in stack]
    assert ratios[1] / ratios[0] == pytest.approx(4)


def test_raw_and_jpeg_side_by_side_give_one_bracket(tmp_path: Path) -> None:
    """The camera writes both of each exposure: the raws are the stack, and no light is counted twice."""
    files = []
    for i, parts in enumerate((1000, 250, 60)):
        files.append(_raw(tmp_path / f"IMG_{i}.DNG", parts, f"00:0{i}"))
        files.append(_picture(tmp_path / f"IMG_{i}.JPG", 1 / parts, f"00:0{i}"))
    assert _names(group_brackets(files)) == [
        ("IMG_0.DNG", "IMG_1.DNG", "IMG_2.DNG"),
        ("IMG_0.JPG",),
        ("IMG_1.JPG",),
        ("IMG_2.JPG",),
    ]
    damaged = [f.with_suffix(".CR2") if f.suffix == ".DNG" else f for f in files]
    for path in damaged[::2]:
        path.write_bytes(b"no raw")
    # Where the raws tell nothing, the pictures are the bracket.
    assert ("IMG_0.JPG", "IMG_1.JPG", "IMG_2.JPG") in _names(group_brackets(damaged))


def test_kinds_that_alternate_are_told_apart(tmp_path: Path) -> None:
    """Two cameras in one folder, frame by frame, numbered through: a stack for each."""
    files = [
        _picture(tmp_path / f"P{2 * i + k}.jpg", 4.0 ** (i - 4), f"00:0{i}", model=model)
        for i in range(3)
        for k, model in enumerate(("One", "Two"))
    ]
    assert [len(g) for g in group_brackets(files)] == [3, 3]


def test_raws_that_exifread_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CR3 and RAF keep EXIF where only LibRaw finds it: by either route the exposures and stacks are the same."""
    files = [_raw(tmp_path / f"R{i}.dng", parts, f"00:0{i}") for i, parts in enumerate((1000, 250, 60))]
    files += [_raw(tmp_path / f"R{i}.dng", 250, f"{i}:00") for i in (3, 4)]
    expected, exposures = group_brackets(files), stack_exposures(files[:3])
    assert [len(g) for g in expected] == [3, 1, 1]
    assert exposures == pytest.approx([2 / 16 / 1024, 2 / 16 / 256, 2 / 16 / 64])
    for nothing in (lambda *_, **__: {}, lambda *_, **__: 1 / 0):
        monkeypatch.setattr(exifread, "process_file", nothing)
        assert group_brackets(files) == expected
        assert stack_exposures(files[:3]) == pytest.approx(exposures, rel=1e-4)  # LibRaw keeps float32


def test_raw_brackets_have_one_white_balance(tmp_path: Path) -> None:
    """A camera on automatic balanced each frame anew; the light is the same grey, four times as much in the second."""
    files = [
        _raw(tmp_path / "a.dng", 250, "00:00", (0.5, 1.0, 0.8), 0.08),
        _raw(tmp_path / "b.dng", 60, "00:01", (0.8, 1.0, 0.5), 0.32),
    ]
    own = [np.median(read_raw(f)[0], axis=(0, 1)) for f in files]
    assert np.ptp(own[1] / own[0] / (own[1] / own[0])[1]) > 0.3  # what must not be merged
    balance = stack_balance(files)
    shared = [np.median(read_raw(f, balance)[0], axis=(0, 1)) for f in files]
    assert shared[1] / shared[0] == pytest.approx(4.0, rel=0.01)
    merged = read_capture(files)
    expected = 1 / np.array([0.8, 1.0, 0.5])  # grey light under the balance of the middle exposure
    colour = np.median(merged.radiance, axis=(0, 1))
    assert colour / colour[1] == pytest.approx(expected, rel=0.01)


def test_names_that_state_one_exposure_do_not_hide_exif(tmp_path: Path) -> None:
    """``2s`` was the pause of a tour's timer, the same in every name."""
    files = [_picture(tmp_path / f"tour_2s_{i}.jpg", 4.0 ** (i - 4), f"00:0{i}") for i in range(3)]
    assert [len(g) for g in group_brackets(files)] == [3]
    exposures = np.array(stack_exposures(files), dtype=float)
    assert exposures[1:] / exposures[:-1] == pytest.approx([4, 4])


def test_a_run_that_repeats_its_steps_is_two_views(tmp_path: Path) -> None:
    """0, -2, +2 EV of one view, then the same of the next, metered 2/3 EV brighter; even steps are one long bracket."""
    steps = [0, -2, 2, 2 / 3, -4 / 3, 8 / 3]
    files = [_picture(tmp_path / f"v{i}.jpg", 2.0 ** (s - 8), f"00:{i:02d}") for i, s in enumerate(steps)]
    assert _names(group_brackets(files)) == [("v1.jpg", "v0.jpg", "v2.jpg"), ("v4.jpg", "v3.jpg", "v5.jpg")]
    even = [_picture(tmp_path / f"w{i}.jpg", 2.0 ** (i - 8), f"01:{i:02d}") for i in range(6)]
    assert [len(g) for g in group_brackets(even)] == [6]


def test_pairs_need_a_clock_and_no_pause(tmp_path: Path) -> None:
    files = [
        _picture(tmp_path / "a1.jpg", 1 / 400, "00:00"),
        _picture(tmp_path / "a2.jpg", 1 / 25, "00:02"),
        _picture(tmp_path / "b1.jpg", 1 / 400, "10:00"),
        _picture(tmp_path / "b2.jpg", 1 / 25, "10:05"),
        _picture(tmp_path / "c1.jpg", 1 / 400, model="C"),
        _picture(tmp_path / "c2.jpg", 1 / 25, model="C"),
    ]
    assert [g for g in _names(group_brackets(files)) if len(g) > 1] == [("a1.jpg", "a2.jpg")]


def test_marked_f_numbers_are_powers_of_two() -> None:
    marks = (1.0, 1.4, 2.8, 4.5, 5.6, 6.3, 7.1, 11, 13, 22)
    exact = [2 ** (n / 6) for n in (0, 3, 9, 13, 15, 16, 17, 21, 22, 27)]  # thirds of a stop: 2^(1/6) each
    assert [real_f_number(m) for m in marks] == pytest.approx(exact)
    assert real_f_number(2.65) == 2.65  # a telephone's, on no scale
    # And every mark of the table rounds to what is engraved, to within the 4 % of 1.2 for 1.26 and 22 for 22.6.
    assert all(abs(real_f_number(m) / m - 1) < 0.055 for m in (*marks, 1.1, 1.2, 1.8, 3.5, 9, 10, 18, 25, 29, 32))


def test_pictures_above_pillows_limit_tell_their_exposure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stitched panoramas of 24,000 x 12,000 pixels are no bombs; nor is a pixel of theirs read for the header."""
    known = exposure_of(_picture(tmp_path / "a.jpg", 1 / 60))
    tags = Image.open(tmp_path / "a.jpg").getexif().tobytes()[6:]

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    size = struct.pack(">IIBBBBB", 24_000, 12_000, 8, 2, 0, 0, 0)
    (tmp_path / "b.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"eXIf", tags) + chunk(b"IDAT", bytes(99))
    )
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "b.png")
    assert known and exposure_of(tmp_path / "b.png") == known
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    Image.fromarray(np.zeros((4, 8, 3), dtype=np.uint8)).save(tmp_path / "c.tif", exif=tags)
    assert exposure_of(tmp_path / "a.jpg") == exposure_of(tmp_path / "c.tif") == known


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=40), unique=True))
def test_any_names_are_sorted(names: list[str]) -> None:
    """Superscripts are digits but no numbers, other scripts' digits are both; none of the files is there."""
    files = [
        Path("nowhere", name + ending) for name in (*names, "7\u00b2", "\u0667", "x7", "7x") for ending in (".jpg",)
    ]
    groups = group_brackets(files)
    assert sorted(str(p) for g in groups for p in g) == sorted(map(str, files))
    assert group_brackets(files[::-1]) == groups


def test_unreadable_and_hdr_files_stay_single(tmp_path: Path) -> None:
    empty = tmp_path / "b2.jpg"
    empty.write_bytes(b"")
    broken = tmp_path / "b3.cr2"
    broken.write_bytes(b"II*\0\xff\xff\xff\xff" + bytes(range(256)))
    hdr = [tmp_path / f"sky_ev{i}.hdr" for i in (0, 2)]
    missing = tmp_path / "b4.jpg"
    files = [_picture(tmp_path / "b1.jpg", 1 / 400), empty, broken, missing, *hdr]
    groups = group_brackets(files)
    assert sorted(p for g in groups for p in g) == sorted(files)
    assert all(len(g) == 1 for g in groups)
    assert exposure_of(empty) is None


def test_order_of_files_does_not_matter(tmp_path: Path) -> None:
    files = [_picture(tmp_path / f"v_ev{ev}.jpg") for ev in (-2, 0, 2)]
    files += [_picture(tmp_path / f"D{i}.jpg", s) for i, s in ((1, 1 / 4), (2, 1 / 64), (3, 1 / 1024))]
    expected = group_brackets(files)
    assert [len(g) for g in expected] == [3, 3]
    for seed in range(5):
        shuffled = files.copy()
        random.Random(seed).shuffle(shuffled)
        assert group_brackets(shuffled) == expected
