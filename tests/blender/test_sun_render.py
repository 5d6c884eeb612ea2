"""One sun, never two: ground lit by texture, lamp or both is lit alike, in Cycles and EEVEE, pixels read back.

A white Lambertian ground under the sunny renderer's sky has the radiance SKY + SUN sin(elevation) / pi in the sun
and, seen from far enough, about SKY in the shadow of a post.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
import sunny_sky
from engines import EEVEE, use_engine
from sunny_bake import SKY, SUN

MODULE = "bl_ext.user_default.skygen"
sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""
SIZE = 48
ELEVATION = math.radians(40.0)
LIT = SKY + SUN * math.sin(ELEVATION) / math.pi
SHADOW = SKY + 0.05 * (LIT - SKY)
"""Full shadow: the disc of a panorama of 1024, two pixels wide, has a penumbra of which some is among the darkest."""
TOLERANCE = {"CYCLES": 0.02, EEVEE: 0.02}
"""Cycles: 64 samples of the sky leave 1 %. EEVEE: its spherical harmonics and half floats leave 1 %."""


def _mesh(name: str, points: list[Any], faces: list[Any]) -> Any:
    data = bpy.data.meshes.new(name)
    data.from_pydata(points, [], faces)
    placed = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(placed)
    return placed


@pytest.fixture
def scene(sky: Any) -> Any:
    """A white ground seen from above, with a post that throws a shadow; the sky in the world."""
    scene = bpy.context.scene
    ground = _mesh("ground", [(-50, -50, 0), (50, -50, 0), (50, 50, 0), (-50, 50, 0)], [(0, 1, 2, 3)])
    corners = [(x, y, z) for z in (0.0, 3.0) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    _mesh("post", corners, [(4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)])
    white = bpy.data.materials.new("white")
    if bpy.app.version < (5, 0, 0):
        white.use_nodes = True
    tree = white.node_tree
    tree.nodes.clear()
    diffuse, output = tree.nodes.new("ShaderNodeBsdfDiffuse"), tree.nodes.new("ShaderNodeOutputMaterial")
    diffuse.inputs[0].default_value = (1.0, 1.0, 1.0, 1.0)
    tree.links.new(output.inputs[0], diffuse.outputs[0])
    ground.data.materials.append(white)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    look_down()
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.cycles.samples = 64
    scene.eevee.taa_render_samples = 4
    sky.skygen.frame_end = 2
    return scene


def look_down() -> None:
    camera = bpy.context.scene.camera
    camera.data.type, camera.data.ortho_scale = "ORTHO", 12.0
    camera.location, camera.rotation_euler = (0.0, 0.0, 20.0), (0.0, 0.0, 0.0)


def look_at_sun(azimuth: float, elevation: float) -> None:
    camera = bpy.context.scene.camera
    camera.data.type, camera.data.angle = "PERSP", math.radians(4)
    camera.location, camera.rotation_euler = (0, 0, 9), (math.pi / 2 + elevation, 0.0, -azimuth)


def picture(path: Path, engine: str, frame: int = 1) -> np.ndarray:
    """Linear pixels (SIZE, SIZE, 3), row 0 at the bottom."""
    use_engine(engine)
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path), check_existing=False)
    pixels = np.array(image.pixels[:], dtype=np.float32).reshape(SIZE, SIZE, -1)[..., :3]
    bpy.data.images.remove(image)
    return pixels


def lit_and_shadow(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a corner that the shadow does not reach, and the darkest ground (the post's foot hides some sky)."""
    lit = pixels[2:10, SIZE - 10 : SIZE - 2].mean(axis=(0, 1))
    dark = np.sort(pixels.reshape(-1, 3), axis=0)[5:40].mean(axis=0)
    return lit, dark


