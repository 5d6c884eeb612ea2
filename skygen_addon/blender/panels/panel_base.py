"""What every SkyGen panel is made of: one class for each part and place, because Blender wants it so."""

from __future__ import annotations

import textwrap
from typing import Any, cast

import bpy

from ..settings.properties import SkyGenSettings, sky_settings

Line = tuple[str, str]
"""Text and icon."""
LETTER_PIXELS = 6.5
"""Width of a letter of the interface at scale 1, on average."""


def world_of(context: bpy.types.Context) -> bpy.types.World | None:
    """The scene's world."""
    return context.scene.world if context.scene is not None else None


def draw_lines(layout: bpy.types.UILayout, context: bpy.types.Context, lines: list[Line]) -> None:
    """Lines in a box, wrapped to the panel's width."""
    box = layout.box().column(align=True)
    for text, icon in lines:
        for number, part in enumerate(wrapped(text, context, margin=12)):
            row = box.row()
            row.alert = icon == "ERROR"
            row.label(text=part, icon=cast(Any, "BLANK1" if number and icon != "NONE" else icon))


def wrapped(text: str, context: bpy.types.Context, margin: int) -> list[str]:
    """A text in lines as wide as the panel but for ``margin`` letters."""
    scale = (context.preferences.system.ui_scale if context.preferences is not None else 0.0) or 1.0  # 0: no window
    width = context.region.width if context.region is not None else 300
    return textwrap.wrap(text, max(20, int(width / (scale * LETTER_PIXELS)) - margin))


class SkyPanel:
    """What every SkyGen panel has in common."""

    bl_label = "SkyGen"
    manual_section = "start"
    """Section of the manual that the panel's help button opens."""

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """The help button at the right end of the panel's header."""
        layout = cast(bpy.types.Panel, self).layout
        if layout is not None:
            button = cast(Any, layout.operator("skygen.open_manual", text="", icon="HELP", emboss=False))
            button.section = self.manual_section

    @staticmethod
    def settings(context: bpy.types.Context) -> SkyGenSettings:
        """Settings of the scene's world, which the panel's poll has found to be there."""
        world = world_of(context)
        if world is None:
            raise RuntimeError("The panel was drawn without its poll: the scene has no world.")
        return sky_settings(world)

    def layout_of(self) -> bpy.types.UILayout:
        """The panel's layout with names on the left, and dots for keyframes."""
        layout = cast(bpy.types.Panel, self).layout
        if layout is None:
            raise RuntimeError("A panel is drawn without a layout.")
        layout.use_property_split = True
        layout.use_property_decorate = True
        return layout


class ChildPanel(SkyPanel):
    """A section below the main panel, shown where there is a world."""

    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return world_of(context) is not None


def panel_class(part: type[SkyPanel], place: str, parent: str | None, settings: dict[str, Any]) -> type:
    """Panel class of one part in one place."""
    name = f"SKYGEN_PT_{place}_{part.__name__.removeprefix('_').removesuffix('Panel').lower()}"
    body = {**settings, "bl_idname": name, "__doc__": part.__doc__}
    if parent is not None:
        body["bl_parent_id"] = parent
    return type(name, (part, bpy.types.Panel), body)
