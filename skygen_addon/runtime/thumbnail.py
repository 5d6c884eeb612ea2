"""Thumbnails of presets: a square look at the sky with the sun in it, for the gallery of the panel."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import RequestError
from ..core.geometry import FloatArray, panorama_pixel
from ..core.own_presets import thumbnail_path
from ..core.presets import Preset, preset_names
from ..core.request import SkyRequest
from ..core.timeline import requests_for_frames
from .bake.bake import Renderer
from .command.sky_options import given_preset
from .preview import tone_map, write_png

THUMBNAIL_SIZE = 192
"""Width and height in pixels: Blender shows thumbnails square, at some 100 to 200 pixels."""
SIZE_RANGE = (16, 1024)
PANORAMA_WIDTH = 1024
"""Width of the panorama that is looked at: about one of its pixels falls on one of the thumbnail's."""
FRAME = 1
FRAMES_PER_SECOND = 24.0
SEED = 0
"""The seed that a new world has, so that a thumbnail shows the very clouds that a click on it brings."""

_FIELD_OF_VIEW_RAD = math.radians(86.0)
"""Of the picture's width and height: wide enough for the horizon and a noon sun in one picture."""
_PITCH_RAD = math.radians(33.0)
"""Elevation of the picture's centre, the same for all, so that they compare: the horizon lies low in it."""
_SUN_ASIDE_RAD = math.radians(14.0)
"""The sun stands left of the middle by this azimuth: a sky is lit from a side, not from the centre."""
_SAMPLES = 3
"""Rays per pixel along each axis."""
_GLARE_FROM = 12.0
_GLARE_MOST = 4000.0
"""Radiance from which, and up to which, pixels glare: a sunlit cloud is below it."""
_GLARE = ((0.006, 0.012), (0.02, 0.02), (0.06, 0.04))
"""Widths of the glare as fractions of the picture, and the share of light that each scatters."""


def view_directions(azimuth_rad: float, elevation_rad: float, field_rad: float, size: int) -> FloatArray:
    """Unit directions of the pixel centres of a square perspective picture.

    Parameters
    ----------
    azimuth_rad, elevation_rad : float
        Where its centre looks; azimuth clockwise from north.
    field_rad : float
        Angle from edge to edge through the centre.
    size : int
        Width and height N in pixels.

    Returns
    -------
    ndarray, shape (N, N, 3), float32
        Row 0 is the upper edge, column 0 the left one.
    """
    step = (np.arange(size) + 0.5) / size * 2 - 1
    right, up = step * math.tan(field_rad / 2), -step * math.tan(field_rad / 2)
    sin_a, cos_a = math.sin(azimuth_rad), math.cos(azimuth_rad)
    sin_e, cos_e = math.sin(elevation_rad), math.cos(elevation_rad)
    ahead = np.array([cos_e * sin_a, cos_e * cos_a, sin_e])
    rightward = np.array([cos_a, -sin_a, 0.0])
    upward = np.array([-sin_e * sin_a, -sin_e * cos_a, cos_e])
    rays = ahead + right[None, :, None] * rightward + up[:, None, None] * upward
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True), dtype=np.float32)


