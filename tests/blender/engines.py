"""Which render engines there are, and whether they work on this machine."""

from __future__ import annotations

import functools
import subprocess
import sys

import bpy
import pytest

EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"


@functools.lru_cache
def engine_renders(engine: str) -> bool:
    """Whether this machine can render with an engine: EEVEE wants a graphics driver and ends the process without."""
    script = (
        "import bpy, os, sys; render = bpy.context.scene.render; render.engine = sys.argv[1]\n"
        "render.resolution_x = render.resolution_y = 4; bpy.context.scene.eevee.taa_render_samples = 1\n"
        "bpy.ops.render.render(); os._exit(0)"
    )
    command = [sys.executable, "-c", script, engine]
    return engine == "CYCLES" or subprocess.run(command, capture_output=True, timeout=300).returncode == 0


def use_engine(engine: str) -> None:
    """Render with an engine, or skip the test where it cannot."""
    if not engine_renders(engine):
        pytest.skip("EEVEE cannot render here: it needs a graphics driver, such as libegl1 with libgl1-mesa-dri")
    bpy.context.scene.render.engine = engine
