"""The request of the live preview is the bake's, though the scene is not stepped."""

from __future__ import annotations

import importlib
import time
from typing import Any

import bpy
import pytest


def part(name: str) -> Any:
    return importlib.import_module(f"bl_ext.user_default.skygen.blender.{name}")


def baked(world: Any, frame: int) -> Any:
    """The request of a frame as a bake makes it, by stepping the scene."""
    return part("bake.bake_plan").requests_of_world(bpy.context, world, [frame], 256)[0]


def live(world: Any, frame: int, requests: Any = None, budget_s: float = 60.0) -> Any:
    """The request of a frame as the live preview makes it."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    requests = part("live.live_request").LiveRequests() if requests is None else requests
    steps: list[int] = []

    def note(scene: Any, _: Any = None) -> None:
        steps.append(scene.frame_current)

    bpy.app.handlers.frame_change_post.append(note)
    request = requests.request(world, scene, depsgraph, budget_s)
    bpy.app.handlers.frame_change_post.remove(note)
    assert steps == [], "the scene was stepped"
    return request


def key(world: Any, path: str, *values: tuple[int, float]) -> None:
    """Keyframe a setting."""
    *groups, name = path.split(".")
    group = world.skygen
    for part_name in groups:
        group = getattr(group, part_name)
    for frame, value in values:
        setattr(group, name, value)
        world.keyframe_insert(f"skygen.{path}", frame=frame)


@pytest.fixture
def keyed(world: Any) -> Any:
    """A world whose wind, time scale, sun and cover are keyframed."""
    bpy.context.scene.render.fps = 24
    world.skygen.low.wind_direction = 0.7
    key(world, "low.wind_speed", (1, 5.0), (40, 30.0), (80, 0.0))
    key(world, "time_scale", (1, 60.0), (50, 600.0))
    key(world, "sun_elevation", (1, 0.1), (60, 1.2))
    key(world, "high.cover", (10, 0.0), (20, 0.8))
    key(world, "low.evolution", (1, 0.0), (90, 4.0))
    return world


@pytest.mark.parametrize("frame", [0, 1, 2, 57, 200])
def test_a_steady_sky(world: Any, frame: int) -> None:
    world.skygen.time_offset, world.skygen.seed = 1234.5, 9
    assert live(world, frame) == baked(world, frame)


@pytest.mark.parametrize("frame", [0, 1, 15, 63, 64, 65, 66, 129, 200])
def test_a_keyframed_sky(keyed: Any, frame: int) -> None:
    assert live(keyed, frame) == baked(keyed, frame)


def test_one_after_another_in_any_order(keyed: Any) -> None:
    requests = part("live.live_request").LiveRequests()
    for frame in (70, 3, 150, 149, 64, 0, 65):
        assert live(keyed, frame, requests) == baked(keyed, frame)
    keyed.skygen.origin_frame = 30  # frames before it count backwards
    for frame in (5, 31, 30, 90):
        assert live(keyed, frame, requests) == baked(keyed, frame)
    key(keyed, "low.wind_speed", (40, 3.0))
    assert live(keyed, 70, requests) == baked(keyed, 70)


def test_a_stretched_time_line(keyed: Any) -> None:
    """Scene frame 90 shows frame 36 of the animation, which is baked as if there were no frame map."""
    render, plain = bpy.context.scene.render, baked(keyed, 36)
    render.frame_map_old, render.frame_map_new = 100, 250
    assert live(keyed, 90) == baked(keyed, 36) == plain


def test_a_sun_by_date_and_place(keyed: Any) -> None:
    keyed.skygen.sun.placement = "DATE_PLACE"
    key(keyed, "sun.time_of_day", (1, 8.0), (100, 15.0))
    assert live(keyed, 50) == baked(keyed, 50)


def test_a_loop(keyed: Any, models: Any) -> None:
    keyed.animation_data_clear()
    keyed.skygen.loop, keyed.skygen.loop_frames = True, 48
    requests = part("live.live_request").LiveRequests()
    for frame in (1, 20, 48, 49, 400):
        assert live(keyed, frame, requests) == baked(keyed, frame)


def test_what_makes_no_sense_is_told(world: Any) -> None:
    world.skygen.high.base = world.skygen.low.base
    with pytest.raises(Exception, match="lies inside the low layer") as caught:
        live(world, 1)
    assert caught.value.remedy


def test_drivers_count_as_they_are_now(keyed: Any) -> None:
    driver = keyed.driver_add("skygen.haze").driver
    driver.expression = "frame / 10"
    assert part("live.live_request").has_live_values(keyed)
    assert live(keyed, 30).haze == baked(keyed, 30).haze == 3.0


def test_a_late_frame_is_reached_in_short_steps(keyed: Any) -> None:
    requests, scene = part("live.live_request").LiveRequests(), bpy.context.scene
    scene.frame_set(6000)
    request, longest, calls = None, 0.0, 0
    while request is None:
        started = time.thread_time()  # a busy machine takes longer, but not of this thread's own time
        request = requests.request(keyed, scene, None, 0.005)
        longest, calls = max(longest, time.thread_time() - started), calls + 1
    assert calls > 3 and longest < 0.1
    started = time.thread_time()
    scene.frame_set(6001)
    assert requests.request(keyed, scene, None, 0.005) is not None
    assert time.thread_time() - started < 0.1
