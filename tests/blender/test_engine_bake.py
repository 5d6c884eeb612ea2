"""The whole road inside Blender: the shipped model, two frames, Cycles."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import add_camera, rendered

MODULE = "bl_ext.user_default.skygen"


@pytest.fixture
def sky(package: Any, world: Any, tmp_path: Path) -> Any:
    """Fair cumulus, two frames that are ten sky minutes apart."""
    if not list(Path(package.__file__).parent.glob("models/*/model.json")):
        pytest.skip("the extension has no model: python -m trainer export makes it")
    bpy.ops.skygen.apply_preset(preset="fair_cumulus")
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 2, "512"
    settings.output_folder = str(tmp_path / "sky")
    bpy.context.scene.render.fps = 24
    settings.time_scale = 600 * 24
    return world


def panorama(path: Path) -> np.ndarray:
    """Linear radiance (256, 512, 3), row 0 on top, as Blender reads it."""
    image = bpy.data.images.load(str(path), check_existing=False)
    pixels = np.array(image.pixels[:], dtype=np.float32).reshape(256, 512, -1)[::-1, :, :3]
    bpy.data.images.remove(image)
    return pixels


def test_the_shipped_model_bakes_what_cycles_renders(sky: Any, tmp_path: Path) -> None:
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    assert not {"onnxruntime", "OpenEXR"} & set(sys.modules)  # beside Blender's own OpenEXR they crash
    panoramas = [panorama(tmp_path / "sky" / f"sky_{frame:04d}.exr") for frame in (1, 2)]
    settings = sky.skygen
    add_camera(settings.sun_azimuth + math.pi, math.radians(25.0))  # away from the sun
    renders = [rendered(tmp_path / "frame.exr", frame) for frame in (1, 2)]
    for picture in (*panoramas, *renders):
        assert np.isfinite(picture).all() and picture.min() >= 0
        magenta = (picture[..., 0] > 0.9) & (picture[..., 1] < 0.05) & (picture[..., 2] > 0.9)
        assert not magenta.any()
    assert np.abs(renders[0] - renders[1]).max() > 0.02  # the clouds have moved

    # The brightest pixel of the panorama is the sun, where the settings put it.
    geometry = importlib.import_module(f"{MODULE}.core.geometry")
    sun = geometry.direction_from_angles(settings.sun_azimuth, settings.sun_elevation)
    row, column = geometry.panorama_pixel(sun, 512)
    found = np.unravel_index(panoramas[0].sum(axis=2).argmax(), panoramas[0].shape[:2])
    assert abs(found[0] + 0.5 - row) <= 1.5 and abs(found[1] + 0.5 - column) <= 1.5


def test_blender_and_the_command_line_ask_for_one_frame(sky: Any) -> None:
    """The same preset through Blender's properties and straight from its file: the same requests, to the bit."""
    plan = importlib.import_module(f"{MODULE}.blender.bake.bake_plan")
    job = plan.job_of_plan(bpy.context, sky, plan.plan_of_settings(sky, bpy.context.scene))
    presets, timeline = (importlib.import_module(f"{MODULE}.core.{n}") for n in ("presets", "timeline"))
    controls = dataclasses.replace(presets.load_preset("fair_cumulus").controls, time_scale=600.0 * 24)
    expected = timeline.requests_for_frames(lambda frame: controls, [1, 2], fps=24.0, seed=0, width=512)
    assert list(job.requests) == expected


def test_first_click_with_the_shipped_model(sky: Any, tmp_path: Path) -> None:
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}
    add_camera(0.0, math.radians(30.0))
    picture = rendered(tmp_path / "frame.exr", 1)
    assert picture.mean() > 0.02 and picture.std() > 0.005  # neither black nor a plain colour
