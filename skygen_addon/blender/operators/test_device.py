"""Test Device: how fast the chosen device makes frames, and which other devices there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

from ...core.errors import SkyGenError
from ...runtime.devices import CPU, device_label
from ..engine.device_test import DeviceSpeed, DeviceTest
from ..engine.preferences_access import addon_preferences
from ..engine.redraw import redraw_panels
from ..engine.running import is_running
from ..live.live_session import PREVIEW
from .outcome import CANCELLED, FINISHED, cancelled_by

PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
TIMER_S = 0.25
PREFERENCES = frozenset({"PREFERENCES"})
_WORKERS = {"SKYGEN_OT_bake_sequence": "a bake", "SKYGEN_OT_match_hdri": "a match"}


class SKYGEN_OT_test_device(bpy.types.Operator):
    """Measure how fast the chosen device makes frames 512 pixels wide, and find the devices; Esc cancels"""

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
        self._beside = set[str]()
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        redraw_panels(context, PREFERENCES)
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Wait for the process."""
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            return CANCELLED
        if event.type != "TIMER":
            return PASS_THROUGH
        self._beside |= work_beside(context)
        if self._test.is_running():
            return PASS_THROUGH
        self._end(context)
        try:
            self._keep(self._test.result(), sorted(self._beside))
        except SkyGenError as error:
            return cancelled_by(self, error)
        return FINISHED

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because the window closes."""
        self._end(context)
        self._test.stop()

    @staticmethod
    def _started() -> DeviceTest:
        preferences: Any = addon_preferences()
        return DeviceTest(str(preferences.device) or CPU, int(preferences.threads))

    def _keep(self, speed: DeviceSpeed, beside: Sequence[str] = ()) -> None:
        preferences: Any = addon_preferences()
        if preferences is None:  # disabled meanwhile
            return
        preferences.devices.clear()
        for name in speed.devices:
            preferences.devices.add().name = name
        if not speed.is_right:
            label = device_label(speed.device)
            preferences.measured = f"{label}: its frames are wrong, choose another device"
            raise SkyGenError(
                f"Frames of the device {label} are not those of the CPU.", "Choose another device, such as cpu."
            )
        preferences.measured = speed.in_words(beside)
        self.report({"INFO"}, f"SkyGen on {preferences.measured}")

    def _end(self, context: bpy.types.Context) -> None:
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)
        redraw_panels(context, PREFERENCES)


def work_beside(context: bpy.types.Context) -> set[str]:
    """What of this add-on uses the machine at the moment."""
    named = {name for operator, name in _WORKERS.items() if is_running(context, operator)}
    windows = context.window_manager.windows if context.window_manager is not None else ()
    worlds = [window.scene.world for window in windows]
    if any(PREVIEW.state(world).is_busy for world in worlds if world is not None):
        named.add("the live preview")
    return named
