"""Upward fisheye stills to the upper half of a panorama.

The top of the picture is north and, as one looks up, its left is east. A single picture does not tell its
lens: it is taken as equidistant unless the file's name holds the word ``equisolid`` set off by ``_``, ``-``,
``.`` or a space (``roof_equisolid.jpg``), or the caller says so. Both lenses are scaled so that the circle is
the horizon:

- equidistant: ``r = R theta / (pi / 2)``,
- equisolid (equal area): ``r = R sin(theta / 2) / sin(pi / 4)``,

theta the angle from the zenith, R the circle's radius (Miyamoto, "Fish Eye Lens", JOSA 54, 1964).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import panorama_directions
from trainer.captures.readers.fisheye_circle import Circle

Projection = Literal["equidistant", "equisolid"]
"""How the lens maps the angle from the zenith to the distance from the circle's centre."""

MAX_PANORAMA_WIDTH = 4096
"""Widest panorama that is made of a fisheye still, pixels."""

_BLOCK_ROWS = 64


def check_projection(projection: str) -> Projection:
    """The projection of that name.

    Raises
    ------
    CaptureError
        There is none.
    """
    if projection not in get_args(Projection):
        raise CaptureError(
            f"{projection} is not a fisheye projection.", f"Use one of: {', '.join(get_args(Projection))}."
        )
    return cast(Projection, projection)


def named_projection(files: Sequence[Path]) -> Projection | None:
    """The projection that stands as a word in a file's name, or None."""
    for path in files:
        for word in re.split(r"[_\-. ]+", path.stem.lower()):
            if word in get_args(Projection):
                return cast(Projection, word)
    return None


def lens_radius(zenith_angle_rad: NDArray[np.floating], projection: Projection) -> NDArray[np.float64]:
    """Distance from the centre in units of the circle's radius; 1 at the horizon."""
    angle = np.asarray(zenith_angle_rad, dtype=np.float64)
    if projection == "equidistant":
        return angle / (math.pi / 2)
    radius: NDArray[np.float64] = np.sin(angle / 2) / math.sin(math.pi / 4)
    return radius


def panorama_width(circle: Circle) -> int:
    """Width in pixels that keeps the still's resolution: as many rows from zenith to horizon as the circle's radius.

    Even, and at most `MAX_PANORAMA_WIDTH`; the caller refuses what is too narrow.
    """
    return min(MAX_PANORAMA_WIDTH, 4 * round(circle.radius))


def _crop(radiance: NDArray[np.float32], circle: Circle) -> tuple[NDArray[np.float32], Circle]:
    """The square around the circle, and the circle in it."""
    left, top = (max(0, math.floor(c - circle.radius) - 1) for c in (circle.column, circle.row))
    right, bottom = (math.ceil(c + circle.radius) + 2 for c in (circle.column, circle.row))
    return radiance[top:bottom, left:right], Circle(circle.column - left, circle.row - top, circle.radius)


def unwrap_fisheye(
    radiance: NDArray[np.float32], circle: Circle, projection: Projection, width: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Panorama of a fisheye still, averaged over 2 x 2 bilinear samples a pixel.

    Parameters
    ----------
    radiance : ndarray, shape (h, w, 3), float32
        The still, linear.
    circle : Circle
        Its horizon.
    projection : Projection
        Its lens.
    width : int
        Width W of the panorama.

    Returns
    -------
    panorama : ndarray, shape (W / 2, W, 3), float32
        Zero below the horizon and where the frame cuts the circle; the row at the rim repeats what lies inside it.
    covered : ndarray, shape (W / 2, W), bool
        Where the still shows the sky: inside the circle, but for the pixel at its rim that mixes with the surround.
    """
    radiance, circle = _crop(radiance, circle)
    shrink = 4 * circle.radius / width
    if shrink > 1.25:  # averages first, so that fine structure does not alias
        size = (round(radiance.shape[1] / shrink), round(radiance.shape[0] / shrink))
        circle = circle.scaled(size[0] / radiance.shape[1], size[1] / radiance.shape[0])
        radiance = np.asarray(cv2.resize(radiance, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    height = width // 2
    panorama = np.zeros((height, width, 3), dtype=np.float32)
    covered = np.zeros((height, width), dtype=np.bool_)
    rim = 1.0 - 1.0 / circle.radius
    for start in range(0, height // 2, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, height // 2)
        fine = panorama_directions(2 * width, 2 * start, 2 * stop).astype(np.float64)  # (2n, 2W, 3)
        radius = lens_radius(np.arccos(np.clip(fine[..., 2], -1, 1)), projection)
        reach = np.minimum(radius, rim) * circle.radius / np.maximum(np.hypot(fine[..., 0], fine[..., 1]), 1e-12)
        column, row = circle.column - reach * fine[..., 0], circle.row - reach * fine[..., 1]
        inside = (column >= 0) & (column <= radiance.shape[1] - 1) & (row >= 0) & (row <= radiance.shape[0] - 1)
        block = (stop - start, 2, width, 2)
        framed = inside.reshape(block).all(axis=(1, 3))
        maps = column.astype(np.float32), row.astype(np.float32)
        value = cv2.remap(radiance, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # (2n, 2W, 3)
        mean = value.reshape(*block, 3).mean(axis=(1, 3))
        panorama[start:stop] = np.where(framed[..., None], mean, np.float32(0.0))
        covered[start:stop] = framed & (radius <= rim).reshape(block).all(axis=(1, 3))
    return panorama, covered
