"""What a match runs instead of ``python -m skygen`` in most tests: the same command with a renderer of clear skies.

The first argument names the package; STUB_FOLDER may hold ``behaviour``: ``slow`` takes its time, ``defect`` raises,
``crash`` ends the process.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = sys.argv[1]
FOLDER = Path(os.environ["STUB_FOLDER"])


def part(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


class ClearRenderer:
    """Clear skies of the model, over ground that reflects as the request says; clouds are left out."""

    def render(self, request: Any) -> Any:
        return self.render_frame(request).radiance

    def render_frame(self, request: Any) -> Any:
        behaviour = (FOLDER / "behaviour").read_text() if (FOLDER / "behaviour").is_file() else ""
        if behaviour == "slow":
            time.sleep(60)
        if behaviour == "defect":
            raise ZeroDivisionError
        if behaviour == "crash":
            os.abort()
        geometry, measuring = part("core.geometry"), part("core.measuring.calibration")
        sun = geometry.direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
        directions = geometry.panorama_directions(request.width)
        radiance = measuring.model_radiance(directions, sun, request.haze)
        radiance[directions[..., 2] < 0] = np.asarray(request.ground_albedo, dtype=np.float32)
        light = part("runtime.frame.sun_record").SunLight
        strength = (2.0, 2.0, 2.0)
        sunlight = light(request.sun_azimuth_rad, request.sun_elevation_rad, strength, 1.0, float(radiance.max()))
        return type("Frame", (), {"radiance": radiance.astype(np.float32), "sun": sunlight})()

    render_draft = render_frame


if __name__ == "__main__":
    sys.exit(part("runtime.command.commands").main(sys.argv[2:], lambda folder, threads: ClearRenderer()))
