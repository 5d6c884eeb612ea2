"""Copies of the sky's texture play as it does, and skies that an earlier version bound get the clock of this one.

The double's red is 0.1 and the minutes since frame 1; a frame is a minute.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import add_camera, rendered
from engines import EEVEE, use_engine

MODULE = "bl_ext.user_default.skygen"
SKY = "SkyGen Sky"


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Frames 1 to 5, and a camera that looks away from the sun's lobe."""
    settings, scene = world.skygen, bpy.context.scene
    scene.render.fps, settings.time_scale = 24, 24 * 60
    settings.frame_start, settings.frame_end, settings.width = 1, 5, "512"
    settings.output_folder = str(tmp_path / "sky")
    add_camera(settings.sun_azimuth + math.pi, 0.3)
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


class Editor:
    """A node editor, in which nodes are copied as an artist copies them."""

    def __init__(self) -> None:
        window = bpy.context.window
        self._area = window.screen.areas[0]
        self._area.type = "NODE_EDITOR"
        self._area.ui_type = "ShaderNodeTree"
        region = next(region for region in self._area.regions if region.type == "WINDOW")
        self._place = {
            "window": window, "area": self._area, "region": region, "space_data": self._area.spaces.active
        }  # fmt: skip

    def run(self, tree: Any, operator: str, *chosen: str, **arguments: Any) -> set[str]:
        """Call an operator in a tree with these nodes chosen; returns the names of new nodes."""
        before = set(tree.nodes.keys())
        self._place["space_data"].pin = True
        self._place["space_data"].path.start(tree)
        for node in tree.nodes:
            node.select = node.name in chosen
        with bpy.context.temp_override(**self._place):
            assert getattr(bpy.ops.node, operator)(**arguments) == {"FINISHED"}
        bpy.context.view_layer.update()
        return set(tree.nodes.keys()) - before


def files(owner: Any, name: str, *frames: int) -> list[int]:
    """Numbers of the files that a node of a world, material or group shows at these frames."""
    found = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        evaluated = owner.evaluated_get(bpy.context.evaluated_depsgraph_get())
        tree = evaluated if isinstance(owner, bpy.types.NodeTree) else evaluated.node_tree
        found.append(int(tree.nodes[name].image_user.frame_offset) + 1)
    return found


