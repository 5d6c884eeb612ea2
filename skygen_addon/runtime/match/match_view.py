"""How panorama and tries are seen: through one mask, with one sun, their light measured alike; and what is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.geometry import REC709_LUMINANCE, FloatArray, disc_directions
from ...core.measuring.cloud_look import CloudLook
from ...core.measuring.cloud_opacity import CloudEstimate, estimate_clouds
from ...core.measuring.measure import Measurement
from ...core.measuring.sampling import disc_weights
from ...core.measuring.sun_position import SunPosition
from ..frame.sun_record import SunlitFrame
from .match_sun import SunPlace

SUN_GLARE_RAD = math.radians(10.0)
"""Around the sun light is not counted as the sky's."""

ALBEDO_RANGE = (0.02, 0.7)
"""Albedo of grounds, from dark soil to old snow."""

OPEN_OPACITY = 0.25
"""Mean opacity around a sun below which it is not taken for veiled."""

EVEN_GLARE = 0.6
"""Scatter of log luminance close around a sun, beside its fall with distance, below which no cloud is there: clear
skies read 0.05 to 0.3, horizons and trees 0.6 at most, a cloud before the sun with its bright rims 0.9 to 1.4."""

HIDING_RAD = math.radians(6.0)
"""Around the place of a sun that is not seen: what is there hides it."""

CLOUD_BRIGHTNESS = 0.5
"""Least luminance of a cloud that was taken for an obstacle over the sky's median. Such clouds of this engine read 0.9
in their darkest tenth, walls, trees and hills before the sun 0.25 at most."""

NEAR_RAD = (math.radians(1.2), math.radians(5.0))
"""Beyond the sun's own radius: where that is measured."""


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


@dataclass(frozen=True)
class Found:
    """What is known of the panorama."""

    measured: Measurement
    """Its sky as captures are measured."""
    view: View
    """What tries are seen through."""
    wanted: CloudLook
    """Its clouds."""
    kind: str
    """What they were taken for."""
    haze_told: bool
    """Whether clear sky told the haze."""
    light: Light
    """Its light."""
    small: FloatArray
    """(256, 512, 3), its radiance."""
    sunlight: float
    """Irradiance of the sun across its beam, luminance, in the unit of ``light``; 0 where it is not seen."""
    sun_clipped: bool
    """:func:`sun_is_clipped`."""
    behind_clouds: bool
    """:func:`is_behind_clouds`."""


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
        Brings the try to the panorama's exposure, by clear sky where both have some: clouds near the sun brighten a
        sky by chance.
    """
    height = panorama.shape[0]
    below = slice(height // 2 + height // 18, height // 2 + 5 * height // 18)
    seen, made = (np.median(p[below].reshape(-1, 3), axis=0) for p in (panorama, tried))
    ratio = seen / np.maximum(made * gain, 1e-12)
    red, green, blue = np.clip(np.array(albedo) * ratio, *ALBEDO_RANGE).round(3)
    return float(red), float(green), float(blue)


def sun_is_clipped(measured: Measurement, clouds: CloudEstimate) -> bool:
    """Whether the sun is weaker than the sky although no cloud is around it, 12 to 20 degrees off, nor before it.

    Nearer than that, its glare hides the colours that tell clouds; but a cloud that is small enough to leave those
    free is told by how unevenly bright it is.
    """
    sun = measured.sun
    if sun is None or not sun.clipped or clouds.overcast:
        return False
    cosine = disc_directions(clouds.alpha.shape[0]) @ sun.direction.astype(np.float32)
    ring = clouds.valid & (cosine < math.cos(math.radians(12.0))) & (cosine > math.cos(math.radians(20.0)))
    if ring.any() and float(clouds.alpha[ring].mean()) >= OPEN_OPACITY:
        return False
    return _unevenness(measured.disc, measured.sky, sun) < EVEN_GLARE


def is_behind_clouds(measured: Measurement, place: SunPlace) -> bool:
    """Whether it is clouds that hide a sun which is not seen, and not a house or trees.

    Where sky is seen it is clouds. A dark cloud before the sun with its bright rims may be taken for an obstacle, but
    it is nearly as bright as the sky.
    """
    if measured.sun is not None:
        return False
    directions = disc_directions(measured.disc.shape[0])
    cosine = directions @ place.direction.astype(np.float32)
    if measured.sky.flat[int(cosine.argmax())]:
        return True
    near = (cosine > math.cos(HIDING_RAD)) & (directions[..., 2] > 0) & ~measured.sky
    luminance = measured.disc @ REC709_LUMINANCE
    if not near.any() or not measured.sky.any():
        return False
    return float(np.percentile(luminance[near], 10)) > CLOUD_BRIGHTNESS * float(np.median(luminance[measured.sky]))


def _unevenness(disc: FloatArray, sky: NDArray[np.bool_], sun: SunPosition) -> float:
    """Scatter of log luminance close around a sun on a disc (N, N, 3), beside its fall with distance."""
    angle = np.arccos(np.clip(disc_directions(disc.shape[0]) @ sun.direction.astype(np.float32), -1.0, 1.0))
    near = sky & (angle > sun.radius_rad + NEAR_RAD[0]) & (angle < sun.radius_rad + NEAR_RAD[1])
    if near.sum() < 3:
        return 0.0
    light = np.log(np.maximum(disc[near] @ REC709_LUMINANCE, 1e-12)).astype(np.float64)
    fall = np.stack([np.ones_like(light), angle[near].astype(np.float64)], axis=-1)
    slope, *_ = np.linalg.lstsq(fall, light, rcond=None)
    return float(np.std(light - fall @ slope))
