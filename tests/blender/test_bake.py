"""Baking inside Blender: files, the bound sequence, what Cycles then shows, and refusals."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import add_camera, linked, rendered

MODULE = "bl_ext.user_default.skygen"


@pytest.fixture
def ready(world: Any, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world whose bake takes no time: 2 frames, 512 wide, one sky minute a frame."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.origin_frame = 10, 11, 10
    settings.width, settings.output_folder = "512", str(tmp_path / "sky")
    bpy.context.scene.render.fps = 24
    settings.time_scale = 24 * 60
    settings.sun_elevation = -1.0  # the lobe out of the way
    add_camera(0.0, 0.5)
    return world


def bake() -> None:
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}


def test_bake_writes_and_binds(ready: Any, tmp_path: Path) -> None:
    bake()
    assert sorted(p.name for p in (tmp_path / "sky").iterdir()) == ["sky.json", "sky_0010.exr", "sky_0011.exr"]
    node = ready.node_tree.nodes["SkyGen Sky"]
    user = node.image_user
    assert node.image.source == "SEQUENCE" and node.image.colorspace_settings.name == "Linear Rec.709"
    assert user.use_auto_refresh and not user.use_cyclic


def test_each_frame_renders_its_own_sky(ready: Any, tmp_path: Path) -> None:
    """The double's red is 0.1 plus the minutes since the first frame; Cycles shows it unchanged."""
    bake()
    for frame, red in ((10, 0.1), (11, 1.1), (9, 0.1), (12, 1.1)):  # outside of the range: the nearest frame
        colour = rendered(tmp_path / "frame.exr", frame).mean(axis=(0, 1))
        assert colour == pytest.approx([red, 0.2, 0.3], abs=2e-3), frame


def test_animation_with_persistent_data_is_not_frozen(ready: Any, tmp_path: Path) -> None:
    bake()
    scene = bpy.context.scene
    scene.render.use_persistent_data = True
    scene.frame_start, scene.frame_end = 10, 11
    scene.render.filepath = str(tmp_path / "film_####")
    bpy.ops.render.render(animation=True)
    reds = []
    for frame in (10, 11):
        image = bpy.data.images.load(str(tmp_path / f"film_{frame:04d}.exr"))
        reds.append(float(np.array(image.pixels[:]).reshape(-1, 4)[:, 0].mean()))
    assert reds == pytest.approx([0.1, 1.1], abs=2e-3)


def test_loop_repeats(ready: Any, tmp_path: Path) -> None:
    ready.skygen.loop, ready.skygen.loop_frames = True, 3
    bake()
    assert len(list((tmp_path / "sky").glob("*.exr"))) == 3
    one, two = (rendered(tmp_path / "frame.exr", frame) for frame in (11, 14))
    assert np.array_equal(one, two) or np.abs(one - two).max() < 1e-6
    assert np.abs(rendered(tmp_path / "frame.exr", 12) - one).max() > 0.1


def test_baking_again_shows_the_new_frames(ready: Any, tmp_path: Path) -> None:
    bake()
    rendered(tmp_path / "frame.exr", 10)
    ready.skygen.time_offset = 120.0
    bake()
    assert rendered(tmp_path / "frame.exr", 10)[..., 0].mean() == pytest.approx(2.1, abs=5e-3)
    assert len([i for i in bpy.data.images if i.name.startswith("SkyGen")]) == 1


def test_finished_frames_are_kept_when_asked(ready: Any, renderer: Any) -> None:
    bake()
    renderer.forget()
    ready.skygen.frame_end = 12
    assert bpy.ops.skygen.bake_sequence(skip_existing=True) == {"FINISHED"}
    assert len(renderer.requests) == 1


def test_bake_keeps_the_scene_frame(ready: Any) -> None:
    ready.skygen.low.keyframe_insert("cover", frame=1)
    bpy.context.scene.frame_set(37)
    bake()
    assert bpy.context.scene.frame_current == 37


