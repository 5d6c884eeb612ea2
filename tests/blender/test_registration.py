"""Enabling and disabling: everything appears, everything goes."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def classes() -> set[str]:
    found: set[str] = set()
    todo: list[Any] = [bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.Menu]
    while todo:
        for cls in todo.pop().__subclasses__():
            todo.append(cls)
            if cls.__module__.startswith(MODULE) and cls.is_registered:
                found.add(cls.__name__)
    return found


def handlers() -> list[str]:
    lists = [value for name in dir(bpy.app.handlers) if isinstance(value := getattr(bpy.app.handlers, name), list)]
    return [f.__module__ for functions in lists for f in functions if f.__module__.startswith(MODULE)]


def operators() -> set[str]:
    return {name for name in dir(bpy.ops.skygen)}


def test_enabling_three_times_leaves_nothing_behind(package: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    registration = importlib.import_module(f"{MODULE}.blender.command").COMMAND_REGISTRATION
    present, handling = classes(), handlers()
    assert sorted(handling) == [
        f"{MODULE}.blender.bake.render_check",
        f"{MODULE}.blender.live.live_handlers",
        *[f"{MODULE}.blender.sun.sun_sync"] * 3,
        *[f"{MODULE}.blender.world.missing_clocks"] * 4,
    ]
    assert {"SkyGenSettings", "SKYGEN_OT_bake_sequence", "SKYGEN_PT_world_main"} <= present
    orders = []
    for _ in range(3):
        bpy.ops.preferences.addon_disable(module=MODULE)
        assert classes() == set()
        assert handlers() == []
        assert not hasattr(bpy.types.World, "skygen")
        assert operators() == set()
        assert registration._handle is None
        bpy.ops.preferences.addon_enable(module=MODULE)
        module = importlib.import_module(f"{MODULE}.blender.command")
        registration = module.COMMAND_REGISTRATION
        assert registration._handle is not None
        assert hasattr(bpy.types.World, "skygen")
        assert {"add_sky", "apply_preset", "bake_sequence", "bind_sequence", "restore_world"} <= operators()
        orders.append(handlers())
    assert classes() == present and sorted(orders[0]) == sorted(handling)
    assert orders[0] == orders[1] == orders[2]  # another test may have registered a part of them anew
    assert "duplicate command" not in capfd.readouterr().err  # Blender's word for a command left behind


def test_every_property_explains_itself(world: Any) -> None:
    groups = [world.skygen, world.skygen.low, world.skygen.high]
    own = [p for g in groups for p in g.bl_rna.properties if p.identifier not in ("rna_type", "name")]
    assert len(own) > 40
    assert [p.identifier for p in own if len(p.description) < 10 or p.description.endswith(".")] == []
    assert [p.identifier for p in own if p.type in ("FLOAT", "INT") and p.hard_max >= 3e9] == []


def test_angles_are_shown_in_degrees(world: Any) -> None:
    for group, name in (
        (world.skygen, "sun_azimuth"),
        (world.skygen, "sun_elevation"),
        (world.skygen.low, "wind_direction"),
    ):
        assert group.bl_rna.properties[name].subtype == "ANGLE"


def test_what_names_files_cannot_be_keyframed(world: Any) -> None:
    fixed = (
        "seed",
        "width",
        "frame_start",
        "frame_end",
        "origin_frame",
        "output_folder",
        "loop",
        "format",
        "time_offset",
    )
    assert [n for n in fixed if world.skygen.bl_rna.properties[n].is_animatable] == []
    assert world.skygen.low.bl_rna.properties["cover"].is_animatable


def test_high_clouds_start_above_low_clouds(world: Any) -> None:
    low, high = world.skygen.low, world.skygen.high
    assert high.base >= low.base + low.thickness
    assert (low.cloud_type, high.cloud_type) == ("cumulus", "cirrus")


def test_runtime_libraries_wait_for_the_first_bake(package: ModuleType) -> None:
    import subprocess
    import sys

    # A child with the same extension enabled: this process has baked already or will.
    script = (
        "import os, sys, bpy\n"
        f"import addon_utils; addon_utils.enable({MODULE!r})\n"
        f"assert {MODULE!r} + '.blender' in sys.modules\n"
        "print('loaded', [m for m in ('onnxruntime', 'OpenEXR') if m in sys.modules]); sys.stdout.flush(); os._exit(0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "loaded []" in result.stdout, result.stdout + result.stderr
