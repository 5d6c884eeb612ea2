"""Files that appear whole or not at all, also while another program reads the older one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skygen_addon.core import whole_file as module
from skygen_addon.core.errors import OutputError
from skygen_addon.core.whole_file import whole_file


def refuse(monkeypatch: pytest.MonkeyPatch, times: int, winerror: int | None) -> list[int]:
    """Let renaming fail so often, as Windows does it; returns a list that grows with every try."""
    tries: list[int] = []
    replace = os.replace

    def busy(source: Path, target: Path) -> None:
        tries.append(len(tries))
        if len(tries) <= times:
            error = PermissionError(13, "Access is denied")
            if winerror is not None:
                error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(module, "TRY_AGAIN_S", 0.0)
    return tries


def write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("winerror", [5, 32])
def test_a_file_that_is_read_meanwhile_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int
) -> None:
    write(tmp_path / "a", "old")
    tries = refuse(monkeypatch, 3, winerror)
    write(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new" and len(tries) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("winerror", "patience_s", "least"), [(5, 0.1, 2), (None, 3.0, 1)])
def test_a_file_that_stays_closed_to_us_is_told_and_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int | None, patience_s: float, least: int
) -> None:
    """Where nobody else reads it, waiting would not help."""
    write(tmp_path / "a", "old")
    monkeypatch.setattr(module, "PATIENCE_S", patience_s)
    tries = refuse(monkeypatch, 10**9, winerror)
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "a", "new")
    assert len(tries) >= least and (winerror is not None or len(tries) == 1)
    assert (tmp_path / "a").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["a"]
