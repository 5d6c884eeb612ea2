"""A sky of another file: linked, overridden, appended and made local it renders what is baked, and says what it is."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
import sunny_sky
from conftest import add_camera, rendered
from recording_layout import drawn
from sunny_bake import SUN
from sunny_sky import shown_by, use_lamp

MODULE = "bl_ext.user_default.skygen"
sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""
ROADS = ("link", "override", "append")


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.blender.{name}")


def save_library(tmp_path: Path, world: Any) -> Path:
    """The library's file, in a folder of its own; the world's frames lie beside it."""
    world.use_fake_user = True
    path = tmp_path / "library" / "library.blend"
    bpy.ops.wm.save_mainfile()
    return path


def begin_library(tmp_path: Path, world: Any) -> None:
    """Save the file as the library, so that its paths are relative; frames go beside it."""
    (tmp_path / "library").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library" / "library.blend"))
    world.skygen.output_folder = "//frames/"


def bring(library: Path, tmp_path: Path, road: str, *, lamp: bool = False) -> Any:
    """A shot in another folder with the library's world on one of the roads, saved and opened again."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    (tmp_path / "shots").mkdir(exist_ok=True)
    shot = str(tmp_path / "shots" / f"{road}.blend")
    scene = bpy.context.scene
    scene.render.engine, scene.render.fps = "CYCLES", 24
    scene.render.resolution_x, scene.render.resolution_y = 64, 32
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.cycles.samples, scene.cycles.use_denoising = 4, False
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    with bpy.data.libraries.load(str(library), link=road != "append") as (_, wanted):
        wanted.worlds = ["Artist"]
        wanted.objects = ["SkyGen Sun"] if lamp else []
    scene.world = wanted.worlds[0]
    if lamp:
        scene.collection.objects.link(wanted.objects[0])
    if road == "override":
        scene.world.override_create(remap_local_usages=True)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=shot)
    world = bpy.context.scene.world
    assert (world.library is not None, world.override_library is not None) == (road == "link", road == "override")
    return world


def reds(tmp_path: Path, *frames: int) -> list[float]:
    """Red of the known renderer's background: 0.1 and the minutes since frame 1."""
    return [round(float(np.median(rendered(tmp_path / "shot.exr", frame)[..., 0])), 2) for frame in frames]


@pytest.fixture
def library(world: Any, renderer: Any, tmp_path: Path) -> Path:
    """A library whose world shows frames 1 to 3, a sky minute apart."""
    settings = world.skygen
    bpy.context.scene.render.fps, settings.time_scale = 24, 24 * 60
    settings.frame_start, settings.frame_end, settings.width = 1, 3, "512"
    begin_library(tmp_path, world)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return save_library(tmp_path, world)


@pytest.mark.parametrize("road", ROADS)
def test_every_frame_renders_its_sky(library: Path, tmp_path: Path, road: str) -> None:
    world = bring(library, tmp_path, road)
    add_camera(world.skygen.sun_azimuth + math.pi, 0.5)
    assert reds(tmp_path, 1, 2, 3) == [0.1, 1.1, 2.1]
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 2, 3
    scene.render.use_persistent_data = True
    scene.render.filepath = str(tmp_path / "film_####")
    bpy.ops.render.render(animation=True)
    film = [bpy.data.images.load(str(tmp_path / f"film_{frame:04d}.exr")) for frame in (2, 3)]
    assert [round(float(np.median(np.array(image.pixels[:])[::4])), 2) for image in film] == [1.1, 2.1]
    assert part("bake.render_check").unbaked_in_words(scene) is None


