"""What a bake runs instead of ``python -m skygen`` in most tests: the same command line with a renderer that is known.

The first argument names the package; LOBE_FOLDER holds ``requests.jsonl``, where every request is noted, and
perhaps ``behaviour``: ``defect`` raises, ``slow`` takes its time, ``crash`` ends the process, ``chatter`` prints.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = sys.argv[1]
FOLDER = Path(os.environ["LOBE_FOLDER"])


class LobeRenderer:
    """A lobe at the sun, over a sky whose red is the time in minutes."""

    def __init__(self, folder: Path) -> None:
        self.bundle = importlib.import_module(f"{PACKAGE}.core.bundle").load_bundle(folder)
        self._geometry = importlib.import_module(f"{PACKAGE}.core.geometry")

    def render(self, request: Any) -> np.ndarray:
        """Linear radiance (H, W, 3)."""
        with (FOLDER / "requests.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(request.to_dict()) + "\n")
        self._behave()
        directions = self._geometry.panorama_directions(request.width)
        sun = self._geometry.direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
        lobe = np.maximum(directions @ sun.astype(np.float32), 0) ** 256
        background = np.array([0.1 + max(0.0, request.time_s) / 60, 0.2, 0.3], dtype=np.float32)
        return (background + 20 * lobe[..., None]).astype(np.float32)

    def _behave(self) -> None:
        behaviour = (FOLDER / "behaviour").read_text() if (FOLDER / "behaviour").is_file() else ""
        if behaviour == "defect":
            raise ZeroDivisionError
        if behaviour == "slow":
            time.sleep(0.5)
        if behaviour == "crash":
            print("killed", file=sys.stderr, flush=True)
            os.abort()
        if behaviour == "chatter":
            print('a library says {"frame": 1}\n{"frame": 1}\n[]', flush=True)


if __name__ == "__main__":
    main = importlib.import_module(f"{PACKAGE}.runtime.command.commands").main
    sys.exit(main(sys.argv[2:], lambda folder, threads: LobeRenderer(folder)))
