"""How panorama and tries are seen: through one mask, with one sun, their light measured alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.geometry import REC709_LUMINANCE, FloatArray, disc_directions
from ..core.measuring.cloud_opacity import CloudEstimate, estimate_clouds
from ..core.measuring.measure import Measurement
from ..core.measuring.sampling import disc_weights
from .match_sun import SunPlace
from .sun_record import SunlitFrame

SUN_GLARE_RAD = math.radians(10.0)
"""Around the sun light is not counted as the sky's."""

ALBEDO_RANGE = (0.02, 0.7)
"""Albedo of grounds, from dark soil to old snow."""

OPEN_OPACITY = 0.25
"""Mean opacity around a sun below which it is not taken for veiled."""


@dataclass(frozen=True)
class Light:
    """What lights a scene, measured on a sky disc through a mask."""

    sky: float
    """Irradiance of the visible sky without the sun's surroundings, as if all of it shone so; luminance, horizontal."""
    median: float
    """Median luminance of the same sky."""
    red_to_blue: float
    """Red over blue of that irradiance."""
    green: float
    """Green over the geometric mean of red and blue of that irradiance."""


@dataclass(frozen=True)
class View:
    """What both skies are seen through."""

    sky: NDArray[np.bool_]
    """Mask (N, N) of the sky on the disc."""
    sun: SunPlace
    """Where the sun stands."""

    def clouds(self, disc: FloatArray) -> CloudEstimate:
        """Clouds of a disc (N, N, 3)."""
        return estimate_clouds(disc, self.sky, self.sun.direction if self.sun.told_by != "glow" else None)

    def light(self, disc: FloatArray) -> Light:
        """Light of a disc (N, N, 3)."""
        directions = disc_directions(disc.shape[0])
        z = directions[..., 2]
        use = self.sky & (z > math.sin(math.radians(5.0)))
        away = directions @ self.sun.direction.astype(np.float32) < math.cos(SUN_GLARE_RAD)
        use = use & away if (use & away).any() else use
        weight = (disc_weights(z) * z)[use].astype(np.float64)
        mean = (disc[use] * weight[:, None]).sum(axis=0) / weight.sum()
        median = float(np.median(disc[use] @ REC709_LUMINANCE))
        red, green, blue = (max(float(channel), 1e-12) for channel in mean)
        sky = math.pi * float(mean @ REC709_LUMINANCE)
        return Light(sky, median, red / blue, green / math.sqrt(red * blue))


def sunlight_of(frame: SunlitFrame) -> float:
    """Luminance of the irradiance on a plane that faces the sun."""
    return float(np.asarray(frame.sun.irradiance) @ REC709_LUMINANCE)


def ground_albedo(
    albedo: tuple[float, float, float], panorama: FloatArray, tried: FloatArray, gain: float
) -> tuple[float, float, float]:
    """Albedo with which a try's ground shines as the panorama's does, from 10 to 50 degrees below the horizon.

    Parameters
    ----------
    albedo : (float, float, float)
        Of the try, red, green and blue.
    panorama, tried : ndarray, shape (H, W, 3), float32
        Linear radiance.
    gain : float
        Brings the try to the panorama's exposure.
    """
    height = panorama.shape[0]
    below = slice(height // 2 + height // 18, height // 2 + 5 * height // 18)
    seen, made = (np.median(p[below].reshape(-1, 3), axis=0) for p in (panorama, tried))
    ratio = seen / np.maximum(made * gain, 1e-12)
    red, green, blue = np.clip(np.array(albedo) * ratio, *ALBEDO_RANGE).round(3)
    return float(red), float(green), float(blue)


def sun_is_clipped(measured: Measurement, clouds: CloudEstimate) -> bool:
    """Whether the sun is weaker than the sky although no cloud is around it, 12 to 20 degrees off.

    Nearer than that, its glare hides the colours that tell clouds.
    """
    sun = measured.sun
    if sun is None or not sun.clipped or clouds.overcast:
        return False
    cosine = disc_directions(clouds.alpha.shape[0]) @ sun.direction.astype(np.float32)
    ring = clouds.valid & (cosine < math.cos(math.radians(12.0))) & (cosine > math.cos(math.radians(20.0)))
    return not ring.any() or float(clouds.alpha[ring].mean()) < OPEN_OPACITY
