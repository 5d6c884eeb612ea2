"""The add-on's preferences as its other parts read them: where it is installed, else the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ...core.errors import BundleError
from ...runtime.devices import CPU, device_label
from ...runtime.kept_memory import DEFAULT_BUDGET_MB, MEGABYTE

ADDON = (__package__ or "").rpartition(".blender.")[0]
"""Name under which Blender knows this add-on, ``bl_ext.<repository>.skygen``."""


def addon_preferences() -> Any | None:
    """The preferences; None where the package is used without being an enabled add-on."""
    preferences = bpy.context.preferences
    addon = preferences.addons.get(ADDON) if preferences is not None else None
    found = addon.preferences if addon is not None else None
    return found if hasattr(found, "model_folder") else None


def chosen_model_folder() -> Path | None:
    """The model folder that the artist has chosen; None for the model that ships.

    Raises
    ------
    BundleError
        If the choice is no full path.
    """
    preferences = addon_preferences()
    text = str(preferences.model_folder).strip() if preferences is not None else ""
    if not text:
        return None
    folder = Path(text)
    if text.startswith("//") or not folder.is_absolute():
        raise BundleError(f"The model folder {text} is no full path.", "Choose it in the add-on's preferences again.")
    return folder


def device_name() -> str:
    """What renders, as people write it."""
    preferences = addon_preferences()
    return device_label(str((preferences.device if preferences is not None else "") or CPU))


def live_memory_bytes() -> int:
    """Bytes of arrays that the live preview may keep between pictures."""
    preferences = addon_preferences()
    return MEGABYTE * (int(preferences.live_memory_mb) if preferences is not None else DEFAULT_BUDGET_MB)


def engine_options() -> list[str]:
    """Arguments of every process that renders: threads and device, where they are not the defaults."""
    preferences = addon_preferences()
    if preferences is None:
        return []
    options = ["--threads", str(preferences.threads)] if preferences.threads > 0 else []
    return options + (["--device", str(preferences.device)] if preferences.device not in ("", CPU) else [])
