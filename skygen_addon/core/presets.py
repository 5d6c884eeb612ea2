"""Presets: named SkyControls in JSON files, shipped ones and those that artists save."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .controls import SkyControls, controls_from_dict
from .errors import RequestError
from .whole_file import output_error, whole_file

SHIPPED_PRESETS = Path(__file__).resolve().parent.parent / "presets"


@dataclass(frozen=True)
class Preset:
    """A sky to start from."""

    name: str
    """File name without suffix."""
    label: str
    """Name shown to artists."""
    description: str
    """One sentence on what it looks like."""
    controls: SkyControls
    """The settings."""


def preset_names(folder: Path = SHIPPED_PRESETS) -> tuple[str, ...]:
    """Names of the presets in a folder, sorted."""
    return tuple(sorted(p.stem for p in folder.glob("*.json")))


def load_preset(name: str, folder: Path = SHIPPED_PRESETS) -> Preset:
    """The preset of a name.

    Raises
    ------
    RequestError
        If there is no such preset, or its file is damaged.
    """
    names = preset_names(folder)
    if name not in names:
        raise RequestError(f"There is no preset {name!r}.", f"Choose one of {', '.join(names)}.")
    return read_preset(folder / f"{name}.json")


def read_preset(path: Path) -> Preset:
    """The preset in a file: SkyControls fields beside ``label`` and ``description``.

    Raises
    ------
    RequestError
        If the file is missing or damaged, has unknown keys or values out of range.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"The preset {path} cannot be read: {error}.", "Save it again or choose another.") from error
    if not isinstance(data, dict):
        raise RequestError(f"The preset {path} is not a JSON object.", "Compare it with a shipped preset.")
    label, description = data.pop("label", path.stem), data.pop("description", "")
    if not isinstance(label, str) or not isinstance(description, str):
        raise RequestError(f"The label of the preset {path} is not text.", "Compare it with a shipped preset.")
    return Preset(path.stem, label, description, controls_from_dict(data, f"the preset {path.stem}"))


def write_preset(preset: Preset, folder: Path) -> Path:
    """Save a preset as ``<name>.json`` under a temporary name, then rename it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = folder / f"{preset.name}.json"
    content = {"label": preset.label, "description": preset.description, **preset.controls.to_dict()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path
