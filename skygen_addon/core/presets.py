"""Presets: named SkyControls in JSON files, shipped ones and those that artists save."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    for what, text in (("label", label), ("description", description)):
        if not isinstance(text, str) or not _is_text(text):
            raise RequestError(f"The {what} of the preset {path} is not text.", "Compare it with a shipped preset.")
    return Preset(path.stem, label, description, controls_from_dict(data, f"the preset {path.stem}"))


def _is_text(text: str) -> bool:
    """Whether interfaces can show it: JSON can also hold halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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


def same_sky(one: SkyControls, other: SkyControls, *, with_sun: bool = True) -> bool:
    """Whether two settings agree but for the rounding of 32-bit numbers.

    Weights of cloud types count by their ratios. Without ``with_sun`` the sun's direction does not count.
    """
    left, right = _flat(one.to_dict()), _flat(other.to_dict())
    if not with_sun:
        left, right = ({k: v for k, v in d.items() if k not in _SUN_KEYS} for d in (left, right))
    return left.keys() == right.keys() and all(
        math.isclose(left[key], right[key], rel_tol=1e-6, abs_tol=_SAME_DEG if key.endswith("_deg") else 1e-6)
        for key in left
    )


_SUN_KEYS = ("sun_azimuth_deg", "sun_elevation_deg")
_SAME_DEG = 2e-4
"""Blender keeps angles as 32-bit radians, which are 1e-5 degrees apart after half a turn, 1e-4 after ten."""


def _flat(values: dict[str, Any], path: str = "") -> dict[str, float]:
    """All numbers of nested dictionaries and tuples by their paths; weights of types as shares, without those of 0."""
    numbers: dict[str, float] = {}
    for key, value in values.items():
        if key == "types":
            whole = sum(value.values()) or 1.0
            value = {name: weight / whole for name, weight in value.items() if weight > 0}
        if isinstance(value, (list, tuple)):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict):
            numbers |= _flat(value, f"{path}{key}.")
        else:
            numbers[f"{path}{key}"] = float(value)
    return numbers
