"""The sun lamp: made and found by pointer, live with every control, and gone with the sky."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
import sunny_sky
from sunny_bake import through_clouds
from sunny_sky import bake, part, shown_by, toward_sun, use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""


def test_lamp_follows_the_controls_as_the_clear_sky_shines(world: Any) -> None:
    """The engine's own clear sky says what arrives; 32-bit colour and strength lose 1e-6 of it."""
    lamp = use_lamp(world)
    assert lamp.data.angle == pytest.approx(math.radians(0.533), abs=1e-6)
    settings = world.skygen
    settings.white_balance_temperature = 6500.0  # neutral
    sky_of, air = part("core.atmosphere").clear_sky, part("core.air").Air
    for azimuth, elevation, haze, exposure in ((1.0, 0.7, 1.0, 0.0), (5.5, 0.1, 4.0, -2.0), (0.2, 1.5, 0.0, 1.5)):
        settings.sun_azimuth, settings.sun_elevation = azimuth, elevation
        settings.haze, settings.exposure = haze, exposure
        direction, light = shown_by(lamp)
        assert (direction - toward_sun(azimuth, elevation)).length < 1e-5
        expected = sky_of(settings.sun_elevation, air(haze=haze)).sun_irradiance * 2.0**exposure
        assert light == pytest.approx(expected.tolist(), rel=1e-5)
    settings.sun_elevation = -0.2
    assert lamp.data.energy == 0.0


def test_lamp_has_the_white_balance_of_the_sky(world: Any) -> None:
    """The gains that the frames get, and the lamp follows at once."""
    lamp, settings = use_lamp(world), world.skygen
    settings.white_balance_temperature = 6500.0
    neutral = shown_by(lamp)[1]
    settings.white_balance_temperature, settings.white_balance_tint = 8000.0, -10.0
    gains = part("core.white_balance").white_balance_gains(8000.0, -10.0)
    light = shown_by(lamp)[1]
    assert light == pytest.approx([a * b for a, b in zip(neutral, gains, strict=True)], rel=1e-5)
    assert light[0] / light[2] > 1.1 * neutral[0] / neutral[2]


def test_lamp_is_found_by_pointer_and_made_once(world: Any) -> None:
    lamp = use_lamp(world)
    lamp.name = "Key Light"
    world.skygen.sun_azimuth = 2.5
    assert (shown_by(lamp)[0] - toward_sun(2.5, world.skygen.sun_elevation)).length < 1e-5
    use_lamp(world, "TEXTURE")
    assert lamp.hide_render and lamp.hide_viewport
    assert use_lamp(world, "BOTH") == lamp and not lamp.hide_render and not lamp.hide_viewport
    assert [o.name for o in bpy.data.objects if o.type == "LIGHT"] == ["Key Light"]


def test_an_artists_own_lamp_is_taken(world: Any) -> None:
    mine = bpy.data.objects.new("Mine", bpy.data.lights.new("Mine", "SUN"))
    bpy.context.scene.collection.objects.link(mine)
    world.skygen.sun.lamp = mine
    assert use_lamp(world) == mine
    assert (shown_by(mine)[0] - toward_sun(world.skygen.sun_azimuth, world.skygen.sun_elevation)).length < 1e-5


def test_another_lamp_takes_the_place_of_ours(world: Any) -> None:
    use_lamp(world)
    mine = bpy.data.objects.new("Mine", bpy.data.lights.new("Mine", "SUN"))
    bpy.context.scene.collection.objects.link(mine)
    world.skygen.sun.lamp = mine
    assert [o.name for o in bpy.data.objects] == ["Mine"] and len(bpy.data.lights) == 1  # never two suns
    assert (shown_by(mine)[0] - toward_sun(world.skygen.sun_azimuth, world.skygen.sun_elevation)).length < 1e-5
    world.skygen.sun.lamp = None
    assert [o.name for o in bpy.data.objects] == ["Mine"]  # the artist's own stays


