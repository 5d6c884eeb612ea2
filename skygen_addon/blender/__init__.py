"""The Blender side: settings, operators, panels, render check, command.

Parts are registered in order and removed in reverse.
"""

from __future__ import annotations

from . import operators
from .bake import render_check
from .command import COMMAND_REGISTRATION
from .engine import preferences
from .live import live_handlers
from .panels import sections
from .presets import preset_gallery, preset_thumbnails
from .settings import properties
from .sun import sun_sync
from .world import missing_clocks


def register() -> None:
    """Add everything to Blender."""
    preferences.register()
    preset_gallery.register()
    properties.register()
    live_handlers.register()  # a bake that a live picture covers is back before the render's check
    operators.register()
    sections.register()
    missing_clocks.register()
    sun_sync.register()  # its lamps are right before the render's check
    render_check.register()
    COMMAND_REGISTRATION.add()


def unregister() -> None:
    """Remove everything from Blender."""
    COMMAND_REGISTRATION.remove()
    render_check.unregister()
    sun_sync.unregister()
    missing_clocks.unregister()
    sections.unregister()
    operators.unregister()
    live_handlers.unregister()
    properties.unregister()
    preset_thumbnails.unregister()
    preset_gallery.unregister()
    preferences.unregister()
