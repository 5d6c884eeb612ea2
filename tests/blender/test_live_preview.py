"""The live preview with a real serving process: what it asks for and when, and what becomes of the pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import bpy
import live_world
import numpy as np
import pytest
from live_world import Clock, ask, image_of, part, pixels_of, red_of
from sunny_sky import shown_by, use_lamp

live, sky = live_world.live, live_world.sky


def width_of(world: Any) -> int:
    image = image_of(world)
    return int(image.size[0]) if image is not None else 0


def test_a_sky_is_there_at_once_then_coarse_then_full(world: Any, live: Clock, renderer: Any) -> None:
    ask(world)
    shown = pixels_of(image_of(world))
    assert shown[-1, 0, 2] > shown[-1, 0, 0] > 0 and image_of(world).packed_file  # a plain blue sky, kept by undo
    widths: list[int] = []
    live.until(lambda: widths.append(width_of(world)) or live.state().icon == "CHECKMARK")
    assert list(dict.fromkeys(widths)) == [64, 256, 512]
    assert [request.width for request in renderer.requests] == [256, 512]
    assert live.state().text.startswith("Up to date, 512 wide")


def test_the_picture_is_the_renderers_and_lies_right(sky: Any) -> None:
    pixels = pixels_of(image_of(sky))
    azimuth, elevation = sky.skygen.sun_azimuth, sky.skygen.sun_elevation
    row, column = np.unravel_index(pixels[..., 0].argmax(), pixels.shape[:2])
    assert (row + 0.5) / 256 * math.pi - math.pi / 2 == pytest.approx(elevation, abs=math.pi / 256)
    seen = math.tau * (0.5 - (column + 0.5) / 512)  # angle from +X, as the panorama has it
    assert math.cos(seen - (math.pi / 2 - azimuth)) == pytest.approx(1.0, abs=1e-3)
    assert red_of(sky) == pytest.approx(0.1, rel=1e-3) and image_of(sky).colorspace_settings.name == "Linear Rec.709"


def test_it_follows_settings_and_frame(sky: Any, live: Clock, renderer: Any) -> None:
    renderer.forget()
    sky.skygen.sun_elevation = 0.3
    live.until(lambda: bool(renderer.requests))
    assert renderer.requests[0].sun_elevation_rad == pytest.approx(0.3, abs=1e-6)
    live.settle()
    bpy.context.scene.frame_set(4)
    live.settle()
    assert red_of(sky) == pytest.approx(3.1, rel=1e-3)  # three minutes later
    renderer.forget()
    for _ in range(20):
        live.tick(0.5)
    assert renderer.requests == []  # nothing has changed


def test_while_changes_come_pictures_stay_coarse(sky: Any, live: Clock, renderer: Any) -> None:
    renderer.forget()
    for frame in range(2, 12):
        bpy.context.scene.frame_set(frame)
        live.tick(0.1)
    live.until(lambda: red_of(sky) == pytest.approx(10.1, rel=1e-3), step=0.0)
    assert {request.width for request in renderer.requests} == {256} and width_of(sky) == 256
    for _ in range(20):
        live.tick(0.1, playing=True)
    assert width_of(sky) == 256  # a paused player may go on at any moment
    live.settle()
    assert width_of(sky) == 512
    assert "pictures/s" not in live.state().text


def test_a_rate_is_told_as_long_as_pictures_come(sky: Any) -> None:
    rendering = part("live.live_state").rendering
    arrivals = [10.0, 10.2, 10.4, 10.6]
    assert rendering(arrivals, 10.7).text == "Rendering, 5.0 pictures/s"
    assert rendering(arrivals, 11.7).text == rendering([], 10.0).text == "Rendering"


def test_the_full_picture_is_as_fine_as_chosen(sky: Any, live: Clock, renderer: Any) -> None:
    sky.skygen_live.width = "1024"
    live.settle()
    assert width_of(sky) == 1024


def test_off_it_stays_as_it_is_until_somebody_asks(sky: Any, live: Clock, renderer: Any) -> None:
    sky.skygen_live.enabled = False
    renderer.forget()
    bpy.context.scene.frame_set(3)
    for _ in range(10):
        live.tick(0.5)
    assert renderer.requests == [] and red_of(sky) == pytest.approx(0.1, rel=1e-3)
    ask(sky)
    live.until(lambda: width_of(sky) == 512 and red_of(sky) == pytest.approx(2.1, rel=1e-3), step=0.1)
    bpy.context.scene.frame_set(5)
    renderer.forget()
    for _ in range(10):
        live.tick(0.5)
    assert renderer.requests == []


def test_the_artists_own_picture_in_the_node_stays(sky: Any, live: Clock, renderer: Any) -> None:
    own = bpy.data.images.new("HDRI", 8, 4, float_buffer=True)
    part("world.world_nodes").environment_node(sky).image = own
    bpy.context.scene.frame_set(9)
    renderer.forget()
    for _ in range(5):
        live.tick(0.5)
    assert image_of(sky) == own and renderer.requests == []


def test_a_saved_file_shows_the_last_picture_and_does_not_ask_again(
    sky: Any,
    live: Clock,
    renderer: Any,
    tmp_path: Path,
) -> None:
    bpy.context.scene.frame_set(3)
    live.settle()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sky.blend"))
    live.preview.forget()  # as the handlers of load_pre and load_post do
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"))
    live.preview.forget()
    world = bpy.context.scene.world
    assert red_of(world) == pytest.approx(2.1, rel=1e-3) and width_of(world) == 512
    assert len([i for i in bpy.data.images if "skygen_live" in i.keys()]) == 1
    renderer.forget()
    for _ in range(5):
        live.tick(0.5)
    assert renderer.requests == []
    world.skygen.haze = 2.0
    live.settle()
    assert renderer.requests[0].haze == 2.0


def test_undo_brings_back_settings_and_picture(sky: Any, live: Clock) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.world.skygen.time_offset = 120.0
    live.settle()
    bpy.ops.ed.undo_push(message="offset")
    assert red_of(bpy.context.scene.world) == pytest.approx(2.1, rel=1e-3)
    bpy.ops.ed.undo()
    live.preview.distrust()  # as the handler of undo_post does
    live.settle()
    assert red_of(bpy.context.scene.world) == pytest.approx(0.1, rel=1e-3)
    bpy.ops.ed.redo()
    live.preview.distrust()
    live.settle()
    assert red_of(bpy.context.scene.world) == pytest.approx(2.1, rel=1e-3)


def test_undoing_add_sky_takes_the_sky_out_though_a_picture_is_on_its_way(world: Any, live: Clock) -> None:
    bpy.ops.ed.undo_push(message="before")
    ask(bpy.context.scene.world)
    bpy.ops.ed.undo_push(message="Add Sky")
    live.tick()
    bpy.ops.ed.undo()
    live.preview.distrust()
    for _ in range(10):
        live.tick(0.5)
    assert image_of(bpy.context.scene.world) is None


def test_a_world_that_is_deleted_takes_its_pictures_with_it(sky: Any, live: Clock, renderer: Any) -> None:
    renderer.behave("slow")
    before = len(renderer.requests)
    bpy.context.scene.frame_set(7)
    live.tick()
    bpy.data.worlds.remove(sky)
    other = bpy.context.scene.world = bpy.data.worlds.new("Other")
    live.until(lambda: len(renderer.requests) > before)
    for _ in range(10):
        live.tick(0.2)
    assert image_of(other) is None and live.state().text == ""


def test_two_worlds_in_two_windows_do_not_disturb_each_other(sky: Any, live: Clock, renderer: Any) -> None:
    second = bpy.data.scenes.new("Second")
    second.world = sky.copy()
    second.world.skygen.time_offset = 300.0
    second.render.fps = 24
    live.windows.scenes.append("Second")
    assert image_of(second.world) == image_of(sky)  # a copy shares the picture until it gets its own
    live.until(lambda: image_of(second.world) != image_of(sky) and width_of(second.world) == 512, step=0.1)
    assert red_of(second.world) == pytest.approx(5.1, rel=1e-3)
    assert red_of(sky) == pytest.approx(0.1, rel=1e-3)
    sky.skygen.time_offset = 60.0
    second.world.skygen.time_offset = 600.0
    live.until(lambda: width_of(sky) == 512 and red_of(sky) == pytest.approx(1.1, rel=1e-3), step=0.1)
    live.until(lambda: red_of(second.world) == pytest.approx(10.1, rel=1e-3), step=0.1)
    renderer.forget()
    for _ in range(10):
        live.tick(0.5)
    assert [r.width for r in renderer.requests if r.width == 256] == []  # no ping-pong


def test_a_linked_world_is_left_alone(sky: Any, live: Clock, renderer: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {sky})
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.worlds = there.worlds
    linked = here.worlds[0]
    bpy.context.scene.world = linked
    bpy.context.scene.frame_set(8)
    renderer.forget()
    for _ in range(5):
        live.tick(0.5)
    assert renderer.requests == [] and linked.library is not None


def test_a_world_that_plays_leaves_another_one_its_turn(sky: Any, live: Clock, renderer: Any) -> None:
    second = bpy.data.scenes.new("Second")
    second.world = sky.copy()
    second.render.fps = 24
    second.world.skygen.time_offset = 600.0
    live.windows.scenes.append("Second")
    frames = iter(range(2, 400))

    def played() -> bool:
        bpy.context.scene.frame_set(next(frames))
        return red_of(second.world) == pytest.approx(10.1, rel=1e-3)

    renderer.behave("slow")
    live.until(played, step=0.1)


def test_a_sun_lamp_follows_the_pictures(world: Any, live: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    process = part("live.live_process")
    command = process.bake_command()
    script = str(Path(__file__).with_name("sunny_bake.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])
    bpy.context.scene.render.fps, world.skygen.time_scale = 24, 24 * 60
    lamp = use_lamp(world)
    ask(world)
    live.settle()
    clear = shown_by(lamp)[1][1]
    bpy.context.scene.frame_set(3)  # two minutes later its clouds let a quarter through
    live.settle()
    assert world.skygen.sun.shown_frame == 3 and world.skygen.sun.sky_peak == pytest.approx(0.4)
    assert shown_by(lamp)[1][1] == pytest.approx(clear / 4, rel=1e-3)
    assert pixels_of(image_of(world))[..., :3].max() == pytest.approx(0.4)  # the picture has no sun of its own


@pytest.mark.parametrize("width", ["512", "2048"])
def test_a_tick_never_takes_long(
    sky: Any, live: Clock, renderer: Any, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    longest, tick = [0.0], live.preview.tick

    def timed(*arguments: Any, **options: Any) -> None:
        started = time.thread_time()  # a busy machine takes longer, but not of this thread's own time
        tick(*arguments, **options)
        longest[0] = max(longest[0], time.thread_time() - started)

    monkeypatch.setattr(live.preview, "tick", timed)
    sky.skygen_live.width = width
    renderer.behave("slow")
    for frame in range(2, 30):
        bpy.context.scene.frame_set(frame)
        live.tick(0.1)
    renderer.behave("")
    live.settle()
    assert width_of(sky) == int(width) and 0.0 < longest[0] < 0.1


def test_every_choice_explains_itself(world: Any, package: Any) -> None:
    own = [p for p in world.skygen_live.bl_rna.properties if p.identifier not in ("rna_type", "name")]
    assert len(own) == 4
    assert [p.identifier for p in own if len(p.description) < 10 or p.description.endswith(".") or not p.name] == []
    assert [p.identifier for p in own if p.type != "POINTER" and p.is_animatable] == []


def test_the_panel_says_how_it_stands(sky: Any, live: Clock) -> None:
    drawn: list[str] = []

    class Layout:
        """Notes what is drawn."""

        active = alert = True

        def __getattr__(self, name: str) -> Any:
            return lambda *arguments, **options: self

        def prop(self, data: Any, name: str, **options: Any) -> None:
            drawn.append(name)

        def label(self, **options: Any) -> None:
            drawn.append(options["text"])

    draw = part("panels.panel_live").draw_live
    draw(Layout(), bpy.context, sky)
    assert drawn == ["enabled", "width", live.state().text]
    drawn.clear()
    sky.driver_add("skygen.haze").driver.expression = "2"
    draw(Layout(), bpy.context, sky)
    assert "Drivers and strips count" in " ".join(drawn)
    drawn.clear()
    draw(Layout(), bpy.context, bpy.data.worlds.new("Without a sky"))
    assert drawn == []
