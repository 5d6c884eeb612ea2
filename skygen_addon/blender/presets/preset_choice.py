"""Choosing a preset: what the gallery's property, the operators and the panel share."""

from __future__ import annotations

import dataclasses
from typing import Any

import bpy

from ...core.controls import SkyControls
from ...core.errors import RequestError, SkyGenError
from ...core.presets import Preset, same_sky
from ..bake.changes_over_bake import show_over_bake
from ..live.live_preview import ask_live
from ..settings.choices import OWN_PRESET
from ..settings.controls_from_settings import controls_from_settings, write_controls
from ..settings.properties import SkyGenSettings, sky_settings
from ..sun.sun_placement import is_dated, short_degrees, sun_now
from ..world.world_nodes import environment_node
from .preset_gallery import GALLERY, NO_REFUSAL, OWN_PREFIX, Entry


def chosen_identifier(settings: SkyGenSettings) -> str:
    """Identifier of the preset that the settings were taken from, on this computer or not; empty if from none."""
    if settings.preset != OWN_PRESET[0]:
        return str(settings.preset)
    return OWN_PREFIX + settings.own_preset if settings.own_preset else ""


def chosen_entry(settings: SkyGenSettings) -> Entry | None:
    """The preset that the settings were taken from; None if there is none on this computer."""
    identifier = chosen_identifier(settings)
    return GALLERY.find(identifier) if identifier else None


def find_preset(name: str) -> Entry:
    """The preset of a name: a shipped one, or one of the artist's own (``own/`` before its name finds only these).

    Raises
    ------
    RequestError
        If it is not on this computer.
    """
    entry = GALLERY.find(name)
    if entry is None:
        names = ", ".join(e.identifier.removeprefix(OWN_PREFIX) for e in GALLERY.entries())
        damaged = "".join(f" {fault.message}" for fault in GALLERY.faults)
        raise RequestError(
            f"There is no preset {name.removeprefix(OWN_PREFIX)!r} on this computer.{damaged}",
            f"Choose one of {names}.",
        )
    return entry


def use_preset(world: bpy.types.World, name: str) -> None:
    """Set a world's controls to a preset's; seed, output and frame range stay as they are.

    Raises
    ------
    RequestError
        If it is not on this computer, or holds what the panel does not; nothing is set then.
    """
    entry, settings = find_preset(name), sky_settings(world)
    write_controls(settings, entry.preset.controls)
    note_choice(settings, entry.identifier)


def note_choice(settings: SkyGenSettings, identifier: str) -> None:
    """Remember which preset the settings are; empty for none."""
    if identifier and not identifier.startswith(OWN_PREFIX):
        settings.preset, settings.own_preset = identifier, ""
    else:
        settings.preset, settings.own_preset = OWN_PRESET[0], identifier.removeprefix(OWN_PREFIX)


def follow_name(old: str, new: str) -> None:
    """Worlds of this file that were taken from an own preset: it is called otherwise now, or is gone (empty)."""
    for world in bpy.data.worlds:
        if world.library is None and chosen_identifier(sky_settings(world)) == OWN_PREFIX + old:
            note_choice(sky_settings(world), OWN_PREFIX + new if new else "")


def preset_controls(settings: SkyGenSettings) -> SkyControls:
    """The settings as a preset holds them: whether the sun's disc is drawn does not depend on a lamp.

    Raises
    ------
    RequestError
        If a value is out of range.
    """
    return dataclasses.replace(controls_from_settings(settings), sun_disc=bool(settings.sun_disc))


def controls_to_save(world: bpy.types.World, scene: bpy.types.Scene) -> SkyControls:
    """The settings for a new preset; a sun by date and place is kept as the direction that it has now.

    Raises
    ------
    RequestError
        If a value is out of range, or the date makes no sense.
    """
    settings = sky_settings(world)
    controls = preset_controls(settings)
    if not is_dated(settings):
        return controls
    sun = sun_now(world, settings, scene)
    return dataclasses.replace(
        controls, sun_azimuth_deg=short_degrees(sun.azimuth_rad), sun_elevation_deg=short_degrees(sun.elevation_rad)
    )


def is_changed(settings: SkyGenSettings, preset: Preset) -> bool:
    """Whether the settings differ from a preset's; a sun that date and place put does not count."""
    try:
        return not same_sky(preset_controls(settings), preset.controls, with_sun=not is_dated(settings))
    except SkyGenError:  # a value that no preset can hold
        return True


def gallery_items(settings: Any) -> list[Any]:
    """Items of the gallery's property."""
    return GALLERY.items(chosen_identifier(settings) if hasattr(settings, "own_preset") else "")


def shown_number(settings: SkyGenSettings) -> int:
    """Number of the thumbnail that is shown as chosen."""
    return GALLERY.shown_number(chosen_identifier(settings))


def pick(settings: SkyGenSettings, number: int) -> None:
    """A thumbnail was picked: apply it at once, then ask for a preview of the sky where one is shown.

    Blender cannot be told here that something went wrong, so the panel says it.
    """
    entry, world = GALLERY.of_number(number), settings.id_data
    GALLERY.refusal = NO_REFUSAL
    if entry is None or not isinstance(world, bpy.types.World):
        return  # what is not on this computer stays as it is
    try:
        use_preset(world, entry.identifier)
        _ask_for_preview(world)
    except SkyGenError as error:
        GALLERY.refusal = (world.session_uid, error)


def _ask_for_preview(world: bpy.types.World) -> None:
    """Show a world's sky anew as soon as possible, if it shows one and there is a window; returns at once.

    Raises
    ------
    SkyGenError
        If there is nothing to make it with.
    """
    scene = bpy.context.scene
    if bpy.app.background or scene is None or environment_node(world) is None:
        return
    if not show_over_bake(world):
        ask_live(world, scene)
