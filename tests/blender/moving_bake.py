"""What the live preview runs in the tests of carried pictures: stills without clouds whose sky tells their time.

Run as a script, the first argument names the package. Red is 0.1 and the sky time in minutes of the frame or still that
was truly drawn, so a carried picture is as red as the still that it was carried from.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np


class MovingRenderer:
    """Frames, drafts and stills of one colour."""

    def __init__(self, package: str, folder: Path) -> None:
        self.bundle = importlib.import_module(f"{package}.core.bundle").load_bundle(folder)
        self._scene = importlib.import_module(f"{package}.runtime.frame.scene").Scene
        record = importlib.import_module(f"{package}.runtime.frame.sun_record")
        self._frame, self._light = record.SkyFrame, record.SunLight

    def render(self, request: Any) -> np.ndarray:
        """Linear radiance (H, W, 3)."""
        radiance: np.ndarray = self.render_still(request).radiance
        return radiance

    def weather(self, request: Any) -> Any:
        """It does nothing, and asks for no grain."""
        return request, 0.0

    def render_still(self, request: Any, pictures: Any = None, *, draft: Any = None) -> Any:
        """Radiance and sun; the scene's ground is what it looks like."""
        red = 0.1 + max(0.0, request.time_s) / 60
        colour = np.array([red, 0.2, 0.3], dtype=np.float32)
        if pictures is not None:
            none, nothing = np.zeros(3, np.float32), np.zeros((6, 3), np.float32)
            up, table = np.array([0, 0, 1], np.float32), np.zeros((1, 3, 2, 2), np.float32)
            pictures.made = request.low, request.high, 0.0
            pictures.scene = self._scene(
                sun_direction=up, layers=(None, None), sky_view=table, log_correction=table, light=nothing,
                air=np.zeros((2, 4), np.float32), ground_radiance=colour, air_light=1.0, sun_share=1.0, open_share=1.0,
                air_glow=none, ceiling_km=0.0, exposure=none + 1, sun_irradiance=none + 1,
            )  # fmt: skip
        radiance = np.broadcast_to(colour, (request.width // 2, request.width, 3)).copy()
        angles = request.sun_azimuth_rad, request.sun_elevation_rad
        return self._frame(radiance, self._light(*angles, (1.0, 1.0, 1.0), 1.0, red))

    def compose_tile(
        self, direction: np.ndarray, low: np.ndarray, high: np.ndarray, scene: Any, footprint_rad: float
    ) -> np.ndarray:
        """The scene's colour everywhere."""
        return np.broadcast_to(scene.ground_radiance, direction.shape).copy()

    def sun_transmittance(self, request: Any, scene: Any) -> float:
        """Nothing stands before the sun."""
        return 1.0


if __name__ == "__main__":
    main = importlib.import_module(f"{sys.argv[1]}.runtime.command.commands").main
    sys.exit(main(sys.argv[2:], lambda folder, threads: MovingRenderer(sys.argv[1], folder)))
