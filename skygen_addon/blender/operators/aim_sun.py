"""Aim Sun: put the sun where a 3D view looks, or where a click points."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import bpy
from bpy.props import BoolProperty
from bpy_extras.view3d_utils import region_2d_to_vector_3d
from mathutils import Vector

from ...core.errors import RequestError
from ..settings.properties import sky_settings
from ..sun.sun_lamp import sky_turn_rad
from ..sun.sun_placement import is_dated
from .outcome import CANCELLED, FINISHED, active_world, cancelled_by, poll_editable_world, world_of_session

RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
_CANCELLING = {"ESC", "RIGHTMOUSE"}
_PICKING = {"LEFTMOUSE", "RET", "NUMPAD_ENTER"}
View = tuple[bpy.types.Region, bpy.types.RegionView3D]


def sun_angles(direction: Vector, turn_rad: float) -> tuple[float, float]:
    """Azimuth (0 to 2 pi) and elevation of a direction in the scene, in a sky that is turned about the vertical."""
    level = math.hypot(direction.x, direction.y)
    return (math.atan2(direction.x, direction.y) - turn_rad) % math.tau, math.atan2(direction.z, level)


def _views(context: bpy.types.Context) -> Iterator[View]:
    """The 3D views that can be seen: the one in which the operator was called first, then the largest."""
    areas = [context.area] if context.area is not None else []
    screens = [context.screen] if context.screen is not None else []
    screens += [window.screen for window in context.window_manager.windows] if context.window_manager else []
    for screen in screens:
        areas += sorted(screen.areas, key=lambda area: -area.width * area.height)
    for area in areas:
        for space in area.spaces if area.type == "VIEW_3D" else ():
            region = next((region for region in area.regions if region.type == "WINDOW"), None)
            if isinstance(space, bpy.types.SpaceView3D) and space.region_3d is not None and region is not None:
                yield region, space.region_3d


def view_direction(view: bpy.types.RegionView3D) -> Vector:
    """Unit vector along which a 3D view, or the camera that it looks through, looks."""
    return view.view_rotation @ Vector((0.0, 0.0, -1.0))


def picked_direction(context: bpy.types.Context, event: bpy.types.Event) -> Vector | None:
    """Unit vector from the viewer through the mouse; None while it is outside of every 3D view of its window.

    A view may have four regions (Quad View), and sidebars and headers may lie over it, where a click is not for it.
    """
    screen = context.window.screen if context.window is not None else None
    for area in screen.areas if screen is not None else ():
        for region in _regions_under(area, event.mouse_x, event.mouse_y) if area.type == "VIEW_3D" else ():
            view = region.data
            if view is not None:
                at = Vector((event.mouse_x - region.x, event.mouse_y - region.y))
                return region_2d_to_vector_3d(region, view, at).normalized()
    return None


def _regions_under(area: bpy.types.Area, x: int, y: int) -> list[bpy.types.Region]:
    """The area's main regions under a point of its window; none where another region lies over them."""
    under = [
        region for region in area.regions
        if 0 <= x - region.x < region.width and 0 <= y - region.y < region.height
        and region.width > 1 and region.height > 1  # a hidden one has one pixel
    ]  # fmt: skip
    return under if all(region.type == "WINDOW" for region in under) else []


class SKYGEN_OT_aim_sun(bpy.types.Operator):
    """Put the sun where the 3D view looks, or where you click in it; Esc leaves it where it was"""

    bl_idname = "skygen.aim_sun"
    bl_label = "Aim Sun at View"
    bl_options = {"UNDO"}

    pick: BoolProperty(
        name="Pick",
        description="Wait for a click in a 3D view instead of taking the middle of it",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        if properties.pick:
            return "Click in a 3D view to put the sun in that direction; Esc leaves it where it was"
        return "Put the sun where the 3D view looks"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not poll_editable_world(cls, context):
            return False
        if is_dated(sky_settings(active_world(context))):
            cls.poll_message_set("Date and place put the sun: choose Direction to aim it")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Aim at the middle of the view."""
        view = next(_views(context), None)
        if view is None:
            return cancelled_by(self, RequestError("There is no 3D view.", "Open one and aim again."))
        world = active_world(context)
        aim(world, view_direction(view[1]))
        key_if_wanted(context, world)
        return FINISHED

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Aim at once, or wait for a click."""
        manager = context.window_manager
        if not self.pick or manager is None or context.window is None:
            return self.execute(context)
        if next(_views(context), None) is None:
            return cancelled_by(self, RequestError("There is no 3D view to click in.", "Open one and pick again."))
        world = active_world(context)
        settings = sky_settings(world)
        self._world_uid = world.session_uid
        self._before = float(settings.sun_azimuth), float(settings.sun_elevation)
        context.window.cursor_modal_set("EYEDROPPER")
        manager.modal_handler_add(self)
        self._tell(context, "SkyGen: click in a 3D view to put the sun there (Esc cancels)")
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """The sun follows the mouse until a click or Esc; all other events turn the view as always."""
        world = world_of_session(self._world_uid)
        if world is None:
            self._end(context)
            return CANCELLED
        settings = sky_settings(world)
        if event.type in _CANCELLING and event.value == "PRESS":
            settings.sun_azimuth, settings.sun_elevation = self._before
            self._end(context)
            return CANCELLED
        picks = event.type in _PICKING and event.value == "PRESS"
        if event.type != "MOUSEMOVE" and not picks:
            return PASS_THROUGH
        direction = picked_direction(context, event)
        if direction is None:
            return RUNNING_MODAL if picks else PASS_THROUGH  # a click elsewhere must not press a button
        aim(world, direction)
        if not picks:
            azimuth, elevation = math.degrees(settings.sun_azimuth), math.degrees(settings.sun_elevation)
            self._tell(context, f"SkyGen: sun at azimuth {azimuth:.1f}°, elevation {elevation:.1f}° (Esc cancels)")
            return RUNNING_MODAL
        key_if_wanted(context, world)
        self._end(context)
        return FINISHED

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because another file is loaded or the window closes."""
        self._end(context)

    def _tell(self, context: bpy.types.Context, text: str | None) -> None:
        if context.workspace is not None:
            context.workspace.status_text_set(text)

    def _end(self, context: bpy.types.Context) -> None:
        self._tell(context, None)
        if context.window is not None:
            context.window.cursor_modal_restore()


def aim(world: bpy.types.World, direction: Vector) -> None:
    """Put the sun of a world in a direction of the scene."""
    settings = sky_settings(world)
    settings.sun_azimuth, settings.sun_elevation = sun_angles(direction, sky_turn_rad(world))


def key_if_wanted(context: bpy.types.Context, world: bpy.types.World) -> None:
    """Keyframe the sun where Blender's Auto Keying is on."""
    scene = context.scene
    if scene is not None and scene.tool_settings is not None and scene.tool_settings.use_keyframe_insert_auto:
        for path in ("skygen.sun_azimuth", "skygen.sun_elevation"):
            world.keyframe_insert(path)