def test_saved_file_holds_a_relative_path_and_renders_without_the_addon(ready: Any, tmp_path: Path) -> None:
    blend = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    ready.skygen.output_folder = "//skygen/{world}/"
    bake()
    assert ready.node_tree.nodes["SkyGen Sky"].image.filepath == "//skygen/Artist/sky_0010.exr"
    bpy.ops.wm.save_mainfile()
    here = [rendered(tmp_path / "here.exr", frame) for frame in (10, 11)]
    moved = tmp_path / "moved"
    moved.mkdir()
    os.rename(blend, moved / "shot.blend")
    os.rename(tmp_path / "skygen", moved / "skygen")
    script = (
        "import os, sys, bpy\n"
        f"bpy.ops.wm.open_mainfile(filepath={str(moved / 'shot.blend')!r})\n"
        "scene = bpy.context.scene\n"
        "assert not hasattr(scene.world, 'skygen') and 'onnxruntime' not in sys.modules\n"
        "for frame in (10, 11):\n"
        "    scene.frame_set(frame)\n"
        f"    scene.render.filepath = os.path.join({str(tmp_path)!r}, f'there_{{frame}}.exr')\n"
        "    bpy.ops.render.render(write_still=True)\n"
        "os._exit(0)\n"
    )
    empty = tmp_path / "user"
    empty.mkdir()
    subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"BLENDER_USER_RESOURCES": str(empty)}, check=True, timeout=200, capture_output=True,
    )  # fmt: skip
    for frame, expected in zip((10, 11), here, strict=True):
        image = bpy.data.images.load(str(tmp_path / f"there_{frame}.exr"))
        there = np.array(image.pixels[:], dtype=np.float32).reshape(32, 64, 4)[..., :3]
        assert np.abs(there - expected).max() < 1e-5


def test_bind_shows_frames_that_are_there(ready: Any, tmp_path: Path) -> None:
    bake()
    bpy.ops.skygen.restore_world()
    assert bpy.ops.skygen.bind_sequence() == {"FINISHED"}
    assert rendered(tmp_path / "frame.exr", 11)[..., 0].mean() == pytest.approx(1.1, abs=2e-3)


def test_bind_refuses_gaps(ready: Any, tmp_path: Path) -> None:
    """Blender would render them in magenta and say that all is well."""
    bake()
    (tmp_path / "sky" / "sky_0011.exr").unlink()
    before = linked(ready)
    with pytest.raises(RuntimeError, match="lacks frames 11"):
        bpy.ops.skygen.bind_sequence()
    assert linked(ready) == before


def test_bind_refuses_frames_of_several_widths(ready: Any, tmp_path: Path) -> None:
    bake()
    before, settings = ready.node_tree.nodes["SkyGen Sky"].image.filepath, ready.skygen
    settings.width, settings.frame_end = "1024", 10
    bake()
    settings.frame_end = 11
    with pytest.raises(RuntimeError, match=r"several widths \(512 pixels: 11; 1024 pixels: 10\).*one resolution"):
        bpy.ops.skygen.bind_sequence()
    assert (settings.baked_start, settings.baked_end) == (10, 10)
    assert ready.node_tree.nodes["SkyGen Sky"].image.filepath == before
    (tmp_path / "sky" / "sky_0011.exr").write_bytes(b"")
    with pytest.raises(RuntimeError, match="Frames 11 in .* cannot be read. Bake them again"):
        bpy.ops.skygen.bind_sequence()


@pytest.mark.parametrize(
    "damage", [b"", b"sky", b"\x76\x2f\x31\x01", b"\x76\x2f\x31\x01\2\0\0\0name\0type\0\xff\xff\xff\xff"]
)
def test_width_of_a_file_that_is_no_frame_is_unknown(package: Any, tmp_path: Path, damage: bytes) -> None:
    width = importlib.import_module(f"{MODULE}.blender.bake.sequence").frame_width
    (tmp_path / "sky.exr").write_bytes(damage)
    assert width(tmp_path / "sky.exr") is None
    assert width(tmp_path / "none.exr") is None


def test_restore_after_bake(ready: Any, tmp_path: Path) -> None:
    before = linked(ready)
    bake()
    bpy.ops.skygen.restore_world()
    assert linked(ready) == before
    assert (tmp_path / "sky" / "sky_0010.exr").is_file()


