"""EEVEE films beside views that show the baked sky: the panel offers Lock Interface there, and only there."""

from __future__ import annotations

import importlib
from typing import Any

import bpy
import pytest
from engines import EEVEE
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"


@pytest.fixture
def baked(world: Any, renderer: Any, tmp_path: Any) -> Any:
    settings = world.skygen
    settings.use_scene_range, settings.frame_start, settings.frame_end = False, 1, 2
    settings.width, settings.output_folder = "512", str(tmp_path / "sky")
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}
    return world


@pytest.fixture
def shading() -> Any:
    """How the only 3D view is drawn; put back afterwards."""
    (space,) = [
        area.spaces.active
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "VIEW_3D"
    ]
    before = space.shading.type
    yield space.shading
    space.shading.type = before


def shown() -> tuple[bool, bool]:
    """Whether the panel shows Lock Interface, and whether it warns."""
    layout = drawn(bpy.types.SKYGEN_PT_world_bake)
    return "use_lock_interface" in layout.props, "Lock Interface prevents it" in " ".join(layout.texts)


def test_lock_is_offered_where_eevee_may_mix_frames(baked: Any, shading: Any) -> None:
    scene = bpy.context.scene
    scene.render.engine, shading.type = EEVEE, "RENDERED"
    assert shown() == (True, True)
    scene.render.use_lock_interface = True
    assert shown() == (True, False)  # the button stays where it was pressed
    shading.type = "SOLID"
    assert shown() == (False, False)
    shading.type, scene.render.engine = "RENDERED", "CYCLES"
    assert shown() == (False, False)


def test_a_preview_and_a_view_with_another_light_need_no_lock(baked: Any, shading: Any) -> None:
    shared = importlib.import_module(f"{MODULE}.blender.bake.shared_picture")
    scene = bpy.context.scene
    scene.render.engine, shading.type = EEVEE, "MATERIAL"
    before = shading.use_scene_world
    try:
        shading.use_scene_world = True
        assert shared.view_may_get_into_film(scene)
        shading.use_scene_world = False  # lit by a studio light
        assert not shared.view_may_get_into_film(scene)
    finally:
        shading.use_scene_world = before
    shading.type = "RENDERED"
    assert shared.view_may_get_into_film(scene)
    assert bpy.ops.skygen.restore_world() == {"FINISHED"} and bpy.ops.skygen.add_sky() == {"FINISHED"}
    assert not shared.view_may_get_into_film(scene)


def test_a_film_is_warned_of_in_the_console(
    baked: Any, shading: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    check, scene = importlib.import_module(f"{MODULE}.blender.bake.render_check"), bpy.context.scene
    scene.render.engine, shading.type = EEVEE, "RENDERED"
    for film, lock, warned in ((True, False, True), (True, True, False), (False, False, False)):
        monkeypatch.setattr(check, "is_film_rendered", lambda context, film=film: film)
        scene.render.use_lock_interface = lock
        caplog.clear()
        check.warn_of_unbaked_frames(scene)
        assert ("Switch on Lock Interface" in caplog.text) == warned
