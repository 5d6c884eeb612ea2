"""`pip install .[trainer]`: the built distribution holds every module and every file of data."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import build

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("skygen_addon", "trainer")
DATA = (".py", ".onnx", ".json", ".md", ".npz")


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy so that the working tree stays clean."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.tmp"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    result = subprocess.run([*pip, "--wheel-dir", source / "made", source], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return next((source / "made").glob("*.whl"))


def test_every_module_and_data_file_is_installed(distribution: Path) -> None:
    with zipfile.ZipFile(distribution) as archive:
        names = set(archive.namelist())
    for package in PACKAGES:
        files = [p for p in (ROOT / package).rglob("*") if p.suffix in DATA and "__pycache__" not in p.parts]
        assert {p.relative_to(ROOT).as_posix() for p in files} <= names
    assert not [name for name in names if name.startswith(("tests", "build"))]


def test_metadata_names_version_and_trainer(distribution: Path) -> None:
    with zipfile.ZipFile(distribution) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == build.version()
    assert 'torch==2.13.0; extra == "trainer"' in metadata.get_all("Requires-Dist", [])
