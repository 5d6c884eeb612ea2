"""Before a render: which of the scene's frames have no baked sky or sun. Blender renders them without a word."""

from __future__ import annotations

import logging
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..settings.properties import sky_settings
from ..sun.sun_check import lamp_fault
from ..world.world_nodes import environment_node
from .sequence import folder_of_sequence, frames_in_words, missing_frames

_LOG = logging.getLogger(__name__)


def unbaked_in_words(scene: bpy.types.Scene) -> str | None:
    """What the scene's frames lack of their own sky or of its sun, and the remedies; None if nothing."""
    lamp = lamp_fault(scene.world, scene) if scene.world is not None else None
    return " ".join(words for words in (_skies_in_words(scene), lamp) if words is not None) or None


def _skies_in_words(scene: bpy.types.Scene) -> str | None:
    """How many of the scene's frames lack a sky of their own, and the remedy; None if none does.

    A frame whose file is missing renders in pure magenta; one outside of the baked range shows the
    nearest baked sky. A world without a bound sequence lacks nothing.
    """
    world = scene.world
    node = environment_node(world) if world is not None else None
    if world is None or node is None or node.image is None or node.image.source != "SEQUENCE":
        return None
    settings, cyclic = sky_settings(world), node.image_user.use_cyclic
    first, last = int(settings.baked_start), int(settings.baked_end)
    if last < first:
        return None
    missing = set(missing_frames(folder_of_sequence(node.image), range(first, last + 1)))
    frames = sorted({*range(scene.frame_start, scene.frame_end + 1, scene.frame_step), scene.frame_current})
    shown = {f: first + (f - first) % (last - first + 1) if cyclic else min(max(f, first), last) for f in frames}
    magenta = [f for f in frames if shown[f] in missing]
    still = [f for f in frames if shown[f] != f and not cyclic]
    parts = []
    if magenta:
        parts.append(f"{len(magenta)} without a baked sky, which render magenta ({frames_in_words(magenta)})")
    if still:
        parts.append(f"{len(still)} outside of the baked {first}-{last}, where it stands still")
    if not parts:
        return None
    remedy = "Set Start and End in the SkyGen panel and press Bake." if still else "Press Bake in the SkyGen panel."
    return f"Of the scene's {len(frames)} frames there are {', and '.join(parts)}. {remedy}"


@persistent  # type: ignore[untyped-decorator]
def warn_of_unbaked_frames(scene: bpy.types.Scene, *_: Any) -> None:
    """Handler of ``render_init``: one line in the console, once for each still or animation."""
    try:
        words = unbaked_in_words(scene)
    except Exception:  # in a handler there is nobody to raise to, and the render goes on
        _LOG.exception("SkyGen: the baked frames could not be checked before the render.")
        return
    if words is not None:
        _LOG.warning("SkyGen: %s", words)


def register() -> None:
    """Add the handler."""
    bpy.app.handlers.render_init.append(warn_of_unbaked_frames)


def unregister() -> None:
    """Remove the handler."""
    if warn_of_unbaked_frames in bpy.app.handlers.render_init:
        bpy.app.handlers.render_init.remove(warn_of_unbaked_frames)
