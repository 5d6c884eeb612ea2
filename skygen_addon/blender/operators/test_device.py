"""Test Device: how many frames a second the chosen device makes, and which other devices there are."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import SkyGenError
from ...runtime.devices import CPU
from ..engine.device_test import DeviceSpeed, DeviceTest
from ..engine.preferences_access import addon_preferences
from ..engine.running import is_running
from .outcome import CANCELLED, FINISHED, cancelled_by

PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
TIMER_S = 0.25


class SKYGEN_OT_test_device(bpy.types.Operator):
    """Measure how many frames of 512 pixels a second the chosen device makes, and find the devices; Esc cancels"""

    bl_idname = "skygen.test_device"
    bl_label = "Test Device"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there are preferences to keep the result in, and no test runs: two would slow each other down."""
        if is_running(context, "SKYGEN_OT_test_device"):
            cls.poll_message_set("A test is running: press Esc in the window where it was started to cancel it")
            return False
        return addon_preferences() is not None

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Measure at once and return when it is done."""
        try:
            self._keep(self._started().result())
        except SkyGenError as error:
            return cancelled_by(self, error)
        return FINISHED

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Measure beside the interface."""
        manager = context.window_manager
        if bpy.app.background or manager is None or context.window is None:
            return self.execute(context)
        try:
            self._test = self._started()
        except SkyGenError as error:
            return cancelled_by(self, error)
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Wait for the process."""
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            return CANCELLED
        if event.type != "TIMER" or self._test.is_running():
            return PASS_THROUGH
        self._end(context)
        try:
            self._keep(self._test.result())
        except SkyGenError as error:
            return cancelled_by(self, error)
        for area in context.screen.areas if context.screen is not None else ():
            area.tag_redraw()
        return FINISHED

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because the window closes."""
        self._end(context)
        self._test.stop()

    @staticmethod
    def _started() -> DeviceTest:
        preferences: Any = addon_preferences()
        return DeviceTest(str(preferences.device) or CPU, int(preferences.threads))

    def _keep(self, speed: DeviceSpeed) -> None:
        preferences: Any = addon_preferences()
        if preferences is None:  # disabled meanwhile
            return
        preferences.devices.clear()
        for name in speed.devices:
            preferences.devices.add().name = name
        if not speed.is_right:
            preferences.measured = f"{speed.device}: its frames are wrong, choose another device"
            raise SkyGenError(
                f"Frames of the device {speed.device} are not those of the CPU.", "Choose another device, such as cpu."
            )
        preferences.measured = f"{speed.device}: {speed.frames_per_second:.2f} frames/s of 512 pixels"
        self.report({"INFO"}, f"SkyGen on {preferences.measured}")

    def _end(self, context: bpy.types.Context) -> None:
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)
