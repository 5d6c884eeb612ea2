"""What a bake writes and where, checked before anything is made."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...core.errors import RequestError
from ...core.frames import MAX_FRAMES
from ...core.job import SkyJob
from ...core.request import SkyRequest
from ...core.timeline import requests_for_frames
from ..engine.model import loop_cells_km, shipped_bundle
from ..settings.controls_from_settings import SkyMoment, evaluated_settings
from ..settings.properties import sky_settings
from ..sun.sun_placement import is_dated, refuse_loop, sun_path
from ..world.world_owner import library_of
from .bake_range_properties import range_of_settings


@dataclass(frozen=True)
class BakePlan:
    """One bake of a world's sky."""

    frames: tuple[int, ...]
    """Frames to write, ascending."""
    folder: Path
    """Absolute folder of the frames."""
    width: int
    """Panorama width in pixels."""
    cyclic: bool
    """Whether the frames are one period of a loop."""


def output_folder(world: bpy.types.World) -> Path:
    """Absolute folder that the settings name; it need not exist. // is the folder of the .blend that holds the world.

    Raises
    ------
    RequestError
        If the folder is empty, or relative to a .blend that is not saved.
    """
    text = sky_settings(world).output_folder.strip().replace("{world}", bpy.path.clean_name(world.name))
    if not text:
        raise RequestError("The output folder is empty.", "Choose a folder, for example //skygen/.")
    library = library_of(world)
    if text.startswith("//") and library is None and not bpy.data.filepath:
        raise RequestError(
            f"The folder {text} is relative to the .blend, which is not saved yet.",
            "Save the .blend, or choose a folder by its full path.",
        )
    folder = bpy.path.abspath(text, library=library)
    if not os.path.isabs(folder):
        raise RequestError(f"The folder {text} is relative to nothing.", "Start it with // or give its full path.")
    return Path(os.path.normpath(folder))


def _no_scene() -> RequestError:
    return RequestError("There is no scene.", "Open a scene that uses this world.")


def frames_of_settings(world: bpy.types.World, scene: bpy.types.Scene | None) -> tuple[int, ...]:
    """Frames that the settings ask for: the scene's range or their own, or one period of a loop.

    Raises
    ------
    RequestError
        If the range is empty or absurdly long, or there is no scene.
    """
    if scene is None:
        raise _no_scene()
    settings = sky_settings(world)
    first, last = range_of_settings(settings, scene)
    if settings.loop:
        last = first + int(settings.loop_frames) - 1
    if last < first:
        raise RequestError(f"The frame range {first} to {last} has 0 frames.", f"Set the end to {first} or more.")
    if last - first + 1 > MAX_FRAMES:
        raise RequestError(
            f"The frame range {first} to {last} has {last - first + 1} frames.", f"Bake at most {MAX_FRAMES} at once."
        )
    return tuple(range(first, last + 1))


def plan_of_settings(
    world: bpy.types.World,
    scene: bpy.types.Scene | None,
    *,
    frames: Sequence[int] | None = None,
    folder: Path | None = None,
    width: int | None = None,
) -> BakePlan:
    """The bake that the settings ask for in a scene; the other arguments replace single settings.

    Raises
    ------
    RequestError
        If frames or folder make no sense.
    """
    settings = sky_settings(world)
    whole = frames_of_settings(world, scene) if frames is None or settings.loop else ()
    chosen = whole if frames is None else tuple(sorted(set(frames)))
    return BakePlan(
        frames=chosen,
        folder=output_folder(world) if folder is None else folder,
        width=int(settings.width) if width is None else width,
        cyclic=bool(settings.loop) and chosen == whole,
    )


def requests_of_world(
    context: bpy.types.Context, world: bpy.types.World, frames: Sequence[int], width: int
) -> list[SkyRequest]:
    """One request per frame, keyframes evaluated and rates integrated from the sky's first frame.

    Raises
    ------
    RequestError
        If a value is out of range at some frame, or a loop is asked for with a sun by date and place.
    BundleError
        If a loop needs the bundle's lattice and there is no bundle.
    """
    settings, scene = sky_settings(world), context.scene
    if scene is None:
        raise _no_scene()
    loop_frames = int(settings.loop_frames) if settings.loop else None
    if loop_frames is not None and is_dated(settings):
        refuse_loop(sun_path(settings.sun), float(settings.time_offset))
    with evaluated_settings(context, world) as sky_at:
        first = int(settings.origin_frame)
        requests = requests_for_frames(
            lambda frame: sky_at(frame).controls,
            frames,
            fps=scene.render.fps / scene.render.fps_base,
            first_frame=first,
            time_offset_s=float(settings.time_offset),
            seed=int(settings.seed),
            width=width,
            loop_frames=loop_frames,
            loop_snap_km=None if loop_frames is None else loop_cells_km(sky_at(first).controls),
        )
        return [_placed(request, sky_at(frame)) for frame, request in zip(frames, requests, strict=True)]


def _placed(request: SkyRequest, moment: SkyMoment) -> SkyRequest:
    """The request with the sun where date and place put it, if they do."""
    if moment.sun_path is None:
        return request
    azimuth, elevation = moment.sun_path.angles_rad(request.time_s)
    return dataclasses.replace(request, sun_azimuth_rad=azimuth, sun_elevation_rad=elevation)


def job_of_plan(context: bpy.types.Context, world: bpy.types.World, plan: BakePlan) -> SkyJob:
    """The job that carries out a plan with the bundle that ships with the add-on.

    Raises
    ------
    SkyGenError
        If a setting is out of range at some frame, or the bundle is missing or damaged.
    """
    bundle = shipped_bundle()
    return SkyJob(
        bundle_name=bundle.name,
        bundle_identity=bundle.identity,
        frames=plan.frames,
        requests=tuple(requests_of_world(context, world, plan.frames, plan.width)),
        folder=plan.folder,
        pixel_format=str(sky_settings(world).format),
        compression=str(sky_settings(world).compression),
        pictures=str(sky_settings(world).pictures),
    )
