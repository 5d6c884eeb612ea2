"""The brightest region of a panorama's sky: where it is, how large, and whether it is round, flat or clipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .regions import join, label_regions

MIN_FLAT_PIXELS = 9
"""Fewer pixels do not show whether a region is flat."""

CLIPPED_SHARE = 0.1
"""Share of a region that must be at the peak for it to count as clipped."""


@dataclass(frozen=True)
class BrightRegion:
    """A connected region above half of a peak."""

    centre: NDArray[np.float64]
    """Unit vector (3,) of its middle."""
    radius_rad: float
    """Of the disc of its area."""
    light: float
    """Luminance times solid angle."""
    flat: bool
    """Whether most of it is at the peak: clipped, a window, a lamp's globe."""
    clipped: bool
    """Whether a visible part of it is at the peak, so that the peak may be missing."""
    round: bool
    """Whether it is no longer than half a disc is."""


def label_around(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Numbers of the connected regions of (rows, W), which go on across the wrap also cornerwise; 0 outside."""
    labels, count = label_regions(mask, corners=True)
    left, right = np.pad(labels[:, 0], 1), labels[:, -1]
    rows = len(right)
    pairs = np.stack([np.concatenate([left[k : k + rows] for k in range(3)]), np.tile(right, 3)])
    pairs = pairs[:, (pairs > 0).all(axis=0)]
    _, joined = np.unique(join(count + 1, pairs[0], pairs[1]), return_inverse=True)
    return np.asarray(joined[labels], dtype=np.int32)


def brightest_region(
    luminance: NDArray[np.float64], solid_angle: NDArray[np.float64], directions: NDArray[np.float32]
) -> BrightRegion:
    """The connected region above half of the peak that sends most light.

    Parameters
    ----------
    luminance : ndarray, shape (R, W), float64
        Rows of a linear panorama from the zenith down; somewhere above 0.
    solid_angle : ndarray, shape (R, W), float64
        Of each pixel, in sr.
    directions : ndarray, shape (R, W, 3), float32
        Unit view directions.

    Returns
    -------
    BrightRegion
    """
    peak = float(luminance.max())
    bright = luminance >= 0.5 * peak
    rows, columns = np.nonzero(bright)
    which = label_around(bright)[rows, columns]
    value, omega = luminance[rows, columns], solid_angle[rows, columns]
    light = np.bincount(which, value * omega)
    own = which == int(light.argmax())
    return shape_of(directions[rows[own], columns[own]], omega[own], value[own], peak)


def shape_of(
    directions: NDArray[np.floating], solid_angle: NDArray[np.float64], luminance: NDArray[np.float64], peak: float
) -> BrightRegion:
    """What a region of pixels looks like: their directions (n, 3), solid angles (n,) and luminance (n,).

    ``peak`` is the luminance beside which flat and clipped are told.
    """
    d = directions.astype(np.float64)
    centre = (d * solid_angle[:, None]).sum(axis=0)
    centre /= max(float(np.linalg.norm(centre)), 1e-12)
    area = float(solid_angle.sum())
    away = d - (d @ centre)[:, None] * centre
    longest = float(np.linalg.eigvalsh((away * solid_angle[:, None]).T @ away / area)[-1])
    plateau, top = (float(solid_angle[luminance > share * peak].sum()) / area for share in (0.95, 0.98))
    radius = float(np.sqrt(area / np.pi))
    enough = int((luminance > 0.95 * peak).sum()) >= MIN_FLAT_PIXELS
    half_disc = radius**2 / 2  # second moment of half a disc along its edge; a whole disc has half of it
    return BrightRegion(
        centre,
        radius,
        light=float((luminance * solid_angle).sum()),
        flat=plateau > 0.5 and len(luminance) >= MIN_FLAT_PIXELS,
        clipped=top > CLIPPED_SHARE and enough,
        round=longest < 1.1 * half_disc,
    )
