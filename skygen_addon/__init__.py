"""SkyGen: endless, animated HDR skies. Importing this package never imports Blender."""

from __future__ import annotations


def register() -> None:
    """Register the add-on with Blender."""
    from . import blender

    blender.register()


def unregister() -> None:
    """Remove everything that :func:`register` added."""
    from . import blender

    blender.unregister()
