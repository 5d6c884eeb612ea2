"""How a frame lies on the reference of its stack, and pictures sampled there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """Where the reference's pixels lie in a frame: ``frame = centre + R(angle) (reference - centre) + shift``."""

    shift_px: tuple[float, float] = (0.0, 0.0)
    """Right and down, pixels."""
    angle_rad: float = 0.0
    """Clockwise on screen."""
    wraps: bool = False
    """A panorama: columns go on at the other side, and only the shift to the right is used."""

    @property
    def is_still(self) -> bool:
        """Whether it moves nothing."""
        return self.shift_px == (0.0, 0.0) and self.angle_rad == 0.0

    def largest_px(self, height: int, width: int) -> float:
        """Largest distance that a pixel of a picture of this size moves."""
        reach = 2 * np.sin(abs(self.angle_rad) / 2) * np.hypot(height, width) / 2
        return float(np.hypot(*self.shift_px) + reach)

    def coordinates(self, height: int, width: int, rows: slice) -> tuple[Plane, Plane]:
        """Columns and rows in the frame, each (R, W) float32, of the reference's pixels in some rows."""
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        y, x = np.mgrid[rows.start : rows.stop, 0:width].astype(np.float64)
        x, y = x - centre_x, y - centre_y
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        column = centre_x + cosine * x - sine * y + self.shift_px[0]
        row = centre_y + sine * x + cosine * y + self.shift_px[1]
        return column.astype(np.float32), row.astype(np.float32)

    def scaled(self, factor: float) -> Motion:
        """The same motion between pictures that are larger by a factor."""
        return Motion((self.shift_px[0] * factor, self.shift_px[1] * factor), self.angle_rad, self.wraps)

    def after(self, other: Motion) -> Motion:
        """The motion that first takes ``other`` (reference to middle), then this one (middle to frame)."""
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        x, y = other.shift_px
        shift = (cosine * x - sine * y + self.shift_px[0], sine * x + cosine * y + self.shift_px[1])
        return Motion((float(shift[0]), float(shift[1])), self.angle_rad + other.angle_rad, self.wraps)

    def inverse(self) -> Motion:
        """From the frame to the reference."""
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        x, y = self.shift_px
        return Motion((float(-cosine * x - sine * y), float(sine * x - cosine * y)), -self.angle_rad, self.wraps)


def resample(picture: Plane, column: Plane, row: Plane, wraps: bool, method: int = cv2.INTER_CUBIC) -> Plane:
    """A picture (H, W) or (H, W, C) float32 at fractional pixels; outside it is zero, or wraps in columns."""
    if not wraps:
        sampled = cv2.remap(picture, column, row, method, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(sampled, dtype=np.float32)
    margin = 4
    wide = cv2.copyMakeBorder(picture, 0, 0, margin, margin, cv2.BORDER_WRAP)
    around = np.mod(column, picture.shape[1]) + np.float32(margin)
    return np.asarray(cv2.remap(wide, around, row, method, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)
