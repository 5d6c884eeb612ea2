"""Scenes and sun lamps of another file: what cannot be changed here is refused with the remedy, never half done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
import sunny_sky
from recording_layout import drawn
from sunny_sky import bake, part, use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""
REFUSED = {
    "add_sky": {}, "make_local": {}, "apply_preset": {"preset": "overcast"}, "apply_match": {},
    "save_preset": {"preset_name": "Mine"}, "show_preview": {}, "aim_sun": {}, "add_sun_lamp": {}, "bake_sequence": {},
    "bind_sequence": {}, "restore_world": {}, "match_hdri": {"filepath": "sky.hdr"},
}  # fmt: skip
"""Every operator that writes to a world or a scene, with arguments that would do."""


def begin_library(tmp_path: Path, sky: Any) -> None:
    """Bake a sky with a lamp in a file that is to be the library."""
    (tmp_path / "library").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library" / "library.blend"))
    sky.skygen.output_folder = "//frames/"
    use_lamp(sky)
    bake()
    sky.use_fake_user = True


def begin_shot(tmp_path: Path) -> Path:
    """Save the library and begin an empty shot; returns the library's path."""
    path = Path(bpy.data.filepath)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    (tmp_path / "shots").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shots" / "shot.blend"))
    return path


def link(library: Path, **wanted_names: str) -> Any:
    """Link one data-block of the library by its kind."""
    ((kind, name),) = wanted_names.items()
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        setattr(wanted, kind, [name])
    return getattr(wanted, kind)[0]


@pytest.fixture
def linked_scene(request: pytest.FixtureRequest, sky: Any, tmp_path: Path) -> Any:
    """A linked scene, as the window's: with its world and lamp, with the world alone, or with neither."""
    begin_library(tmp_path, sky)
    scene = bpy.context.scene
    scene.name = "Set"
    if request.param != "world and lamp":
        scene.collection.objects.unlink(sky.skygen.sun.lamp)
        sky.skygen.sun.lamp.use_fake_user = True
    if request.param == "nothing":
        scene.world = None
    found = link(begin_shot(tmp_path), scenes="Set")
    bpy.context.window.scene = found
    assert bpy.context.scene == found and found.library is not None
    return found


def counts() -> tuple[int, ...]:
    """How many data-blocks there are."""
    return tuple(len(blocks) for blocks in (bpy.data.worlds, bpy.data.objects, bpy.data.lights, bpy.data.images))


@pytest.mark.parametrize("linked_scene", ["world and lamp", "world alone", "nothing"], indirect=True)
def test_nothing_is_changed_in_a_linked_scene(linked_scene: Any) -> None:
    before = counts()
    for name, arguments in REFUSED.items():
        with pytest.raises(RuntimeError, match=r"linked from library.blend.*make the scene local in the Outliner"):
            getattr(bpy.ops.skygen, name)(**arguments)
    assert counts() == before
    layout = drawn(bpy.types.SKYGEN_PT_world_main)
    assert "linked from library.blend" in " ".join(layout.texts)
    assert not {"skygen.make_local", "skygen.add_sky"} & set(layout.operators)


@pytest.mark.parametrize("linked_scene", ["world alone"], indirect=True)
def test_a_linked_scene_without_the_lamp_is_told_of(linked_scene: Any) -> None:
    fault = part("blender.sun.sun_check").lamp_fault(linked_scene.world, linked_scene)
    assert "which is linked" in fault and "Press Add Sun Lamp" not in fault


@pytest.mark.parametrize("linked_scene", ["world and lamp", "world alone"], indirect=True)
def test_made_local_as_told_it_can_be_edited(linked_scene: Any) -> None:
    """What the message says is what helps."""
    scene = linked_scene.make_local()
    bpy.context.window.scene = scene
    assert bpy.ops.skygen.make_local() == {"FINISHED"}
    world = bpy.context.scene.world
    assert world.library is None
    if bpy.ops.skygen.add_sun_lamp.poll():
        bpy.ops.skygen.add_sun_lamp()
    bake()
    assert part("blender.sun.sun_check").lamp_fault(world, bpy.context.scene) is None
    assert [o.library for o in bpy.context.scene.objects if o.type == "LIGHT"] == [None]


def test_an_overridden_lamp_becomes_local_with_its_world(sky: Any, tmp_path: Path) -> None:
    """Left an override it did not follow, and the next bake made a second lamp beside it."""
    begin_library(tmp_path, sky)
    library, scene = begin_shot(tmp_path), bpy.context.scene
    scene.world = link(library, worlds="Artist")
    lamp = scene.world.skygen.sun.lamp
    scene.collection.objects.link(lamp)
    lamp.override_create(remap_local_usages=True)
    assert bpy.ops.skygen.make_local() == {"FINISHED"}
    bake()
    (own,) = [o for o in bpy.context.scene.objects if o.type == "LIGHT"]
    assert own.library is None and own.override_library is None and own.data.override_library is None
    assert scene.world.skygen.sun.lamp == own
    assert part("blender.sun.sun_check").lamp_fault(scene.world, scene) is None


def test_an_overridden_lamp_of_a_local_world_gets_no_second_one_beside_it(sky: Any, tmp_path: Path) -> None:
    """Blender's own Make Local of the world leaves the lamp as it is."""
    begin_library(tmp_path, sky)
    library, scene = begin_shot(tmp_path), bpy.context.scene
    linked = link(library, worlds="Artist")
    scene.collection.objects.link(linked.skygen.sun.lamp)
    linked.skygen.sun.lamp.override_create(remap_local_usages=True)
    scene.world = linked.copy()
    scene.world.skygen.exposure = 1.0
    bake()
    assert len([o for o in scene.objects if o.type == "LIGHT"]) == 1
    assert "linked sun lamp" in part("blender.sun.sun_check").lamp_fault(scene.world, scene)


def test_a_linked_action_stays_as_it_is_when_the_lamp_is_keyed_anew(sky: Any, tmp_path: Path) -> None:
    """Blender's own Make Local leaves a lamp with the library's action, which the library's lamp plays too."""
    begin_library(tmp_path, sky)
    library, scene = begin_shot(tmp_path), bpy.context.scene
    scene.world = link(library, worlds="Artist").copy()
    foreign = scene.world.skygen.sun.lamp
    own = foreign.make_local()
    own.data.make_local()
    scene.collection.objects.link(own)
    scene.world.skygen.sun.lamp = own
    action = foreign.animation_data.action
    curves = part("blender.settings.world_animation").curve_collections
    before = sum(len(found) for found in curves(foreign.animation_data))
    assert before == 3 and action.library is not None
    scene.world.skygen.exposure = 1.0
    bake()
    assert own.animation_data.action.library is None
    assert sum(len(found) for found in curves(foreign.animation_data)) == before
    assert part("blender.sun.sun_check").lamp_fault(scene.world, scene) is None
