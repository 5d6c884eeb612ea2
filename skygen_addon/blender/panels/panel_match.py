"""The panel's section Match HDRI: the panorama beside the sky that was matched to it, and what was found."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Any, cast

import bpy

from ..match.match_properties import SkyGenMatch
from ..match.match_result import match_of
from ..match.match_state import doing_in_words, is_matching
from .panel_base import ChildPanel, Line, draw_lines, world_of

_PICTURE_SCALE = 7.0


class MatchPanel(ChildPanel):
    """Sets the sky like that of an HDR panorama"""

    bl_label = "Match HDRI"
    manual_section = "match"

    def draw(self, context: bpy.types.Context) -> None:
        """The button, both pictures, what was found."""
        world = world_of(context)
        if world is None:
            return
        layout = self.layout_of()
        if is_matching(context):
            draw_lines(layout, context, [(f"{doing_in_words() or 'Matching'}; Esc cancels", "SORTTIME")])
        layout.operator("skygen.match_hdri", text="Choose HDRI", icon="FILEBROWSER")
        match = match_of(world)
        if not match.controls:
            what = "Sets sun, clouds, haze, exposure and white balance like those of a panorama"
            draw_lines(layout, context, [(what, "INFO")])
            return
        _draw_pictures(layout, match)
        draw_lines(layout, context, match_lines(match))
        layout.operator("skygen.apply_match", icon="LOOP_BACK")


def _draw_pictures(layout: bpy.types.UILayout, match: SkyGenMatch) -> None:
    row = layout.row(align=True)
    name = PureWindowsPath(match.source).name  # the file may come from another system: it knows both separators
    for image, title in ((match.panorama_picture, name), (match.sky_picture, "Matched sky")):
        column = row.column(align=True)
        preview = None if image is None else image.preview_ensure()
        if preview is not None:
            column.template_icon(icon_value=preview.icon_id, scale=_PICTURE_SCALE)
        column.label(text=title)


def match_lines(match: SkyGenMatch) -> list[Line]:
    """What was found, then what was not matched."""
    found: list[Line] = [(line, cast(Any, "NONE")) for line in match.found.splitlines()]
    return found + [(line, "INFO") for line in match.remaining.splitlines()]
