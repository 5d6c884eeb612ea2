"""The Blender side: settings, panels, operators, command. Parts are registered in order, removed in reverse."""

from __future__ import annotations

from . import operators, panels, properties
from .command import COMMAND_REGISTRATION


def register() -> None:
    """Add everything to Blender."""
    properties.register()
    operators.register()
    panels.register()
    COMMAND_REGISTRATION.add()


def unregister() -> None:
    """Remove everything from Blender."""
    COMMAND_REGISTRATION.remove()
    panels.unregister()
    operators.unregister()
    properties.unregister()
