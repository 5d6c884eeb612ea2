"""Aim Sun: where the view looks, where a click points, and nowhere after Esc."""

from __future__ import annotations

import importlib
import math
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from mathutils import Euler, Matrix, Vector

MODULE = "bl_ext.user_default.skygen"
METHODS = ("execute", "invoke", "modal", "cancel", "_tell", "_end")


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def view() -> Any:
    """The 3D view of the start-up file, in perspective."""
    area = next(area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D")
    region_3d = area.spaces.active.region_3d
    region_3d.view_perspective = "PERSP"
    return region_3d


def look(view: Any, azimuth_deg: float, elevation_deg: float) -> None:
    """Turn the view as a camera: it looks along -Z."""
    tilt, turn = math.radians(90 + elevation_deg), -math.radians(azimuth_deg)
    view.view_rotation = Euler((tilt, 0.0, turn)).to_quaternion()


def sun_deg(world: Any) -> list[float]:
    return [math.degrees(world.skygen.sun_azimuth), math.degrees(world.skygen.sun_elevation)]


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 10.0), (200.0, 35.0), (300.0, -5.0), (45.0, 89.0)])
def test_the_sun_goes_where_the_view_looks(world: Any, view: Any, azimuth: float, elevation: float) -> None:
    look(view, azimuth, elevation)
    assert bpy.ops.skygen.aim_sun() == {"FINISHED"}
    assert sun_deg(world) == pytest.approx([azimuth, elevation], abs=0.01)  # 32-bit matrices


def test_a_turned_sky_is_seen_to(world: Any, view: Any, renderer: Any) -> None:
    bpy.ops.skygen.show_preview()
    world.node_tree.nodes["SkyGen Mapping"].inputs["Rotation"].default_value[2] = math.radians(30)
    look(view, 200.0, 35.0)
    bpy.ops.skygen.aim_sun()
    assert sun_deg(world) == pytest.approx([170.0, 35.0], abs=0.01)
    world.skygen.sun.sun_in = "LAMP"
    bpy.context.view_layer.update()
    lamp = world.skygen.sun.lamp.evaluated_get(bpy.context.evaluated_depsgraph_get())
    east, north, _ = lamp.matrix_world.to_3x3() @ Vector((0, 0, 1))
    assert math.degrees(math.atan2(east, north)) % 360 == pytest.approx(200.0, abs=0.01)


def test_aiming_can_be_undone_and_keyframed(world: Any, view: Any) -> None:
    before = sun_deg(world)
    bpy.ops.ed.undo_push(message="before")
    look(view, 10.0, 20.0)
    bpy.ops.skygen.aim_sun("EXEC_DEFAULT", True)
    bpy.ops.ed.undo()
    world = bpy.data.worlds["Artist"]
    assert sun_deg(world) == pytest.approx(before, abs=1e-4)
    bpy.context.scene.tool_settings.use_keyframe_insert_auto = True
    bpy.ops.skygen.aim_sun("EXEC_DEFAULT", True)
    paths = part("blender.settings.world_animation").animated_paths(world)
    assert paths == {"skygen.sun_azimuth", "skygen.sun_elevation"}


def test_date_and_place_are_not_aimed_at(world: Any) -> None:
    world.skygen.sun.placement = "DATE_PLACE"
    assert not bpy.ops.skygen.aim_sun.poll()


class PerspectiveView:
    """A view that looks to azimuth 200, elevation 35 degrees; 100 pixels from the middle are a slope of 0.25."""

    is_perspective = True

    def __init__(self) -> None:
        rotation = Euler((math.radians(125), 0.0, -math.radians(200))).to_matrix().to_4x4()
        self.view_matrix = (Matrix.Translation((1.0, 2.0, 3.0)) @ rotation).inverted()
        near, far = 0.1, 1000.0
        depth = (-(far + near) / (far - near), -2 * far * near / (far - near))
        window = Matrix(((2.0, 0, 0, 0), (0, 400 / 150, 0, 0), (0, 0, *depth), (0, 0, -1, 0)))
        self.perspective_matrix = window @ self.view_matrix


MIDDLE = (300, 200)
COS, SIN = math.cos(math.radians(35)), math.sin(math.radians(35))


