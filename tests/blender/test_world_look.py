"""What the camera sees of the sky apart from its light: nodes that come and go, and pixels read back in both engines.

The sky is the lobe renderer's: a plain background and a lobe of 20 at the sun.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import add_camera, linked, rendered
from engines import EEVEE, engine_renders
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"
OURS = {"SkyGen Coordinates", "SkyGen Mapping", "SkyGen Sky", "SkyGen Background"}
SUN_DEG = (70.0, 30.0)


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


def our_nodes(world: Any) -> set[str]:
    return {n.name for n in world.node_tree.nodes if "skygen_role" in n.keys()}


@pytest.fixture
def sky(world: Any, renderer: Any) -> Any:
    """The artist's world with a preview of the lobe sky."""
    world.skygen.sun_azimuth, world.skygen.sun_elevation = (math.radians(angle) for angle in SUN_DEG)
    assert bpy.ops.skygen.add_sky() == {"FINISHED"}
    return world


@pytest.fixture
def scene(sky: Any) -> Any:
    """A camera that looks at the sun over a white card, which fills the lower half of the picture."""
    scene = bpy.context.scene
    scene.cycles.samples = 128
    scene.eevee.taa_render_samples = 64
    add_camera(*(math.radians(angle) for angle in SUN_DEG))
    data = bpy.data.meshes.new("card")
    data.from_pydata([(-1.0, -0.5, -1.0), (1.0, -0.5, -1.0), (1.0, -0.1, -1.0), (-1.0, -0.1, -1.0)], [], [(0, 1, 2, 3)])
    card = bpy.data.objects.new("card", data)
    card.parent = scene.camera
    scene.collection.objects.link(card)
    white = bpy.data.materials.new("white")
    if bpy.app.version < (5, 0, 0):
        white.use_nodes = True
    tree = white.node_tree
    tree.nodes.clear()
    diffuse, output = tree.nodes.new("ShaderNodeBsdfDiffuse"), tree.nodes.new("ShaderNodeOutputMaterial")
    diffuse.inputs[0].default_value = (1.0, 1.0, 1.0, 1.0)
    tree.links.new(output.inputs[0], diffuse.outputs[0])
    data.materials.append(white)
    return scene


def picture(path: Path, engine: str) -> tuple[np.ndarray, np.ndarray]:
    """The sky above the card (16, 64, 3), row 0 at the bottom, and the card's mean color."""
    if not engine_renders(engine):
        pytest.skip("EEVEE cannot render here: it needs a graphics driver, such as libegl1 with libgl1-mesa-dri")
    bpy.context.scene.render.engine = engine
    pixels = rendered(path, 1)
    return pixels[16:], pixels[2:6, 20:44].mean(axis=(0, 1))


@pytest.mark.parametrize("engine", ["CYCLES", EEVEE])
def test_the_camera_sees_something_else_in_unchanged_light(sky: Any, scene: Any, tmp_path: Path, engine: str) -> None:
    """Color, strength and blur change what lies behind the card, and never the card's light."""
    look = sky.skygen.look
    plain, card = picture(tmp_path / "sky.exr", engine)
    assert plain.max() > 15  # the lobe
    noise = 0.02 * card  # Cycles: 128 samples on 96 pixels; EEVEE has none
    look.camera_sees, look.color = "COLOR", (0.1, 0.4, 0.7)
    seen, lit = picture(tmp_path / "color.exr", engine)
    assert seen == pytest.approx(np.broadcast_to(np.array(look.color), seen.shape), rel=2e-3)  # half floats in EEVEE
    assert (np.abs(lit - card) < noise).all()
    look.camera_sees, look.backdrop_strength = "ADJUSTED", 3.0
    seen, lit = picture(tmp_path / "strong.exr", engine)
    assert seen.mean(axis=(0, 1)) == pytest.approx(3 * plain.mean(axis=(0, 1)), rel=5e-3)  # other pixel positions
    assert (np.abs(lit - card) < noise).all()
    look.backdrop_strength, look.blur = 1.0, math.radians(10.0)
    seen, lit = picture(tmp_path / "blur.exr", engine)
    assert (np.abs(lit - card) < noise).all()
    # A ray meets the lobe's core (20 at the sun, half of it at 4.2 degrees) clipped at 10.5 and spread over 10 degrees.
    assert 3.0 < seen[:2].max() < 0.6 * plain[:2].max()
    corner = seen[-3:, :3].mean(axis=(0, 1))
    assert corner == pytest.approx(plain[-3:, :3].mean(axis=(0, 1)), abs=0.02)  # an even sky stays what it was


