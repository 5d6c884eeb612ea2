"""One sun where worlds and scenes are several: no lamp of another world shines or loses its keyframes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import pytest
import sunny_sky
from sunny_bake import SUN
from sunny_sky import bake, part, shown_by, toward_sun, use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""


def fault(world: Any, scene: Any) -> str | None:
    """What the render's check says."""
    found: str | None = part("blender.sun.sun_check").lamp_fault(world, scene)
    return found


def shining(scene: Any) -> list[Any]:
    """Lamps that render in a scene, after Blender has brought it up to date."""
    bpy.context.view_layer.update()
    return [o for o in scene.objects if o.type == "LIGHT" and not o.hide_render]


def test_a_copied_world_does_not_rekey_the_lamp_of_the_first(sky: Any, tmp_path: Path) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    bake()
    copy = sky.copy()
    scene.world = copy
    copy.skygen.sun_azimuth, copy.skygen.output_folder = 0.3, str(tmp_path / "copy")
    assert part("blender.sun.sun_lamp").lamp_in_scene(copy, scene) is None and fault(copy, scene) is not None
    bake()
    own = copy.skygen.sun.lamp
    assert own != lamp and shining(scene) == [own] and fault(copy, scene) is None
    scene.frame_set(1)
    assert (shown_by(own)[0] - toward_sun(0.3, copy.skygen.sun_elevation)).length < 1e-5
    scene.world = sky
    assert "second sun" in fault(sky, scene)  # until Blender brings the scene up to date
    assert shining(scene) == [lamp] and fault(sky, scene) is None
    scene.frame_set(1)
    direction, light = shown_by(lamp)
    assert (direction - toward_sun(math.radians(120), sky.skygen.sun_elevation)).length < 1e-5
    assert light == pytest.approx(SUN.tolist(), rel=1e-5)


def test_frames_baked_over_from_elsewhere_are_told(sky: Any) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    bake()
    sky.skygen.sun_azimuth = 0.4
    assert part("blender.command").run(["bake", "--no-save"]) == 0
    assert "baked over" in fault(sky, scene)
    bpy.ops.skygen.bind_sequence()
    scene.frame_set(1)
    assert fault(sky, scene) is None
    assert (shown_by(lamp)[0] - toward_sun(0.4, sky.skygen.sun_elevation)).length < 1e-5


def test_another_world_of_the_scene_hides_the_lamp_of_the_first(sky: Any, tmp_path: Path) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    night = bpy.data.worlds.new("Night")
    scene.world = night
    assert fault(night, scene) is not None and not lamp.hide_render
    scene.render.filepath = str(tmp_path / "night.exr")
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    bpy.ops.render.render()  # a script that renders at once
    assert lamp.hide_render and lamp.hide_viewport and fault(night, scene) is None
    second = use_lamp(night)
    assert shining(scene) == [second]
    scene.world = sky
    assert shining(scene) == [lamp]
    sky.skygen.sun.sun_in = "TEXTURE"
    assert shining(scene) == []
    bpy.data.worlds.remove(night)
    second.hide_render = False
    assert "second sun" in fault(sky, scene)  # a lamp of ours that no world follows


def test_a_lamp_hidden_by_the_artist_stays_so_and_is_told(sky: Any) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    bpy.ops.skygen.show_preview()
    lamp.hide_render = True
    assert shining(scene) == [] and "hidden" in fault(sky, scene)


def test_the_other_scene_of_a_world_switches_and_keys_the_lamp_too(sky: Any) -> None:
    lamp, first = use_lamp(sky), bpy.context.scene
    other = bpy.data.scenes.new("Other")
    other.world, other.render.fps = sky, 24
    with bpy.context.temp_override(scene=other):
        sky.skygen.sun.sun_in = "TEXTURE"
        assert lamp.hide_render
        sky.skygen.sun.sun_in = "LAMP"
        assert not lamp.hide_render
        bake()
    assert part("blender.sun.sun_keys").is_keyed(lamp) and fault(sky, first) is None
    assert len(bpy.data.lights) == 1


def test_a_lamp_deleted_in_the_viewport_is_made_anew_with_the_preview(sky: Any) -> None:
    """Blender keeps the object, because the world points to it."""
    lamp, scene = use_lamp(sky), bpy.context.scene
    bpy.ops.skygen.show_preview()
    scene.collection.objects.unlink(lamp)
    assert "not in this scene" in fault(sky, scene)
    bpy.ops.skygen.show_preview()
    assert shining(scene) == [sky.skygen.sun.lamp] and len(bpy.data.lights) == 1 and fault(sky, scene) is None
    scene.collection.objects.unlink(sky.skygen.sun.lamp)
    assert shining(scene) == [] and use_lamp(sky, "BOTH") in shining(scene)


def test_a_second_press_of_add_is_refused(sky: Any) -> None:
    use_lamp(sky)
    with pytest.raises(RuntimeError, match="in this scene already"):
        bpy.ops.skygen.add_sun_lamp()


def test_restore_world_takes_a_lamp_of_another_type_too(sky: Any) -> None:
    lamp = use_lamp(sky)
    bake()
    lamp.data.type = "POINT"
    bpy.ops.skygen.restore_world()
    assert not bpy.data.lights and not bpy.data.objects


def test_a_linked_lamp_is_told(sky: Any, tmp_path: Path) -> None:
    use_lamp(sky)
    bpy.ops.skygen.show_preview()
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.worlds, wanted.objects = ["Artist"], ["SkyGen Sun"]
    scene, world = bpy.context.scene, wanted.worlds[0]
    scene.world = world
    scene.collection.objects.link(wanted.objects[0])
    scene.frame_set(2)
    assert "does not follow the sky" in fault(world, scene)
    scene.world = world.override_create(remap_local_usages=True)
    assert "press Make Local" in fault(scene.world, scene)
    with pytest.raises(RuntimeError, match="library override, which does not keep"):
        bpy.ops.skygen.show_preview()


def test_a_driven_sun_moves_the_lamp_at_once(sky: Any) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    empty = bpy.data.objects.new("Empty", None)
    scene.collection.objects.link(empty)
    driver = sky.driver_add("skygen.sun_azimuth").driver
    variable = driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = empty, "location[0]"
    driver.expression = variable.name
    for azimuth in (1.5, 0.5):
        empty.location[0] = azimuth
        bpy.context.view_layer.update()
        assert (shown_by(lamp)[0] - toward_sun(azimuth, sky.skygen.sun_elevation)).length < 1e-5


def test_a_renamed_mapping_turns_the_keyframed_lamp_and_a_tilt_is_told(sky: Any) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    sky.skygen.sun_azimuth = 1.0
    bake()
    mapping = sky.node_tree.nodes["SkyGen Mapping"]
    mapping.name = "Mine"
    mapping.inputs["Rotation"].default_value[2] = 0.5
    bpy.context.view_layer.update()
    assert (shown_by(lamp)[0] - toward_sun(1.5, sky.skygen.sun_elevation)).length < 1e-5
    assert fault(sky, scene) is None
    mapping.inputs["Rotation"].default_value[0] = 0.5
    assert "tilts" in fault(sky, scene)
