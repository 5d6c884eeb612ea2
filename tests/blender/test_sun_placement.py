"""The sun by date and place: in the frames, in the panel and in the lamp, and what is refused."""

from __future__ import annotations

import importlib
import math
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def golden(world: Any) -> Any:
    """The example of NREL's solar position algorithm: 2003-10-17 12:30:30 -07:00, Golden, Colorado.

    pvlib 0.16 gives azimuth 194.3402 and elevation 39.8720 degrees without refraction.
    """
    sun = world.skygen.sun
    sun.placement = "DATE_PLACE"
    sun.year, sun.month, sun.day = 2003, 10, 17
    sun.time_of_day, sun.utc_offset = 12 + 30 / 60 + 30 / 3600, -7.0
    sun.latitude, sun.longitude = math.radians(39.742476), math.radians(-105.1786)
    bpy.context.scene.render.fps = 24
    return world


def requests(world: Any, frames: list[int]) -> list[Any]:
    found: list[Any] = part("blender.bake.bake_plan").requests_of_world(bpy.context, world, frames, 256)
    return found


def angles_deg(request: Any) -> list[float]:
    return [math.degrees(request.sun_azimuth_rad), math.degrees(request.sun_elevation_rad)]


def test_date_and_place_reach_the_frames(golden: Any) -> None:
    assert angles_deg(requests(golden, [1])[0]) == pytest.approx([194.3402, 39.8720], abs=0.02)  # the ephemeris' bound
    golden.skygen.sun.north = math.radians(90)
    assert angles_deg(requests(golden, [1])[0]) == pytest.approx([104.3402, 39.8720], abs=0.02)
    golden.skygen.sun.placement = "DIRECTION"
    expected = [math.degrees(golden.skygen.sun_azimuth), math.degrees(golden.skygen.sun_elevation)]
    assert angles_deg(requests(golden, [1])[0]) == pytest.approx(expected, abs=1e-4)


def test_the_panel_and_the_command_line_ask_for_one_frame(golden: Any) -> None:
    options = part("runtime.command.sky_options").SkyOptions(
        sun_date="2003-10-17T12:30:30-07:00", latitude=39.7425, longitude=-105.1786, time_scale=600.0, width=256
    )
    golden.skygen.time_scale = 600.0
    bundle = SimpleNamespace()  # asked for loops only
    assert requests(golden, [1, 9]) == options.requests([1, 9], bundle)


def test_the_sun_moves_15_degrees_in_a_sky_hour(golden: Any) -> None:
    """At the pole azimuth is the hour angle: 24 frames at time scale 3600 are an hour."""
    sun, settings = golden.skygen.sun, golden.skygen
    sun.latitude, settings.time_scale = math.pi / 2, 3600.0
    first, last = (angles_deg(r) for r in requests(golden, [1, 25]))
    assert (last[0] - first[0]) % 360 == pytest.approx(15, abs=0.01)


def test_the_panel_tells_what_the_bake_does_also_with_a_keyframed_time_scale(golden: Any) -> None:
    settings, scene = golden.skygen, bpy.context.scene
    settings.origin_frame, settings.time_offset = 5, 100.0
    for frame, scale in ((1, 60.0), (20, 3600.0)):
        settings.time_scale = scale
        settings.keyframe_insert("time_scale", frame=frame)
    now = part("blender.sun.sun_placement").sun_now
    for frame in (2, 5, 17, 30):
        (request,) = requests(golden, [frame])
        scene.frame_set(frame)
        told = now(golden, settings, scene)
        assert told.exact
        assert told.azimuth_rad == pytest.approx(request.sun_azimuth_rad, abs=1e-8)
        assert told.elevation_rad == pytest.approx(request.sun_elevation_rad, abs=1e-8)
    lines = part("blender.panels.panel_sun").placement_lines(golden, scene)
    assert lines[0][0].startswith("Frame 30: 2003-10-17 ")
    assert lines[1][0] == f"Azimuth {math.degrees(request.sun_azimuth_rad):.2f}°"
    assert lines[2][0].startswith(f"Elevation {math.degrees(request.sun_elevation_rad):.2f}°")


def test_a_driven_time_scale_is_told_as_an_estimate(golden: Any) -> None:
    golden.skygen.driver_add("time_scale").driver.expression = "60"
    lines = part("blender.panels.panel_sun").placement_lines(golden, bpy.context.scene)
    assert lines[-1][0].startswith("An estimate: Time Scale is driven")


def test_time_of_day_and_place_can_be_keyframed(golden: Any) -> None:
    sun = golden.skygen.sun
    golden.skygen.time_scale = 0.0
    for frame, hour in ((1, 6.0), (11, 18.0)):
        sun.time_of_day = hour
        sun.keyframe_insert("time_of_day", frame=frame)
    path = part("core.sun_path")
    for frame, hour in ((1, "06"), (6, "12"), (11, "18")):  # Blender's ease in and out is symmetric
        moment = path.read_moment(f"2003-10-17T{hour}:00:00-07:00")
        expected = path.SunPath(moment, 39.742476, -105.1786).angles_rad(0.0)
        (request,) = requests(golden, [frame])
        # A hundredth of a second and a ten-thousandth of a degree are what rounding leaves.
        assert (request.sun_azimuth_rad, request.sun_elevation_rad) == pytest.approx(expected, abs=1e-5)
    for name in ("latitude", "longitude", "north"):
        assert sun.bl_rna.properties[name].is_animatable


