"""The add-on's preferences: the model, the device and the threads of everything that renders a sky."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import Any, cast

import bpy
from bpy.props import CollectionProperty, IntProperty, StringProperty

from ...core.errors import SkyGenError
from ...runtime.devices import CPU
from ..panels.panel_base import draw_lines
from .model import bundle_folder, model_words
from .preferences_access import ADDON


class SkyGenDevice(bpy.types.PropertyGroup):
    """A device that ONNX Runtime offers; its name is what the command line calls it."""


def _another_device(preferences: Any, context: bpy.types.Context) -> None:
    preferences.measured = ""


class SkyGenPreferences(bpy.types.AddonPreferences):
    """Model, device and threads; they hold for bakes, previews and thumbnails alike."""

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
        description="Frames a second of the chosen device at the last test; empty before the first",
        default="",
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
        draw_lines(layout, context, [(self.device_words(), "INFO")])
        layout.operator("skygen.test_device", icon="TIME")

    def device_words(self) -> str:
        """Which device renders, how fast it is, and whether there is another."""
        preferences = cast(Any, self)
        names = [device.name for device in preferences.devices]
        words = preferences.measured or f"Device: {preferences.device or CPU}, not measured yet"
        if names == [CPU]:
            words += ". ONNX Runtime offers no other device here"
        return words


CLASSES: tuple[type, ...] = (SkyGenDevice, SkyGenPreferences)


def register() -> None:
    """Add the preferences."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove the preferences."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
