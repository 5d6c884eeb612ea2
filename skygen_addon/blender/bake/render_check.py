"""Before a render: which of the scene's frames have no baked sky or sun. Blender renders them without a word."""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..engine.running import is_film_rendered, is_running
from ..live.live_properties import live_settings
from ..settings.properties import sky_settings
from ..sun.sun_check import lamp_fault
from ..world.sequence_clock import animation_frame
from ..world.world_nodes import ROLE, environment_node
from ..world.world_owner import is_own
from .bake_range_properties import range_of_settings, scene_range
from .sequence import folder_of_sequence, frames_in_words, missing_frames
from .shared_picture import view_may_get_into_film

_LOG = logging.getLogger(__name__)
_VIEW_WORDS = (
    "EEVEE may now and then render the frame of the sky that a view in a window shows. "
    "Switch on Lock Interface in the Render menu, or show views as Solid."
)


def unbaked_in_words(scene: bpy.types.Scene, *, film_only: bool = False) -> str | None:
    """What the scene's frames lack of their own sky or of its sun, and the remedies; None if nothing.

    ``film_only`` leaves out the current frame where that is none of the scene's range.
    """
    lamp = lamp_fault(scene.world, scene) if scene.world is not None else None
    frames = _film(scene) if film_only else _frames(scene)
    return " ".join(words for words in (_skies_in_words(scene, frames), lamp) if words is not None) or None


def _skies_in_words(scene: bpy.types.Scene, frames: list[int]) -> str | None:
    """Which of these frames of a scene lack a sky of their own, and the remedies; None if none does.

    A frame whose file is missing renders in pure magenta; one outside of the baked range shows the
    nearest baked sky. A preview stays as it is, but in a window a live one follows the render.
    """
    world = scene.world
    node = environment_node(world) if world is not None else None
    if world is None or node is None or node.image is None:
        return None
    if node.image.source != "SEQUENCE":
        follows = not bpy.app.background and is_own(world) and live_settings(world).enabled
        return None if follows else _preview_in_words(scene, world, node.image, frames)
    settings, cyclic = sky_settings(world), node.image_user.use_cyclic
    first, last = int(settings.baked_start), int(settings.baked_end)
    if last < first:
        return None
    missing = set(missing_frames(folder_of_sequence(node.image), range(first, last + 1)))
    mapped = {f: animation_frame(scene, f) for f in frames}
    turn = last - first + 1
    shown = {f: first + (at - first) % turn if cyclic else min(max(at, first), last) for f, at in mapped.items()}
    magenta = [f for f in frames if shown[f] in missing]
    still = [f for f in frames if shown[f] != mapped[f] and not cyclic]
    lacks = [f"The baked sky lacks the file of {_in_words(magenta)}: magenta in the render."] if magenta else []
    if still:
        nearest = f"in {_in_words(still)} the nearest one is seen, and clouds stand still."
        lacks.append(f"The sky is baked for frames {first}-{last} only: {nearest}")
    if not lacks:
        return None
    whole = [f for f in frames if f not in magenta and f not in still]
    otherwise = f", or render only {frames_in_words(whole)}" if whole and is_own(world) else ""
    remedy = _how_to_bake(world, scene, {mapped[f] for f in [*magenta, *still]})
    return f"{' '.join(lacks)} {remedy}{otherwise}."


def _in_words(frames: list[int]) -> str:
    return f"{'frame' if len(frames) == 1 else 'frames'} {frames_in_words(frames)} of the scene"


def _preview_in_words(
    scene: bpy.types.Scene, world: bpy.types.World, image: bpy.types.Image, of_scene: list[int]
) -> str | None:
    """What a preview of one frame is in frames of a scene; None where that is right, or it is none of ours."""
    shown, width, baked = int(sky_settings(world).sun.shown_frame), int(image.size[0]), int(sky_settings(world).width)
    frames = {animation_frame(scene, frame) for frame in of_scene}
    if ROLE not in image.keys() or frames == {shown}:
        return None
    of_frame = f" of frame {shown}" if shown >= 0 else ""
    what = f"the preview{of_frame}, {width} pixels wide{f' instead of {baked}' if width < baked else ''}"
    several = f"frames {frames_in_words(frames)} all render the same still picture"
    lacks = several if len(frames) > 1 else f"frame {min(frames)} renders a still picture"
    if not is_own(world):
        remedy = _how_to_bake(world, scene, frames)
    else:
        remedy = f"{_how_to_bake(world, scene, frames)}, or run: {_command(world, scene, frames)}"
    return f"The sky is not baked: {lacks} ({what}), and clouds do not move. {remedy}."


def _are_asked_for(world: bpy.types.World, scene: bpy.types.Scene, frames: set[int]) -> bool:
    """Whether a bake by the settings covers frames of the animation."""
    first, last = range_of_settings(sky_settings(world), scene)
    return bool(sky_settings(world).loop) or all(first <= frame <= last for frame in frames)


def _how_to_bake(world: bpy.types.World, scene: bpy.types.Scene, frames: set[int]) -> str:
    """What to do in the panel so that frames of the animation are baked."""
    if not is_own(world):
        return "Bake in the world's own file"
    if _are_asked_for(world, scene, frames):
        return "Press Bake Sky in the SkyGen panel"
    first, last = scene_range(scene)
    if all(first <= frame <= last for frame in frames):
        return "Switch Use Scene Range on in the SkyGen panel, then press Bake Sky"
    held = f"let Start and End hold {frames_in_words(frames)} (Use Scene Range off)"
    return f"In the SkyGen panel {held}, then press Bake Sky"


def _command(world: bpy.types.World, scene: bpy.types.Scene, frames: set[int]) -> str:
    """The command that bakes frames of the animation on a machine without a window."""
    name = PurePath(bpy.data.filepath).name or "FILE.blend"
    file = f'"{name}"' if " " in name else name
    asked = "" if _are_asked_for(world, scene, frames) else f" --frames {min(frames)}-{max(frames)}"
    return f"blender -b {file} --command skygen bake{asked}"


def _frames(scene: bpy.types.Scene) -> list[int]:
    """The scene's frames that may be rendered; which ones they are is known of a render that has begun in a window."""
    film = _film(scene)
    if is_running(bpy.context, "RENDER_OT_render"):
        return film if is_film_rendered(bpy.context) else [scene.frame_current]
    return sorted({*film, scene.frame_current})


def _film(scene: bpy.types.Scene) -> list[int]:
    return [*range(scene.frame_start, scene.frame_end + 1, scene.frame_step)]


@persistent  # type: ignore[untyped-decorator]
def warn_of_unbaked_frames(scene: bpy.types.Scene, *_: Any) -> None:
    """Handler of ``render_init``: a line of each kind in the console, once for each still or animation."""
    try:
        words = unbaked_in_words(scene)
        if is_film_rendered(bpy.context) and view_may_get_into_film(scene):
            _LOG.warning("SkyGen: %s", _VIEW_WORDS)
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