def test_a_loop_is_refused_and_says_why(golden: Any, models: Any) -> None:
    golden.skygen.loop = True
    with pytest.raises(part("core.errors").RequestError, match=r"jump back .* azimuth 194\.34 and elevation 39\.87"):
        requests(golden, [1])
    assert part("blender.panels.panel_sun").placement_lines(golden, bpy.context.scene)[0][1] == "ERROR"
    with pytest.raises(RuntimeError, match="A loop does not go with a sun by date and place"):
        bpy.ops.skygen.show_preview()


def test_a_day_that_is_none_is_told(golden: Any) -> None:
    sun = golden.skygen.sun
    sun.month, sun.day = 2, 30
    (line,) = part("blender.panels.panel_sun").placement_lines(golden, bpy.context.scene)
    assert line == ("February 2003 has no day 30. Set the day of the sun to 28 or less.", "ERROR")
    with pytest.raises(part("core.errors").RequestError, match="no day 30"):
        requests(golden, [1])
    sun.sun_in = "LAMP"  # the lamp stays where it is, without an exception
    sun.year = 2004
    sun.day = 29
    assert sun.lamp.data.energy > 0


def test_the_lamp_goes_with_sky_time(golden: Any) -> None:
    golden.skygen.sun.sun_in = "LAMP"
    golden.skygen.time_scale = 3600.0
    lamp, scene = golden.skygen.sun.lamp, bpy.context.scene
    for frame in (1, 49):
        (request,) = requests(golden, [frame])
        scene.frame_set(frame)
        tilt, _, turn = lamp.rotation_euler
        assert tilt + math.pi / 2 == pytest.approx(request.sun_elevation_rad, abs=1e-6)
        assert math.remainder(turn + request.sun_azimuth_rad, math.tau) == pytest.approx(0.0, abs=1e-6)


def test_the_lamp_stands_between_frames_where_sky_time_is_then(golden: Any) -> None:
    """Half a frame, and a frame map that shows frame 10 at frame 20."""
    settings, scene = golden.skygen, bpy.context.scene
    now = part("blender.sun.sun_placement").sky_time_s
    settings.time_scale = 2400.0
    for keyed in (False, True):
        if keyed:  # a straight line between keyframes that are equal
            for frame in (1, 100):
                settings.keyframe_insert("time_scale", frame=frame)
        scene.frame_set(5, subframe=0.5)
        assert now(golden, settings, scene) == pytest.approx(450.0, rel=1e-9)
        scene.render.frame_map_new = 200
        scene.frame_set(20)
        assert now(golden, settings, scene) == pytest.approx(900.0, rel=1e-6)
        scene.render.frame_map_new = 100
    settings.sun.sun_in = "LAMP"
    scene.frame_set(49, subframe=0.5)
    azimuth = part("blender.sun.sun_placement").sun_now(golden, settings, scene).azimuth_rad
    assert math.remainder(settings.sun.lamp.rotation_euler[2] + azimuth, math.tau) == pytest.approx(0.0, abs=1e-6)


def test_a_muted_time_scale_is_what_the_bake_takes(golden: Any) -> None:
    settings, scene = golden.skygen, bpy.context.scene
    for frame, scale in ((1, 60.0), (101, 6000.0)):
        settings.time_scale = scale
        settings.keyframe_insert("time_scale", frame=frame)
    part("blender.settings.world_animation").settings_curve(golden, "skygen.time_scale").mute = True
    settings.time_scale = 60.0
    scene.frame_set(101)
    (request,) = requests(golden, [101])
    told = part("blender.sun.sun_placement").sun_now(golden, settings, scene)
    assert told.azimuth_rad == pytest.approx(request.sun_azimuth_rad, abs=1e-8)


def test_an_animated_live_lamp_asks_for_a_locked_interface(golden: Any) -> None:
    scene, lines = bpy.context.scene, part("blender.panels.panel_sun").lamp_lines
    golden.skygen.sun.sun_in = "LAMP"
    assert any("Lock Interface" in text for text, _ in lines(golden, scene))
    scene.render.use_lock_interface = True
    assert len(lines(golden, scene)) == 1


def test_settings_of_older_files_keep_their_bakes(world: Any) -> None:
    """Without date, place and lamp, the fingerprint is that of a version that did not know them."""
    state = part("blender.bake.sequence_state")
    before = state.settings_fingerprint(world, 24.0)
    sun = world.skygen.sun
    sun.latitude, sun.day, sun.sky_peak, sun.shown_frame = 0.1, 3, 4.0, 7
    assert state.settings_fingerprint(world, 24.0) == before
    assert "sun" not in state._values(world.skygen, "skygen", set())
    sun.placement = "DATE_PLACE"
    dated = state.settings_fingerprint(world, 24.0)
    assert dated != before
    sun.latitude = 0.2
    assert state.settings_fingerprint(world, 24.0) != dated
    sun.placement, world.skygen.sun_disc = "DIRECTION", False
    assert state.settings_fingerprint(world, 24.0) != before


def test_every_property_of_the_sun_explains_itself(world: Any) -> None:
    own = [p for p in world.skygen.sun.bl_rna.properties if p.identifier not in ("rna_type", "name")]
    assert [p.identifier for p in own if len(p.description) < 10 or p.description.endswith(".")] == []
    assert [p.identifier for p in own if p.type in ("FLOAT", "INT") and p.hard_max >= 3e9] == []
    angles = ("latitude", "longitude", "north")
    assert {world.skygen.sun.bl_rna.properties[name].subtype for name in angles} == {"ANGLE"}
