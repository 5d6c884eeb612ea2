"""Draw README's picture of six presets, beside the sun, as tests/comparison/sky_sheet.py draws its skies.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.preset_views docs/presets.jpg

A minute or two on two cores.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from skygen_addon.core.presets import load_preset
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.runtime.frame.frame import FrameRenderer
from tests.comparison.sky_sheet import BUNDLE, SUN_AZIMUTH_DEG, display

PRESETS = ("fair_cumulus", "broken_clouds", "golden_hour", "overcast", "mackerel_sky", "red_sunset")
WIDTH, COLUMNS = 2048, 2
NEARER_DEG = 16.0
"""How much nearer to the sun than the sheet's views these look."""


def main(out: Path) -> None:
    """Draw the picture."""
    renderer, pictures = FrameRenderer(BUNDLE), []
    for name in PRESETS:
        controls = replace(load_preset(name).controls, sun_azimuth_deg=SUN_AZIMUTH_DEG)
        (request,) = requests_for_frames(lambda _, c=controls: c, [1], fps=24.0, seed=0, width=WIDTH)  # type: ignore[misc]
        pictures.append(display(renderer.render(request), SUN_AZIMUTH_DEG - NEARER_DEG))
        print(name, flush=True)
    rows = [np.concatenate(pictures[i : i + COLUMNS], 1) for i in range(0, len(pictures), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(out, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