@pytest.fixture
def picker(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator, and a context that hears nothing; Blender without a window has no events."""
    cls = part("blender.operators.aim_sun").SKYGEN_OT_aim_sun
    operator = type("Operator", (), {name: vars(cls)[name] for name in METHODS})()
    operator.pick = True
    region = SimpleNamespace(x=100, y=50, width=400, height=300, type="WINDOW", data=PerspectiveView())
    monkeypatch.setattr(part("blender.operators.aim_sun"), "_views", lambda context: iter([(region, region.data)]))
    area = SimpleNamespace(type="VIEW_3D", regions=[region])
    window = SimpleNamespace(
        cursor_modal_set=lambda name: None,
        cursor_modal_restore=lambda: None,
        screen=SimpleNamespace(areas=[area]),
    )
    manager = SimpleNamespace(modal_handler_add=lambda operator: True)
    told: list[str | None] = []
    operator.told = told
    context = SimpleNamespace(
        window=window,
        window_manager=manager,
        scene=bpy.context.scene,
        workspace=SimpleNamespace(status_text_set=told.append),
    )
    return operator, context


def event(kind: str, x: int = -1, y: int = -1) -> Any:
    value = "NOTHING" if kind == "MOUSEMOVE" else "PRESS"
    return SimpleNamespace(type=kind, value=value, mouse_x=x, mouse_y=y)


def test_a_click_puts_the_sun_there(world: Any, picker: Any) -> None:
    operator, context = picker
    x, y = MIDDLE
    assert operator.invoke(context, event("LEFTMOUSE")) == {"RUNNING_MODAL"}
    assert operator.modal(context, event("MIDDLEMOUSE", x, y)) == {"PASS_THROUGH"}  # turns the view
    assert operator.modal(context, event("MOUSEMOVE", x + 100, y)) == {"RUNNING_MODAL"}
    east, north, up = Matrix.Rotation(-math.radians(200), 3, "Z") @ Vector((0.25, COS, SIN))  # to the right: clockwise
    level = math.hypot(east, north)
    expected = [math.degrees(math.atan2(east, north)) % 360, math.degrees(math.atan2(up, level))]
    assert sun_deg(world) == pytest.approx(expected, abs=0.01)  # 32-bit matrices
    assert operator.modal(context, event("MOUSEMOVE", x, y + 100)) == {"RUNNING_MODAL"}
    assert sun_deg(world) == pytest.approx([200.0, 35 + math.degrees(math.atan(0.25))], abs=0.01)
    assert operator.modal(context, event("LEFTMOUSE")) == {"RUNNING_MODAL"}  # outside of every view: no click
    assert operator.modal(context, event("LEFTMOUSE", x, y)) == {"FINISHED"}
    assert sun_deg(world) == pytest.approx([200.0, 35.0], abs=0.01)
    assert operator.told[-1] is None and "azimuth" in operator.told[-2]


@pytest.mark.parametrize("key", ["ESC", "RIGHTMOUSE"])
def test_esc_leaves_the_sun_where_it_was(world: Any, picker: Any, key: str) -> None:
    operator, context = picker
    before = sun_deg(world)
    operator.invoke(context, event("LEFTMOUSE"))
    operator.modal(context, event("MOUSEMOVE", *MIDDLE))
    assert sun_deg(world) != pytest.approx(before, abs=0.1)
    assert operator.modal(context, event(key)) == {"CANCELLED"}
    assert sun_deg(world) == pytest.approx(before, abs=1e-5) and operator.told[-1] is None


def test_a_pick_is_for_the_region_under_the_mouse_alone(picker: Any) -> None:
    """Quad View has four main regions; a sidebar lies over a view; a hidden region has one pixel."""
    context, picked = picker[1], part("blender.operators.aim_sun").picked_direction
    (area,) = context.window.screen.areas
    first = area.regions[0]
    alone = picked(context, SimpleNamespace(mouse_x=300, mouse_y=200))
    area.regions.append(SimpleNamespace(**{**vars(first), "x": 500}))
    beside = picked(context, SimpleNamespace(mouse_x=700, mouse_y=200))
    assert (beside - alone).length < 1e-6  # the middle of each
    area.regions.append(SimpleNamespace(x=100, y=50, width=50, height=300, type="UI", data=None))
    area.regions.append(SimpleNamespace(x=300, y=200, width=1, height=1, type="TOOLS", data=None))
    assert picked(context, SimpleNamespace(mouse_x=120, mouse_y=200)) is None
    assert (picked(context, SimpleNamespace(mouse_x=300, mouse_y=200)) - alone).length < 1e-6
    area.type = "PROPERTIES"
    assert picked(context, SimpleNamespace(mouse_x=300, mouse_y=200)) is None
