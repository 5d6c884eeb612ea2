"""Which pictures of a folder are one bracket, by file name and by EXIF."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.captures.merging.bracket_stacks import exposure_of, group_brackets, real_shutter_s, stack_exposures
from trainer.captures.merging.exposure_names import named_exposure


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
