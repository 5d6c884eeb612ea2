"""One sun in texture, lamp or both: nodes, threshold and lamp follow the settings, the preview and the baked frames.

Before a bake the lamp shines as the clear sky's sun would, at once with every control and at every frame; where the
shown preview is of that frame and sun, the clouds of the preview dim it. While a live preview follows, its last
picture dims the lamp until the next one comes, so that it does not flare up in between. A bound sequence keyframes
the lamp with what the engine recorded for each frame; it then follows the frames and no longer the controls.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ...core.errors import SkyGenError
from ...runtime.frame.sun_record import SunLight, clear_sun_irradiance
from ..bake.sequence import folder_of_sequence, frames_in_words
from ..live.live_properties import live_settings
from ..settings.properties import SkyGenSettings, sky_settings
from ..settings.world_animation import is_driven
from ..world.sequence_clock import animation_frame
from ..world.world_look import show_look
from ..world.world_nodes import environment_node
from ..world.world_owner import is_own
from .sun_adoption import hide, hide_lamps_of_other_worlds, let_go, take_lamp
from .sun_check import uses_lamp
from .sun_keys import Rows, has_keys_of_its_own, is_keyed, key_lamp, light_of, rows_identity, sun_rows, unkey_lamp
from .sun_lamp import (
    Light,
    holds,
    is_anothers,
    is_sun,
    is_writable,
    lamp_in_scene,
    lamp_of,
    new_lamp,
    scenes_of,
    shine,
    turn_with_sky,
)
from .sun_nodes import brightest_ev, limit_of, show_sun_in_world, usual_peak
from .sun_placement import SunNow, sun_now

_LOG = logging.getLogger(__name__)
_SAME_SUN_RAD = 1e-5
"""What rounding to 32 bits leaves of two equal directions."""


def live_light(world: bpy.types.World, settings: SkyGenSettings, scene: bpy.types.Scene) -> Light:
    """What the sun gives at a scene's current frame by the settings (original, or evaluated there).

    Raises
    ------
    RequestError
        If the date and place make no sense.
    """
    sun = sun_now(world, settings, scene)
    balance = (float(settings.white_balance_temperature), float(settings.white_balance_tint))
    irradiance = clear_sun_irradiance(sun.elevation_rad, float(settings.haze), float(settings.exposure), *balance)
    through = shown_through(world, settings, scene, sun)
    red, green, blue = (channel * (1.0 if through is None else through) for channel in irradiance)
    return sun.azimuth_rad, sun.elevation_rad, (red, green, blue)


def shown_through(
    world: bpy.types.World, settings: SkyGenSettings, scene: bpy.types.Scene, sun: SunNow
) -> float | None:
    """Share of the sun's light that the shown preview's clouds let through; None where it tells nothing of this sun."""
    shown = settings.sun
    same = abs(math.remainder(sun.azimuth_rad - shown.shown_azimuth, math.tau)) < _SAME_SUN_RAD
    same = same and abs(sun.elevation_rad - shown.shown_elevation) < _SAME_SUN_RAD
    told = (same and shown.shown_frame == animation_frame(scene)) or holds_last_picture(world)
    return float(shown.shown_transmittance) if told else None


def holds_last_picture(world: bpy.types.World) -> bool:
    """Whether a live preview follows, so that what its last picture let through holds until the next one comes."""
    told = sky_settings(world).sun.shown_frame >= 0
    return told and is_own(world) and bool(live_settings(world).enabled) and not bpy.app.background


def follow_settings(
    world: bpy.types.World, scene: bpy.types.Scene | None = None, settings: SkyGenSettings | None = None
) -> None:
    """Let the world's lamp shine as the settings say, unless keyframes set it; without a lamp nothing happens.

    An impossible date leaves the lamp as it is: the panel tells of it.
    """
    if not uses_lamp(world):
        return
    if scene is None:
        lamp, scene = lamp_of(world) or (None, None)
    else:
        lamp = lamp_in_scene(world, scene)
    if lamp is None or scene is None or not is_writable(lamp) or has_keys_of_its_own(lamp):
        return
    turn_with_sky(lamp, world)
    if is_keyed(lamp):
        return
    try:
        shine(lamp, live_light(world, sky_settings(world) if settings is None else settings, scene))
    except SkyGenError as error:
        _LOG.info("SkyGen: the sun lamp stays as it is: %s", error)


def change_sun_in(world: bpy.types.World) -> None:
    """The artist has chosen what the sun shines from."""
    sun = sky_settings(world).sun
    if uses_lamp(world) and _make_up_for_a_missing_lamp(world):
        return  # adopted by the property itself
    if sun.lamp is not None:
        _hide_as_wanted(sun.lamp, world)
    show_sun(world)


def adopt_lamp(world: bpy.types.World) -> None:
    """The world's lamp is another one, or none: the one before stops following, or goes if it was made here."""
    sun = sky_settings(world).sun
    lamp, before = sun.lamp, sun.followed_lamp
    if before is not None and before != lamp:
        let_go(before, world)
    sun.followed_lamp = lamp
    if lamp is not None:
        take_lamp(lamp, world)
        _hide_as_wanted(lamp, world)
    show_sun(world)


def _hide_as_wanted(lamp: bpy.types.Object, world: bpy.types.World) -> None:
    """A lamp beside a sun in the texture would be a second one, whichever scene holds it."""
    if is_sun(lamp) and is_writable(lamp) and not is_anothers(lamp, world) and not has_keys_of_its_own(lamp):
        hide(lamp, not uses_lamp(world))


