"""The folder of own presets for a test, empty before it, and what tests do with it."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def empty_folder() -> Path:
    """The folder where Blender keeps own presets, empty."""
    folder = part("blender.presets.preset_gallery").own_folder(create=True)
    shutil.rmtree(folder)
    folder.mkdir()
    return Path(folder)


def keep(name: str, shipped: str, folder: Path, description: str = "") -> None:
    """Save a copy of a shipped preset as an own one."""
    controls = part("core.presets").load_preset(shipped).controls
    part("core.own_presets").save_preset(name, description, controls, folder)