@pytest.mark.parametrize("road", ["link", "override"])
def test_the_panel_shows_settings_and_the_remedy(library: Path, tmp_path: Path, road: str) -> None:
    world = bring(library, tmp_path, road)
    layout = drawn(bpy.types.SKYGEN_PT_world_main)
    text = " ".join(layout.texts)
    kind = "linked from" if road == "link" else "library override of"
    assert kind in text and "library.blend" in text
    assert "skygen.make_local" in layout.operators and "skygen.add_sky" not in layout.operators
    assert {"preset_gallery", "seed", "cover", "time_scale"} <= set(layout.props)
    states = [state.text for state in part("bake.sequence_state").sky_states(bpy.context, world)]
    assert states == ["Baked: frames 1-3"]
    assert part("bake.bake_outlook").bake_outlook(bpy.context, world) == []
    assert part("bake.bake_plan").output_folder(world) == (tmp_path / "library" / "frames").resolve()
    for name in ("bake_sequence", "show_preview", "apply_preset", "bind_sequence", "restore_world"):
        assert not getattr(bpy.ops.skygen, name).poll(), name
    for panel in part("panels.sections").CLASSES:
        if panel.bl_idname.startswith("SKYGEN_PT_world"):
            drawn(panel)


@pytest.mark.parametrize("road", ["link", "override"])
def test_made_local_it_keeps_settings_nodes_and_bake_and_can_be_baked(
    library: Path, tmp_path: Path, renderer: Any, road: str
) -> None:
    before = bring(library, tmp_path, road)
    fingerprint = part("bake.sequence_state").settings_fingerprint(before, 24.0)
    nodes = {(node.name, node.bl_idname) for node in before.node_tree.nodes}
    add_camera(before.skygen.sun_azimuth + math.pi, 0.5)
    assert bpy.ops.skygen.make_local() == {"FINISHED"}
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    world = bpy.context.scene.world
    assert world.name == "Artist" and world.library is None and world.override_library is None
    assert part("bake.sequence_state").settings_fingerprint(world, 24.0) == fingerprint
    assert {(node.name, node.bl_idname) for node in world.node_tree.nodes} == nodes
    assert len(bpy.data.libraries) == 0
    image = world.node_tree.nodes["SkyGen Sky"].image
    assert image.filepath.startswith("//../library/frames") and reds(tmp_path, 1, 3) == [0.1, 2.1]
    assert not bpy.ops.skygen.make_local.poll()
    world.skygen.time_offset = 60.0
    renderer.forget()
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"} and len(renderer.requests) == 3
    assert len(list((tmp_path / "shots" / "frames").glob("sky_*.exr"))) == 3  # the library's frames stay
    assert reds(tmp_path, 1, 3) == [1.1, 3.1]


def test_making_local_is_undone_and_serves_all_scenes_of_the_file(library: Path, tmp_path: Path) -> None:
    linked = bring(library, tmp_path, "link")
    other, foreign = bpy.data.scenes.new("Other"), bpy.data.scenes.new("Foreign")
    other.world = linked
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.skygen.make_local() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="Make Local")
    own = bpy.context.scene.world
    assert bpy.data.scenes["Other"].world == own and own.library is None and foreign.world is None
    bpy.ops.ed.undo()
    assert bpy.context.scene.world.library is not None and bpy.data.scenes["Other"].world.library is not None


def test_keyframes_come_along_and_can_be_edited(world: Any, renderer: Any, tmp_path: Path) -> None:
    begin_library(tmp_path, world)
    for frame, haze in ((1, 1.0), (11, 3.0)):
        world.skygen.haze = haze
        world.skygen.keyframe_insert("haze", frame=frame)
    bpy.ops.skygen.add_sky()
    bring(save_library(tmp_path, world), tmp_path, "link")
    bpy.ops.skygen.make_local()
    own = bpy.context.scene.world
    assert own.animation_data.action.library is None
    own.skygen.haze = 7.0
    own.skygen.keyframe_insert("haze", frame=11)
    bpy.context.scene.frame_set(11)
    assert own.evaluated_get(bpy.context.evaluated_depsgraph_get()).skygen.haze == pytest.approx(7.0)


def test_a_preview_is_taken_along(world: Any, renderer: Any, tmp_path: Path) -> None:
    """Packed into the library; local, it is a picture of this file and can be shown anew."""
    begin_library(tmp_path, world)
    bpy.ops.skygen.add_sky()
    bring(save_library(tmp_path, world), tmp_path, "link")
    bpy.ops.skygen.make_local()
    own = bpy.context.scene.world
    image = own.node_tree.nodes["SkyGen Sky"].image
    assert image.library is None and image.packed_file is not None and image.size[0] == 512
    assert bpy.ops.skygen.show_preview() == {"FINISHED"}


