"""What the panel says of the next bake before it starts: what is there already, how large and how long it gets."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...core.errors import SkyGenError
from ...core.job import check_storage
from ..live.live_pictures import is_live_image
from ..settings.properties import SkyGenSettings, sky_settings
from ..world.world_nodes import ROLE, environment_node
from ..world.world_owner import is_own
from .bake_marker import read_marker, stopped_in_words
from .bake_plan import frames_of_settings, output_folder
from .bake_space import BakeSpace, bake_space, size_in_words
from .sequence_state import SkyState, bake_fingerprint


def bake_outlook(context: bpy.types.Context, world: bpy.types.World) -> list[SkyState]:
    """Lines about a bake with the present settings; none where the folder or the range makes no sense, or the world
    cannot be baked here.

    Quick enough for a panel that is drawn often: no frame is read, and few headers.
    """
    settings, scene = sky_settings(world), context.scene
    if not is_own(world):
        return []
    try:
        folder, frames = output_folder(world), frames_of_settings(world, scene)
    except SkyGenError:  # the states above tell of it
        return []
    fps = scene.render.fps / scene.render.fps_base if scene is not None else 24.0
    try:
        fingerprint = bake_fingerprint(world, fps)
    except SkyGenError:
        return []
    states = []
    stopped = stopped_in_words(folder, fingerprint)
    if stopped is not None:
        states.append(SkyState(stopped, "RECOVER_LAST", False))
    try:
        check_storage(str(settings.format), str(settings.compression), str(settings.pictures))
    except SkyGenError as error:
        return [*states, SkyState(f"{error.message} {error.remedy}", "ERROR", False)]
    space = bake_space(
        folder,
        frames,
        int(settings.width),
        pixel_format=str(settings.format),
        compression=str(settings.compression),
        pictures=str(settings.pictures),
        preview_bytes_per_pixel=_preview_bytes_per_pixel(world),
    )
    if space is None:
        return states
    to_bake = space.frames if _are_current(folder, settings, fingerprint) else len(frames)
    if to_bake or space.pictures:
        states.append(_estimate(space, settings, to_bake))
    return states


def _preview_bytes_per_pixel(world: bpy.types.World) -> float | None:
    """How well the shown preview compresses, which tells of this very sky; None without one that is packed.

    Nor of a live picture, which Blender packs in full floats: they hardly compress, and tell nothing.
    """
    node = environment_node(world)
    image = node.image if node is not None else None
    if image is None or image.packed_file is None or ROLE not in image.keys() or is_live_image(image):
        return None
    pixels = int(image.size[0]) * int(image.size[1])
    return float(image.packed_file.size) / pixels if pixels else None


def _are_current(folder: Path, settings: SkyGenSettings, fingerprint: str) -> bool:
    """Whether frames that are there are, as far as is known, of these settings and will be kept."""
    marker = read_marker(folder)
    return fingerprint in (settings.baked_settings, marker.fingerprint if marker is not None else None)


def _estimate(space: BakeSpace, settings: SkyGenSettings, to_bake: int) -> SkyState:
    what, number = ("frame", to_bake) if to_bake else ("picture", space.pictures)
    frames = f"1 {what}" if number == 1 else f"{number} {what}s"
    parts = [f"about {size_in_words(space.bytes)} more on disk"] if space.bytes else []
    seconds = seconds_per_frame(settings, int(settings.width))
    if seconds is not None and to_bake:
        parts.append(f"about {_duration(seconds * to_bake)}")
    if not space.fits:
        parts.append(f"but only {size_in_words(space.free_bytes)} are free")
    words = f"{frames} to bake: {', '.join(parts)}" if parts else f"{frames} to bake"
    return SkyState(words, "DISK_DRIVE", not space.fits)


def seconds_per_frame(settings: SkyGenSettings, width: int) -> float | None:
    """Seconds that a frame took in this file's last bake, scaled by its pixels; None before the first bake."""
    if settings.measured_width <= 0 or settings.measured_seconds <= 0.0:
        return None
    return float(settings.measured_seconds) * (width / int(settings.measured_width)) ** 2


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
