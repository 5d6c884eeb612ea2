"""How a world's bake stands: nothing baked, complete, frames missing, or older than the settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from ...core.errors import SkyGenError
from ...core.request import NEUTRAL_WHITE_K
from ..engine.model import makers_identity
from ..engine.running import is_running
from ..live.live_bake import bound_sequence
from ..live.live_properties import live_settings
from ..settings.controls_from_settings import draws_sun
from ..settings.properties import SkyGenSettings, sky_settings
from ..settings.world_animation import animated_paths, animation_description
from ..sun.sun_placement import is_dated
from ..world.world_nodes import environment_node
from ..world.world_owner import is_own
from .bake_marker import read_marker
from .bake_pause import is_paused
from .bake_plan import BakePlan, frames_of_settings, output_folder
from .bake_progress import BakeProgress, progress_of
from .bake_range_properties import range_of_settings
from .sequence import folder_of_sequence, frames_in_words, known_missing_frames

_WITHOUT_EFFECT = {
    "rna_type", "name", "preset", "own_preset", "preset_gallery", "use_scene_range", "frame_start",
    "frame_end", "output_folder", "format",
    "compression", "pictures", "look", "match", "sun", "sun_disc", "sun_in", "lamp", "followed_lamp", "sky_peak",
    "shown_frame", "shown_azimuth", "shown_elevation", "shown_transmittance", "unrecorded", "baked_start",
    "baked_end", "baked_settings", "measured_seconds", "measured_width",
}  # fmt: skip

_CAME_LATER = {"white_balance_temperature": NEUTRAL_WHITE_K, "white_balance_tint": 0.0}
"""Settings that files did not have at first, at values that change nothing: bakes from before stay what they were."""


@dataclass(frozen=True)
class SkyState:
    """One line of the panel."""

    text: str
    """What there is to know, and what to do about it."""
    icon: str
    """Blender icon."""
    alert: bool
    """Whether a render would show something wrong."""


def _values(group: Any, path: str, animated: set[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for prop in group.bl_rna.properties:
        name = prop.identifier
        if name in _WITHOUT_EFFECT or f"{path}.{name}" in animated:
            continue
        value = getattr(group, name)
        if prop.type == "POINTER":
            values[name] = _values(value, f"{path}.{name}", animated)
        else:
            values[name] = list(value) if getattr(prop, "is_array", False) else value
    return values


def settings_fingerprint(
    world: bpy.types.World, fps: float, *, with_disc: bool | None = None, with_start: int | None = None
) -> str:
    """Hash of everything in the settings that changes a frame; the same at every scene frame.

    ``with_disc`` tells of frames with or without the sun's disc, whatever the settings say of it; ``with_start`` is
    for bakes from before, whose fingerprint counted their first frame in, though it changes none.
    """
    settings, animated = sky_settings(world), animated_paths(world)
    values = _values(settings, "skygen", animated)
    values = {name: value for name, value in values.items() if _CAME_LATER.get(name) != value}
    values["sun_disc"] = draws_sun(settings) if with_disc is None else with_disc
    if with_start is not None:
        values["frame_start"] = with_start
    if is_dated(settings):
        values["sun"] = _values(settings.sun, "skygen.sun", animated)
    text = json.dumps([values, animation_description(world), fps], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def bake_fingerprint(world: bpy.types.World, fps: float) -> str:
    """:func:`settings_fingerprint` and the engine and bundle that bake, for :func:`note_bake`.

    Raises
    ------
    BundleError
        As :func:`.engine.makers_identity`.
    """
    return f"{settings_fingerprint(world, fps)} {makers_identity()}"


def note_bake(world: bpy.types.World, plan: BakePlan, fingerprint: str) -> None:
    """Remember which sequence is bound and its :func:`bake_fingerprint`; empty if that is not known."""
    settings = sky_settings(world)
    settings.baked_start, settings.baked_end = plan.frames[0], plan.frames[-1]
    settings.baked_settings = fingerprint


def forget_bake(world: bpy.types.World) -> None:
    """No sequence is bound."""
    settings = sky_settings(world)
    settings.baked_start, settings.baked_end = 0, -1
    settings.baked_settings = ""


def _fitting_fingerprints(world: bpy.types.World, fps: float) -> Iterator[str]:
    """Fingerprints of bakes that show what the settings say: beside a lamp, the nodes take a baked disc out."""
    settings = sky_settings(world)
    discs = (None, True) if settings.sun.sun_in == "LAMP" else (None,)
    for start in (None, int(settings.baked_start), int(settings.frame_start)):
        yield from (settings_fingerprint(world, fps, with_disc=disc, with_start=start) for disc in discs)


def is_baking(context: bpy.types.Context) -> bool:
    """Whether a bake runs, in whichever window it was started."""
    return is_running(context, "SKYGEN_OT_bake_sequence")


def running_bake(context: bpy.types.Context, world: bpy.types.World) -> BakeProgress | None:
    """How far the bake that runs is; None if none runs, or another world's."""
    return progress_of(world) if is_baking(context) else None


