"""Settings, presets and keyframes: what the panel shows is what a frame is asked for."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{MODULE}.{name}")


def test_every_preset_survives_the_panel_exactly(world: Any) -> None:
    """32-bit properties must not change a preset, or Blender and the command line would bake different skies."""
    presets, convert = part("core.presets"), part("blender.settings.controls_from_settings")
    names = presets.preset_names()
    assert len(names) >= 6
    for name in names:
        assert bpy.ops.skygen.apply_preset(preset=name) == {"FINISHED"}
        assert world.skygen.preset == name
        assert convert.controls_from_settings(world.skygen) == presets.load_preset(name).controls, name


def test_untouched_settings_are_the_preset_that_they_name(world: Any) -> None:
    """A bake of a file in which nobody set anything must show what the panel says."""
    controls = part("core.presets").load_preset(world.skygen.preset).controls
    assert part("blender.settings.controls_from_settings").controls_from_settings(world.skygen) == controls


def test_unknown_preset_is_refused(world: Any) -> None:
    with pytest.raises(RuntimeError, match="no preset 'no_such_sky'"):
        bpy.ops.skygen.apply_preset(preset="no_such_sky")


def test_preset_keeps_seed_and_output(world: Any) -> None:
    world.skygen.seed, world.skygen.output_folder, world.skygen.frame_end = 7, "/somewhere/", 12
    bpy.ops.skygen.apply_preset(preset="overcast")
    assert (world.skygen.seed, world.skygen.output_folder, world.skygen.frame_end) == (7, "/somewhere/", 12)


def test_a_preset_that_cannot_be_shown_is_applied_and_can_be_undone(
    world: Any, models: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = world.skygen
    settings.low.cover = 0.125
    (models / "test" / "model.json").unlink()
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.skygen.apply_preset("EXEC_DEFAULT", True, preset="overcast", show=True) == {"FINISHED"}
    assert settings.preset == "overcast" and settings.low.cover > 0.5
    assert "applied, but not shown: There is no model bundle" in capfd.readouterr().out
    bpy.ops.ed.undo()
    assert bpy.data.worlds["Artist"].skygen.low.cover == 0.125


def test_controls_that_do_not_fit_the_panel_change_nothing(world: Any) -> None:
    """The high layer is refused before the low one is written."""
    convert, controls = part("blender.settings.controls_from_settings"), part("core.controls")
    before = convert.controls_from_settings(world.skygen)
    high = dataclasses.replace(before.high, types={"cumulus": 0.4, "stratus": 0.3, "cirrus": 0.3})
    changed = dataclasses.replace(before, low=controls.LayerControls(cover=0.9), high=high)
    with pytest.raises(part("core.errors").RequestError, match="high layer mixes 3"):
        convert.write_controls(world.skygen, changed)
    assert convert.controls_from_settings(world.skygen) == before


def requests(world: Any, frames: list[int]) -> list[Any]:
    return part("blender.bake.bake_plan").requests_of_world(bpy.context, world, frames, 256)


def test_a_part_baked_alone_fits_the_whole(world: Any) -> None:
    settings = world.skygen
    settings.frame_start, settings.frame_end = 1, 48
    whole = requests(world, [29, 30, 31])
    settings.frame_start, settings.frame_end = 30, 30
    assert requests(world, [30]) == whole[1:2]
    assert whole[1].low.displacement_km != (0.0, 0.0)


def test_keyframed_cover_reaches_the_frames(world: Any) -> None:
    low = world.skygen.low
    for frame, cover in ((1, 0.2), (11, 0.7)):
        low.cover = cover
        low.keyframe_insert("cover", frame=frame)
    bpy.context.scene.frame_set(4, subframe=0.25)
    first, middle, last = requests(world, [1, 6, 11])
    assert first.low.cover == pytest.approx(0.2) and last.low.cover == pytest.approx(0.7)
    assert middle.low.cover == pytest.approx(0.45)  # Blender's ease in and out is symmetric
    scene = bpy.context.scene
    assert (scene.frame_current, scene.frame_subframe) == (4, 0.25)


IN_THE_README = {
    "cover": ("low.cover", "high.cover"),
    "density": ("low.density", "high.density"),
    "type blend": ("low.second_amount", "high.second_amount"),
    "wind speed": ("low.wind_speed", "high.wind_speed"),
    "evolution": ("low.evolution", "high.evolution"),
    "sun": ("sun_azimuth", "sun_elevation"),
    "haze": ("haze",),
    "exposure": ("exposure",),
    "white balance": ("white_balance_temperature", "white_balance_tint"),
    "time scale": ("time_scale",),
    "wind direction": ("low.wind_direction", "high.wind_direction"),
    "stretch": ("low.stretch", "high.stretch"),
    "texture scale": ("low.texture_scale", "high.texture_scale"),
}


def test_exactly_what_the_readme_lists_can_be_keyframed(world: Any) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = " ".join(text.split("## The artist's first five minutes")[1].split("\n## ")[0].split())
    free = re.search(r"([A-Z][^.]*) can be keyframed", section)
    about_the_camera = re.search(r"Keyframed ([^.]*?) turn, ", section)
    assert free and about_the_camera, "the README has other sentences: read them here"
    names = re.split(r", | and ", f"{free[1]} and {about_the_camera[1]}")
    listed = {path for name in names for path in IN_THE_README[name.lower()]}
    groups = {"": world.skygen, "low.": world.skygen.low, "high.": world.skygen.high}
    animatable = {
        prefix + prop.identifier
        for prefix, group in groups.items()
        for prop in group.bl_rna.properties
        if prop.is_animatable and prop.type != "POINTER" and prop.identifier != "name"
    }
    assert animatable == listed


def test_thickness_cannot_be_keyframed(world: Any) -> None:
    """The number of a cloud's shells follows from it, so it would pop on the way."""
    with pytest.raises(TypeError, match="not animatable"):
        world.skygen.low.keyframe_insert("thickness", frame=1)


