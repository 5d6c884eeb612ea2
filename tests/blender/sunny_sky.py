"""A world under the sunny renderer, and what its sun lamp shows, for the tests of the sun."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import pytest
from mathutils import Vector


@pytest.fixture
def sunny(package: Any, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sunny renderer in place of the neural one, in the process of the bake."""
    process = importlib.import_module("bl_ext.user_default.skygen.blender.bake.bake_process")
    command = process.bake_command()
    script = str(Path(__file__).with_name("sunny_bake.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])


@pytest.fixture
def sky(world: Any, sunny: None, tmp_path: Path) -> Any:
    """A world with three frames to bake, one sky minute apart, the sun at 40 degrees in the south-east."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 3, "1024"
    settings.output_folder = str(tmp_path / "sky")
    bpy.context.scene.render.fps = 24
    settings.time_scale = 24 * 60
    settings.sun_azimuth, settings.sun_elevation = math.radians(120.0), math.radians(40.0)
    return world


def part(name: str) -> Any:
    """A module of the installed extension."""
    return importlib.import_module(f"bl_ext.user_default.skygen.{name}")


def toward_sun(azimuth: float, elevation: float) -> Vector:
    """Unit vector of two angles in radians."""
    level = math.cos(elevation)
    return Vector((level * math.sin(azimuth), level * math.cos(azimuth), math.sin(elevation)))


def shown_by(lamp: Any) -> tuple[Vector, tuple[float, float, float]]:
    """Direction toward the sun and irradiance of an evaluated lamp."""
    evaluated = lamp.evaluated_get(bpy.context.evaluated_depsgraph_get())
    colour = evaluated.data.color
    direction = evaluated.matrix_world.to_3x3() @ Vector((0.0, 0.0, 1.0))
    return direction, tuple(evaluated.data.energy * channel for channel in colour)


def use_lamp(world: Any, sun_in: str = "LAMP") -> Any:
    """Let the sun shine from a lamp; returns it."""
    world.skygen.sun.sun_in = sun_in
    return world.skygen.sun.lamp


def bake() -> None:
    """Press Bake."""
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
