"""The items of the panel's menus: presets, cloud types, resolutions, number formats."""

from __future__ import annotations

from ..core.presets import load_preset, preset_names
from ..core.request import CLOUD_TYPES

Items = list[tuple[str, str, str]]
"""Identifier, name and description of each entry, as EnumProperty takes them."""

DEFAULT_PRESET = "fair_cumulus"

_CLOUD_TYPE_WORDS = {
    "cumulus": "Separate heaps with flat bases",
    "stratocumulus": "Rolls and lumps in a broken sheet",
    "altocumulus": "Small cloudlets in patches and rows",
    "stratus": "Even grey sheet",
    "cirrus": "Thin streaks of ice high up",
    "towering_cumulus": "Tall heaps with wide bases",
}

CLOUD_TYPE_ITEMS: Items = [(name, name.replace("_", " ").title(), _CLOUD_TYPE_WORDS[name]) for name in CLOUD_TYPES]

WIDTH_ITEMS: Items = [
    (str(width), f"{width} x {width // 2}", words)
    for width, words in (
        (512, "Draft"),
        (1024, "Preview, or light without a visible sky"),
        (2048, "Sky far out of focus, reflections"),
        (4096, "Sky in a wide view"),
        (8192, "Sky in an ordinary lens"),
        (16384, "Sky in a long lens"),
    )
]

FORMAT_ITEMS: Items = [
    ("auto", "Automatic", "Half float while the sun's peak fits into it, else full float"),
    ("half", "Half", "16 bits a channel; a frame whose peak does not fit is refused"),
    ("float", "Full", "32 bits a channel, larger files"),
]


def preset_items() -> Items:
    """Presets that ship with the add-on, by their labels."""
    presets = (load_preset(name) for name in preset_names())
    return [(p.name, p.label, p.description) for p in presets]