def test_driven_sun_reaches_the_frames(world: Any) -> None:
    driver = world.skygen.driver_add("sun_elevation").driver
    driver.type = "SCRIPTED"
    driver.expression = "frame / 100"
    first, second = requests(world, [10, 50])
    assert first.sun_elevation_rad == pytest.approx(0.1, abs=1e-5)
    assert second.sun_elevation_rad == pytest.approx(0.5, abs=1e-5)


def test_wind_is_integrated_over_keyframes(world: Any) -> None:
    """Speed rises linearly from 0 to 10 m/s over 10 frames: distance is the mean speed times the time."""
    settings, low = world.skygen, world.skygen.low
    bpy.context.scene.render.fps = 10
    settings.time_scale, low.wind_direction = 60.0, math.radians(90.0)
    for frame, speed in ((1, 0.0), (11, 10.0)):
        low.wind_speed = speed
        low.keyframe_insert("wind_speed", frame=frame)
    for curve in world.animation_data.action.fcurves if hasattr(world.animation_data.action, "fcurves") else ():
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"
    (last,) = requests(world, [11])
    assert last.low.displacement_km == pytest.approx((0.005 * 60, 0.0), abs=1e-4)


def test_one_frame_alone_is_the_frame_in_its_range(world: Any) -> None:
    world.skygen.low.cover = 0.1
    world.skygen.low.keyframe_insert("cover", frame=1)
    world.skygen.low.cover = 0.9
    world.skygen.low.keyframe_insert("cover", frame=20)
    assert requests(world, [13]) == requests(world, list(range(1, 21)))[12:13]


def test_frames_follow_the_scene_rate(world: Any) -> None:
    render = bpy.context.scene.render
    render.fps, render.fps_base = 24, 1.001
    world.skygen.time_scale = 1.0
    assert requests(world, [25])[0].time_s == pytest.approx(1.001)


def test_loop_meets_itself(world: Any, models: Any) -> None:
    settings = world.skygen
    settings.loop, settings.loop_frames = True, 20
    first, again = requests(world, [1, 21])
    assert first == again
    assert requests(world, [11])[0].loop_angle_rad == pytest.approx(math.pi / 4)