def look(radiance: NDArray[np.float32], directions: FloatArray) -> FloatArray:
    """Radiance of a panorama (H, W, 3) along directions (..., 3), linear between pixel centres."""
    height, width, _ = radiance.shape
    row, column = panorama_pixel(directions, width)
    row, column = np.clip(row - 0.5, 0, height - 1), column - 0.5
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    bottom = np.minimum(top + 1, height - 1)
    down, right = ((row - top)[..., None], (column - left)[..., None])
    left, after = left % width, (left + 1) % width
    upper = radiance[top, left] * (1 - right) + radiance[top, after] * right
    lower = radiance[bottom, left] * (1 - right) + radiance[bottom, after] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def thumbnail(radiance: NDArray[np.float32], sun_azimuth_rad: float, size: int = THUMBNAIL_SIZE) -> NDArray[np.uint8]:
    """Display picture (N, N, 3), uint8 sRGB, of a panorama (H, W, 3): toward the sun, over the horizon.

    The sun gets a glare, as in an eye or a lens: its disc alone is a dot of two pixels that nobody takes for a sun.
    Every ray is tone-mapped before the rays of a pixel are averaged, so that the sun's edge is smooth.
    """
    fine = view_directions(sun_azimuth_rad + _SUN_ASIDE_RAD, _PITCH_RAD, _FIELD_OF_VIEW_RAD, size * _SAMPLES)
    rays = look(radiance, fine).reshape(size, _SAMPLES, size, _SAMPLES, 3)
    rays = rays + _glare(rays.mean((1, 3)))[:, None, :, None]
    display = tone_map(rays.reshape(size * _SAMPLES, size * _SAMPLES, 3)).astype(np.float32)
    return np.asarray(display.reshape(size, _SAMPLES, size, _SAMPLES, 3).mean((1, 3)) + 0.5, dtype=np.uint8)


def _glare(radiance: FloatArray) -> FloatArray:
    """What very bright pixels of a picture (N, N, 3) scatter over their surroundings, (N, N, 3).

    Only what exceeds a lit cloud scatters, so that clouds stay as they are.
    """
    peak = radiance.max(axis=-1, keepdims=True)
    excess = radiance * (np.clip(peak - _GLARE_FROM, 0, _GLARE_MOST) / np.maximum(peak, 1e-8))
    total = np.zeros_like(radiance)
    for width, share in _GLARE:
        total += share * _blurred(excess, width * len(radiance))
    return total


def _blurred(picture: FloatArray, sigma: float) -> FloatArray:
    """A picture (N, N, 3) after a Gaussian of ``sigma`` pixels along both axes; black beyond its edges."""
    step = np.arange(len(picture))
    weights = np.exp(-0.5 * np.square((step[:, None] - step[None, :]) / sigma)).astype(np.float32)
    weights /= np.float32(sigma * math.sqrt(2 * math.pi))
    return np.asarray(np.einsum("ab,cd,bdk->ack", weights, weights, picture, optimize=True), dtype=np.float32)


def add_thumbnail_options(parser: argparse.ArgumentParser) -> None:
    """Add what to draw, and how large."""
    add = parser.add_argument
    add("--preset", action="append", metavar="NAME", help="shipped preset or preset file, more than once (default all)")
    add("--size", type=int, default=THUMBNAIL_SIZE, metavar="N", help=f"pixels (default {THUMBNAIL_SIZE})")


def thumbnail_options(arguments: argparse.Namespace) -> tuple[list[Preset], int]:
    """The presets that parsed arguments name, and the size. Raises RequestError where these make no sense."""
    if not SIZE_RANGE[0] <= arguments.size <= SIZE_RANGE[1]:
        raise RequestError(f"--size is {arguments.size}.", f"Give from {SIZE_RANGE[0]} to {SIZE_RANGE[1]} pixels.")
    return [given_preset(name) for name in arguments.preset or preset_names()], arguments.size


def make_thumbnails(
    presets: Sequence[Preset], folder: Path, renderer: Renderer, size: int = THUMBNAIL_SIZE
) -> Iterator[Path]:
    """Write ``<name>.png`` of each preset into a folder that exists, and hand out its path when it is there.

    Raises
    ------
    RequestError
        If a preset asks for what no frame can have.
    OutputError
        If a file cannot be written.
    """
    for preset in presets:
        request = thumbnail_request(preset)
        picture = thumbnail(renderer.render(request), request.sun_azimuth_rad, size)
        path = thumbnail_path(preset.name, folder)
        write_png(path, picture, differences=True)
        yield path


def thumbnail_request(preset: Preset) -> SkyRequest:
    """The frame of a preset that its thumbnail shows. Raises RequestError as :func:`requests_for_frames`."""
    (request,) = requests_for_frames(
        lambda _: preset.controls, [FRAME], fps=FRAMES_PER_SECOND, seed=SEED, width=PANORAMA_WIDTH
    )
    return request
