#!/usr/bin/env python3
"""Set up, show, test and package SkyGen. Needs Python 3.11 and nothing else.

python3 build.py demo     set everything up, bake and render a short animation in a real Blender, write out/demo
python3 build.py test     set everything up, check and test (--all: other Blender versions too)
python3 build.py build    dist/skygen-<version>-<platform>.zip for every platform, validated by Blender's own validator

A second run reuses what the first one made: environments (.venv*), wheels (build/wheels) and finished frames.
Exit codes: 0 done, 1 a check failed or a defect, 2 the environment is at fault (one line says what and the remedy).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
DIST = ROOT / "dist"
DEMO = ROOT / "out" / "demo"
PYTHON = "3.11"
"""Blender 4.2 to 5.0 exist as a module for this Python only."""
PROGRESS_S = 3.0
"""Shortest time between two progress lines of pip or of a bake."""

BLENDER_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}
"""Shared libraries that Blender loads on Linux, and the Debian packages that hold them."""


class BuildError(Exception):
    """Something that whoever runs this can mend: what is wrong, and the remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")


# --- Running commands ---------------------------------------------------------------------------------------------


class Steps:
    """Numbers the steps of a command and prints how long each took."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.number = 0
        self.failed: list[str] = []

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print ``[n/total] title`` before and the seconds after the enclosed work."""
        self.number += 1
        print(f"[{self.number}/{self.total}] {title} ...", flush=True)
        start = time.monotonic()
        yield
        print(f"[{self.number}/{self.total}] {title} ... {time.monotonic() - start:.0f} s", flush=True)

    def check(self, title: str, *commands: Sequence[str | Path], timeout_s: float = 1800, **env: str) -> None:
        """Run commands as one step; a failure is remembered, so that the other checks still run."""
        with self.step(title):
            for command in commands:
                try:
                    code = subprocess.run(command, cwd=ROOT, env=os.environ | env, timeout=timeout_s).returncode
                except subprocess.TimeoutExpired:
                    print(f"stopped after {timeout_s:.0f} s", flush=True)
                    code = 124
                if code and title not in self.failed:
                    self.failed.append(title)

    def finish(self, done: str) -> int:
        """Print the outcome; the exit code is 1 if a check failed."""
        print(f"FAILED: {', '.join(self.failed)}" if self.failed else done, flush=True)
        return 1 if self.failed else 0


def run_logged(command: Sequence[str | Path], log_name: str, remedy: str, **env: str) -> None:
    """Run a command quietly into build/logs; progress lines ("  @ ...") and now and then others are shown.

    Raises
    ------
    BuildError
        If it fails: with the end of its log.
    """
    log = BUILD / "logs" / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        shown = 0.0
        for line in process.stdout:
            out.write(line)
            rare = line.startswith(("SkyGen: ", "Collecting ", "Installing ")) and time.monotonic() - shown > PROGRESS_S
            if rare or line.startswith("  @ "):
                print("     ", line.removeprefix("  @ ").rstrip()[:110], flush=True)
                shown = time.monotonic()
        code = process.wait()
    if code:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise BuildError(f"{log_name} failed with exit code {code}; the end of {log}:\n{tail}\n", remedy)


# --- Interpreters and environments --------------------------------------------------------------------------------


def project() -> dict[str, Any]:
    """pyproject.toml, the one place of pinned versions."""
    import tomllib  # Python 3.11; older interpreters get as far as `find_python`

    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def version() -> str:
    """Version in blender_manifest.toml, the one place where it is set."""
    import tomllib

    return str(tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))["version"])


def find_python(wanted: str) -> str | None:
    """Interpreter of version ``wanted`` ("3.11"): this one, one on the path, or one that pyenv keeps."""
    candidates = [sys.executable, shutil.which(f"python{wanted}"), shutil.which("python3")]
    candidates += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{wanted}.*/bin/python")))
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        result = subprocess.run([candidate, "-c", probe], capture_output=True, text=True)  # a pyenv shim may fail
        if result.returncode == 0 and result.stdout.strip() == wanted:
            return candidate
    return None


