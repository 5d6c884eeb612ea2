"""The sun lamp after a bake: keyframed with the engine's suns, for any Blender, or told why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import pytest
import sunny_sky
from mathutils import Vector
from sunny_bake import SUN, through_clouds
from sunny_sky import bake, part, shown_by, toward_sun, use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""


@pytest.mark.parametrize("sun_in", ["LAMP", "BOTH"])
def test_a_bake_keyframes_the_lamp_with_the_engines_suns(sky: Any, sun_in: str) -> None:
    """Frame n is n - 1 minutes of sky after the first, which halve the light; outside the nearest frame stands."""
    settings = sky.skygen
    for frame, azimuth in ((1, 6.2), (3, 6.4)):  # across north, where azimuths start again
        settings.sun_azimuth = azimuth
        settings.keyframe_insert("sun_azimuth", frame=frame)
    settings.exposure = 1.0
    lamp = use_lamp(sky, sun_in)
    bake()
    for frame, azimuth in ((0, 6.2), (1, 6.2), (2, 6.3), (3, 6.4), (7, 6.4)):
        bpy.context.scene.frame_set(frame)
        direction, light = shown_by(lamp)
        assert (direction - toward_sun(azimuth, settings.sun_elevation)).length < 1e-4, frame
        through = through_clouds(60 * (min(max(frame, 1), 3) - 1))
        assert light == pytest.approx((SUN * 2 * through).tolist(), rel=1e-5), frame
    bpy.context.scene.frame_set(1, subframe=0.5)
    assert (shown_by(lamp)[0] - toward_sun(6.25, settings.sun_elevation)).length < 1e-3  # straight between frames
    bpy.context.scene.frame_set(1)
    settings.haze = 5.0  # keyframes hold against a control that is turned
    bpy.context.scene.frame_set(1)
    assert shown_by(lamp)[1] == pytest.approx((SUN * 2).tolist(), rel=1e-5)
    bpy.ops.skygen.show_preview()  # live again
    assert lamp.animation_data.action is None and lamp.data.animation_data.action is None


def test_the_file_lights_itself_where_the_add_on_is_not_installed(sky: Any, tmp_path: Path) -> None:
    """As on a farm: a fresh Blender, nothing installed, scripts not allowed; the Mapping is turned there by hand."""
    lamp = use_lamp(sky)
    bake()
    assert lamp.animation_data.drivers[0].driver.is_simple_expression
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "farm.blend"))
    script = """
import bpy, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=False)
assert not hasattr(bpy.types.World, "skygen")
bpy.data.worlds["Artist"].node_tree.nodes["SkyGen Mapping"].inputs["Rotation"].default_value[2] = 0.5
for frame in (1, 2, 3):
    bpy.context.scene.frame_set(frame)
    lamp = bpy.data.objects["SkyGen Sun"].evaluated_get(bpy.context.evaluated_depsgraph_get())
    print("lamp", lamp.data.energy, *lamp.matrix_world.to_3x3().col[2])