def test_the_blur_is_as_wide_as_it_says_and_keeps_the_light(sky: Any, scene: Any, tmp_path: Path) -> None:
    """A lobe's mean square width in one direction grows by that of a ball of the radius, a fifth of its square."""
    sky.skygen.exposure = 3.0  # lifts what a blurred sky is limited to above the lobe
    bpy.ops.skygen.show_preview()
    camera = bpy.context.scene.camera
    camera.data.angle = math.radians(90)
    bpy.data.objects["card"].hide_render = True
    bpy.context.scene.cycles.samples = 2048
    look = sky.skygen.look
    plain = rendered(tmp_path / "plain.exr", 1)
    look.camera_sees, look.blur = "ADJUSTED", math.radians(12.0)
    blurred = rendered(tmp_path / "blurred.exr", 1)
    moments = []
    for pixels in (plain, blurred):
        lobe = pixels.sum(axis=2) - np.median(pixels[:, :6].sum(axis=2))
        right = np.arctan((np.arange(64) - 31.5) / 32)[None, :]
        up = np.arctan((np.arange(32) - 15.5) / 32)[:, None]
        solid = np.cos(np.arctan(np.hypot(np.tan(right), np.tan(up)))) ** 3  # of a pixel, relative
        near = np.hypot(right, up) < math.radians(25)
        weight = lobe * solid * near
        moments.append((weight.sum(), (weight * (right**2)).sum() / weight.sum()))
    (before, width), (after, blurred_width) = moments
    assert after == pytest.approx(before, rel=0.03)  # noise of the hash, and what falls outside of 25 degrees
    assert blurred_width - width == pytest.approx(math.sin(math.radians(12)) ** 2 / 5, rel=0.15)


def test_without_them_the_tree_is_as_it_was(sky: Any, scene: Any, tmp_path: Path) -> None:
    """Everything on and off again: the same nodes and links, the same picture to the bit, no group left."""
    scene.cycles.samples = 4
    before, nodes, plain = linked(sky), set(sky.node_tree.nodes.keys()), rendered(tmp_path / "before.exr", 1)
    assert our_nodes(sky) == OURS
    look = sky.skygen.look
    for sees in ("ADJUSTED", "COLOR", "ADJUSTED"):
        look.camera_sees, look.blur = sees, 0.1
        assert our_nodes(sky) > OURS
    assert [g.name for g in bpy.data.node_groups] == ["SkyGen Blur"]
    look.blur = 0.0
    assert our_nodes(sky) == OURS | {"SkyGen Backdrop", "SkyGen Backdrop Rays", "SkyGen Backdrop Mix"}
    look.camera_sees = "SKY"
    assert linked(sky) == before and set(sky.node_tree.nodes.keys()) == nodes
    assert len(bpy.data.node_groups) == 0
    assert (rendered(tmp_path / "after.exr", 1) == plain).all()


@pytest.mark.parametrize("sun_in", ["TEXTURE", "LAMP", "BOTH"])
def test_it_goes_with_every_sun(sky: Any, sun_in: str) -> None:
    """Whatever order: the backdrop has the picture of the light, and both chains stay whole."""
    look, tree = sky.skygen.look, sky.node_tree
    look.camera_sees, look.blur = "ADJUSTED", 0.2
    for choice in ("BOTH", "LAMP", "TEXTURE", sun_in):
        sky.skygen.sun.sun_in = choice
    light = tree.nodes["SkyGen Background"].inputs["Color"].links[0].from_socket
    assert tree.nodes["SkyGen Blur Limit"].inputs[0].links[0].from_socket == light
    assert tree.nodes["SkyGen Backdrop"].inputs["Color"].links[0].from_node.name == "SkyGen Blur Limit"
    nodes = part("blender.sun.sun_nodes")
    limit = nodes.limit_of(sky.skygen.sun.sky_peak, nodes.brightest_ev(sky.skygen))
    assert tuple(tree.nodes["SkyGen Blur Limit"].inputs[1].default_value) == pytest.approx((limit,) * 3)
    look.camera_sees = "SKY"
    assert tree.nodes["SkyGen Background"].inputs["Color"].links[0].from_socket == light