def new_wall() -> Any:
    """A material that shines, on a wall in front of the camera."""
    material = bpy.data.materials.new("Wall")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output, emission = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeEmission")
    tree.links.new(output.inputs["Surface"], emission.outputs[0])
    mesh = bpy.data.meshes.new("Wall")
    mesh.from_pydata([(-9, -9, -5), (9, -9, -5), (9, 9, -5), (-9, 9, -5)], [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    wall = bpy.data.objects.new("Wall", mesh)
    wall.parent = bpy.context.scene.camera
    bpy.context.scene.collection.objects.link(wall)
    bpy.context.view_layer.update()
    return material


def reds(tmp_path: Path, *frames: int) -> list[float]:
    """Red in the middle of the picture."""
    return [round(float(rendered(tmp_path / "shot.exr", frame)[16, 32, 0]), 1) for frame in frames]


def test_a_duplicate_in_the_world_plays_on(sky: Any, tmp_path: Path) -> None:
    bpy.context.scene.frame_set(3)
    (copy,) = Editor().run(sky.node_tree, "duplicate", SKY)
    assert files(sky, copy, 1, 2, 5, 9) == [1, 2, 5, 5] == files(sky, SKY, 1, 2, 5, 9)
    tree = sky.node_tree
    tree.links.new(tree.nodes["SkyGen Background"].inputs["Color"], tree.nodes[copy].outputs["Color"])
    assert reds(tmp_path, 1, 2, 5) == [0.1, 1.1, 4.1]
    tree.nodes.remove(tree.nodes[SKY])
    assert files(sky, copy, 1, 5) == [1, 5]


@pytest.mark.parametrize("engine", ["CYCLES", EEVEE])
def test_a_copy_in_a_material_and_in_a_group_plays_on(sky: Any, tmp_path: Path, engine: str) -> None:
    use_engine(engine)
    bpy.context.scene.eevee.taa_render_samples = 1
    editor, material = Editor(), new_wall()
    editor.run(sky.node_tree, "clipboard_copy", SKY)
    (copy,) = editor.run(material.node_tree, "clipboard_paste", offset=(0, 0))
    tree = material.node_tree
    emission = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeEmission")
    tree.links.new(emission.inputs["Color"], tree.nodes[copy].outputs["Color"])
    assert files(material, copy, 1, 2, 5) == [1, 2, 5]
    first, last = reds(tmp_path, 1, 5)
    assert last - first == pytest.approx(4.0, abs=0.05)
    editor.run(tree, "group_make", copy)
    group = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeGroup").node_tree
    (inside,) = [node.name for node in group.nodes if hasattr(node, "image")]
    assert files(group, inside, 1, 2, 5) == [1, 2, 5]
    assert reds(tmp_path, 1, 5) == [first, last]


def test_a_copy_goes_on_without_the_add_on(sky: Any, tmp_path: Path) -> None:
    (copy,) = Editor().run(sky.node_tree, "duplicate", SKY)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "farm.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "farm.blend"), use_scripts=False)
    assert files(bpy.context.scene.world, copy, 1, 4) == [1, 4]


def test_a_copy_where_no_view_looks_is_mended_when_the_file_is_saved(sky: Any, tmp_path: Path) -> None:
    unused = bpy.data.worlds.new("Unused")
    if bpy.app.version < (5, 0, 0):
        unused.use_nodes = True
    unused.use_fake_user = True
    editor = Editor()
    editor.run(sky.node_tree, "clipboard_copy", SKY)
    (copy,) = editor.run(unused.node_tree, "clipboard_paste", offset=(0, 0))
    assert unused.node_tree.animation_data is None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    assert len(unused.node_tree.animation_data.drivers) == 1
    bpy.context.scene.world = unused
    assert files(unused, copy, 2, 4) == [2, 4]


def test_what_an_artist_has_set_otherwise_stays(sky: Any) -> None:
    """A copy that is to stand still at a frame, in the way in which Blender's own sequences do."""
    (copy,) = Editor().run(sky.node_tree, "duplicate", SKY)
    tree = sky.node_tree
    tree.driver_remove(f'nodes["{copy}"].image_user.frame_offset')
    tree.nodes[copy].image_user.frame_start = 1
    bpy.context.view_layer.update()
    assert files(sky, copy, 1, 5)[0] == files(sky, copy, 5)[0]
    assert len(tree.animation_data.drivers) == 1


def bound_by_an_earlier_version(world: Any, first: int, count: int, *, cyclic: bool) -> Any:
    """The sky's image user as versions before the driver left it; file n was at frame n."""
    node = world.node_tree.nodes[SKY]
    world.node_tree.driver_remove(f'nodes["{SKY}"].image_user.frame_offset')
    counted_from = 1 if cyclic else 0
    node.image_user.use_cyclic = cyclic
    node.image_user.frame_start, node.image_user.frame_offset = first + 1 - counted_from, first - counted_from
    node.image_user.frame_duration = count - 1 + counted_from
    return node


def opened_again(tmp_path: Path) -> Any:
    """The world after its file was saved where nothing mends it, and opened."""
    clocks = importlib.import_module(f"{MODULE}.blender.world.missing_clocks")
    bpy.app.handlers.save_pre.remove(clocks.wind_all)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.app.handlers.save_pre.append(clocks.wind_all)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    return bpy.context.scene.world


@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_sky_of_an_earlier_version_gets_the_clock_on_loading(
    sky: Any, tmp_path: Path, cyclic: bool, known: bool
) -> None:
    bound_by_an_earlier_version(sky, 1, 5, cyclic=cyclic)
    if not known:  # bound by files from before the settings kept the range
        sky.skygen.baked_start, sky.skygen.baked_end = 0, -1
    world = opened_again(tmp_path)
    assert files(world, SKY, 1, 2, 5, 6) == [1, 2, 5, 1 if cyclic else 5]
    bpy.context.scene.render.frame_map_new = 200
    assert files(world, SKY, 4, 10) == [2, 5]


def test_a_timing_of_the_artists_own_stays_on_loading(sky: Any, tmp_path: Path) -> None:
    node = bound_by_an_earlier_version(sky, 1, 5, cyclic=False)
    node.image_user.frame_start += 10
    world = opened_again(tmp_path)
    assert world.node_tree.animation_data is None or not world.node_tree.animation_data.drivers
    assert world.node_tree.nodes[SKY].image_user.frame_start == 12


def test_a_linked_sky_of_an_earlier_version_is_left_alone(sky: Any, tmp_path: Path) -> None:
    bound_by_an_earlier_version(sky, 1, 5, cyclic=False)
    sky.use_fake_user = True
    clocks = importlib.import_module(f"{MODULE}.blender.world.missing_clocks")
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {sky}, fake_user=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.worlds = ["Artist"]
    bpy.context.scene.world = wanted.worlds[0]
    assert clocks.renew_clocks() == []
    assert bpy.context.scene.world.node_tree.nodes[SKY].image_user.frame_duration == 4


def test_a_copy_that_alone_is_left_gets_the_clock_on_loading(sky: Any, tmp_path: Path) -> None:
    """Where the original was deleted in a Blender without the add-on."""
    sky.node_tree.driver_remove(f'nodes["{SKY}"].image_user.frame_offset')
    world = opened_again(tmp_path)
    assert files(world, SKY, 1, 4) == [1, 4]
