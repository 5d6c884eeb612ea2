"""What a bake runs in the tests of the sun: the same command line with a plain sky and one sun of known light.

The clouds before the sun are told by the sky's time: they let half as much through with every minute. Run as a
script, the first argument names the package.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SKY = np.array([0.1, 0.2, 0.4], dtype=np.float32)
"""Radiance of the plain sky; the horizontal ground gets pi times as much, a white card there has this radiance."""
SUN = np.array([3.0, 2.6, 2.0])
"""Irradiance of the sun without clouds, on a plane facing it."""


def through_clouds(time_s: float) -> float:
    """Fraction of the sun's light that arrives at a sky time."""
    return float(0.5 ** max(0.0, time_s / 60))


class SunnyRenderer:
    """A plain sky with the engine's own disc of a sun."""

    def __init__(self, package: str, folder: Path) -> None:
        self.bundle = importlib.import_module(f"{package}.core.bundle").load_bundle(folder)
        self._disc = importlib.import_module(f"{package}.core.sun").sun_disc
        self._light = importlib.import_module(f"{package}.runtime.frame.sun_record").SunLight

    def render(self, request: Any) -> np.ndarray:
        """Linear radiance (H, W, 3)."""
        radiance: np.ndarray = self.render_frame(request).radiance
        return radiance

    def render_frame(self, request: Any) -> SimpleNamespace:
        """Linear radiance (H, W, 3) and the sun."""
        angles = request.sun_azimuth_rad, request.sun_elevation_rad
        gain, through = 2.0**request.exposure_ev, through_clouds(request.time_s)
        panorama = np.full((request.width // 2, request.width, 3), SKY * gain, dtype=np.float32)
        peak, irradiance = float(panorama.max()), SUN * (gain * through)
        if request.sun_disc:
            patch = self._disc(request.width, *angles, irradiance)
            panorama[patch.row_start : patch.row_stop, patch.columns] += patch.radiance
        light = self._light(*angles, tuple(irradiance.tolist()), through, peak)
        return SimpleNamespace(radiance=panorama, sun=light)


if __name__ == "__main__":
    main = importlib.import_module(f"{sys.argv[1]}.runtime.command.commands").main
    sys.exit(main(sys.argv[2:], lambda folder, threads: SunnyRenderer(sys.argv[1], folder)))