def test_preview_bake_and_bind_keep_it_and_restore_ends_it(sky: Any, tmp_path: Path) -> None:
    look, settings = sky.skygen.look, sky.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 2, "512"
    settings.output_folder = str(tmp_path / "sky")
    look.strength, look.camera_sees, look.backdrop_strength, look.blur = 2.0, "ADJUSTED", 0.5, 0.3
    sky.node_tree.nodes["SkyGen Mapping"].inputs["Rotation"].default_value[2] = 0.4
    sky.cycles.sampling_method, sky.cycles.sample_map_resolution = "MANUAL", 512
    bpy.ops.skygen.show_preview()
    fingerprint = part("blender.bake.sequence_state").settings_fingerprint(sky, 24.0)
    bpy.ops.skygen.bake_sequence()
    bpy.ops.skygen.bind_sequence()
    nodes = sky.node_tree.nodes
    assert nodes["SkyGen Background"].inputs["Strength"].default_value == pytest.approx(2.0)
    assert nodes["SkyGen Backdrop"].inputs["Strength"].default_value == pytest.approx(0.5)
    assert nodes["SkyGen Blur"].inputs["Radius"].default_value == pytest.approx(0.3)
    assert nodes["SkyGen Mapping"].inputs["Rotation"].default_value[2] == pytest.approx(0.4)
    assert sky.cycles.sample_map_resolution == 512  # the artist's, not ours again
    look.camera_sees = "COLOR"
    assert part("blender.bake.sequence_state").settings_fingerprint(sky, 24.0) == fingerprint  # the bake is not stale
    bpy.ops.skygen.restore_world()
    assert linked(sky) == {("Background", "Background", "World Output", "Surface")}
    assert len(bpy.data.node_groups) == 0 and our_nodes(sky) == set()
    assert sky.skygen.look.strength == 1.0
    bpy.ops.skygen.add_sky()
    assert "SkyGen Backdrop" in sky.node_tree.nodes  # still asked for


def test_a_copy_of_the_world_has_a_look_of_its_own(sky: Any) -> None:
    sky.skygen.look.camera_sees, sky.skygen.look.blur = "ADJUSTED", 0.3
    copied = sky.copy()
    copied.skygen.look.blur, copied.skygen.look.backdrop_strength = 0.1, 4.0
    assert sky.node_tree.nodes["SkyGen Blur"].inputs["Radius"].default_value == pytest.approx(0.3)
    assert copied.node_tree.nodes["SkyGen Blur"].inputs["Radius"].default_value == pytest.approx(0.1)
    assert sky.node_tree.nodes["SkyGen Backdrop"].inputs["Strength"].default_value == 1.0
    copied.skygen.look.camera_sees = "SKY"
    assert our_nodes(copied) == OURS and "SkyGen Backdrop" in sky.node_tree.nodes
    assert len(bpy.data.node_groups) == 1


