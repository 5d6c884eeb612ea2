"""The artist's world: added to, never changed, put back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import linked


def add_sky() -> None:
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}


def test_restore_gives_back_the_links(world: Any, renderer: Any) -> None:
    before, nodes, sampling = linked(world), set(world.node_tree.nodes.keys()), world.cycles.sampling_method
    add_sky()
    assert before - linked(world) == {("Background", "Background", "World Output", "Surface")}
    assert nodes < set(world.node_tree.nodes.keys())
    assert world.cycles.sampling_method == "MANUAL"
    assert bpy.ops.skygen.restore_world() == {"FINISHED"}
    assert linked(world) == before
    assert set(world.node_tree.nodes.keys()) == nodes
    assert world.cycles.sampling_method == sampling
    assert [k for n in world.node_tree.nodes for k in n.keys() if k.startswith("skygen")] == []
    assert [k for k in world.keys() if k.startswith("skygen_")] == []
    assert [i.name for i in bpy.data.images if "SkyGen" in i.name] == []


def test_restore_survives_renaming(world: Any, renderer: Any) -> None:
    add_sky()
    tree = world.node_tree
    tree.nodes["Background"].name = "Mine"
    tree.nodes["SkyGen Sky"].name = "Sky of the artist"
    bpy.ops.skygen.restore_world()
    assert linked(world) == {("Mine", "Background", "World Output", "Surface")}


def test_restore_says_what_is_lost(world: Any, renderer: Any) -> None:
    add_sky()
    world.node_tree.nodes.remove(world.node_tree.nodes["Background"])
    assert bpy.ops.skygen.restore_world() == {"FINISHED"}
    assert linked(world) == set()


def test_adding_twice_makes_one_set_of_nodes(world: Any, renderer: Any) -> None:
    before = linked(world)
    add_sky()
    once, count = linked(world), len(bpy.data.images)
    add_sky()
    assert linked(world) == once
    assert len(bpy.data.images) == count
    bpy.ops.skygen.restore_world()
    assert linked(world) == before


def test_nodes_of_the_artist_behind_ours_are_kept(world: Any, renderer: Any) -> None:
    add_sky()
    tree = world.node_tree
    mix = tree.nodes.new("ShaderNodeAddShader")
    tree.links.new(mix.inputs[0], tree.nodes["SkyGen Background"].outputs[0])
    tree.links.new(tree.nodes["World Output"].inputs["Surface"], mix.outputs[0])
    bpy.ops.skygen.show_preview()
    assert ("Add Shader", "Shader", "World Output", "Surface") in linked(world)


def test_a_link_made_meanwhile_is_what_comes_back(world: Any, renderer: Any) -> None:
    add_sky()
    tree = world.node_tree
    other = tree.nodes.new("ShaderNodeBackground")
    other.name = "Other"
    tree.links.new(tree.nodes["World Output"].inputs["Surface"], other.outputs[0])
    bpy.ops.skygen.show_preview()
    bpy.ops.skygen.restore_world()
    assert linked(world) == {("Other", "Background", "World Output", "Surface")}


@pytest.mark.skipif(bpy.app.version >= (5, 0, 0), reason="every world has nodes from 5.0 on")
def test_world_without_nodes(renderer: Any) -> None:
    world = bpy.data.worlds.new("Plain")
    bpy.context.scene.world = world
    used = world.use_nodes
    add_sky()
    assert world.use_nodes
    bpy.ops.skygen.restore_world()
    assert world.use_nodes == used


def test_scene_without_world_gets_one(renderer: Any) -> None:
    bpy.context.scene.world = None
    add_sky()
    world = bpy.context.scene.world
    assert world.skygen.preset == "fair_cumulus"
    node = world.node_tree.nodes["SkyGen Sky"]
    assert node.projection == "EQUIRECTANGULAR"
    assert node.image.packed_file is not None
    assert tuple(node.image.size) == (512, 256)
    assert node.image.colorspace_settings.name == "Linear Rec.709"


def test_the_first_click_shows_the_sky_the_right_way_round(world: Any, renderer: Any, tmp_path: Path) -> None:
    """The test renderer puts a lobe at the sun; a camera that looks there sees it in the middle."""
    import numpy as np
    from conftest import add_camera, rendered

    add_sky()
    world.skygen.sun_azimuth, world.skygen.sun_elevation = math.radians(70.0), math.radians(20.0)
    bpy.ops.skygen.show_preview()
    add_camera(math.radians(70.0), math.radians(20.0))
    pixels = rendered(tmp_path / "frame.exr", 1).sum(axis=2)
    row, column = np.unravel_index(np.argmax(pixels), pixels.shape)
    assert abs(row - 15.5) <= 1.5 and abs(column - 31.5) <= 1.5
    assert pixels.max() > 3 * 15  # three channels, lobe of 20: linear, neither clipped nor sRGB-encoded
    assert pixels.max() == pytest.approx(60.6, rel=0.03)


def test_a_failed_first_click_leaves_nothing(models: Path) -> None:
    (models / "test" / "model.json").unlink()
    bpy.context.scene.world = None
    with pytest.raises(RuntimeError, match="no model bundle .* Reinstall"):
        bpy.ops.skygen.add_sky()
    assert bpy.context.scene.world is None
    assert len(bpy.data.worlds) == 0 and len(bpy.data.images) == 0


def test_a_failed_click_leaves_an_existing_world(world: Any, models: Path) -> None:
    (models / "test" / "model.json").write_text("{}")
    before = linked(world)
    with pytest.raises(RuntimeError, match="schema"):
        bpy.ops.skygen.add_sky()
    assert linked(world) == before
    names = [p.identifier for p in world.skygen.low.bl_rna.properties if p.identifier != "rna_type"]
    assert [n for n in names if world.skygen.low.is_property_set(n)] == []


def test_settings_made_before_the_first_click_are_kept(world: Any, renderer: Any) -> None:
    world.skygen.low.cover = 0.9
    add_sky()
    assert world.skygen.low.cover == pytest.approx(0.9)


def test_copies_that_the_artist_makes_of_our_nodes_stay_theirs(world: Any, renderer: Any) -> None:
    """Blender copies a node's properties with it, so a copy says that it is ours."""
    add_sky()
    tree = world.node_tree
    ours, copies = {n.name for n in tree.nodes if "skygen_role" in n.keys()}, []
    for name in ("SkyGen Sky", "SkyGen Background"):
        copies.append(tree.nodes.new(tree.nodes[name].bl_idname))
        copies[-1]["skygen_role"] = tree.nodes[name]["skygen_role"]
    picture = copies[0].image = bpy.data.images.new("Mine", 4, 2)
    shown = tree.nodes["SkyGen Sky"].image
    bpy.ops.skygen.show_preview()
    world.skygen.look.strength = 2.0
    assert copies[0].image == picture and tree.nodes["SkyGen Sky"].image not in (None, shown, picture)
    assert tree.nodes["SkyGen Background"].inputs["Strength"].default_value == 2.0
    assert copies[1].inputs["Strength"].default_value == 1.0
    kept = [node.name for node in copies]
    bpy.ops.skygen.restore_world()
    assert not ours & set(tree.nodes.keys()) and set(kept) <= set(tree.nodes.keys())
    assert [k for n in tree.nodes for k in n.keys() if k.startswith("skygen")] == []
    assert not bpy.ops.skygen.restore_world.poll()
