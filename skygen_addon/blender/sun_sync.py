"""One sun in texture, lamp or both: nodes, threshold and lamp follow the settings, the preview and the baked frames.

Before a bake the lamp shines as the clear sky's sun would, at once with every control and at every frame; where the
shown preview is of that frame and sun, the clouds of the preview dim it. A bound sequence keyframes the lamp with what
the engine recorded for each frame; it then follows the frames and no longer the controls.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..core.errors import OutputError, SkyGenError
from ..runtime.sun_record import SunLight, SunRow, clear_sun_irradiance, read_sunlight
from .properties import SkyGenSettings, sky_settings
from .sequence import folder_of_sequence, frame_name, frame_request, frames_in_words
from .sun_lamp import (
    Light,
    is_keyed,
    is_writable,
    key_lamp,
    keyed_span,
    lamp_in_scene,
    new_lamp,
    prepare_lamp,
    remove_lamp,
    shine,
    unkey_lamp,
)
from .sun_nodes import limit_of, show_sun_in_world
from .sun_placement import sun_now
from .world_nodes import ROLE, environment_node

_LOG = logging.getLogger(__name__)
_SAME_SUN_RAD = 1e-5
"""What rounding to 32 bits leaves of two equal directions."""


def scene_of(world: bpy.types.World) -> bpy.types.Scene | None:
    """The scene that shows a world: the present one if it does, else the first; None if none does."""
    present = bpy.context.scene
    if present is not None and present.world == world:
        return present
    return next((scene for scene in bpy.data.scenes if scene.world == world), None)


def uses_lamp(world: bpy.types.World) -> bool:
    """Whether the settings want a sun lamp."""
    return bool(sky_settings(world).sun.sun_in != "TEXTURE")


def live_light(world: bpy.types.World, settings: SkyGenSettings, scene: bpy.types.Scene) -> Light:
    """What the sun gives at a scene's current frame by the settings (original, or evaluated there).

    Raises
    ------
    RequestError
        If the date and place make no sense.
    """
    sun = sun_now(world, settings, scene)
    irradiance = clear_sun_irradiance(sun.elevation_rad, float(settings.haze), float(settings.exposure))
    shown = settings.sun
    same = abs(math.remainder(sun.azimuth_rad - shown.shown_azimuth, math.tau)) < _SAME_SUN_RAD
    same = same and abs(sun.elevation_rad - shown.shown_elevation) < _SAME_SUN_RAD
    through = float(shown.shown_transmittance) if same and shown.shown_frame == scene.frame_current else 1.0
    red, green, blue = (channel * through for channel in irradiance)
    return sun.azimuth_rad, sun.elevation_rad, (red, green, blue)


def follow_settings(
    world: bpy.types.World, scene: bpy.types.Scene | None = None, settings: SkyGenSettings | None = None
) -> None:
    """Let the world's lamp shine as the settings say, unless keyframes set it; without a lamp nothing happens.

    An impossible date leaves the lamp as it is: the panel tells of it.
    """
    scene = scene_of(world) if scene is None else scene
    if scene is None or not uses_lamp(world):
        return
    lamp = lamp_in_scene(world, scene)
    if lamp is None or not is_writable(lamp) or is_keyed(lamp):
        return
    try:
        shine(lamp, live_light(world, sky_settings(world) if settings is None else settings, scene))
    except SkyGenError as error:
        _LOG.info("SkyGen: the sun lamp stays as it is: %s", error)


def change_sun_in(world: bpy.types.World) -> None:
    """The artist has chosen what the sun shines from."""
    scene = scene_of(world)
    if scene is not None:
        lamp = lamp_in_scene(world, scene)
        if uses_lamp(world) and lamp is None and sky_settings(world).sun.lamp is None:
            sky_settings(world).sun.lamp = new_lamp(scene)  # adopted by the property itself
            return
        if lamp is not None and is_writable(lamp):
            lamp.hide_render = lamp.hide_viewport = not uses_lamp(world)
    show_sun(world)


def adopt_lamp(world: bpy.types.World) -> None:
    """The world's lamp is another one, or none: the one before stops following, or goes if it was made here."""
    sun = sky_settings(world).sun
    lamp, before = sun.lamp, sun.followed_lamp
    if before is not None and before != lamp:
        _let_go(world, before)
    sun.followed_lamp = lamp
    if lamp is not None and is_sun(lamp) and is_writable(lamp):
        lamp.hide_render = lamp.hide_viewport = not uses_lamp(world)
    show_sun(world)


def is_sun(lamp: bpy.types.Object) -> bool:
    """Whether an object is a sun lamp still."""
    return isinstance(lamp.data, bpy.types.SunLight)


def add_lamp(world: bpy.types.World, scene: bpy.types.Scene) -> None:
    """Give a scene the world's lamp: the one of another scene that shows the same world, or a new one."""
    sun = sky_settings(world).sun
    lamp = sun.lamp
    if lamp is not None and is_sun(lamp) and any(lamp_in_scene(world, other) for other in bpy.data.scenes):
        scene.collection.objects.link(lamp)
        show_sun(world)
    else:
        sun.lamp = new_lamp(scene)


