"""Renders without a bake see the newest live picture and tell where it lags; its images do not pile up."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import live_world
import numpy as np
import pytest
from conftest import add_camera, rendered
from live_world import Clock, handlers_of_a_window, image_of, part, red_of

live, sky = live_world.live, live_world.sky


def test_a_render_with_persistent_data_sees_every_picture(sky: Any, live: Clock, tmp_path: Path) -> None:
    handlers = part("live.live_handlers")
    bpy.context.scene.render.use_persistent_data = True
    add_camera(sky.skygen.sun_azimuth + math.pi, 0.5)
    assert handlers.prepare_render in bpy.app.handlers.render_init
    seen = []
    for minutes in (0, 1, 2, 3):
        sky.skygen.time_offset = minutes * 60.0
        live.settle()
        for extra in range(minutes):  # any number of pictures between two renders
            sky.skygen.haze = 1.5 + extra
            live.settle()
        seen.append(float(np.median(rendered(tmp_path / f"{minutes}.exr", 1)[..., 0])))
    assert seen == pytest.approx([0.1, 1.1, 2.1, 3.1], rel=0.02)


def test_a_render_of_a_preview_that_lags_behind_is_told_of(
    sky: Any, live: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_camera(0.3, 0.5)
    rendered(tmp_path / "a.exr", 1)
    assert "older or coarser" not in caplog.text  # as it is to be
    sky.skygen.haze = 2.0  # and no tick since
    rendered(tmp_path / "b.exr", 1)
    assert caplog.text.count("older or coarser") == 1
    live.settle()
    rendered(tmp_path / "c.exr", 1)
    sky.skygen_live.enabled = False  # the artist keeps the picture on purpose
    sky.skygen.haze = 3.0
    rendered(tmp_path / "d.exr", 1)
    assert caplog.text.count("older or coarser") == 1


def test_a_render_waits_for_the_picture_of_its_frame(sky: Any, live: Clock) -> None:
    """At once after the frame has changed, with the coarse picture of an older one on its way."""
    finish, scene = part("live.live_render").finish, bpy.context.scene
    scene.frame_set(3)
    live.tick()
    scene.frame_set(7)
    finish(live.preview, scene, None)
    assert red_of(sky) == pytest.approx(6.1, rel=1e-3) and image_of(sky).size[0] == 512
    renderer_asked = live.preview._number
    finish(live.preview, scene, None)  # it is there
    sky.skygen_live.enabled = False  # the artist keeps the picture on purpose
    scene.frame_set(2)
    finish(live.preview, scene, None)
    assert red_of(sky) == pytest.approx(6.1, rel=1e-3) and live.preview._number == renderer_asked


def test_what_keeps_a_picture_from_coming_does_not_keep_the_render(sky: Any, live: Clock) -> None:
    render, scene = part("live.live_render"), bpy.context.scene
    sky.skygen.high.base = sky.skygen.low.base
    scene.frame_set(5)
    render.finish(live.preview, scene, None)
    assert "lies inside the low layer" in render.lag_in_words(live.preview, scene)


def test_a_picture_that_is_on_its_way_is_not_asked_for_again(sky: Any, live: Clock) -> None:
    finish, scene, preview = part("live.live_render").finish, bpy.context.scene, live.preview
    view = preview.view(sky)
    scene.frame_set(4)
    live.tick()
    live.until(lambda: view.asked == (view.wanted, 512), step=0.1)
    number = preview._number
    finish(preview, scene, None)
    assert red_of(sky) == pytest.approx(3.1, rel=1e-3) and preview._number == number


def test_a_picture_that_was_asked_for_once_is_not_renewed_by_every_frame(sky: Any, live: Clock) -> None:
    """By Update Preview, just before a film is rendered, where the live preview is off."""
    finish, scene = part("live.live_render").finish, bpy.context.scene
    sky.skygen_live.enabled = False
    scene.frame_set(5)
    live.preview.wish(sky, scene)
    for frame in (5, 6):
        scene.frame_set(frame)
        finish(live.preview, scene, None)
        assert red_of(sky) == pytest.approx(4.1, rel=1e-3)


def test_a_process_that_gives_no_picture_is_waited_for_once(
    sky: Any, live: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every frame of a film would wait as long."""
    render, scene, asked = part("live.live_render"), bpy.context.scene, []
    monkeypatch.setattr(render, "PATIENCE_S", 0.2)
    monkeypatch.setattr(live.preview, "ask", lambda *arguments: asked.append(arguments))
    scene.frame_set(5)
    render.finish(live.preview, scene, None)
    assert asked and "has not come" in str(render.lag_in_words(live.preview, scene))
    assert live.state().icon == "ERROR" and "press Update Preview" in live.state().text
    asked.clear()
    scene.frame_set(6)
    render.finish(live.preview, scene, None)
    assert not asked and "has not come" in str(render.lag_in_words(live.preview, scene))


