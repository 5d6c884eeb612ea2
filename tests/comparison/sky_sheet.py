"""Draw 24 skies, cloud type by sun elevation at 2K, beside real captures under the same tone curve.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.sky_sheet ../shared/captures/hdri build/comparison/skies.png

Some minutes. Every picture is a perspective view of 90 degrees, its centre 20 degrees above the
horizon and 40 degrees beside the sun, exposed for the same mean of log luminance. Rows are the
types from cumulus to towering cumulus, columns the sun at 2, 10, 30 and 60 degrees; captures with
clouds follow below, whatever their sun.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray, panorama_directions, panorama_pixel
from skygen_addon.core.request import CLOUD_TYPES, LayerRequest, SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from skygen_addon.runtime.preview import tone_map

BUNDLE = Path("skygen_addon/models/skygen_quick")
SUNS_DEG = (2.0, 10.0, 30.0, 60.0)
SUN_AZIMUTH_DEG = 150.0
BESIDE_DEG, RAISED_DEG, WIDE_DEG = 40.0, 20.0, 90.0
"""A view's centre beside the sun and above the horizon, and its width."""
SIZE = (640, 400)
GREY = 0.35
"""Mean of log luminance that pictures are exposed for."""
SKIES = {
    "cumulus": LayerRequest(cover=0.35, base_km=1.2, thickness_km=1.2),
    "stratocumulus": LayerRequest(cover=0.7, base_km=1.1, thickness_km=0.5, texture_scale=1.2),
    "altocumulus": LayerRequest(cover=0.55, base_km=3.6, thickness_km=0.4, texture_scale=0.6),
    "stratus": LayerRequest(cover=1.0, base_km=0.6, thickness_km=0.6, texture_scale=1.5),
    "cirrus": LayerRequest(cover=0.5, base_km=8.5, thickness_km=0.9, texture_scale=2.5, stretch=3.0),
    "towering_cumulus": LayerRequest(cover=0.4, base_km=1.0, thickness_km=4.5, texture_scale=1.4),
}
CAPTURES = (
    "kloofendal_48d_partly_cloudy_puresky_1k.hdr",
    "wasteland_clouds_puresky_1k.hdr",
    "mud_road_puresky_1k.hdr",
    "rustig_koppie_puresky_1k.hdr",
    "autumn_field_puresky_4k.hdr",
    "mpumalanga_veld_puresky_1k.hdr",
    "aristea_wreck_puresky_1k.hdr",
    "industrial_sunset_puresky_1k.hdr",
)


def sky_request(type_name: str, elevation_deg: float, seed: int, width: int = 2048) -> SkyRequest:
    """The sheet's sky of a type."""
    mix = tuple(float(name == type_name) for name in CLOUD_TYPES)
    layer = LayerRequest(**{**vars(SKIES[type_name]), "type_mix": mix})
    high, nothing = type_name == "cirrus", LayerRequest(cover=0.0)
    return SkyRequest(
        seed=seed,
        sun_azimuth_rad=math.radians(SUN_AZIMUTH_DEG),
        sun_elevation_rad=math.radians(elevation_deg),
        low=nothing if high else layer,
        high=layer if high else LayerRequest(cover=0.0, base_km=9.0),
        width=width,
    )


def view(panorama: FloatArray, sun_azimuth_deg: float) -> FloatArray:
    """Perspective view (400, 640, 3) of a panorama (H, 2 H, 3), bilinear over several rays a pixel."""
    finer = 2
    width, height = SIZE[0] * finer, SIZE[1] * finer
    tangent = math.tan(math.radians(WIDE_DEG) / 2)
    across, up = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    across, up = (2 * across / width - 1) * tangent, (1 - 2 * up / height) * tangent * height / width
    azimuth, raised = math.radians(sun_azimuth_deg + BESIDE_DEG), math.radians(RAISED_DEG)
    forward = np.array([math.sin(azimuth) * math.cos(raised), math.cos(azimuth) * math.cos(raised), math.sin(raised)])
    right = np.array([math.cos(azimuth), -math.sin(azimuth), 0.0])
    direction = forward + across[..., None] * right + up[..., None] * np.cross(right, forward)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    row, column = panorama_pixel(direction, panorama.shape[1])
    seen = _bilinear(panorama, column - 0.5, row - 0.5)
    averaged: FloatArray = seen.reshape(SIZE[1], finer, SIZE[0], finer, 3).mean((1, 3)).astype(np.float32)
    return averaged


def _bilinear(panorama: FloatArray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    height, width = panorama.shape[:2]
    left, top = np.floor(column).astype(int), np.clip(np.floor(row).astype(int), 0, height - 2)
    x, y = (column - left)[..., None], np.clip(row - top, 0, 1)[..., None]
    here = [[panorama[top + j, (left + i) % width] for i in (0, 1)] for j in (0, 1)]
    seen: np.ndarray = (1 - y) * ((1 - x) * here[0][0] + x * here[0][1]) + y * ((1 - x) * here[1][0] + x * here[1][1])
    return seen


def display(panorama: FloatArray, sun_azimuth_deg: float) -> np.ndarray:
    """The view's picture, exposed for GREY in the sky around it."""
    sky = panorama[: panorama.shape[0] * 4 // 9] @ REC709_LUMINANCE
    exposure_ev = math.log2(GREY) - float(np.log2(np.maximum(sky, 1e-6)).mean())
    return tone_map(view(panorama, sun_azimuth_deg), exposure_ev)


def brightest_azimuth_deg(panorama: FloatArray) -> float:
    """Azimuth of the brightest place in the sky."""
    direction = panorama_directions(panorama.shape[1])
    upper = panorama[: panorama.shape[0] // 2] @ REC709_LUMINANCE
    east, north, _ = direction[np.unravel_index(int(upper.argmax()), upper.shape)]
    return math.degrees(math.atan2(east, north))


def main(captures: Path, out: Path, seed: int = 7, width: int = 2048) -> None:
    """Draw the sheet."""
    renderer = FrameRenderer(BUNDLE)
    rows = []
    for name in SKIES:
        pictures = [display(renderer.render(sky_request(name, sun, seed, width)), SUN_AZIMUTH_DEG) for sun in SUNS_DEG]
        rows.append(np.concatenate(pictures, 1))
        print(name, flush=True)
    real = []
    for file in CAPTURES:
        panorama = read_panorama(captures / file).radiance
        real.append(display(panorama, brightest_azimuth_deg(panorama)))
    rows += [np.concatenate(real[i : i + len(SUNS_DEG)], 1) for i in range(0, len(real), len(SUNS_DEG))]
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
