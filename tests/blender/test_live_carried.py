"""Carried pictures: shown while a film plays or a slider is drawn, and never taken for rendered ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import live_world
import pytest
from live_world import Clock, ask, image_of, part, red_of

live = live_world.live


@pytest.fixture
def sky(world: Any, live: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world that shows the full picture of frame 1, by a renderer of stills; a frame is a sky minute."""
    process = part("live.live_process")
    command = process.bake_command()
    script = str(Path(__file__).with_name("moving_bake.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])
    bpy.context.scene.render.fps, world.skygen.time_scale = 24, 24 * 60
    ask(world)
    live.settle()
    return world


def is_carried(world: Any) -> bool:
    """Whether the world shows a carried picture, by what its image and the preview say of it."""
    image = image_of(world)
    says = image["skygen_live"] == ""
    assert says == (part("live.live_session").PREVIEW.view(world).shown[1] == 0)
    return bool(says)


def play_to(live: Clock, world: Any, frame: int) -> None:
    """Show a frame while the film plays, until its picture is a carried one."""
    bpy.context.scene.frame_set(frame)
    before = image_of(world)
    live.until(lambda: live.tick(0.1, playing=True) or image_of(world) != before)
    assert is_carried(world)


def test_while_a_film_plays_pictures_are_carried_and_then_the_true_one_comes(sky: Any, live: Clock) -> None:
    assert not is_carried(sky) and red_of(sky) == pytest.approx(0.1, rel=1e-3)
    for frame in (2, 3):
        play_to(live, sky, frame)
        assert tuple(image_of(sky).size) == (512, 256) and image_of(sky).packed_file
        assert live.state().icon != "CHECKMARK"
    live.settle()
    assert not is_carried(sky) and red_of(sky) == pytest.approx(2.1, rel=1e-3)


def test_another_sky_is_never_carried(sky: Any, live: Clock) -> None:
    sky.skygen.haze = 3.0
    before = image_of(sky)
    live.until(lambda: image_of(sky) != before, step=0.0)
    assert not is_carried(sky)


def test_a_render_waits_for_the_true_picture(sky: Any, live: Clock) -> None:
    play_to(live, sky, 2)
    render, scene = part("live.live_render"), bpy.context.scene
    assert render.lag_in_words(live.preview, scene) is not None
    render.finish(live.preview, scene, None)
    assert not is_carried(sky) and red_of(sky) == pytest.approx(1.1, rel=1e-3)
    assert image_of(sky).size[0] == 512 and render.lag_in_words(live.preview, scene) is None


def test_a_file_saved_while_it_plays_asks_for_the_true_picture_when_it_is_opened(
    sky: Any, live: Clock, tmp_path: Path
) -> None:
    play_to(live, sky, 2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sky.blend"))
    live.preview.forget()  # as the handlers of load_pre and load_post do
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"))
    live.preview.forget()
    opened = bpy.context.scene.world
    assert image_of(opened)["skygen_live"] == "" and image_of(opened).packed_file
    live.settle()
    assert red_of(opened) == pytest.approx(1.1, rel=1e-3)


def test_carried_pictures_do_not_pile_up(sky: Any, live: Clock) -> None:
    for frame in range(2, 10):
        play_to(live, sky, 1 + frame % 3)
    assert len([image for image in bpy.data.images if "skygen_live" in image.keys()]) <= 4


def test_a_viewport_that_draws_slowly_gets_fewer_pictures(sky: Any) -> None:
    """It rests for as long as it took, within bounds; a viewport that draws at once never does."""
    module = part("live.live_pace")
    pace = module.LivePace()
    assert not pace.rests(0.0)
    for drawn_s, rest_s in ((0.04, 0.0), (1.25, 1.0), (60.0, module.LONGEST_REST_S)):
        pace.note_shown(100.0)
        pace.note_tick(100.0 + drawn_s)
        assert pace.rests(100.0 + drawn_s) == (rest_s > 0) == pace.rests(99.9 + drawn_s + max(rest_s, 0.1))
        assert not pace.rests(100.1 + drawn_s + rest_s)
    pace.note_tick(500.0)  # nothing was shown since
    assert not pace.rests(500.0)