def test_a_lamp_deleted_by_the_artist_is_told_and_can_be_put_back(sky: Any) -> None:
    fault = part("blender.sun.sun_check").lamp_fault
    bpy.data.objects.remove(use_lamp(sky))
    assert "not in this scene" in fault(sky, bpy.context.scene)
    sky.skygen.sun_elevation = 0.3  # nothing to turn, and nothing is made behind the artist's back
    assert not [o for o in bpy.data.objects if o.type == "LIGHT"]
    assert bpy.ops.skygen.add_sun_lamp() == {"FINISHED"}
    assert fault(sky, bpy.context.scene) is None and sky.skygen.sun.lamp.data.energy > 1


def test_two_scenes_of_one_world_share_the_lamp(world: Any) -> None:
    lamp, fault = use_lamp(world), part("blender.sun.sun_check").lamp_fault
    other = bpy.data.scenes.new("Other")
    other.world = world
    assert fault(world, other) is not None
    part("blender.sun.sun_sync").add_lamp(world, other)
    assert other.objects.get(lamp.name) == lamp and fault(world, other) is None


def test_a_copied_world_of_another_scene_gets_a_lamp_of_its_own(world: Any) -> None:
    lamp, sync = use_lamp(world), part("blender.sun.sun_sync")
    copy, other = world.copy(), bpy.data.scenes.new("Other")
    other.world = copy
    before = lamp.data.energy
    copy.skygen.exposure = 3.0  # the copy points to the lamp, but its scene does not hold it
    assert lamp.data.energy == before
    sync.add_lamp(copy, other)
    assert copy.skygen.sun.lamp != lamp and world.skygen.sun.lamp == lamp
    assert copy.skygen.sun.lamp.data.energy == pytest.approx(8 * before, rel=1e-5)


def test_keyframed_sun_moves_the_lamp_before_a_bake(world: Any) -> None:
    lamp, settings = use_lamp(world), world.skygen
    for frame, azimuth in ((1, 1.0), (11, 2.0)):
        settings.sun_azimuth = azimuth
        settings.keyframe_insert("sun_azimuth", frame=frame)
    for frame, azimuth in ((1, 1.0), (6, 1.5), (11, 2.0)):  # Blender's ease in and out is symmetric
        bpy.context.scene.frame_set(frame)
        assert (shown_by(lamp)[0] - toward_sun(azimuth, settings.sun_elevation)).length < 1e-5


def test_the_preview_dims_the_lamp_at_its_frame(sky: Any) -> None:
    lamp, scene = use_lamp(sky), bpy.context.scene
    scene.frame_set(2)
    clear = lamp.data.energy
    bpy.ops.skygen.show_preview()
    assert lamp.data.energy == pytest.approx(clear * through_clouds(60), rel=1e-5)
    scene.frame_set(3)
    assert lamp.data.energy == pytest.approx(clear, rel=1e-5)
    scene.frame_set(2)
    assert lamp.data.energy == pytest.approx(clear * through_clouds(60), rel=1e-5)
    sky.skygen.sun_azimuth = 0.5  # another sun: the preview knows nothing of it
    assert lamp.data.energy == pytest.approx(clear, rel=1e-5)


def test_lamp_turns_with_the_mapping(sky: Any) -> None:
    """Turned by a quarter, a picture's direction is seen a quarter further clockwise in the scene."""
    lamp = use_lamp(sky)
    bpy.ops.skygen.show_preview()
    rotation = sky.node_tree.nodes["SkyGen Mapping"].inputs["Rotation"]
    rotation.default_value[2] = math.radians(90)
    bpy.context.view_layer.update()
    settings = sky.skygen
    expected = toward_sun(settings.sun_azimuth + math.radians(90), settings.sun_elevation)
    assert (shown_by(lamp)[0] - expected).length < 1e-5


