"""Every slider anywhere in its range: a job that the engine takes, or words that say what to change."""

from __future__ import annotations

import importlib
import random
from types import ModuleType
from typing import Any

import bpy

MODULE = "bl_ext.user_default.skygen"
FIXED = {"rna_type", "name", "preset_gallery", "output_folder", "loop_frames", "frame_start", "frame_end"}
"""Not sliders of the sky, or such as only make the job long."""


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{MODULE}.{name}")


def _value(chance: random.Random, prop: Any) -> Any:
    if prop.type == "BOOLEAN":
        return chance.random() < 0.5
    if prop.type == "ENUM":
        return chance.choice([item.identifier for item in prop.enum_items])
    low, high = prop.hard_min, prop.hard_max

    def number() -> Any:
        between = chance.uniform(low, high) if prop.type == "FLOAT" else chance.randint(low, high)
        return chance.choice((low, high, between, between))

    return [number() for _ in range(prop.array_length)] if prop.is_array else number()


def turn_everything(group: Any, chance: random.Random) -> int:
    """Set every slider of a group and of the groups in it; returns how many were set."""
    count = 0
    for prop in group.bl_rna.properties:
        if prop.identifier in FIXED or prop.is_hidden:
            continue
        if prop.type == "POINTER":
            inner = getattr(group, prop.identifier)
            if isinstance(inner, bpy.types.PropertyGroup):
                count += turn_everything(inner, chance)
        elif prop.type in {"BOOLEAN", "INT", "FLOAT", "ENUM"} and not prop.is_readonly:
            setattr(group, prop.identifier, _value(chance, prop))
            count += 1
    return count


def test_random_settings_become_requests_or_words(world: Any, models: Any) -> None:
    """Requests check every value of theirs; a refusal names what is wrong and the remedy. Many must pass."""
    error = part("core.errors").SkyGenError
    accepted = 0
    for seed in range(60):
        assert turn_everything(world.skygen, random.Random(seed)) > 40
        if seed % 2:  # half of the skies have room for the high layer, and no loop of a dated sun
            world.skygen.low.base, world.skygen.low.thickness, world.skygen.high.base = 0.5, 3.0, 9.0
            world.skygen.loop = False
        try:
            requests = part("blender.bake.bake_plan").requests_of_world(bpy.context, world, [1, 30], 256)
        except error as refusal:
            assert refusal.message and refusal.remedy, seed
        else:
            assert len(requests) == 2 and requests[0].width == 256
            accepted += 1
    assert accepted >= 10
