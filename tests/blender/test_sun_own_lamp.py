"""An artist's own sun lamp is lent: it comes back as it was, and its own keyframes are never touched."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
import sunny_sky
from recording_layout import drawn
from sunny_sky import bake, part, shown_by, toward_sun, use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""


@pytest.fixture
def mine(sky: Any) -> Any:
    """A soft sun lamp of the artist, turned by a quaternion."""
    lamp = bpy.data.objects.new("Mine", bpy.data.lights.new("Mine", "SUN"))
    bpy.context.scene.collection.objects.link(lamp)
    lamp.rotation_mode, lamp.rotation_quaternion = "QUATERNION", (0.5, 0.5, -0.5, 0.5)
    lamp.data.angle, lamp.data.energy, lamp.data.color = 0.25, 3.0, (1.0, 0.5, 0.25)
    if hasattr(lamp.data, "exposure"):  # not in Blender 4.2
        lamp.data.exposure = 2.0
    if hasattr(lamp.data, "use_temperature"):
        lamp.data.use_temperature, lamp.data.temperature = True, 3000.0
    return lamp


def state(lamp: Any) -> dict[str, Any]:
    """Everything of a lamp that a sun could change."""
    light = {n: getattr(lamp.data, n, None) for n in ("angle", "energy", "exposure", "use_temperature")}
    turned = tuple(lamp.rotation_quaternion), lamp.rotation_mode, tuple(lamp.delta_rotation_euler)
    own = [key for key in lamp.keys() if key.startswith("skygen")]
    drivers = len(lamp.animation_data.drivers) if lamp.animation_data is not None else 0
    return {**light, "color": tuple(lamp.data.color), "turned": turned, "own": own, "drivers": drivers,
            "hidden": (lamp.hide_render, lamp.hide_viewport)}  # fmt: skip


def fault(world: Any) -> str | None:
    """What the render's check says."""
    found: str | None = part("blender.sun.sun_check").lamp_fault(world, bpy.context.scene)
    return found


def test_it_follows_with_its_own_softness_and_comes_back_as_it_was(sky: Any, mine: Any) -> None:
    before = state(mine)
    sky.skygen.sun.lamp = mine
    assert mine.hide_render  # the sun is in the texture
    sky.skygen.sun.lamp = None
    assert state(mine) == before
    sky.skygen.sun.lamp = mine
    use_lamp(sky)
    bake()
    assert (shown_by(mine)[0] - toward_sun(sky.skygen.sun_azimuth, sky.skygen.sun_elevation)).length < 1e-5
    assert mine.data.angle == before["angle"] and fault(sky) is None
    assert getattr(mine.data, "exposure", 0.0) == 0.0 and not getattr(mine.data, "use_temperature", False)
    bpy.ops.skygen.restore_world()
    assert state(mine) == before and sky.skygen.sun.lamp is None
    sky.skygen.sun_azimuth = 1.0
    bpy.context.scene.frame_set(3)
    assert state(mine) == before


def test_one_with_keyframes_of_its_own_is_refused(sky: Any, mine: Any) -> None:
    for frame, energy in ((1, 1.0), (10, 5.0)):
        mine.data.energy = energy
        mine.data.keyframe_insert("energy", frame=frame)
    bpy.context.scene.frame_set(1)
    before = state(mine)
    sky.skygen.sun.lamp = mine
    use_lamp(sky)
    bake()
    sky.skygen.sun_azimuth = 1.0
    bpy.context.scene.frame_set(1)
    assert "keyframes or drivers of its own" in fault(sky) and state(mine) == before
    bpy.ops.skygen.restore_world()
    assert state(mine) == before and part("blender.sun.sun_keys").keyed_span(mine) == (1, 10)


def test_what_turns_it_away_or_lets_others_follow_is_told(sky: Any, mine: Any) -> None:
    sky.skygen.sun.lamp = mine
    use_lamp(sky)
    assert fault(sky) is None
    mine.parent = bpy.data.objects.new("Parent", None)
    assert "parent" in fault(sky)
    mine.parent = None
    constraint = mine.constraints.new("TRACK_TO")
    assert "constraint" in fault(sky)
    constraint.mute = True
    bpy.data.objects.new("Second", mine.data)
    assert "shares its light" in fault(sky)


def test_a_lamp_that_shines_beside_a_sun_in_the_texture_is_told_in_the_panel(sky: Any, mine: Any) -> None:
    sky.skygen.sun.lamp = mine
    panel = bpy.types.SKYGEN_PT_world_sun
    assert "second sun" not in " ".join(drawn(panel).texts)
    mine.hide_render = False
    assert "Mine shines in this scene as a second sun" in " ".join(drawn(panel).texts)
