"""Which baked frame shows with frame maps, sub-frames and motion blur: pixels read back from Cycles and EEVEE.

The double's red is 0.1 and the minutes since frame 1; a frame is a minute. The frame shown is the nearest one of the
animation's time.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import add_camera
from engines import EEVEE, use_engine

MODULE = "bl_ext.user_default.skygen"
CYCLES = "CYCLES"
SHUTTERS = [("START", 0.5), ("START", 1.0), ("CENTER", 0.5), ("CENTER", 1.0), ("END", 0.5), ("END", 1.0)]


def clock() -> Any:
    return importlib.import_module(f"{MODULE}.blender.world.sequence_clock")


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Frames 1 to 9, and a camera that looks away from the sun's lobe."""
    settings, scene = world.skygen, bpy.context.scene
    scene.render.fps, settings.time_scale = 24, 24 * 60
    settings.frame_start, settings.frame_end, settings.width = 1, 9, "512"
    settings.output_folder = str(tmp_path / "sky")
    add_camera(settings.sun_azimuth + math.pi, 0.3)
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.eevee.taa_render_samples = 2
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


def _red(path: Path) -> float:
    image = bpy.data.images.load(str(path), check_existing=False)
    red = float(np.median(np.array(image.pixels[:]).reshape(-1, 4)[:, 0]))
    bpy.data.images.remove(image)
    path.unlink()
    return red


def shown_by_still(tmp_path: Path, frame: int, subframe: float = 0.0) -> float:
    """The baked frame that F12 shows."""
    scene = bpy.context.scene
    scene.frame_set(frame, subframe=subframe)
    scene.render.filepath = str(tmp_path / "still.exr")
    bpy.ops.render.render(write_still=True)
    return round(_red(tmp_path / "still.exr") - 0.1 + 1, 2)


def shown_by_film(tmp_path: Path, *frames: int) -> list[float]:
    """The baked frames that an animation of these scene frames shows."""
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = frames[0], frames[-1]
    scene.render.filepath = str(tmp_path / "film_####")
    bpy.ops.render.render(animation=True)
    return [round(_red(tmp_path / f"film_{frame:04d}.exr") - 0.1 + 1, 2) for frame in frames]


@pytest.mark.parametrize(("engine", "persistent"), [(CYCLES, False), (CYCLES, True), (EEVEE, True)])
def test_a_frame_map_shows_the_mapped_frame(sky: Any, tmp_path: Path, engine: str, persistent: bool) -> None:
    use_engine(engine)
    render = bpy.context.scene.render
    render.use_persistent_data = persistent
    for old, new, shown in ((100, 200, [2.0, 3.0]), (200, 100, [8.0, 9.0]), (100, 100, [4.0, 5.0])):
        render.frame_map_old, render.frame_map_new = old, new
        assert shown_by_film(tmp_path, 4, 5) == shown, (old, new)
    render.frame_map_old, render.frame_map_new = 200, 100
    assert shown_by_still(tmp_path, 3) == 6.0


@pytest.mark.parametrize("engine", [CYCLES, EEVEE])
def test_a_sub_frame_shows_the_nearest_frame(sky: Any, tmp_path: Path, engine: str) -> None:
    use_engine(engine)
    for subframe, shown in ((0.25, 4.0), (0.5, 5.0), (0.75, 5.0)):
        assert shown_by_still(tmp_path, 4, subframe) == shown
        assert clock().animation_frame(bpy.context.scene) == shown


@pytest.mark.parametrize(("place", "shutter"), SHUTTERS)
def test_motion_blur_shows_the_frame_itself(sky: Any, tmp_path: Path, place: str, shutter: float) -> None:
    scene = bpy.context.scene
    scene.render.use_motion_blur = True
    scene.render.motion_blur_position, scene.render.motion_blur_shutter = place, shutter
    assert shown_by_film(tmp_path, 4, 5) == [4.0, 5.0]


@pytest.mark.parametrize(("place", "shutter"), [("START", 1.0), ("CENTER", 0.5), ("END", 0.5)])
def test_motion_blur_of_eevee_shows_the_frame_itself(sky: Any, tmp_path: Path, place: str, shutter: float) -> None:
    """With two steps, between which the scene is evaluated at two times."""
    use_engine(EEVEE)
    scene = bpy.context.scene
    scene.render.use_motion_blur, scene.eevee.motion_blur_steps = True, 2
    scene.render.motion_blur_position, scene.render.motion_blur_shutter = place, shutter
    assert shown_by_still(tmp_path, 4) == 4.0


def test_without_the_add_on_and_without_scripts(sky: Any, tmp_path: Path) -> None:
    """The clock is in the file: a driver that Blender calls simple, evaluated where scripts are not allowed."""
    drivers = sky.node_tree.animation_data.drivers
    assert [d.driver.is_simple_expression for d in drivers] == [True]
    sky.node_tree.nodes["SkyGen Sky"].name = "Mine"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "farm.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "farm.blend"), use_scripts=False)
    bpy.context.scene.render.frame_map_new = 200
    assert shown_by_film(tmp_path, 8, 9) == [4.0, 5.0]


def test_a_loop_goes_on_over_frame_maps_and_before_its_start(sky: Any, tmp_path: Path) -> None:
    settings, render = sky.skygen, bpy.context.scene.render
    settings.frame_start, settings.loop, settings.loop_frames = 3, True, 4
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    node = sky.node_tree.nodes["SkyGen Sky"]

    def number() -> int:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        user = sky.evaluated_get(depsgraph).node_tree.nodes[node.name].image_user
        return int(user.frame_offset) + 1

    for frame, shown in ((3, 3), (6, 6), (7, 3), (2, 6), (-2, 6), (-3, 5), (402, 6), (403, 3)):
        bpy.context.scene.frame_set(frame)
        assert number() == shown, frame
    render.frame_map_new = 200
    for frame, shown in ((6, 3), (12, 6), (14, 3)):
        bpy.context.scene.frame_set(frame)
        assert number() == shown, frame


def test_a_bake_is_of_the_animations_frames_whatever_the_map(sky: Any, renderer: Any) -> None:
    """Keyframes count at the animation's time, so another map needs no other bake."""
    settings, render = sky.skygen, bpy.context.scene.render
    settings.frame_end = 4
    for frame, haze in ((1, 1.0), (5, 5.0)):
        settings.haze = haze
        settings.keyframe_insert("haze", frame=frame)
    for curve in importlib.import_module(f"{MODULE}.blender.settings.world_animation").curve_collections(
        sky.animation_data
    ):
        for point in curve[0].keyframe_points:
            point.interpolation = "LINEAR"
    render.frame_map_old, render.frame_map_new = 100, 300
    renderer.forget()
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    assert [request.haze for request in renderer.requests] == pytest.approx([1.0, 2.0, 3.0, 4.0])
    assert (render.frame_map_old, render.frame_map_new) == (100, 300)


def test_the_check_before_a_render_counts_mapped_frames(sky: Any) -> None:
    words = importlib.import_module(f"{MODULE}.blender.bake.render_check").unbaked_in_words
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 18
    assert "baked for frames 1-9 only: in frames 10-18 of the scene" in str(words(scene))
    scene.render.frame_map_new = 200  # frame 18 shows frame 9
    assert words(scene) is None


def test_restore_world_takes_the_clock_out(sky: Any) -> None:
    bpy.ops.skygen.restore_world()
    data = sky.node_tree.animation_data
    assert data is None or not data.drivers
