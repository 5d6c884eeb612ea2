"""The add-on's preferences: model, device and threads of everything that renders a sky, and the preview's memory."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import Any, cast

import bpy
from bpy.props import CollectionProperty, IntProperty, StringProperty

from ...core.errors import SkyGenError
from ...runtime.devices import CPU
from ...runtime.kept_memory import DEFAULT_BUDGET_MB
from ..panels.panel_base import draw_lines
from .model import bundle_folder, model_words
from .preferences_access import ADDON, device_name
from .running import is_running

REST_S = 0.5
"""Time for which the memory of the live preview must not change before it is applied."""


class SkyGenDevice(bpy.types.PropertyGroup):
    """A device that ONNX Runtime offers; its name is what the command line calls it."""


def _another_device(preferences: Any, context: bpy.types.Context) -> None:
    preferences.measured = ""


def _another_budget(preferences: Any, context: bpy.types.Context) -> None:
    """Apply it once it rests: on the way a slider may pass through little, and what is kept would be thrown away."""
    if bpy.app.background:  # timers do not run there, and nothing is dragged
        _apply_budget()
        return
    _forget_budget()
    bpy.app.timers.register(_apply_budget, first_interval=REST_S)


def _apply_budget() -> None:
    from ..live.live_memory import apply_budget  # the live preview reads these choices

    apply_budget()


def _forget_budget() -> None:
    if bpy.app.timers.is_registered(_apply_budget):
        bpy.app.timers.unregister(_apply_budget)


class SkyGenPreferences(bpy.types.AddonPreferences):
    """Model, device and threads, which hold for bakes, previews and thumbnails alike; the live preview's memory."""

    bl_idname = ADDON

    model_folder: StringProperty(
        name="Model Folder",
        description="Folder of the model bundle, which holds model.json; empty for the model that ships with SkyGen",
        default="",
        subtype="DIR_PATH",
    )
    threads: IntProperty(
        name="Threads",
        description="Threads of a bake or preview; 0 for one per processor. The picture does not depend on it",
        default=0,
        min=0,
        max=1024,
        soft_max=64,
    )
    device: StringProperty(
        name="Device",
        description="What renders the sky; frames of another device than the CPU differ in the last bits",
        default=CPU,
        update=_another_device,
    )
    devices: CollectionProperty(
        type=SkyGenDevice,
        name="Devices",
        description="Devices that ONNX Runtime offered at the last test",
    )
    measured: StringProperty(
        name="Measured Speed",
        description="How fast the chosen device was at the last test; empty before the first",
        default="",
    )

    live_memory_mb: IntProperty(
        name="Live Preview Memory (MB)",
        description="Megabytes of clouds and pictures that the live preview keeps to be quick. Over it the oldest "
        "pictures go first; a picture that takes more is drawn all the same. The engine itself takes more beside it",
        default=DEFAULT_BUDGET_MB,
        min=1,
        max=1_000_000,
        soft_min=100,
        soft_max=8000,
        step=100,
        update=_another_budget,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The model and whether it is whole, then threads and device."""
        layout: Any = cast(Any, self).layout
        layout.use_property_split = True
        layout.prop(self, "model_folder")
        try:
            draw_lines(layout, context, [(f"Model: {model_words(bundle_folder())}", "CHECKMARK")])
        except SkyGenError as error:
            draw_lines(layout, context, [(f"{error.message} {error.remedy}", "ERROR")])
        layout.prop(self, "threads")
        preferences = cast(Any, self)
        if len(preferences.devices) > 1 or preferences.device != CPU:
            layout.prop_search(self, "device", self, "devices", icon="MEMORY")
        testing = is_running(context, "SKYGEN_OT_test_device")
        draw_lines(layout, context, [(self.testing_words(), "SORTTIME") if testing else (self.device_words(), "INFO")])
        layout.operator("skygen.test_device", icon="TIME")
        _draw_memory(layout, context, self)

    def device_words(self) -> str:
        """Which device renders, how fast it is, and whether there is another."""
        preferences = cast(Any, self)
        names = [device.name for device in preferences.devices]
        words = preferences.measured or f"Device: {device_name()}, not measured yet"
        if names == [CPU]:
            words += ". ONNX Runtime offers no other device here"
        return words

    def testing_words(self) -> str:
        """What goes on while the device is tested."""
        return f"Device: {device_name()} is being tested, half a minute or more. Esc stops the test"


def _draw_memory(layout: Any, context: bpy.types.Context, preferences: SkyGenPreferences) -> None:
    """What the live preview may keep and keeps, and the button that frees it."""
    from ..live.live_memory import memory_in_words  # the live preview reads these choices

    layout.separator()
    row = layout.row(align=True)
    row.prop(preferences, "live_memory_mb")
    row.operator("skygen.clear_live_memory", icon="TRASH")
    draw_lines(layout, context, [(memory_in_words(), "MEMORY")])


CLASSES: tuple[type, ...] = (SkyGenDevice, SkyGenPreferences)


def register() -> None:
    """Add the preferences."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove the preferences."""
    _forget_budget()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
