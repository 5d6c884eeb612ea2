"""Tests inside Blender run against the installed extension, in an empty user folder, with an empty file each.

``SKYGEN_ZIP`` names the extension. Most tests hand it a renderer of their own (a plain sky with one
bright lobe at the sun, its colour told by the sky's time), so that they know what a frame must hold.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

if "BLENDER_USER_RESOURCES" not in os.environ:
    os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="skygen_user_")

bpy = pytest.importorskip("bpy", reason="needs Blender's interpreter: python3 build.py test")

PACKAGE = "bl_ext.user_default.skygen"

MODEL_JSON = {
    "schema": 1,
    "name": "test",
    "graphs": dict.fromkeys(("field.onnx", "shade.onnx", "weather.onnx"), hashlib.sha256(b"").hexdigest()),
    "lattice": {
        "window": 256, "levels": 3, "factor": 4, "texel_km": 0.02, "condition_size": 16, "condition_cell_texels": 64,
        "noise": [{"name": "noise_0", "channels": 8, "size": 16, "cell_texels": 16}],
    },
    "weather": {"step_s": 60.0, "hidden": 8, "deviation": [1.0, 1.0, 1.0, 1.0], "warmup_steps": 16},
    "disc_size": 128,
    "training_manifest_sha256": "0" * 64,
    "licence": "GPL-3.0-or-later",
    "figures": {},
}  # fmt: skip


@pytest.fixture(scope="session")
def package() -> ModuleType:
    """The extension, installed once and enabled."""
    archive = os.environ.get("SKYGEN_ZIP")
    if not archive:
        pytest.skip("SKYGEN_ZIP does not name an extension: python3 build.py test makes one and sets it")
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    return importlib.import_module(PACKAGE)


@pytest.fixture(autouse=True)
def empty_file(package: ModuleType) -> None:
    """An unsaved file with an empty scene, Cycles at its fastest."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    render = bpy.context.scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 32, 100
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_depth = "32"
    bpy.context.scene.cycles.samples = 4
    bpy.context.scene.cycles.use_denoising = False


@pytest.fixture
def world() -> Any:
    """A world with nodes of the artist: a texture that is scaled into a Background."""
    world = bpy.data.worlds.new("Artist")
    bpy.context.scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputWorld")
    background = tree.nodes.new("ShaderNodeBackground")
    background.inputs["Color"].default_value = (0.0, 0.0, 0.5, 1.0)
    tree.links.new(output.inputs["Surface"], background.outputs["Background"])
    return world


class LobeRenderer:
    """The known renderer of ``lobe_bake.py``, which runs in the process of the bake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def requests(self) -> list[SimpleNamespace]:
        """What was rendered so far."""
        notes = self._folder / "requests.jsonl"
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
        return [SimpleNamespace(**json.loads(line)) for line in lines]

    def forget(self) -> None:
        """Forget what was rendered."""
        (self._folder / "requests.jsonl").unlink(missing_ok=True)

    def behave(self, how: str) -> None:
        """``defect``, ``slow``, ``crash``, ``chatter`` or nothing special."""
        (self._folder / "behaviour").write_text(how)


@pytest.fixture
def models(package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with one bundle, whose graphs are never run."""
    folder = tmp_path / "models" / "test"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(MODEL_JSON))
    for name in ("field.onnx", "shade.onnx", "weather.onnx", "MODEL_CARD.md"):
        (folder / name).write_bytes(b"")
    engine = importlib.import_module(f"{PACKAGE}.blender.engine.model")
    monkeypatch.setattr(engine, "MODELS_FOLDER", tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def renderer(package: ModuleType, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LobeRenderer:
    """The lobe renderer in place of the neural one, in the process of the bake."""
    folder = tmp_path / "lobe"
    folder.mkdir()
    monkeypatch.setenv("LOBE_FOLDER", str(folder))
    process = importlib.import_module(f"{PACKAGE}.blender.bake.bake_process")
    command = process.bake_command()
    assert command[-2:] == ["-m", "skygen"]
    script = str(Path(__file__).with_name("lobe_bake.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])
    return LobeRenderer(folder)


def linked(world: Any) -> set[tuple[str, str, str, str]]:
    """Links of a world's tree as names."""
    return {
        (link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier)
        for link in world.node_tree.links
    }


def rendered(path: Path, frame: int) -> np.ndarray:
    """Linear pixels (32, 64, 3) of the scene at ``frame``, row 0 at the bottom."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path), check_existing=False)
    pixels = np.array(image.pixels[:], dtype=np.float32).reshape(32, 64, 4)[..., :3]
    bpy.data.images.remove(image)
    return pixels


def add_camera(azimuth_rad: float, elevation_rad: float) -> None:
    """A camera that looks along an azimuth (clockwise from north) and an elevation."""
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    camera.rotation_euler = (np.pi / 2 + elevation_rad, 0.0, -azimuth_rad)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