def test_fingerprint_changes_with_the_sky_and_not_with_the_frame(world: Any) -> None:
    fingerprint = part("blender.bake.sequence_state").settings_fingerprint
    settings = world.skygen
    settings.low.keyframe_insert("cover", frame=1)
    settings.low.cover = 0.9
    settings.low.keyframe_insert("cover", frame=9)
    bpy.context.scene.frame_set(1)
    before = fingerprint(world, 24.0)
    bpy.context.scene.frame_set(5)
    settings.output_folder = "/elsewhere/"
    assert fingerprint(world, 24.0) == before
    settings.haze = 3.0
    changed = fingerprint(world, 24.0)
    assert changed != before
    settings.low.cover = 0.2
    settings.low.keyframe_insert("cover", frame=9)
    assert fingerprint(world, 24.0) != changed


def test_white_balance_reaches_the_frames_presets_and_stale_mark(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At neutral the fingerprint is the one of files that have no white balance, so their bakes stay as they were."""
    convert, state = part("blender.settings.controls_from_settings"), part("blender.bake.sequence_state")
    settings = world.skygen
    settings.white_balance_temperature = 6500.0
    neutral = state.settings_fingerprint(world, 24.0)
    with monkeypatch.context() as without:
        names = {"white_balance_temperature", "white_balance_tint"}
        without.setattr(state, "_WITHOUT_EFFECT", state._WITHOUT_EFFECT | names)
        assert state.settings_fingerprint(world, 24.0) == neutral
    settings.white_balance_temperature, settings.white_balance_tint = 7200.0, -3.5
    assert state.settings_fingerprint(world, 24.0) != neutral
    (request,) = requests(world, [1])
    assert (request.white_balance_k, request.white_balance_tint) == (7200.0, -3.5)
    kept = convert.controls_from_settings(settings)
    settings.white_balance_temperature = 6500.0
    assert state.settings_fingerprint(world, 24.0) != neutral  # the tint is still there
    convert.write_controls(settings, kept)
    assert convert.controls_from_settings(settings) == kept
    settings.white_balance_temperature, settings.white_balance_tint = 6500.0, 0.0
    assert state.settings_fingerprint(world, 24.0) == neutral


def test_white_balance_can_be_keyframed(world: Any) -> None:
    settings = world.skygen
    for frame, kelvin, tint in ((1, 5000.0, -10.0), (11, 9000.0, 10.0)):
        settings.white_balance_temperature, settings.white_balance_tint = kelvin, tint
        settings.keyframe_insert("white_balance_temperature", frame=frame)
        settings.keyframe_insert("white_balance_tint", frame=frame)
    first, middle, last = requests(world, [1, 6, 11])
    assert (first.white_balance_k, last.white_balance_k) == (5000.0, 9000.0)
    assert middle.white_balance_k == pytest.approx(7000.0)  # Blender's ease in and out is symmetric
    assert middle.white_balance_tint == pytest.approx(0.0, abs=1e-4)


def test_a_keyframed_blend_turns_one_type_into_the_other(world: Any) -> None:
    """From cumulus to altocumulus over eight frames; Blender eases in and out, evenly about the middle."""
    low = world.skygen.low
    low.cloud_type, low.second_type = "cumulus", "altocumulus"
    for frame, blend in ((1, 0.0), (9, 1.0)):
        low.second_amount = blend
        low.keyframe_insert("second_amount", frame=frame)
    kinds = part("core.request").CLOUD_TYPES
    first, second = kinds.index("cumulus"), kinds.index("altocumulus")
    mixes = [request.low.type_mix for request in requests(world, list(range(1, 10)))]
    weights = [mix[second] for mix in mixes]
    assert weights[::4] == pytest.approx([0.0, 0.5, 1.0], abs=1e-5) and sorted(set(weights)) == weights
    assert all(abs(mix[first] + mix[second] - 1) < 1e-6 for mix in mixes)
