"""What a match found becomes a world's settings, and its pictures part of the file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import bpy

from ...core.controls import SkyControls, controls_from_dict
from ...core.errors import RequestError
from ...runtime.match.match_messages import PANORAMA_PICTURE, SKY_PICTURE, MatchFound
from ..presets.preset_choice import note_choice
from ..settings.controls_from_settings import write_controls
from ..settings.properties import sky_settings
from .match_properties import SkyGenMatch


def match_of(world: bpy.types.World) -> SkyGenMatch:
    """The last match of a world."""
    match: SkyGenMatch = sky_settings(world).match
    return match


def note_match(world: bpy.types.World, source: Path, found: MatchFound, pictures: Path) -> None:
    """Keep what a match found in a world's file; the sky's settings stay as they are.

    Raises
    ------
    RequestError
        If its pictures cannot be read.
    """
    match = match_of(world)
    loaded: list[bpy.types.Image] = []
    try:
        for name, what in _PICTURES:
            loaded.append(_load(pictures / name, f"{what} {world.name}"))
    except RequestError:
        for image in loaded:
            bpy.data.images.remove(image)
        raise
    match.source, match.seed = str(source), found.seed
    match.controls = json.dumps(found.controls.to_dict())
    match.found, match.remaining = "\n".join(found.found), "\n".join(found.remaining)
    old = (match.panorama_picture, match.sky_picture)
    match.panorama_picture, match.sky_picture = loaded
    for image in old:
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)


_PICTURES = ((PANORAMA_PICTURE, ".SkyGen Panorama"), (SKY_PICTURE, ".SkyGen Match"))
"""Files, and what their images are called; the dot keeps them out of Blender's lists."""


def _load(path: Path, name: str) -> bpy.types.Image:
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
        image.pack()
    except RuntimeError as error:
        raise RequestError(f"The match's picture cannot be read: {error}.", "Match again.") from error
    image.name = name
    return image


def use_match(world: bpy.types.World) -> None:
    """Set a world's sky to what its last match found; weather, time scale and sun disc stay as they are.

    The sun stands where it stands in the panorama, so Date and Place no longer put it.

    Raises
    ------
    RequestError
        If nothing was matched yet, or the file holds what this version does not know.
    """
    settings, match = sky_settings(world), match_of(world)
    controls = _kept_controls(match)
    kept = dataclasses.replace(
        controls,
        sun_disc=bool(settings.sun_disc),
        weather_strength=float(settings.weather_strength),
        time_scale=float(settings.time_scale),
    )
    write_controls(settings, kept)
    settings.sun.placement = "DIRECTION"
    settings.seed = match.seed
    note_choice(settings, "")


def _kept_controls(match: SkyGenMatch) -> SkyControls:
    if not match.controls:
        raise RequestError("No panorama was matched in this world yet.", "Use Match HDRI.")
    try:
        return controls_from_dict(json.loads(match.controls), "the last match")
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError("The last match cannot be read.", "Match the panorama again.") from error
