"""The manifest, the pinned versions and the commands agree with each other and with Blender's limits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import build

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TERSE_LENGTH = 64
"""Longest tagline or permission reason that Blender accepts."""


def requirements() -> list[str]:
    project, skygen = PROJECT["project"], PROJECT["tool"]["skygen"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *skygen["environments"].values()]
    return [requirement for listed in lists for requirement in listed]


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == MANIFEST["version"] == build.version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", MANIFEST["version"])


@pytest.mark.parametrize("text", [MANIFEST["tagline"], *MANIFEST["permissions"].values()])
def test_terse_texts(text: str) -> None:
    assert 0 < len(text) <= TERSE_LENGTH
    assert text[-1].isalnum()


def test_manifest_names_what_is_promised() -> None:
    assert MANIFEST["id"] == "skygen"
    assert MANIFEST["license"] == ["SPDX:GPL-3.0-or-later"]
    assert PROJECT["project"]["license"] == "GPL-3.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]
    assert "network" not in MANIFEST["permissions"]
    assert MANIFEST["platforms"] == list(PROJECT["tool"]["skygen"]["extension"]["platforms"])


def test_every_requirement_is_pinned_exactly_and_alike() -> None:
    versions: dict[str, set[str]] = {}
    for requirement in requirements():
        name, separator, version = requirement.partition("==")
        assert separator and version, requirement
        versions.setdefault(name, set()).add(version)
    # Blender brings its own numpy, an older one before 5.1; each bpy is a Blender of its own.
    assert {name for name, found in versions.items() if len(found) > 1} == {"bpy", "numpy"}
    assert versions["torch"] == {"2.13.0"}


def test_real_blender_and_stubs_never_meet() -> None:
    for listed in PROJECT["tool"]["skygen"]["environments"].values():
        assert sum("bpy" in requirement for requirement in listed) == 1


def test_ci_installs_what_blender_loads() -> None:
    listed = re.search(r"packages=\(([^)]*)\)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert listed is not None
    assert listed.group(1).split() == list(build.BLENDER_LIBRARIES.values())


def test_ci_calls_the_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "\npython3 build.py test </dev/null\n" in script.read_text(encoding="utf-8")


def test_missing_libraries_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.sys, "platform", "linux")
    monkeypatch.setattr(build, "BLENDER_LIBRARIES", {"libskygen-absent.so.1": "libskygen-absent1"})
    with pytest.raises(build.BuildError, match=r"apt-get install .* libskygen-absent1$"):
        build.check_system()


def test_unknown_command_exits_2_with_the_choices() -> None:
    result = subprocess.run([sys.executable, ROOT / "build.py", "bild"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "demo" in result.stderr and "Traceback" not in result.stderr


def test_help_lists_the_three_commands() -> None:
    result = subprocess.run([sys.executable, ROOT / "build.py", "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert all(f"build.py {name}" in result.stdout for name in ("demo", "test", "build"))
