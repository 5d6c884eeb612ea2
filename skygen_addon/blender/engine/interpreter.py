"""The Python that bakes run in: which program it is, and where it finds the engine and its libraries.

Blender never loads ONNX Runtime or OpenEXR itself. Its own copy of OpenEXR exports the same symbols
as the wheel's, and a process that holds both crashes; so a bake is a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from ...core.errors import SkyGenError

PACKAGE_FOLDER = Path(__file__).resolve().parent.parent.parent
"""Folder of this add-on; its name is what the child imports it by."""
LIBRARIES = ("onnxruntime", "OpenEXR", "numpy")
"""What the engine needs; the first two come with the extension, the last one with Blender."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Python version whose wheels Blender has installed."""


def bake_command() -> list[str]:
    """Program and first arguments of ``python -m skygen_addon``, closed to what lies in the working folder.

    Raises
    ------
    SkyGenError
        If there is no Python to run.
    """
    return [find_interpreter(), "-s", "-P", "-m", PACKAGE_FOLDER.name]


def find_interpreter() -> str:
    """The Python that Blender brings along, or, where Blender uses the system's, that one.

    Raises
    ------
    SkyGenError
        If there is none of Blender's version.
    """
    candidates = [sys.executable, getattr(sys, "_base_executable", None)]
    names = ("python.exe",) if os.name == "nt" else (f"python{VERSION}",)
    for prefix in dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix)):
        candidates += [os.path.join(prefix, *folder, name) for name in names for folder in (("bin",), ())]
    candidates.append(shutil.which(f"python{VERSION}"))
    for candidate in candidates:
        if candidate and _is_python(candidate):
            return candidate
    raise SkyGenError(
        f"No Python {VERSION} was found to bake with (Blender's Python folder is {sys.prefix}).",
        "Install Blender from blender.org, which brings its own Python, "
        f"or install python{VERSION} with the system's package manager.",
    )


def bake_environment() -> dict[str, str]:
    """Environment of a bake: this process's, with Python's own variables replaced.

    PYTHONHOME and the like are meant for the interpreter inside Blender and would mislead another.

    Raises
    ------
    SkyGenError
        If a library is missing.
    """
    folders = dict.fromkeys([str(PACKAGE_FOLDER.parent), *(_folder_of(name) for name in LIBRARIES)])
    for folder in folders:
        if os.pathsep in folder:
            raise SkyGenError(
                f"The folder {folder} has a {os.pathsep} in its name, which Python cannot search.",
                "Install Blender and its extensions in a folder without it.",
            )
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("PYTHON")}
    return kept | {
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _is_python(path: str) -> bool:
    return Path(path).stem.lower().startswith("python") and os.path.isfile(path) and os.access(path, os.X_OK)


def _folder_of(library: str) -> str:
    """Folder from which a library would be imported; nothing is imported."""
    try:
        spec = importlib.util.find_spec(library)
    except ValueError:  # a module that was loaded in an unusual way
        spec = None
    if spec is None or spec.origin is None:
        raise SkyGenError(
            f"{library}, a library that SkyGen brings along, is not installed for Python {VERSION}.",
            "Reinstall the extension made for this platform and Blender version, then restart Blender.",
        )
    origin = Path(spec.origin)
    return str(origin.parent.parent if spec.submodule_search_locations else origin.parent)