def venv_python(name: str) -> Path:
    """Interpreter of one of the project's environments."""
    return ROOT / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment(name: str, *batches: list[str], python: str = sys.executable) -> None:
    """Create or complete an environment; each batch of requirements is one call of pip.

    The stamp file in it lists the requirements that are installed, so a second run has nothing to do.
    """
    interpreter, stamp = venv_python(name), ROOT / name / "skygen-requirements.txt"
    if not interpreter.exists() or subprocess.run([interpreter, "-m", "pip", "-V"], capture_output=True).returncode:
        if importlib.util.find_spec("ensurepip") is None:
            raise BuildError(
                "This Python cannot create environments: ensurepip is missing.",
                f"Run: sudo apt-get install python{PYTHON}-venv",
            )
        run_logged([python, "-m", "venv", "--clear", ROOT / name], f"venv{name}", "Check the disk space.")
    have = dict.fromkeys(stamp.read_text(encoding="utf-8").splitlines() if stamp.is_file() else [])
    for batch in batches:
        missing = [requirement for requirement in batch if requirement not in have]
        if missing:
            pip = [str(interpreter), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
            run_logged([*pip, *missing], f"pip{name}", "Check the network, the package index and the disk space.")
        for requirement in missing:
            distribution = requirement.split("==")[0]
            have = {r: None for r in have if r.split("==")[0] != distribution} | {requirement: None}
            write_text(stamp, "\n".join(have) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def main_environment(*extras: str) -> None:
    """.venv with the project's dependencies and the given extras; torch first, in a call of its own."""
    metadata = project()["project"]
    wanted = dict.fromkeys(metadata["dependencies"])
    for extra in extras:
        wanted |= dict.fromkeys(metadata["optional-dependencies"][extra])
    torch = [requirement for requirement in wanted if requirement.startswith("torch==")]
    environment(".venv", torch, [requirement for requirement in wanted if requirement not in torch])


def side_environment(key: str, python: str = sys.executable) -> None:
    """.venv-<key> as listed under [tool.skygen.environments]."""
    environment(f".venv-{key}", project()["tool"]["skygen"]["environments"][key], python=python)


def check_system() -> None:
    """Refuse to go on without the libraries that Blender needs.

    Raises
    ------
    BuildError
        With the command that installs what is missing.
    """
    if sys.platform != "linux":
        return
    missing = []
    for library, package in BLENDER_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if missing:
        raise BuildError(
            "System libraries that Blender needs are missing.",
            f"Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(missing)}",
        )


# --- The extension ------------------------------------------------------------------------------------------------


def wheels_of(platform: str) -> list[Path]:
    """Wheels that the extension of a platform carries, downloaded once into build/wheels."""
    settings = project()["tool"]["skygen"]["extension"]
    pins = {r.split("==")[0]: r for r in project()["project"]["dependencies"]}
    folder, found = BUILD / "wheels" / platform, []
    wanted = [(pins[name], python) for name in settings["wheels"] for python in settings["pythons"]]
    others = settings["others"].get(platform, {})
    wanted += [(pin, python) for python, pinned in others.items() for pin in pinned]
    for pin, python in wanted:
        pattern = f"{pin.lower().replace('==', '-')}-cp{python}-*.whl"
        if not list(folder.glob(pattern)):
            tags = [argument for tag in settings["platforms"][platform] for argument in ("--platform", tag)]
            command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", *tags]
            command += ["--python-version", python, "--implementation", "cp", "--abi", f"cp{python}"]
            command += ["--only-binary=:all:", "--dest", str(folder), pin]
            command[0] = str(venv_python(".venv-bpy"))  # this Python may have no pip of its own
            run_logged(command, f"wheels-{platform}", "Check the network and the package index.")
        found += sorted(folder.glob(pattern))[:1]
    return found


def extension_files(platform: str, wheels: list[Path]) -> dict[str, bytes | Path]:
    """Contents of the extension by name in the zip; the manifest is narrowed to one platform."""
    manifest = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    listed = "".join(f'    "./wheels/{wheel.name}",\n' for wheel in wheels)
    line = f'platforms = ["{platform}"]\nwheels = [\n{listed}]'
    manifest, count = re.subn(r"(?m)^platforms = .*$", lambda _: line, manifest)
    if count != 1:
        raise BuildError("blender_manifest.toml has no single platforms line.", "Restore it.")
    files: dict[str, bytes | Path] = {"blender_manifest.toml": manifest.encode(), "LICENSE": ROOT / "LICENSE"}
    for folder, place in ((ROOT / "skygen_addon", ""), (ROOT / "docs" / "manual", "manual/")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".tmp"):
                files[place + path.relative_to(folder).as_posix()] = path
    return files | {f"wheels/{wheel.name}": wheel for wheel in wheels}


def build_extension(platform: str) -> Path:
    """Make and validate dist/skygen-<version>-<platform>.zip; equal contents give equal bytes."""
    target = DIST / f"skygen-{version()}-{platform}.zip"
    target.parent.mkdir(exist_ok=True)
    temporary = target.with_name(target.name + ".tmp.zip")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, content in extension_files(platform, wheels_of(platform)).items():
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.read_bytes() if isinstance(content, Path) else content)
    packages = next((ROOT / ".venv-bpy").glob("[Ll]ib/**/site-packages"))
    validator = next(packages.glob("bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    command: list[str | Path] = [venv_python(".venv-bpy"), validator, "validate", temporary]
    run_logged(command, f"validate-{platform}", "Mend blender_manifest.toml.")
    os.replace(temporary, target)
    return target


# --- Commands -----------------------------------------------------------------------------------------------------


def build_command() -> int:
    """Build and validate the extension of every platform."""
    platforms = list(project()["tool"]["skygen"]["extension"]["platforms"])
    steps = Steps(1 + len(platforms))
    with steps.step("Blender's validator (.venv-bpy)"):
        side_environment("bpy")
    for platform in platforms:
        with steps.step(f"Extension for {platform}"):
            path = build_extension(platform)
            print(f"      {path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)
    return steps.finish("Valid extensions are in dist/.")


def blender_tests(steps: Steps, key: str, extension: Path) -> None:
    """Run each file of tests/blender in a process and an empty user folder of its own."""
    scripts = sorted((ROOT / "tests" / "blender").glob("test_*.py"))
    with steps.step(f"Blender tests (.venv-{key}, {len(scripts)} files)"):
        for script in scripts:
            user = BUILD / "blender-user" / f"{key}-{script.stem}"
            shutil.rmtree(user, ignore_errors=True)
            user.mkdir(parents=True)
            env = os.environ | {"SKYGEN_ZIP": str(extension), "BLENDER_USER_RESOURCES": str(user)}
            command = [venv_python(f".venv-{key}"), ROOT / "tests" / "blender" / "run_tests.py", script]
            try:
                code = subprocess.run(command, cwd=user, env=env, stdin=subprocess.DEVNULL, timeout=900).returncode
            except subprocess.TimeoutExpired:
                code = 124
            if code:
                steps.failed.append(f"{script.name} in .venv-{key} (exit code {code})")


def test_command(every_blender: bool) -> int:
    """Set up, check style and types, build the Linux extension, run all tests."""
    others = {"bpy-4.2": "3.11", "bpy-5.0": "3.11", "bpy-5.2": "3.13"} if every_blender else {}
    steps = Steps(9 + 2 * len(others))
    python, types = str(venv_python(".venv")), str(venv_python(".venv-types"))
    with steps.step("System libraries"):
        check_system()
    with steps.step("Environment for tests and trainer (.venv)"):
        main_environment("trainer", "demo", "test")
    with steps.step("Environments for Blender and its types (.venv-bpy, .venv-types)"):
        side_environment("bpy")
        side_environment("types")
    steps.check("Style", [python, "-m", "ruff", "check", "."], [python, "-m", "ruff", "format", "--check", "."])
    mypy = ["-m", "mypy", "--follow-imports=silent"]  # each environment judges the layers that it can import
    steps.check("Types", [python, *mypy, "build.py", "skygen_addon/core", "skygen_addon/runtime"])
    steps.check("Types of the Blender layer", [types, *mypy, "skygen_addon/blender"])
    with steps.step("Extension for linux-x64"):
        extension = build_extension("linux-x64")
    pytest = [python, "-m", "pytest", "-q", "tests", "--ignore=tests/blender"]
    # The tests' networks are tiny: a second thread makes them slower, on a busy machine ten times slower.
    steps.check("Tests", pytest, timeout_s=3000, SKYGEN_ZIP=str(extension), OMP_NUM_THREADS="1")
    blender_tests(steps, "bpy", extension)
    for key, wanted in others.items():
        with steps.step(f"Environment of {key}"):
            interpreter = find_python(wanted)
            if interpreter:
                side_environment(key, interpreter)
        if interpreter:
            blender_tests(steps, key, extension)
        else:
            steps.failed.append(f"{key}: no Python {wanted} found, install it")
    return steps.finish("All checks passed.")


def demo_command() -> int:
    """Everything from nothing to out/demo: a baked sky, three renders, a contact sheet, a film."""
    steps = Steps(9)
    python, blender, scripts = venv_python(".venv"), venv_python(".venv-bpy"), ROOT / "tests" / "package"
    with steps.step("System libraries"):
        check_system()
    with steps.step("Environment for the pictures (.venv)"):
        main_environment("demo")
    with steps.step("Blender 4.5 as a module (.venv-bpy)"):
        side_environment("bpy")
    with steps.step("Extensions, built and validated"):
        built = {p: build_extension(p) for p in project()["tool"]["skygen"]["extension"]["platforms"]}
    forget_older_demo(built["linux-x64"])
    user = BUILD / "blender-user" / "demo"
    shutil.rmtree(user, ignore_errors=True)
    user.mkdir(parents=True)
    env = {"BLENDER_USER_RESOURCES": str(user), "SKYGEN_ZIP": str(built["linux-x64"])}
    remedy = "Delete out/demo and try again; if it fails again, report it with the log."
    with steps.step("Install in Blender, apply the preset, bake 48 frames"):
        run_logged([blender, scripts / "demo_scene.py", "bake", DEMO], "demo-bake", remedy, **env)
    with steps.step("Render frames 1, 24 and 48 with Cycles"):
        run_logged([blender, scripts / "demo_scene.py", "render", DEMO], "demo-render", remedy, **env)
    with steps.step("Contact sheet and tone-mapped frames"):
        run_logged([python, scripts / "demo_pictures.py", DEMO, BUILD / "demo-display"], "demo-pictures", remedy)
    with steps.step("Film"):
        run_logged([blender, scripts / "demo_film.py", BUILD / "demo-display", DEMO / "sky.mp4"], "demo-film", remedy)
    with steps.step("Results in out/demo"):
        for path in sorted(path for path in DEMO.rglob("*") if path.is_file() and path.suffix != ".exr"):
            print(f"      {path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)
        print(f"      out/demo/sky/sky_0001.exr ... {len(list(DEMO.glob('sky/sky_*.exr')))} frames", flush=True)
    return steps.finish("Open out/demo/contact.png, out/demo/sky.mp4 and out/demo/demo.blend.")


def forget_older_demo(extension: Path) -> None:
    """Delete frames that another version of the extension made: they would be taken for finished ones."""
    digest, stamp = hashlib.sha256(extension.read_bytes()).hexdigest(), DEMO / "made_from.json"
    if DEMO.is_dir() and (not stamp.is_file() or json.loads(stamp.read_text())["extension_sha256"] != digest):
        print("      The extension changed: out/demo is made anew.", flush=True)
        shutil.rmtree(DEMO)
    write_text(stamp, json.dumps({"extension_sha256": digest}))


def main(argv: list[str]) -> int:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "test", "build"])
    parser.add_argument("--all", action="store_true", help="test: also with Blender 4.2, 5.0 and 5.2")
    arguments = parser.parse_args(argv)
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        interpreter = find_python(PYTHON)
        if interpreter is None:
            raise BuildError(
                f"Python {PYTHON} is needed (Blender 4.5 has no other); this is {sys.version.split()[0]}.",
                f"Install it (Debian 12: sudo apt-get install python{PYTHON}-venv; elsewhere: pyenv install {PYTHON}).",
            )
        return subprocess.call([interpreter, str(ROOT / "build.py"), *argv])
    if arguments.command == "demo":
        return demo_command()
    return build_command() if arguments.command == "build" else test_command(arguments.all)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
