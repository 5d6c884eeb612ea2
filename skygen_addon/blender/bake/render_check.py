"""Before a render: which of the scene's frames have no baked sky or sun. Blender renders them without a word."""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..live.live_properties import live_settings
from ..settings.properties import sky_settings
from ..sun.sun_check import lamp_fault
from ..world.sequence_clock import animation_frame
from ..world.world_nodes import ROLE, environment_node
from ..world.world_owner import is_own
from .sequence import folder_of_sequence, frames_in_words, missing_frames

_LOG = logging.getLogger(__name__)


def unbaked_in_words(scene: bpy.types.Scene) -> str | None:
    """What the scene's frames lack of their own sky or of its sun, and the remedies; None if nothing."""
    lamp = lamp_fault(scene.world, scene) if scene.world is not None else None
    return " ".join(words for words in (_skies_in_words(scene), lamp) if words is not None) or None


def _skies_in_words(scene: bpy.types.Scene) -> str | None:
    """How many of the scene's frames lack a sky of their own, and the remedy; None if none does.

    A frame whose file is missing renders in pure magenta; one outside of the baked range shows the
    nearest baked sky. A preview stays as it is, but in a window a live one follows the render.
    """
    world = scene.world
    node = environment_node(world) if world is not None else None
    if world is None or node is None or node.image is None:
        return None
    if node.image.source != "SEQUENCE":
        follows = not bpy.app.background and is_own(world) and live_settings(world).enabled
        return None if follows else _preview_in_words(scene, world, node.image)
    settings, cyclic = sky_settings(world), node.image_user.use_cyclic
    first, last = int(settings.baked_start), int(settings.baked_end)
    if last < first:
        return None
    missing = set(missing_frames(folder_of_sequence(node.image), range(first, last + 1)))
    frames = _frames(scene)
    mapped = {f: animation_frame(scene, f) for f in frames}
    turn = last - first + 1
    shown = {f: first + (at - first) % turn if cyclic else min(max(at, first), last) for f, at in mapped.items()}
    magenta = [f for f in frames if shown[f] in missing]
    still = [f for f in frames if shown[f] != mapped[f] and not cyclic]
    parts = []
    if magenta:
        parts.append(f"{len(magenta)} without a baked sky, which render magenta ({frames_in_words(magenta)})")
    if still:
        parts.append(f"{len(still)} outside of the baked {first}-{last}, where it stands still")
    if not parts:
        return None
    remedy = (
        "Set Start and End in the SkyGen panel and press Bake Sky." if still else "Press Bake Sky in the SkyGen panel."
    )
    if not is_own(world):
        remedy = "Bake in the world's own file."
    return f"Of the scene's {len(frames)} frames there are {', and '.join(parts)}. {remedy}"


def _preview_in_words(scene: bpy.types.Scene, world: bpy.types.World, image: bpy.types.Image) -> str | None:
    """What a preview of one frame is in all frames of a scene; None where that is right, or it is none of ours."""
    shown = int(sky_settings(world).sun.shown_frame)
    frames = {animation_frame(scene, frame) for frame in _frames(scene)}
    if ROLE not in image.keys() or frames == {shown}:
        return None
    of_frame = f" of frame {shown}" if shown >= 0 else ""
    return (
        f"The sky is not baked: all {len(frames)} frames render one preview{of_frame}, {int(image.size[0])} pixels "
        f"wide, and clouds stand still. {_how_to_bake(world)}"
    )


def _how_to_bake(world: bpy.types.World) -> str:
    """The remedy where nothing is baked, with the command for a machine without a window."""
    if not is_own(world):
        return "Bake in the world's own file."
    name = PurePath(bpy.data.filepath).name or "FILE.blend"
    file = f'"{name}"' if " " in name else name
    return f"First run: blender -b {file} --command skygen bake, or press Bake Sky in the SkyGen panel."


def _frames(scene: bpy.types.Scene) -> list[int]:
    """The scene's frames that may be rendered."""
    return sorted({*range(scene.frame_start, scene.frame_end + 1, scene.frame_step), scene.frame_current})


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
