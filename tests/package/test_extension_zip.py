"""The built extension: what is in it, and that its wheels work with numpy alone.

``build.py test`` builds the zip first and names it in SKYGEN_ZIP; alone, the newest one in dist/ is taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import build

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def extension() -> Path:
    default = ROOT / "dist" / f"skygen-{build.version()}-linux-x64.zip"
    path = Path(os.environ.get("SKYGEN_ZIP", default))
    if not path.is_file():
        pytest.skip("no extension: run python3 build.py build")
    return path


@pytest.fixture(scope="module")
def names(extension: Path) -> set[str]:
    with zipfile.ZipFile(extension) as archive:
        return set(archive.namelist())


def test_manifest_in_the_zip_names_one_platform_and_its_wheels(extension: Path, names: set[str]) -> None:
    with zipfile.ZipFile(extension) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["platforms"] == ["linux-x64"]
    assert {wheel.removeprefix("./") for wheel in manifest["wheels"]} == {n for n in names if n.startswith("wheels/")}
    for library in ("onnxruntime", "openexr", "simplejpeg"):
        assert {wheel.split("-")[2] for wheel in manifest["wheels"] if library in wheel} == {"cp311", "cp313", "cp314"}


def test_package_is_complete_and_clean() -> None:
    package, names = ROOT / "skygen_addon", set(build.extension_files("linux-x64", []))
    wanted = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.suffix in (".py", ".onnx", ".json")}
    assert wanted | {"__init__.py", "LICENSE", "blender_manifest.toml"} <= names
    assert not [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".tmp", ".pkl", ".pt", ".pth"))]
    assert not [n for n in names if n.startswith(("trainer", "tests", "skygen_addon"))]


def test_no_library_that_blender_brings(names: set[str]) -> None:
    assert not [n for n in names if n.startswith(("wheels/numpy", "wheels/torch", "wheels/bpy"))]


def test_equal_contents_give_equal_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "DIST", tmp_path)
    monkeypatch.setattr(build, "wheels_of", lambda platform: [])
    monkeypatch.setattr(build, "run_logged", lambda *arguments, **env: None)
    if not (ROOT / ".venv-bpy").is_dir():
        pytest.skip("no .venv-bpy: run python3 build.py build")
    first = build.build_extension("linux-x64").read_bytes()
    assert build.build_extension("linux-x64").read_bytes() == first


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels are for Linux")
def test_wheels_need_nothing_but_numpy(extension: Path, tmp_path: Path) -> None:
    """onnxruntime declares more requirements than running a graph needs; the zip leaves them out."""
    site = tmp_path / "site"
    with zipfile.ZipFile(extension) as archive:
        for name in archive.namelist():
            if name.startswith("wheels/") and f"-cp{sys.version_info[0]}{sys.version_info[1]}-" in name:
                with archive.open(name) as wheel, zipfile.ZipFile(wheel) as contents:
                    contents.extractall(site)
    import numpy

    (site / "numpy").symlink_to(Path(numpy.__file__).parent)
    libraries = Path(numpy.__file__).parent.with_name("numpy.libs")
    if libraries.is_dir():
        (site / "numpy.libs").symlink_to(libraries)
    graph = ROOT / "skygen_addon" / "graphs" / "compose.onnx"
    program = f"""
import sys
sys.path.insert(0, {str(site)!r})
import numpy, onnxruntime, OpenEXR, simplejpeg
session = onnxruntime.InferenceSession({str(graph)!r}, providers=["CPUExecutionProvider"])
assert session.get_outputs()[0].name == "radiance"
picture = numpy.full((2, 4, 3), 70000.0, numpy.float32)
header = {{"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}}
OpenEXR.File(header, {{"RGB": picture}}).write({str(tmp_path / "t.exr")!r})
assert (OpenEXR.File({str(tmp_path / "t.exr")!r}).channels()["RGB"].pixels == picture).all()
grey = numpy.full((16, 16, 3), 100, numpy.uint8)
assert abs(simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(grey)).astype(int) - 100).max() <= 1
print(onnxruntime.__file__, OpenEXR.__file__, simplejpeg.__file__)
"""
    # -I -S: no environment, no site-packages, nothing but the unpacked wheels and numpy.
    result = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(str(site)) == 3


def test_windows_wheels_run_with_the_runtime_of_older_blenders() -> None:
    """Blender 4.2 to 5.0 ship the C++ runtime 14.29, whose mutexes must be initialised by a call.

    A library that was compiled without that call crashes in them, unless it brings its own runtime.
    """
    wheels = sorted((ROOT / "build" / "wheels" / "windows-x64").glob("*.whl"))
    wanted = {r.replace("==", "-").lower() for r in build.project()["project"]["dependencies"] if "numpy" not in r}
    wheels = [wheel for wheel in wheels if "-".join(wheel.name.split("-")[:2]) in wanted]
    if not wheels:
        pytest.skip("no wheels for Windows: run python3 build.py build")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as contents:
            libraries = {n: contents.read(n) for n in contents.namelist() if n.endswith((".pyd", ".dll"))}
        own_runtime = any("/msvcp140" in f"/{name}" for name in libraries)
        needing = [name for name, code in libraries.items() if b"_Mtx_lock" in code and "msvcp140" not in name]
        assert needing or not any(b"msvcp140" in code.lower() for code in libraries.values())  # plain C needs none
        for name in needing:
            assert own_runtime or b"_Mtx_init_in_situ" in libraries[name], f"{wheel.name}: {name}"