def _unbaked_in_words(world: bpy.types.World) -> str:
    """What a render shows of a sky that is not baked."""
    live = live_settings(world)
    if live.enabled and is_own(world):
        return (
            f"Not baked. Renders in this window wait for the preview, {live.width} wide. "
            "Press Bake Sky for full resolution, for blender -b and for farms"
        )
    where = "" if is_own(world) else " in the world's own file"
    return f"Not baked: every frame renders this one preview, and clouds stand still. Bake{where} to animate it"


def _unbaked(settings: SkyGenSettings, scene: bpy.types.Scene | None) -> list[int]:
    """Frames to bake that lie before or after the bound sequence, of which a loop has none."""
    if settings.loop or scene is None:
        return []
    (first, last), start, end = range_of_settings(settings, scene), settings.baked_start, settings.baked_end
    return [*range(first, min(start, last + 1)), *range(max(end + 1, first), last + 1)]


def sky_states(context: bpy.types.Context, world: bpy.types.World) -> list[SkyState]:
    """What the panel says about a world's sky, most urgent first."""
    settings, scene = sky_settings(world), context.scene
    states: list[SkyState] = []
    makers = None
    try:
        makers = makers_identity()
    except SkyGenError as error:
        states.append(SkyState(f"No model: {error.remedy}", "ERROR", True))
    running = running_bake(context, world)
    if running is not None:
        paused = is_paused()
        verb = "Paused at" if paused else "Baking"
        text = f"{verb} {running.done} of {running.total} (Esc in its window cancels)"
        return [*states, SkyState(text, "PAUSE" if paused else "RENDER_ANIMATION", False)]
    try:
        output_folder(world)
        frames_of_settings(world, scene)
    except SkyGenError as error:
        states.append(SkyState(f"{error.message} {error.remedy}", "ERROR", False))
    node = environment_node(world)
    if node is None or node.image is None:
        return [*states, SkyState("No sky in this world yet", "INFO", False)]
    sequence = bound_sequence(world)
    if sequence is None:
        return [*states, SkyState(_unbaked_in_words(world), "INFO", False)]
    baked = range(settings.baked_start, settings.baked_end + 1)
    missing = known_missing_frames(folder_of_sequence(sequence), baked)
    if missing:
        states.append(SkyState(f"Missing frames render magenta: {frames_in_words(missing)}", "ERROR", True))
    fps = scene.render.fps / scene.render.fps_base if scene is not None else 24.0
    baked_settings, _, baked_by = settings.baked_settings.partition(" ")
    if baked_settings and baked_settings not in _fitting_fingerprints(world, fps):
        states.append(SkyState("The settings have changed since the bake, which renders show", "FILE_REFRESH", False))
    elif baked_settings and makers is not None and baked_by != makers:
        states.append(SkyState("Baked by another SkyGen version: bake again", "FILE_REFRESH", False))
    unbaked = _unbaked(settings, scene)
    if unbaked:
        states.append(SkyState(f"Not baked yet: {frames_in_words(unbaked)}", "INFO", False))
    if not states and read_marker(folder_of_sequence(sequence)) is None:  # else some frames are of a bake that stopped
        states.append(SkyState(f"Baked: frames {settings.baked_start}-{settings.baked_end}", "CHECKMARK", False))
    return states
