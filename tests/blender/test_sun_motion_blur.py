"""The sun lamp with motion blur: it gives the light of the middle of the shutter, as every object is lit and moves.

The clouds halve its light from frame to frame, and its keyframes are joined by straight lines.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import pytest
import sunny_sky
import test_sun_render
from engines import EEVEE
from sunny_bake import SKY, SUN
from test_sun_render import ELEVATION, lit_and_shadow, picture

sunny, sky, scene = sunny_sky.sunny, sunny_sky.sky, test_sun_render.scene
"""Fixtures."""
THROUGH = {"START": 0.5 * (0.5 + 0.25), "CENTER": 0.5, "END": 0.5 * (1.0 + 0.5)}
"""Fraction of the sun's light half a frame after frame 2, at it, and before it."""


@pytest.mark.parametrize(
    ("engine", "place"),
    [("CYCLES", "START"), ("CYCLES", "CENTER"), ("CYCLES", "END"), (EEVEE, "CENTER"), (EEVEE, "END")],
)
def test_the_lamp_stands_in_the_middle_of_the_shutter(
    sky: Any, scene: Any, tmp_path: Path, engine: str, place: str
) -> None:
    sky.skygen.frame_end = 3
    sky.skygen.sun.sun_in = "LAMP"
    bpy.ops.skygen.bake_sequence()
    scene.render.use_motion_blur = True
    scene.render.motion_blur_position, scene.render.motion_blur_shutter = place, 1.0
    lit, _ = lit_and_shadow(picture(tmp_path / "blurred.exr", engine, frame=2))
    assert lit == pytest.approx(SKY + SUN * THROUGH[place] * math.sin(ELEVATION) / math.pi, rel=0.02)