def test_states_name_what_is_wrong(ready: Any, models: Path, tmp_path: Path) -> None:
    def words() -> str:
        return states_in_words(ready)

    assert words() == "No sky in this world yet"
    bpy.ops.skygen.add_sky()
    assert words().startswith("Not baked. Renders in this window wait")
    ready.skygen_live.enabled = False
    assert words().startswith("Not baked: every frame renders this one preview")
    ready.skygen_live.enabled = True
    bake()
    assert words() == "Baked: frames 10-11"
    ready.skygen.haze += 1
    assert "changed since the bake" in words()
    ready.skygen.haze -= 1
    ready.skygen.frame_end = 20
    assert words() == "Not baked yet: 12-20"
    (tmp_path / "sky" / "sky_0011.exr").unlink()
    assert "magenta: 11" in words()
    ready.skygen.output_folder = "//here/"
    assert "not saved" in words()
    (models / "test" / "model.json").unlink()
    assert "No model" in words()


def states_in_words(world: Any) -> str:
    states = importlib.import_module(f"{MODULE}.blender.bake.sequence_state").sky_states
    return "; ".join(s.text for s in states(bpy.context, world))


def test_frames_of_another_bundle_are_marked(ready: Any, models: Path) -> None:
    bake()
    assert states_in_words(ready) == "Baked: frames 10-11"
    description = models / "test" / "model.json"
    text = description.read_text()
    description.write_text(text.replace('"name": "test"', '"name": "newer"'))
    assert states_in_words(ready) == "Baked by another SkyGen version: bake again"
    description.write_text(text)
    assert states_in_words(ready) == "Baked: frames 10-11"


def test_frames_of_another_engine_are_marked(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bake()
    engine = importlib.import_module(f"{MODULE}.blender.engine.model")
    monkeypatch.setattr(engine, "engine_identity", lambda: "99-0123456789abcdef")
    assert states_in_words(ready) == "Baked by another SkyGen version: bake again"


def test_makers_are_those_that_a_job_names(ready: Any) -> None:
    engine, plan = (importlib.import_module(f"{MODULE}.blender.{n}") for n in ("engine.model", "bake.bake_plan"))
    job = plan.job_of_plan(bpy.context, ready, plan.plan_of_settings(ready, bpy.context.scene))
    assert engine.makers_identity() == f"{job.engine}/{job.bundle_identity[:16]}"


def refuses(match: str) -> None:
    with pytest.raises(RuntimeError, match=match):
        bpy.ops.skygen.bake_sequence()


def test_refusals_write_nothing(ready: Any, renderer: Any, models: Path, tmp_path: Path) -> None:
    settings, folder, before = ready.skygen, tmp_path / "sky", linked(ready)
    settings.frame_end = 9
    refuses("0 frames.* 10 or more")
    settings.frame_end = 10 + 200_000
    refuses("at most 100000")
    settings.frame_end = 11
    settings.output_folder = "//sky/"
    refuses("not saved yet.*Save the .blend")
    settings.output_folder = ""
    refuses("empty.*Choose a folder")
    (tmp_path / "file").write_text("")
    settings.output_folder = str(tmp_path / "file" / "sky")
    refuses("(cannot be written|not a folder).*Choose a")
    settings.output_folder = "/proc/skygen/"
    refuses("(cannot be written|not a folder).*Choose a")
    settings.output_folder = str(folder)
    settings.high.base = 1.0
    refuses("lies inside the low layer.*Raise it")
    settings.high.base = 8.0
    (models / "test" / "field.onnx").unlink()
    refuses("lacks field.onnx.*Reinstall")
    assert not folder.exists() and renderer.requests == [] and linked(ready) == before


def test_linked_world_is_left_alone(renderer: Any, tmp_path: Path) -> None:
    library = tmp_path / "library.blend"
    world = bpy.data.worlds.new("Shared")
    bpy.data.libraries.write(str(library), {world})
    bpy.data.worlds.remove(world)
    with bpy.data.libraries.load(str(library), link=True) as (source, target):
        target.worlds = ["Shared"]
    bpy.context.scene.world = bpy.data.worlds["Shared"]
    assert not bpy.ops.skygen.add_sky.poll() and not bpy.ops.skygen.bake_sequence.poll()