sys.stdout.flush()
os._exit(0)
"""
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "nobody")}
    command = [sys.executable, "-c", script, str(tmp_path / "farm.blend")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    lines = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("lamp")]
    energies = [float(line[0]) for line in lines]
    assert energies == pytest.approx([SUN[0] * through_clouds(60 * n) for n in range(3)], rel=1e-5), result.stderr
    expected = toward_sun(sky.skygen.sun_azimuth + 0.5, sky.skygen.sun_elevation)
    assert all((Vector(map(float, line[1:])) - expected).length < 1e-5 for line in lines)


def test_a_loop_repeats_the_lamp_too(sky: Any) -> None:
    settings = sky.skygen
    settings.loop, settings.loop_frames = True, 4
    lamp = use_lamp(sky)
    bake()
    shown = []
    for frame in range(1, 10):
        bpy.context.scene.frame_set(frame)
        shown.append(shown_by(lamp)[1])
    assert shown[0] != pytest.approx(shown[3])
    assert shown[4:8] == [pytest.approx(light, rel=1e-5) for light in shown[:4]] and shown[8] == pytest.approx(shown[0])


def test_frames_without_a_record_are_told(sky: Any, tmp_path: Path) -> None:
    bake()  # sun in the texture
    record = tmp_path / "sky" / "sun.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    record.write_text("".join(f"{json.dumps(line)}\n" for line in lines if line["frame"] != 2))
    lamp, fault, is_keyed = (
        use_lamp(sky, "BOTH"),
        part("blender.sun.sun_check").lamp_fault,
        part("blender.sun.sun_keys").is_keyed,
    )
    assert not is_keyed(lamp)
    for detailed in (True, False):  # the panel reads no file and tells the same
        assert "frames 2 were baked without a record" in fault(sky, bpy.context.scene, detailed=detailed)
    other = [{**line, "request": "0" * 64} if line["frame"] == 3 else line for line in lines]  # of another bake
    record.write_text("".join(f"{json.dumps(line)}\n" for line in other))
    bpy.ops.skygen.bind_sequence()
    assert "frames 3 were" in part("blender.bake.render_check").unbaked_in_words(bpy.context.scene)
    record.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    bpy.ops.skygen.bind_sequence()
    assert is_keyed(lamp) and fault(sky, bpy.context.scene) is None


def test_a_partly_missing_record_never_cuts_the_sky(sky: Any, tmp_path: Path) -> None:
    """The frame without a line is the brightest one; 0.4 is the plain sky's brightest channel, doubled by each stop."""
    settings = sky.skygen
    for frame, exposure in ((1, 0.0), (3, 4.0)):
        settings.exposure = exposure
        settings.keyframe_insert("exposure", frame=frame)
    bake()
    record = tmp_path / "sky" / "sun.jsonl"
    lines = record.read_text().splitlines()
    record.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["frame"] != 3))
    bpy.context.scene.frame_set(1)
    bpy.ops.skygen.bind_sequence()
    use_lamp(sky)
    limit = sky.node_tree.nodes["SkyGen Sun Limit"].inputs[1]
    assert limit.default_value[0] > 0.4 * 2**4
    record.write_text("".join(f"{line}\n" for line in lines))
    bpy.ops.skygen.bind_sequence()
    assert limit.default_value[0] == pytest.approx(1.05 * 0.4 * 2**4, rel=1e-6)


def test_a_bake_killed_before_its_frame_leaves_the_lamp_its_older_sun(sky: Any, tmp_path: Path) -> None:
    lamp = use_lamp(sky)
    bake()
    record = tmp_path / "sky" / "sun.jsonl"
    line = json.loads(record.read_text().splitlines()[0])
    with record.open("a") as file:
        file.write(f"{json.dumps({**line, 'request': '0' * 64, 'azimuth_rad': 0.1})}\n")
    bpy.ops.skygen.bind_sequence()
    bpy.context.scene.frame_set(1)
    assert part("blender.sun.sun_check").lamp_fault(sky, bpy.context.scene) is None
    assert (shown_by(lamp)[0] - toward_sun(sky.skygen.sun_azimuth, sky.skygen.sun_elevation)).length < 1e-5


def test_a_lamp_beside_a_baked_disc_is_no_change_but_the_way_back_is(sky: Any) -> None:
    states = part("blender.bake.sequence_state").sky_states
    bake()
    for sun_in, stale in (("BOTH", False), ("LAMP", False), ("TEXTURE", False)):
        use_lamp(sky, sun_in)
        assert any("have changed" in s.text for s in states(bpy.context, sky)) == stale
    use_lamp(sky, "LAMP")
    bake()
    for sun_in, stale in (("LAMP", False), ("BOTH", True), ("TEXTURE", True)):
        use_lamp(sky, sun_in)
        assert any("have changed" in s.text for s in states(bpy.context, sky)) == stale
