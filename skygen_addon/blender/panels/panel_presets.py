"""The gallery of presets at the top of the panel: thumbnails, what is chosen, and the artist's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import bpy

from ...core.errors import SkyGenError
from ..presets.preset_choice import chosen_entry, chosen_identifier, is_changed
from ..presets.preset_gallery import GALLERY, OWN_PREFIX, Entry, own_folder
from ..presets.preset_thumbnails import WORK
from ..settings.properties import SkyGenSettings, sky_settings
from ..sun.sun_placement import is_dated
from ..world.world_nodes import environment_node
from .panel_base import Line, wrapped

_MOST_FAULTS = 3
"""Damaged presets that are named one by one."""


def draw_presets(layout: bpy.types.UILayout, context: bpy.types.Context, world: bpy.types.World) -> None:
    """Thumbnails, the chosen preset with what can be done about it, and what is wrong with own ones."""
    settings = sky_settings(world)
    WORK.look_after(GALLERY.entries())
    entry = chosen_entry(settings)
    row = layout.row()
    row.use_property_split = False
    row.use_property_decorate = False
    row.template_icon_view(settings, "preset_gallery", show_labels=True, scale=7.0, scale_popup=6.0)
    _draw_buttons(row.column(align=True), world, entry)
    column = layout.column(align=True)
    column.label(text=title(settings, entry))
    _draw_lines(column, context, lines(settings, entry))
    folder = _folder()
    if GALLERY.faults and folder is not None and folder.is_dir():
        cast(Any, column.operator("wm.path_open", text="Open Folder", icon="FILE_FOLDER")).filepath = str(folder)


def _draw_buttons(layout: bpy.types.UILayout, world: bpy.types.World, entry: Entry | None) -> None:
    """What can be done about presets, beside the thumbnail as beside Blender's lists."""
    new = cast(Any, layout.operator("skygen.save_preset", text="", icon="ADD"))
    new.preset_name, new.about, new.overwrite = "", "", False
    if entry is not None and entry.is_own:
        over = cast(Any, layout.operator("skygen.save_preset", text="", icon="FILE_TICK"))
        over.preset_name, over.about, over.overwrite = entry.preset.name, entry.preset.description, True
        cast(Any, layout.operator("skygen.rename_preset", text="", icon="GREASEPENCIL")).old = entry.preset.name
        cast(Any, layout.operator("skygen.delete_preset", text="", icon="TRASH")).preset = entry.preset.name
    layout.separator()
    if entry is not None and is_changed(sky_settings(world), entry.preset):
        again = cast(Any, layout.operator("skygen.apply_preset", text="", icon="LOOP_BACK"))
        again.preset, again.show = entry.identifier, environment_node(world) is not None
    layout.operator("skygen.show_preview", text="", icon="FILE_REFRESH")


def title(settings: SkyGenSettings, entry: Entry | None) -> str:
    """The chosen preset's name, and whether the settings have left it."""
    if entry is None:
        missing = chosen_identifier(settings).removeprefix(OWN_PREFIX)
        return f"{missing}: not on this computer" if missing else "No Preset"
    return f"{_plain(entry.preset.label)}{' (changed)' if is_changed(settings, entry.preset) else ''}"


def lines(settings: SkyGenSettings, entry: Entry | None) -> list[Line]:
    """What there is to say about the chosen preset and the artist's own ones."""
    said: list[Line] = []
    if entry is not None and entry.preset.description:
        said.append((entry.preset.description, "NONE"))
    if entry is None and settings.own_preset:
        said.append(("The settings are all in this file; save them here as a preset with +", "INFO"))
    if is_dated(settings):
        said.append(("Date and Place keep the sun where it is; a preset sets the rest", "INFO"))
    refused_for, refusal = GALLERY.refusal
    world = settings.id_data
    if refusal is not None and world is not None and world.session_uid == refused_for:
        said.append((f"The last pick: {refusal.message} {refusal.remedy}", "ERROR"))
    if WORK.busy_with is not None:
        said.append((f"Making the thumbnail of {WORK.busy_with}", "RENDER_STILL"))
    known = {e.preset.name for e in GALLERY.entries() if e.is_own}
    said += [(f"No thumbnail of {n}: {fault}", "ERROR") for n, fault in WORK.faults.items() if n in known]
    said += [(f"{fault.message} {fault.remedy}", "ERROR") for fault in GALLERY.faults[:_MOST_FAULTS]]
    if len(GALLERY.faults) > _MOST_FAULTS:
        said.append((f"{len(GALLERY.faults) - _MOST_FAULTS} more presets cannot be read", "ERROR"))
    return [(_plain(text.replace(f"{_folder()}{os.sep}", "")), icon) for text, icon in said]


def _folder() -> Path | None:
    """Folder of own presets; None where there cannot be one."""
    try:
        return own_folder()
    except SkyGenError:  # the gallery tells it
        return None


def _plain(text: str) -> str:
    """The text in one line, of characters that Blender can show."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _draw_lines(layout: bpy.types.UILayout, context: bpy.types.Context, said: list[Line]) -> None:
    """Lines wrapped to the panel's width."""
    for text, icon in said:
        for number, part in enumerate(wrapped(text, context, margin=8)):
            row = layout.row()
            row.alert = icon == "ERROR"
            row.active = icon != "NONE"  # a description is quieter than what asks for something
            row.label(text=part, icon=cast(Any, "BLANK1" if number and icon != "NONE" else icon))
