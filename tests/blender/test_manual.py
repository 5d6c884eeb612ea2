"""The manual that comes with the add-on: every panel's help button finds its section there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{MODULE}.{name}")


def manual() -> Path:
    file: Path = part("blender.operators.open_manual").MANUAL_FILE
    return file


def test_every_panel_has_its_section() -> None:
    sections = set(re.findall(r'<h2 id="([a-z]+)"', manual().read_text(encoding="utf-8")))
    panels = part("blender.panels.sections").CLASSES
    assert len(panels) >= 14
    assert {panel.manual_section for panel in panels} <= sections
    assert all(hasattr(panel, "draw_header_preset") for panel in panels)


def test_the_buttons_that_it_names_are_there() -> None:
    """By the names of operators and properties, and the few texts that a panel writes on a button instead."""
    named = set(re.findall(r"<strong>([^<]+)</strong>", manual().read_text(encoding="utf-8")))
    operators = {cls.bl_label for cls in part("blender.operators").CLASSES}
    live = {prop.name for prop in part("blender.live.live_properties").SkyGenLive.bl_rna.properties}
    assert len(named) >= 8 and named <= operators | live | {"+", "Choose HDRI", "Pause"}


def test_every_picture_and_link_of_the_manual_is_there() -> None:
    text = manual().read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', text)
    assert len(pictures) >= 5
    assert [name for name in pictures if not (manual().parent / name).is_file()] == []
    anchors = set(re.findall(r'href="#([a-z]+)"', text))
    assert anchors == set(re.findall(r'id="([a-z]+)"', text))
    assert not re.findall(r"https?://", text)  # it needs no network


def test_the_button_opens_the_file_at_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Window:
        @staticmethod
        def url_open(url: str) -> None:
            opened.append(url)

    class Operators:
        wm = Window

    class Blender:
        ops, types = Operators, bpy.types

    monkeypatch.setattr(part("blender.operators.open_manual"), "bpy", Blender)
    assert bpy.ops.skygen.open_manual(section="sun") == {"FINISHED"}
    assert bpy.ops.skygen.open_manual() == {"FINISHED"}
    assert opened == [(manual().parent / "sections" / "sun.html").as_uri(), manual().as_uri()]


def test_a_page_leads_to_every_section() -> None:
    """Without a mark in the address that is handed over, which many systems drop on the way to the browser."""
    sections = re.findall(r'<h2 id="([a-z]+)"', manual().read_text(encoding="utf-8"))
    pages = sorted((manual().parent / "sections").glob("*.html"))
    assert [page.stem for page in pages] == sorted(sections)
    for page in pages:
        (address,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.read_text(encoding="utf-8"))
        target, _, mark = address.partition("#")
        assert (page.parent / target).resolve() == manual().resolve() and mark == page.stem


def test_a_missing_manual_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Any) -> None:
    monkeypatch.setattr(part("blender.operators.open_manual"), "MANUAL_FILE", tmp_path / "index.html")
    with pytest.raises(RuntimeError, match="is missing. Reinstall"):
        bpy.ops.skygen.open_manual()
