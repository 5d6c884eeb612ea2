"""Open Manual: the manual that comes with the add-on, at the section that belongs to a panel."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import StringProperty

from ..engine.interpreter import PACKAGE_FOLDER
from .outcome import CANCELLED, FINISHED

MANUAL_FILE = PACKAGE_FOLDER / "manual" / "index.html"
"""Where the extension holds it; it needs no network."""
SECTIONS_FOLDER = "sections"
"""Beside it: a page for each section, which leads there. Systems that hand files to a browser drop the ``#section``
of a file's address (Linux by xdg-open, Windows and macOS where the program is chosen by the file's kind)."""


class SKYGEN_OT_open_manual(bpy.types.Operator):
    """Open the SkyGen manual in the web browser; it is a file of the add-on and needs no network"""

    bl_idname = "skygen.open_manual"
    bl_label = "Manual"
    bl_options = {"INTERNAL"}

    section: StringProperty(  # type: ignore[valid-type]
        name="Section",
        description="Section of the manual to show, by its name in the file; empty for its beginning",
        default="",
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Hand the file to the web browser."""
        page = MANUAL_FILE
        if self.section:
            page = MANUAL_FILE.parent / SECTIONS_FOLDER / f"{self.section}.html"
        if not MANUAL_FILE.is_file() or not page.is_file():
            self.report({"ERROR"}, f"The manual {page} is missing. Reinstall the extension.")
            return CANCELLED
        bpy.ops.wm.url_open(url=page.as_uri())
        return FINISHED