def show_sun(world: bpy.types.World) -> None:
    """Bring nodes, threshold and lamp to what the settings and the shown image ask for."""
    settings = sky_settings(world)
    show_sun_in_world(world, settings.sun.sun_in, limit_of(float(settings.sun.sky_peak), float(settings.exposure)))
    scene = scene_of(world)
    lamp = lamp_in_scene(world, scene) if scene is not None else None
    if lamp is None or not uses_lamp(world) or not is_writable(lamp):
        return
    prepare_lamp(lamp, world)
    node = environment_node(world)
    if node is not None and node.image is not None and node.image.source == "SEQUENCE":
        span = range(settings.baked_start, settings.baked_end + 1)
        rows = sun_rows(folder_of_sequence(node.image), span)
        if len(span) and len(rows) == len(span):
            lights = [_light(rows[frame].sun) for frame in span]
            key_lamp(lamp, span.start, lights, cyclic=node.image_user.use_cyclic)
            return
    unkey_lamp(lamp)
    follow_settings(world, scene)


def _light(sun: SunLight) -> Light:
    return sun.azimuth_rad, sun.elevation_rad, sun.irradiance


def sun_rows(folder: Path, frames: range) -> dict[int, SunRow]:
    """Recorded suns of those frames whose file is the one that was rendered with them."""
    try:
        rows = read_sunlight(folder)
    except OutputError as error:
        _LOG.warning("SkyGen: %s", error)
        return {}
    return {
        frame: rows[frame]
        for frame in frames
        if frame in rows and frame_request(folder / frame_name(frame)) == rows[frame].request_digest
    }


def note_preview(world: bpy.types.World, frame: int, row: SunRow | None) -> None:
    """A preview of one frame is shown; ``row`` is its sun, None where the renderer does not know it."""
    sun = sky_settings(world).sun
    sun.sky_peak = row.sun.sky_peak if row is not None else 0.0
    sun.shown_frame = frame if row is not None else -1
    if row is not None:
        sun.shown_azimuth, sun.shown_elevation = row.sun.azimuth_rad, row.sun.elevation_rad
        sun.shown_transmittance = row.sun.transmittance
    _make_up_for_a_removed_lamp(world)
    show_sun(world)


def note_sequence(world: bpy.types.World, folder: Path, frames: range) -> None:
    """A baked sequence is shown."""
    sun = sky_settings(world).sun
    rows = sun_rows(folder, frames)
    sun.sky_peak = max((row.sun.sky_peak for row in rows.values()), default=0.0)
    sun.shown_frame = -1
    _make_up_for_a_removed_lamp(world)
    show_sun(world)


def _make_up_for_a_removed_lamp(world: bpy.types.World) -> None:
    """The settings want a lamp and the world has none, because Restore World took it: it comes back with the sky."""
    scene = scene_of(world)
    if scene is not None and uses_lamp(world) and sky_settings(world).sun.lamp is None:
        sky_settings(world).sun.lamp = new_lamp(scene)


def forget_sun(world: bpy.types.World) -> None:
    """The sky is taken out: so is its lamp."""
    sun = sky_settings(world).sun
    sun.shown_frame, sun.sky_peak = -1, 0.0
    if sun.lamp is not None and sun.lamp.get(ROLE) is not None:
        sun.lamp = None  # the property lets it go
    elif sun.lamp is not None:
        _let_go(world, sun.lamp)


def _let_go(world: bpy.types.World, lamp: bpy.types.Object) -> None:
    """A lamp no longer follows this world; if it was made here and follows no other one, it goes."""
    others = any(other != world and sky_settings(other).sun.lamp == lamp for other in bpy.data.worlds)
    if is_sun(lamp) and is_writable(lamp) and not others:
        remove_lamp(lamp)


def lamp_fault(world: bpy.types.World, scene: bpy.types.Scene, *, detailed: bool = True) -> str | None:
    """Why a scene's light would not be right with a lamp, and the remedy; None if it is, or no lamp is wanted.

    Not ``detailed`` no file is read, for a panel that is drawn often.
    """
    if not uses_lamp(world):
        return None
    lamp = lamp_in_scene(world, scene)
    if lamp is None:
        return "The sky's sun lamp is not in this scene. Press Add Sun Lamp in the SkyGen panel."
    node = environment_node(world)
    if node is None or node.image is None or node.image.source != "SEQUENCE":
        return None
    settings = sky_settings(world)
    first, last = int(settings.baked_start), int(settings.baked_end)
    span = keyed_span(lamp)
    if last < first or (span is not None and span[0] == first and span[1] in (last, last + 1)):
        return None
    if not is_writable(lamp):
        return f"The linked sun lamp {lamp.name} does not follow the baked frames. Make it local, then bind again."
    folder = folder_of_sequence(node.image)
    frames = range(first, last + 1)
    without = detailed and sorted(set(frames) - set(sun_rows(folder, frames)))
    if not without:
        return "The sun lamp does not follow the baked frames. Press Bind Baked Sky."
    return (
        f"The sun lamp does not follow the clouds: frames {frames_in_words(without)} were baked without a record of "
        f"their sun. Delete them in {folder} and bake again."
    )


@persistent  # type: ignore[untyped-decorator]
def follow_frame(scene: bpy.types.Scene, depsgraph: Any = None) -> None:
    """Handler of ``frame_change_post``: a lamp that no keyframes set stands where the settings are at this frame."""
    world = scene.world
    try:
        if world is None or not uses_lamp(world) or depsgraph is None:
            return
        follow_settings(world, scene, sky_settings(world.evaluated_get(depsgraph)))
    except Exception:  # in a handler there is nobody to raise to, and the render goes on
        _LOG.exception("SkyGen: the sun lamp could not follow the frame.")


def register() -> None:
    """Add the handler."""
    bpy.app.handlers.frame_change_post.append(follow_frame)


def unregister() -> None:
    """Remove the handler."""
    if follow_frame in bpy.app.handlers.frame_change_post:
        bpy.app.handlers.frame_change_post.remove(follow_frame)
