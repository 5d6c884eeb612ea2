"""What in a folder is a capture, a bracket, a day, or none of these."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skygen_addon.core.errors import CaptureError
from trainer.captures.discover import find_captures


def picture(path: Path, size: tuple[int, int] = (64, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path)
    return path


def bracket(folder: Path, name: str, exposures: int = 5) -> list[Path]:
    return [picture(folder / f"{name}_{2 * (n - exposures // 2):+d}ev.png") for n in range(exposures)]


def test_each_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "sky.hdr").write_bytes(b"#?RADIANCE")
    stack = bracket(tmp_path / "lake", "view")
    for number in range(24):
        picture(tmp_path / "roof" / "monday" / f"{number}.jpg")
    (tmp_path / "roof" / "monday" / "note.txt").write_text("rain at noon")
    picture(tmp_path / "roof" / "monday" / "scan.tif")
    found = find_captures(tmp_path)
    assert set(found.captures) == {
        (tmp_path / "sky.hdr",),
        tuple(stack),
        (tmp_path / "roof" / "monday" / "scan.tif",),  # no frame, and not forgotten
    }
    assert found.days == (tmp_path / "roof" / "monday",)
    assert found.closed == () and found.ignored == {".txt": 1}


@pytest.mark.parametrize("others", [0, 4, 30])
def test_brackets_in_a_large_folder_stay_brackets(tmp_path: Path, others: int) -> None:
    for number in range(6):
        bracket(tmp_path, f"view{number}")
    for number in range(others):
        picture(tmp_path / f"test_{number}.png")
    found = find_captures(tmp_path)
    assert sum(len(files) == 5 for files in found.captures) == 6
    assert found.days == () and len(found.captures) == 6 + others


def test_what_ingest_itself_made_is_no_capture(tmp_path: Path) -> None:
    (tmp_path / "sky.hdr").write_bytes(b"#?RADIANCE")
    (tmp_path / "data" / "items").mkdir(parents=True)
    (tmp_path / "data" / "manifest.jsonl").write_text("")
    for number in range(30):
        picture(tmp_path / "data" / "pictures" / f"{number}.jpg")
    picture(tmp_path / ".thumbnails" / "sky.png")
    found = find_captures(tmp_path)
    assert found.captures == ((tmp_path / "sky.hdr",),) and found.days == ()


def test_pipes_are_left_alone_and_links_to_nowhere_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hdr")
    (tmp_path / "to_pipe.hdr").symlink_to(tmp_path / "pipe.hdr")
    (tmp_path / "to_nowhere.hdr").symlink_to(tmp_path / "missing.hdr")
    assert find_captures(tmp_path).captures == ((tmp_path / "to_nowhere.hdr",),)


def test_folders_that_cannot_be_listed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sky.hdr").write_bytes(b"#?RADIANCE")
    (tmp_path / "shut").mkdir()
    scan = os.scandir

    def refuse(place: str) -> object:
        if Path(place) == tmp_path / "shut":
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_captures(tmp_path)
    assert found.captures == ((tmp_path / "sky.hdr",),) and found.closed == (tmp_path / "shut",)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="holds no capture"):
        find_captures(tmp_path)
    with pytest.raises(CaptureError, match="is not a folder"):
        find_captures(tmp_path / "nowhere")
