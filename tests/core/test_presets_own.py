"""Presets of one's own: kept under the names that artists type, and what is refused, without losing anything."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skygen_addon.core import own_presets
from skygen_addon.core.errors import OutputError, RequestError, SkyGenError
from skygen_addon.core.own_presets import (
    checked_name,
    delete_preset,
    existing_name,
    read_folder,
    rename_preset,
    save_preset,
    thumbnail_path,
)
from skygen_addon.core.presets import Preset, load_preset, preset_names, read_preset, write_preset

STORM = load_preset("storm_front").controls
NOON = load_preset("clear_noon").controls


def test_a_preset_is_saved_under_its_name(tmp_path: Path) -> None:
    saved = save_preset("  Abendrot   über Köln ", "  A red\nevening. ", STORM, tmp_path / "new" / "folder")
    assert (saved.name, saved.label, saved.description) == (
        "Abendrot über Köln",
        "Abendrot über Köln",
        "A red evening.",
    )
    assert read_folder(tmp_path / "new" / "folder") == ([saved], [])


def test_a_taken_name_is_refused_until_it_may_be_overwritten(tmp_path: Path) -> None:
    save_preset("Storm", "", STORM, tmp_path)
    for name in ("Storm", "STORM", "storm"):
        with pytest.raises(RequestError, match="'Storm' already"):
            save_preset(name, "", NOON, tmp_path)
    assert read_preset(tmp_path / "Storm.json").controls == STORM
    assert save_preset("STORM", "Noon.", NOON, tmp_path, overwrite=True).name == "Storm"
    assert [p.name for p in tmp_path.iterdir()] == ["Storm.json"]
    assert read_preset(tmp_path / "Storm.json").controls == NOON


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"), (" \t ", "no name"), ("x" * 61, "too long"), ("雲" * 61, "too long"), ("a/b", "cannot hold /"),
        ("..\\up", r"cannot hold \\"), ("what?", r"cannot hold \?"), ("bell\a", "cannot hold .x07"),
        (".hidden", "full stop"), ("end.", "full stop"), ("..", "full stop"), ("NUL", "device"), ("com1.sky", "device"),
        ("LPT²", "device"),
        ("overcast", "ships"), ("Golden Hour", "ships"), ("\ud800", "cannot hold .ud800"), ("a\u202eb", "cannot hold"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_kept_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        save_preset(name, "", STORM, tmp_path)
    assert caught.value.remedy and len(str(caught.value)) < 200
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)  # it reads the shipped presets
@given(st.text(max_size=80))
def test_whatever_is_typed_is_kept_or_refused(text: str) -> None:
    """A name that is kept is one file in the folder, on every system, and is kept as itself."""
    try:
        name = checked_name(text)
    except RequestError:
        return
    assert checked_name(name) == name and len(f".{name}.json.{2**31}.tmp".encode()) <= 255
    assert os.path.basename(name) == name and not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)


def test_two_ways_to_write_a_letter_are_one_name(tmp_path: Path) -> None:
    save_preset("Caf\u00e9", "", STORM, tmp_path)
    assert existing_name("CAFE\u0301", tmp_path) == "Caf\u00e9"
    with pytest.raises(RequestError, match="already"):
        save_preset("Cafe\u0301", "", NOON, tmp_path)


def test_renaming_takes_the_thumbnail_along(tmp_path: Path) -> None:
    save_preset("Storm", "Dark.", STORM, tmp_path)
    save_preset("Noon", "", NOON, tmp_path)
    thumbnail_path("Storm", tmp_path).write_bytes(b"picture")
    with pytest.raises(RequestError, match="'Noon' already"):
        rename_preset("Storm", "noon", tmp_path)
    assert rename_preset("Storm", " Big  Storm", tmp_path) == "Big Storm"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Big Storm.json", "Big Storm.png", "Noon.json"]
    renamed = read_preset(tmp_path / "Big Storm.json")
    assert (renamed.label, renamed.description, renamed.controls) == ("Big Storm", "Dark.", STORM)
    picture = thumbnail_path("Big Storm", tmp_path)
    assert picture.stat().st_mtime_ns >= (tmp_path / "Big Storm.json").stat().st_mtime_ns  # it need not be made anew


def test_a_name_can_change_its_case(tmp_path: Path) -> None:
    save_preset("storm", "", STORM, tmp_path)
    assert rename_preset("storm", "Storm", tmp_path) == "Storm"
    assert [p.name for p in tmp_path.iterdir()] == ["Storm.json"]
    assert rename_preset("Storm", "Storm", tmp_path) == "Storm"
    assert read_preset(tmp_path / "Storm.json").label == "Storm"


def test_two_presets_whose_names_differ_in_case_are_both_kept(tmp_path: Path) -> None:
    """Where case counts, both can be copied there by hand."""
    for name, controls in (("Storm", STORM), ("storm", NOON)):
        write_preset(Preset(name, name, "", controls), tmp_path)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("case does not count here")
    with pytest.raises(RequestError, match="'storm' already"):
        rename_preset("Storm", "storm", tmp_path)
    assert save_preset("storm", "Mine.", NOON, tmp_path, overwrite=True).name == "storm"
    assert [read_preset(tmp_path / f"{name}.json").controls for name in ("Storm", "storm")] == [STORM, NOON]


def test_a_renaming_that_fails_half_way_leaves_the_old_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_preset("Storm", "Dark.", STORM, tmp_path)
    before = (tmp_path / "Storm.json").read_bytes()

    def full(preset: Preset, folder: Path) -> Path:
        raise OutputError("The disk is full.", "Free some space.")

    monkeypatch.setattr(own_presets, "write_preset", full)
    with pytest.raises(OutputError, match="full"):
        rename_preset("Storm", "Calm", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"Storm.json": before}


def test_deleting_takes_the_thumbnail_along_and_damage_does_not_hinder(tmp_path: Path) -> None:
    save_preset("Storm", "", STORM, tmp_path)
    thumbnail_path("Storm", tmp_path).write_bytes(b"picture")
    (tmp_path / "Broken.json").write_text("{")
    delete_preset("Storm", tmp_path)
    delete_preset("Broken", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Storm", "", "../Storm", "Storm/../../Storm"])
def test_what_is_not_there_is_not_renamed_or_deleted(tmp_path: Path, name: str) -> None:
    (tmp_path / "Storm.json").write_text("{}")
    folder = tmp_path / "presets"
    folder.mkdir()
    for act in (lambda: delete_preset(name, folder), lambda: rename_preset(name, "New", folder)):
        with pytest.raises(RequestError, match="no preset"):
            act()
    assert (tmp_path / "Storm.json").exists()


def test_damaged_files_are_named_and_hide_nothing(tmp_path: Path) -> None:
    save_preset("Storm", "", STORM, tmp_path)
    (tmp_path / "Broken.json").write_text("{")
    (tmp_path / "Half letter.json").write_text('{"label": "\\ud800"}')
    (tmp_path / "Typo.json").write_text(json.dumps({"hase": 1}))
    (tmp_path / "Word.json").write_text(json.dumps({"haze": "thick"}))
    (tmp_path / "Thick.json").write_text(json.dumps({"low": {"density": 99}}))
    (tmp_path / "Folder.json").mkdir()
    (tmp_path / "._Storm.json").write_bytes(b"\x00\x05\x16\x07")  # macOS leaves such files on other disks
    presets, faults = read_folder(tmp_path)
    assert [preset.name for preset in presets] == ["Storm"]
    assert len(faults) == 6 and all(fault.remedy for fault in faults)
    for name in ("Broken", "Half letter", "Typo", "Word", "Thick", "Folder"):
        assert any(name in fault.message for fault in faults), name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"K\xf6ln.json")).write_text("{}")
    presets, (fault,) = read_folder(tmp_path)
    assert presets == [] and "udcf6ln" in fault.message
    assert fault.message.encode()  # an interface can show it


def test_no_folder_is_no_preset(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "none") == ([], [])


def test_a_folder_that_cannot_be_written_is_told_with_a_remedy_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        save_preset("Storm", "", STORM, tmp_path / "file" / "presets")
    save_preset("Storm", "", STORM, tmp_path)

    def refuse(*paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: refuse())
    for act in (
        lambda: save_preset("Storm", "", NOON, tmp_path, overwrite=True),
        lambda: rename_preset("Storm", "Noon", tmp_path),
        lambda: delete_preset("Storm", tmp_path),
    ):
        with pytest.raises(OutputError) as caught:
            act()
        assert "that you may write to" in caught.value.remedy and str(tmp_path) in caught.value.remedy
    monkeypatch.undo()
    assert read_preset(tmp_path / "Storm.json").controls == STORM


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("this user may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SkyGenError, match="cannot be written"):
            save_preset("Storm", "", STORM, tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_no_own_name_hides_a_shipped_preset() -> None:
    for name in preset_names():
        for form in (name, name.upper(), load_preset(name).label):
            with pytest.raises(RequestError, match="ships"):
                checked_name(form)


def test_the_longest_name_leaves_room_for_the_temporary_one() -> None:
    assert own_presets.LONGEST_NAME_BYTES + len(".json") + len(f"..{2**32}.tmp") <= 255
