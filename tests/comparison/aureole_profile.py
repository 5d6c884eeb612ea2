"""How fast the sky's brightness falls off beside the sun: captures with a clear sun beside this engine's clear sky.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.aureole_profile ../shared/captures/hdri

Prints medians of luminance on rings about the sun, relative to the median of the upper hemisphere. Captures add the
glare of their lens in the innermost degrees, which the engine leaves out. A minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import clear_sky, sky_view_coordinates
from skygen_addon.core.geometry import REC709_LUMINANCE, direction_from_angles, panorama_directions
from skygen_addon.core.measuring.sun_position import find_sun
from skygen_addon.core.phase_functions import aureole_phase
from skygen_addon.runtime.panoramas.panorama_file import read_panorama

CAPTURES = (
    "autumn_field_puresky_4k.hdr",
    "mpumalanga_veld_puresky_1k.hdr",
    "noon_grass_1k.hdr",
    "rustig_koppie_puresky_1k.hdr",
    "spruit_sunrise_1k.hdr",
    "wide_street_01_1k.exr",
)
RINGS_DEG = (0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0)
"""Bounds of the rings."""
LEAST_SINE = 0.05
"""Directions lower than this are left out: haze and hills."""
HAZES = (1.0, 2.0)


def ring_profile(luminance: NDArray[np.floating], sun: NDArray[np.floating]) -> NDArray[np.float64]:
    """Relative luminance (rings,) of a panorama (H, W) with the sun in a direction (3,)."""
    direction = panorama_directions(luminance.shape[1])
    angle = np.degrees(np.arccos(np.clip(direction @ sun, -1, 1)))
    up = direction[..., 2] > LEAST_SINE
    rings = [up & (angle >= a) & (angle < b) for a, b in zip(RINGS_DEG[:-1], RINGS_DEG[1:], strict=True)]
    found = [np.median(luminance[ring]) if ring.any() else np.nan for ring in rings]
    return np.array(found) / np.median(luminance[up])


def clear_luminance(elevation_rad: float, haze: float, width: int = 2048) -> NDArray[np.float64]:
    """Luminance (H, W) of the engine's clear sky without the sun's disc; the sun stands in the north."""
    sky = clear_sky(elevation_rad, Air(haze=haze))
    direction, sun = panorama_directions(width), direction_from_angles(0.0, elevation_rad)
    u, v = sky_view_coordinates(direction, sun)
    table = sky.parts @ np.kron(np.eye(2), REC709_LUMINANCE[:, None])
    row, column = v * (table.shape[0] - 1), u * (table.shape[1] - 1)
    i, j = np.minimum(row.astype(int), table.shape[0] - 2), np.minimum(column.astype(int), table.shape[1] - 2)
    down, right = (row - i)[..., None], (column - j)[..., None]
    upper = table[i, j] * (1 - right) + table[i, j + 1] * right
    lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
    parts = upper * (1 - down) + lower * down
    return np.asarray(parts[..., 0] + parts[..., 1] * aureole_phase(direction @ sun))


def _line(name: str, profile: NDArray[np.float64]) -> str:
    return f"{name:34}" + "".join(f"{value:8.1f}" for value in profile)


def main(folder: Path) -> None:
    """Print a row for each capture, and rows of the engine with the sun at the same height."""
    print(f"{'degrees from the sun, up to':34}" + "".join(f"{bound:8g}" for bound in RINGS_DEG[1:]))
    for name in CAPTURES:
        radiance = read_panorama(folder / name).radiance
        sun = find_sun(radiance)
        if sun is None:
            print(f"{name}: no sun is found")
            continue
        print(
            _line(
                f"{name[:24]}, {np.degrees(sun.elevation_rad):.0f} deg",
                ring_profile(radiance @ REC709_LUMINANCE, sun.direction),
            )
        )
        for haze in HAZES:
            north = direction_from_angles(0.0, sun.elevation_rad)
            print(_line(f"   SkyGen, haze {haze:g}", ring_profile(clear_luminance(sun.elevation_rad, haze), north)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