@pytest.mark.parametrize("engine", ["CYCLES", "BLENDER_WORKBENCH"])
def test_a_still_render_in_a_window_waits_for_its_picture(
    sky: Any, live: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renderer: Any, engine: str
) -> None:
    bpy.context.scene.render.engine = engine
    add_camera(sky.skygen.sun_azimuth + math.pi, 0.5)
    with handlers_of_a_window(monkeypatch):
        for persistent, frame in ((False, 4), (True, 6), (True, 8)):
            bpy.context.scene.render.use_persistent_data = persistent
            renderer.forget()
            seen = float(np.median(rendered(tmp_path / f"{frame}.exr", frame)[..., 0]))
            assert red_of(sky) == pytest.approx(frame - 1 + 0.1, rel=1e-3)
            assert [request.time_s / 60 for request in renderer.requests] == pytest.approx([frame - 1.0])
            if engine == "CYCLES":
                assert seen == pytest.approx(frame - 1 + 0.1, rel=0.02)


def test_a_render_runs_no_operator(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that lets a bake go may come while a render's thread waits for another one."""
    show, pushed = part("live.live_show"), []
    ops = SimpleNamespace(ed=SimpleNamespace(undo_push=lambda message: pushed.append(message)))
    monkeypatch.setattr(show, "bpy", SimpleNamespace(ops=ops, context=bpy.context))
    monkeypatch.setattr(show, "windows", list)
    thread = threading.Thread(target=show.push_undo, args=("of a render",))
    thread.start()
    thread.join()
    show.push_undo("of the timer")
    assert pushed == ["of the timer"]


def test_every_frame_of_a_film_and_a_playblast_waits_for_its_own(
    sky: Any, live: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renderer: Any
) -> None:
    """With the handlers of a window; the change of frame that ends a film asks for nothing."""
    scene = bpy.context.scene
    add_camera(sky.skygen.sun_azimuth + math.pi, 0.5)
    with handlers_of_a_window(monkeypatch) as handlers:
        scene.frame_start, scene.frame_end = 3, 5
        scene.render.filepath = str(tmp_path / "film_####")
        renderer.forget()
        bpy.ops.render.render(animation=True)
        assert [round(float(np.median(_pixels(tmp_path / f"film_{f:04d}.exr"))), 1) for f in (3, 4, 5)] == [
            2.1,
            3.1,
            4.1,
        ]
        assert [request.time_s / 60 for request in renderer.requests] == pytest.approx([2.0, 3.0, 4.0])
        monkeypatch.setattr(handlers, "is_running", lambda context, name: name == "RENDER_OT_opengl")
        scene.frame_set(8)  # as a playblast does
        assert red_of(sky) == pytest.approx(7.1, rel=1e-3)


def test_a_film_of_a_driven_sky_is_not_told_to_lag_behind(
    sky: Any,
    live: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    renderer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The world's own values stay where they were during a render; only the evaluated ones are the frame's."""
    scene = bpy.context.scene
    sky.driver_add("skygen.haze").driver.expression = "frame / 10"
    scene.frame_set(1)
    add_camera(0.3, 0.5)
    scene.frame_start, scene.frame_end = 3, 5
    scene.render.filepath = str(tmp_path / "film_####")
    with handlers_of_a_window(monkeypatch):
        bpy.ops.render.render(animation=True)
    assert [request.haze for request in renderer.requests[-3:]] == pytest.approx([0.3, 0.4, 0.5])
    assert "older or coarser" not in caplog.text


def _pixels(path: Path) -> np.ndarray:
    """Red of a rendered file."""
    image = bpy.data.images.load(str(path), check_existing=False)
    red: np.ndarray = np.array(image.pixels[:])[::4]
    bpy.data.images.remove(image)
    return red


def test_spare_images_do_not_pile_up(sky: Any, live: Clock) -> None:
    for width in ("512", "1024", "2048", "512", "1024", "2048"):
        sky.skygen_live.width = width
        for offset in (1.0, 2.0, 3.0):
            sky.skygen.time_offset = offset * float(width)
            live.settle()
    images = [i for i in bpy.data.images if "skygen_live" in i.keys()]
    assert len(images) <= 5  # shown, filled last, and to be refilled
    assert [i for i in images if i.is_dirty] == []  # else Blender asks on quitting whether to save them