@pytest.mark.parametrize("engine", ["CYCLES", EEVEE])
def test_texture_lamp_and_both_light_the_ground_alike(sky: Any, scene: Any, tmp_path: Path, engine: str) -> None:
    """Both with a baked disc that a lamp is put beside, and with frames baked for the lamp."""
    bpy.ops.skygen.bake_sequence()
    for sun_in in ("TEXTURE", "BOTH", "LAMP"):
        sky.skygen.sun.sun_in = sun_in
        lit, dark = lit_and_shadow(picture(tmp_path / f"{sun_in}.exr", engine))
        assert lit == pytest.approx(LIT, rel=TOLERANCE[engine]), sun_in
        assert (dark < SHADOW).all() and (dark > SKY * 0.5).all(), (sun_in, dark)  # a shadow, lit by all the sky
    bpy.ops.skygen.bake_sequence()
    lit, _ = lit_and_shadow(picture(tmp_path / "dimmed.exr", engine, frame=2))
    expected = SKY + SUN * 0.5 * math.sin(ELEVATION) / math.pi  # the clouds of a minute later
    assert lit == pytest.approx(expected, rel=TOLERANCE[engine])


def test_two_suns_would_be_seen(sky: Any, scene: Any, tmp_path: Path) -> None:
    """The test's own test: with the texture's sun left in beside the lamp the ground is far too bright."""
    sky.skygen.sun.sun_in = "LAMP"
    bpy.ops.skygen.bake_sequence()
    sky.skygen.sun.sun_in = "BOTH"
    bpy.ops.skygen.bake_sequence()
    importlib.import_module(f"{MODULE}.blender.sun.sun_nodes").show_sun_in_world(sky, "TEXTURE", 10.0)
    lit, _ = lit_and_shadow(picture(tmp_path / "two.exr", "CYCLES"))
    assert (lit > LIT * 1.3).all()


@pytest.mark.parametrize("engine", ["CYCLES", EEVEE])
def test_the_camera_sees_the_sun_where_the_lamp_shines_from(
    sky: Any,
    scene: Any,
    tmp_path: Path,
    engine: str,
) -> None:
    """With a turned Mapping: a camera that looks against the lamp sees the disc in the middle, and none with Lamp."""
    sky.skygen.sun.sun_in = "BOTH"
    bpy.ops.skygen.bake_sequence()
    sky.node_tree.nodes["SkyGen Mapping"].inputs["Rotation"].default_value[2] = 0.7
    bpy.context.view_layer.update()
    lamp = sky.skygen.sun.lamp.evaluated_get(bpy.context.evaluated_depsgraph_get())
    east, north, up = lamp.matrix_world.to_3x3().col[2]
    look_at_sun(math.atan2(east, north), math.asin(up))
    seen = picture(tmp_path / "both.exr", engine).sum(axis=2)
    rows, columns = np.nonzero(seen > seen.max() / 2)
    assert seen.max() > 1e4
    # 4 degrees are 48 pixels; the disc in a panorama of 1024 is spread over two pixels of a third of a degree
    assert abs(rows.mean() - 23.5) < 3 and abs(columns.mean() - 23.5) < 3
    sky.skygen.sun.sun_in = "LAMP"
    assert picture(tmp_path / "lamp.exr", engine).max() == pytest.approx(SKY.max() * 1.05, rel=0.01)


def test_a_lamp_that_no_bake_has_keyframed_moves_in_an_animation(sky: Any, scene: Any, tmp_path: Path) -> None:
    """The handler's lamp reaches the render: lit at noon, and without any sun at night."""
    settings = sky.skygen
    settings.sun.sun_in = "LAMP"
    for frame, elevation in ((1, math.pi / 4), (2, -0.3)):
        settings.sun_elevation = elevation
        settings.keyframe_insert("sun_elevation", frame=frame)
    scene.frame_start, scene.frame_end = 1, 2
    scene.cycles.samples = 4
    scene.render.filepath = str(tmp_path / "film_####")
    bpy.ops.render.render(animation=True)
    means = []
    for frame in (1, 2):
        image = bpy.data.images.load(str(tmp_path / f"film_{frame:04d}.exr"))
        means.append(np.array(image.pixels[:]).reshape(SIZE, SIZE, -1)[2:10, -10:-2, :3].mean())
    clear = importlib.import_module(f"{MODULE}.runtime.frame.sun_record").clear_sun_irradiance
    balance = settings.white_balance_temperature, settings.white_balance_tint
    irradiance = clear(math.pi / 4, settings.haze, settings.exposure, *balance)
    background = 0.5 / 3  # the artist's world behind it: blue 0.5
    assert means[1] == pytest.approx(background, rel=0.02)
    assert means[0] == pytest.approx(background + np.mean(irradiance) * math.sqrt(0.5) / math.pi, rel=0.02)