def test_restore_world_takes_the_lamp_and_the_sky_brings_it_back(sky: Any) -> None:
    use_lamp(sky, "BOTH")
    bake()
    actions = len(bpy.data.actions)
    assert actions >= 1 and sky.sun_threshold == 0.0
    bpy.ops.skygen.restore_world()
    assert not bpy.data.lights and not [o for o in bpy.data.objects if o.type == "LIGHT"]
    assert len(bpy.data.actions) == 0 and sky.sun_threshold == 10.0
    assert [n.name for n in sky.node_tree.nodes if "SkyGen" in n.name] == []
    bpy.ops.skygen.bind_sequence()
    assert part("blender.sun.sun_keys").is_keyed(sky.skygen.sun.lamp)


def test_a_sky_of_an_older_version_gives_the_threshold_back(sky: Any) -> None:
    """It has remembered the world's settings without the threshold, which it left alone."""
    bpy.ops.skygen.show_preview()
    before = json.loads(sky["skygen_before"])
    sky["skygen_before"] = json.dumps({name: value for name, value in before.items() if name != "sun_threshold"})
    sky.sun_threshold = 7.0
    use_lamp(sky)
    assert sky.sun_threshold == 0.0
    bpy.ops.skygen.restore_world()
    assert sky.sun_threshold == 7.0


def test_saving_and_undo_keep_the_lamp(sky: Any, tmp_path: Path) -> None:
    lamp = use_lamp(sky)
    bpy.ops.ed.undo_push(message="lamp")
    sky.skygen.sun_azimuth = 3.0
    bpy.ops.ed.undo_push(message="turned")
    bpy.ops.ed.undo()
    world = bpy.data.worlds["Artist"]
    lamp = world.skygen.sun.lamp
    assert world.skygen.sun_azimuth == pytest.approx(math.radians(120), abs=1e-5)
    assert (shown_by(lamp)[0] - toward_sun(math.radians(120), math.radians(40))).length < 1e-5
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    world = bpy.context.scene.world
    world.skygen.sun_azimuth = 1.0
    assert (shown_by(world.skygen.sun.lamp)[0] - toward_sun(1.0, world.skygen.sun_elevation)).length < 1e-5


def test_a_live_previews_last_picture_dims_the_lamp_until_the_next(sky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lamp, sync, sun = use_lamp(sky), part("blender.sun.sun_sync"), sky.skygen.sun
    sun.shown_frame, sun.shown_transmittance = 1, 0.25
    sun.shown_azimuth, sun.shown_elevation = sky.skygen.sun_azimuth, sky.skygen.sun_elevation
    scene = bpy.context.scene
    scene.frame_set(2)
    sync.follow_settings(sky, scene)
    clear = lamp.data.energy
    monkeypatch.setattr(sync, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))  # as in a window
    for azimuth in (0.0, 1.0):
        sky.skygen.sun_azimuth += azimuth
        sync.follow_settings(sky, scene)
        assert lamp.data.energy == pytest.approx(0.25 * clear, rel=1e-4)
        assert "25%" in part("blender.panels.panel_sun").lamp_lines(sky, scene)[0][0]
    sky.skygen_live.enabled = False
    sync.follow_settings(sky, scene)
    assert lamp.data.energy == pytest.approx(clear, rel=1e-4)
    sun.shown_frame = scene.frame_current  # of this frame, but with the sun elsewhere: panel and lamp say alike
    assert "clear sky" in part("blender.panels.panel_sun").lamp_lines(sky, scene)[0][0]
    sky.skygen_live.enabled, sun.shown_frame = True, -1  # no picture yet
    sync.follow_settings(sky, scene)
    assert lamp.data.energy == pytest.approx(clear, rel=1e-4)


def test_without_a_sky_no_lamp_is_missed(world: Any) -> None:
    panel = part("blender.panels.panel_sun")
    world.skygen.sun.sun_in = "BOTH"
    lamp = world.skygen.sun.lamp
    if lamp is not None:
        bpy.data.objects.remove(lamp)
    assert panel.lamp_lines(world, bpy.context.scene) == []