def fault(world: Any) -> str | None:
    """What the check before a render says of the lamp."""
    found: str | None = part("sun.sun_check").lamp_fault(world, bpy.context.scene)
    return found


@pytest.fixture
def lamp_library(sky: Any, tmp_path: Path) -> Path:
    """A library with a sun lamp whose light the clouds halve every frame."""
    use_lamp(sky)
    begin_library(tmp_path, sky)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return save_library(tmp_path, sky)


def energies() -> list[float]:
    """Green irradiance of the scene's only lamp at frames 1 to 3, in parts of the sun's without clouds."""
    scene, found = bpy.context.scene, []
    for frame in (1, 2, 3):
        scene.frame_set(frame)
        (lamp,) = [o for o in scene.objects if o.type == "LIGHT" and not o.hide_render]
        found.append(round(shown_by(lamp)[1][1] / SUN[1], 4))
    return found


@pytest.mark.parametrize("road", ROADS)
def test_the_lamp_follows_the_baked_frames(lamp_library: Path, tmp_path: Path, road: str) -> None:
    world = bring(lamp_library, tmp_path, road, lamp=True)
    assert fault(world) is None and energies() == [1.0, 0.5, 0.25]
    if road != "append":
        assert bpy.ops.skygen.make_local() == {"FINISHED"}
        own = bpy.context.scene.world
        assert own.skygen.sun.lamp.library is None and own.skygen.sun.lamp.data.library is None
        assert fault(own) is None and energies() == [1.0, 0.5, 0.25]
        own.skygen.exposure = 1.0
        assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
        assert fault(own) is None and energies() == [2.0, 1.0, 0.5]


@pytest.mark.parametrize("road", ["link", "override"])
def test_a_world_that_comes_alone_brings_its_lamp_by_the_button(lamp_library: Path, tmp_path: Path, road: str) -> None:
    world = bring(lamp_library, tmp_path, road)
    assert "Press Add Sun Lamp" in str(fault(world))
    assert "skygen.add_sun_lamp" in drawn(bpy.types.SKYGEN_PT_world_sun).operators
    assert bpy.ops.skygen.add_sun_lamp() == {"FINISHED"}
    assert fault(world) is None and energies() == [1.0, 0.5, 0.25]
    with pytest.raises(RuntimeError, match="in this scene already"):
        bpy.ops.skygen.add_sun_lamp()


def test_an_override_of_the_lamp_is_the_lamp(lamp_library: Path, tmp_path: Path) -> None:
    world = bring(lamp_library, tmp_path, "link", lamp=True)
    world.skygen.sun.lamp.override_create(remap_local_usages=True)
    assert [o.override_library is not None for o in bpy.context.scene.objects] == [True]
    assert fault(world) is None and energies() == [1.0, 0.5, 0.25]


def test_a_lamp_in_a_linked_collection_stays_linked_and_is_no_second_sun(
    lamp_library: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A local copy would shine beside it."""
    bpy.ops.wm.open_mainfile(filepath=str(lamp_library))
    collection, scene = bpy.data.collections.new("Light"), bpy.context.scene
    scene.collection.children.link(collection)
    lamp = scene.world.skygen.sun.lamp
    scene.collection.objects.unlink(lamp)
    collection.objects.link(lamp)
    bpy.ops.wm.save_mainfile()
    bring(lamp_library, tmp_path, "link")
    with bpy.data.libraries.load(str(lamp_library), link=True) as (_, wanted):
        wanted.collections = ["Light"]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    assert bpy.ops.skygen.make_local() == {"FINISHED"}
    assert "lies in a linked collection" in capfd.readouterr().out
    own = bpy.context.scene.world
    assert own.library is None and own.skygen.sun.lamp.library is not None
    assert fault(own) is None and energies() == [1.0, 0.5, 0.25]
    own.skygen.exposure = 1.0
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    assert "linked sun lamp" in str(fault(own)) and "Make it local" in str(fault(own))
