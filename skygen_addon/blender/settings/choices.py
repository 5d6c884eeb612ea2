"""The items of the panel's menus: presets, cloud types, resolutions, number formats."""

from __future__ import annotations

from ...core.presets import load_preset
from ...core.request import CLOUD_TYPES

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

COMPRESSION_ITEMS: Items = [
    ("zip", "ZIP", "Lossless"),
    ("dwaa", "DWAA", "A fifth to a half of the size; half floats only, a pixel changes by about 0.3 %"),
]

PICTURE_ITEMS: Items = [
    ("none", "Nothing", "Only the EXR frames"),
    ("png", "PNG", "Lossless; about a third of the size of the frame"),
    ("jpeg", "JPEG", "About a sixth of the size of the frame"),
]


PRESET_NUMBERS = {
    "clear_noon": 2,
    "fair_cumulus": 4,
    "broken_clouds": 1,
    "mackerel_sky": 7,
    "high_cirrus": 6,
    "overcast": 9,
    "storm_front": 11,
    "golden_hour": 5,
    "red_sunset": 10,
    "misty_dawn": 8,
    "blue_hour": 0,
    "endless_day": 3,
}
"""Numbers under which .blend files keep the shipped presets, in the order of the gallery. They never change: a preset
that is added takes the next free one."""

OWN_PRESET = ("own", "Own", "A preset of the artist's own, or none", 1000)
"""What a file keeps instead of a shipped preset."""


def preset_items() -> list[tuple[str, str, str, int]]:
    """Presets that ship with the add-on: name, label, description and the number that files keep."""
    presets = ((load_preset(name), number) for name, number in PRESET_NUMBERS.items())
    return [(p.name, p.label, p.description, number) for p, number in presets]
