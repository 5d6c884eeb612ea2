"""The hint before the first sky: there until a sky is, and not again after it."""

from __future__ import annotations

import importlib
from typing import Any

import bpy
from recording_layout import drawn


def steps() -> list[str]:
    module = importlib.import_module("bl_ext.user_default.skygen.blender.panels.panel_first_sky")
    return [text for text, _ in module.FIRST_STEPS]


def shown() -> list[bool]:
    """Whether the panel of World properties and that of the sidebar show the hint, with its way to the manual."""
    found = []
    for panel in (bpy.types.SKYGEN_PT_world_main, bpy.types.SKYGEN_PT_sidebar_main):
        layout = drawn(panel)
        text = " ".join(layout.texts)
        hinted = [step.split()[0] in text and " ".join(step.split()[-2:]) in text for step in steps()]
        assert all(hinted) or "Press Add Sky" not in text
        assert all(hinted) == ("skygen.open_manual" in layout.operators)
        found.append(all(hinted))
    return found


def test_a_file_without_a_sky_shows_what_to_do(package: Any) -> None:
    assert bpy.context.scene.world is None and shown() == [True, True]


def test_a_world_without_a_sky_shows_what_to_do(world: Any) -> None:
    assert shown() == [True, True]
    order = [text.split()[0] for text in steps()]
    assert order == ["Press", "Pick", "Save", "Set", "Render:"]


def test_it_goes_with_the_first_sky_and_does_not_come_again(world: Any, renderer: Any) -> None:
    assert bpy.ops.skygen.add_sky() == {"FINISHED"} and shown() == [False, False]
    other = bpy.data.worlds.new("Other")
    bpy.context.scene.world = other  # whoever has one sky in the file knows the way
    assert shown() == [False, False]
    bpy.context.scene.world = world
    bpy.data.worlds.remove(other)
    bpy.ops.skygen.restore_world()
    assert shown() == [False, False]


def test_a_linked_sky_is_a_sky(world: Any, renderer: Any, tmp_path: Any) -> None:
    bpy.ops.skygen.add_sky()
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {world})
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert shown() == [True, True]
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.worlds = ["Artist"]
    bpy.context.scene.world = wanted.worlds[0]
    assert shown() == [False, False]