def test_undo_save_and_reload(sky: Any, tmp_path: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    sky.skygen.look.camera_sees, sky.skygen.look.blur = "ADJUSTED", 0.3
    bpy.ops.ed.undo_push(message="look")
    bpy.ops.ed.undo()
    world = bpy.data.worlds["Artist"]
    assert our_nodes(world) == OURS and world.skygen.look.camera_sees == "SKY"
    bpy.ops.ed.redo()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "look.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "look.blend"))
    world = bpy.data.worlds["Artist"]
    assert world.node_tree.nodes["SkyGen Blur"].inputs["Radius"].default_value == pytest.approx(0.3)
    world.skygen.look.camera_sees = "SKY"
    assert our_nodes(world) == OURS and len(bpy.data.node_groups) == 0


def test_nodes_that_the_artist_deleted_or_put_between(sky: Any) -> None:
    """What is broken is made anew; what lies between stays."""
    look, tree = sky.skygen.look, sky.node_tree
    look.camera_sees = "ADJUSTED"
    between = tree.nodes.new("ShaderNodeAddShader")
    tree.links.new(between.inputs[0], tree.nodes["SkyGen Backdrop Mix"].outputs[0])
    tree.links.new(tree.nodes["World Output"].inputs["Surface"], between.outputs[0])
    for name in ("SkyGen Backdrop Mix", "SkyGen Backdrop", "SkyGen Backdrop Rays"):
        tree.nodes.remove(tree.nodes[name])
        tree.links.new(between.inputs[0], tree.nodes["SkyGen Background"].outputs[0])
        bpy.ops.skygen.show_preview()
        assert tree.nodes["SkyGen Backdrop Mix"].outputs[0].links[0].to_node == between
    look.blur = 0.2
    tree.nodes.remove(tree.nodes["SkyGen Blur"])
    bpy.ops.skygen.show_preview()
    assert tree.nodes["SkyGen Sky"].inputs["Vector"].links[0].from_node.name == "SkyGen Blur"
    assert tree.nodes["SkyGen Blur"].inputs["Vector"].links[0].from_node.name == "SkyGen Mapping"


def test_our_background_deleted_is_made_again_and_the_artists_world_comes_back(sky: Any) -> None:
    sky.skygen.look.camera_sees = "COLOR"
    sky.node_tree.nodes.remove(sky.node_tree.nodes["SkyGen Background"])
    bpy.ops.skygen.show_preview()
    tree = sky.node_tree
    assert tree.nodes["World Output"].inputs["Surface"].links[0].from_node.name == "SkyGen Backdrop Mix"
    assert tree.nodes["SkyGen Backdrop Mix"].inputs[1].links[0].from_node.name == "SkyGen Background"
    bpy.ops.skygen.restore_world()
    assert linked(sky) == {("Background", "Background", "World Output", "Surface")}


def test_strength_moves_the_threshold_of_eevees_sun(sky: Any) -> None:
    """Stronger clouds are not a sun; beside a lamp there is no sun in the world at all."""
    threshold = sky.sun_threshold
    sky.skygen.look.strength = 20.0
    assert sky.sun_threshold == pytest.approx(20 * threshold)
    bpy.ops.skygen.show_preview()
    assert sky.sun_threshold == pytest.approx(20 * threshold)
    sky.skygen.sun.sun_in = "LAMP"
    sky.skygen.look.strength = 2.0
    assert sky.sun_threshold == 0.0


def test_the_panel_shows_what_has_an_effect(sky: Any) -> None:
    panel, look = bpy.types.SKYGEN_PT_world_world, sky.skygen.look
    scene = bpy.context.scene
    assert panel.poll(bpy.context)
    assert drawn(panel).props == [
        "default_value", "strength", "camera_sees", "film_transparent", "sampling_method", "sample_map_resolution",
    ]  # fmt: skip
    look.camera_sees, look.blur = "ADJUSTED", 0.2
    assert drawn(panel).props[2:5] == ["camera_sees", "backdrop_strength", "blur"]
    look.camera_sees = "COLOR"
    assert drawn(panel).props[2:4] == ["camera_sees", "color"]
    sky.cycles.sample_map_resolution = 256
    assert "needs a width of 2048" in " ".join(drawn(panel).texts)  # wrapped
    sky.skygen.sun_disc = False
    assert "The texture has no sun" not in " ".join(drawn(panel).texts)  # and a map of 256 does
    assert "needs a width" not in " ".join(drawn(panel).texts)
    sky.cycles.sampling_method = "NONE"
    assert "sample_map_resolution" not in drawn(panel).props
    scene.render.engine = EEVEE
    assert "sampling_method" not in drawn(panel).props
    bpy.ops.skygen.restore_world()
    assert not panel.poll(bpy.context)