def add_lamp(world: bpy.types.World, scene: bpy.types.Scene) -> None:
    """Give a scene the world's lamp: the one of another scene that shows the same world, or a new one.

    A world of another file has its lamp there, which is linked into the scene with its keyframes.
    """
    if not is_own(world):
        scene.collection.objects.link(sky_settings(world).sun.lamp)
        return
    found = lamp_of(world)
    if found is None:
        sky_settings(world).sun.lamp = new_lamp(scene)
    elif lamp_in_scene(world, scene) is None:
        scene.collection.objects.link(found[0])
        show_sun(world)


def show_sun(world: bpy.types.World, rows: Rows | None = None) -> None:
    """Bring nodes, threshold and lamp to what the settings and the shown image ask for.

    ``rows`` are the recorded suns of a shown sequence, read from its folder if not given.
    """
    settings = sky_settings(world)
    show_sun_in_world(world, settings.sun.sun_in, limit_of(float(settings.sun.sky_peak), brightest_ev(settings)))
    show_look(world)
    hide_lamps_of_other_worlds()
    lamp, scene = lamp_of(world) or (None, None)
    if lamp is None or not uses_lamp(world) or not is_writable(lamp) or has_keys_of_its_own(lamp):
        return
    turn_with_sky(lamp, world)
    node = environment_node(world)
    if node is not None and node.image is not None and node.image.source == "SEQUENCE":
        span = range(settings.baked_start, settings.baked_end + 1)
        rows = sun_rows(folder_of_sequence(node.image), span) if rows is None else rows
        _note_unrecorded(world, span, rows)
        if len(span) and len(rows) == len(span):
            lights = [light_of(rows[frame][1]) for frame in span]
            cyclic = node.image_user.use_cyclic
            key_lamp(lamp, span.start, lights, cyclic=cyclic, identity=rows_identity(rows))
            return
    unkey_lamp(lamp)
    follow_settings(world, scene)


def note_preview(world: bpy.types.World, frame: int, sun: SunLight | None) -> None:
    """A preview of one frame is shown; ``sun`` is what its sun gives, None where the renderer does not know it."""
    known = sky_settings(world).sun
    known.sky_peak = sun.sky_peak if sun is not None else 0.0
    known.shown_frame = frame if sun is not None else -1
    if sun is not None:
        known.shown_azimuth, known.shown_elevation = sun.azimuth_rad, sun.elevation_rad
        known.shown_transmittance = sun.transmittance
    _make_up_for_a_missing_lamp(world)
    show_sun(world)


def note_sequence(world: bpy.types.World, folder: Path, frames: range) -> None:
    """A baked sequence is shown."""
    settings, rows = sky_settings(world), sun_rows(folder, frames)
    peak = max((sun.sky_peak for _, sun in rows.values()), default=0.0)
    if rows and len(rows) < len(frames):  # the others may be brighter
        peak = max(peak, usual_peak(brightest_ev(settings)))
    settings.sun.sky_peak = peak
    settings.sun.shown_frame = -1
    _note_unrecorded(world, frames, rows)
    _make_up_for_a_missing_lamp(world)
    show_sun(world, rows)


def _note_unrecorded(world: bpy.types.World, frames: range, rows: Rows) -> None:
    """Keep for the panel which frames no lamp can follow."""
    sky_settings(world).sun.unrecorded = frames_in_words(sorted(set(frames) - set(rows)))


def _make_up_for_a_missing_lamp(world: bpy.types.World) -> bool:
    """Make a lamp where the settings want one and the world has none, or one that was deleted or follows another."""
    sun, scenes = sky_settings(world).sun, scenes_of(world)
    lamp = sun.lamp
    if not scenes or not uses_lamp(world):
        return False
    if lamp is not None and not is_anothers(lamp, world) and any(holds(scene, lamp) for scene in bpy.data.scenes):
        return False
    sun.lamp = new_lamp(scenes[0])
    return True


def forget_sun(world: bpy.types.World) -> None:
    """The sky is taken out: so is its lamp, and an artist's own is let go."""
    sun = sky_settings(world).sun
    sun.shown_frame, sun.sky_peak, sun.unrecorded = -1, 0.0, ""
    sun.lamp = None  # the property lets it go


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


@persistent  # type: ignore[untyped-decorator]
def follow_changes(scene: bpy.types.Scene, depsgraph: Any = None) -> None:
    """Handler of ``depsgraph_update_post`` and ``render_init``: what no setting of ours tells of when it changes.

    A scene may show another world, whose lamp alone is to shine; the Mapping node may have another name; a driver may
    move the sun.
    """
    try:
        hide_lamps_of_other_worlds()
        world = scene.world
        if world is None or not uses_lamp(world):
            return
        lamp = lamp_in_scene(world, scene)
        if lamp is not None and is_writable(lamp) and not has_keys_of_its_own(lamp):
            turn_with_sky(lamp, world)
            if depsgraph is not None and is_driven(world):
                follow_settings(world, scene, sky_settings(world.evaluated_get(depsgraph)))
    except Exception:  # as in follow_frame
        _LOG.exception("SkyGen: the sun lamps could not follow the scene.")


def register() -> None:
    """Add the handlers."""
    bpy.app.handlers.frame_change_post.append(follow_frame)
    bpy.app.handlers.depsgraph_update_post.append(follow_changes)
    bpy.app.handlers.render_init.append(follow_changes)


def unregister() -> None:
    """Remove the handlers."""
    handlers = bpy.app.handlers
    for group, handler in (
        (handlers.frame_change_post, follow_frame),
        (handlers.depsgraph_update_post, follow_changes),
        (handlers.render_init, follow_changes),
    ):
        if handler in group:
            group.remove(handler)
