"""A frame between stills: their clouds carried to its moment and faded into one another, under the sky as it is.

Clear sky, air and ground stand still, and the sun is placed analytically as in any frame, behind the clouds as they
are carried. Such a frame is a look at a sky that moves; it never stands for a rendered one.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ...core.geometry import FloatArray, direction_from_angles, panorama_directions
from ...core.request import LayerRequest, SkyRequest
from ...core.sun import sun_disc
from ...core.white_balance import output_gains
from ..frame.draft import carried
from ..frame.scene import Scene
from ..frame.still import Still, sky_rows
from ..frame.sun_record import SkyFrame, SunLight
from .carry import blended, carried_values, dome_outputs

_BLENDED = (
    "sky_view",
    "log_correction",
    "light",
    "ground_radiance",
    "air",
    "air_light",
    "sun_share",
    "air_glow",
    "ceiling_km",
    "sun_irradiance",
)
"""What two scenes are faded in, beside their layers."""


class Composer(Protocol):
    """What puts layers and clear sky together; the frame renderer."""

    def compose_tile(
        self, direction: FloatArray, low: FloatArray, high: FloatArray, scene: Scene, footprint_rad: float
    ) -> FloatArray:
        """Radiance (h, w, 3) of directions (h, w, 3) from the dome graph's outputs (6, h, w) of both layers."""

    def sun_transmittance(self, request: SkyRequest, scene: Scene) -> float:
        """Fraction of the sun's light that a scene's clouds let through."""


@dataclass(frozen=True)
class Share:
    """A still and its share of a frame, 0 to 1."""

    still: Still
    weight: float


class CarriedFrames:
    """Makes frames from stills.

    Parameters
    ----------
    composer : Composer
        Puts them together.
    """

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._ground: weakref.WeakKeyDictionary[Still, dict[int, FloatArray]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def kept(self) -> list[dict[int, FloatArray]]:
        """What is kept of stills that somebody keeps; from any thread."""
        with self._lock:
            return list(self._ground.values())

    def frame(self, request: SkyRequest, shares: Sequence[Share]) -> SkyFrame:
        """The frame of a request by one still or more whose shares sum to 1, as wide as the request says.

        Only wind, evolution, sun, exposure, white balance and width are taken from the request; the rest is as in the
        stills.
        """
        seen = sky_rows(request.width)
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad).astype(np.float32)
        gains = output_gains(request.exposure_ev, request.white_balance_k, request.white_balance_tint)
        gains = gains.astype(np.float32)
        scene = replace(_faded(shares), sun_direction=sun, exposure=gains)
        low, high = (dome_outputs(self._layer(request, index, shares), seen, sun) for index in (0, 1))
        sky = seen.folded(self._composer.compose_tile(seen.direction, low, high, scene, math.tau / request.width))
        ground = blended([self._below(request, one.still) for one in shares], [one.weight for one in shares])
        panorama = np.concatenate([sky, ground * gains])
        sky_peak = float(panorama.max())
        through = sum(one.weight * self._sun_transmittance(request, one.still, sun) for one in shares)
        transmittance = min(max(through, 0.0), 1.0)
        irradiance = scene.sun_irradiance * (transmittance * gains)
        if request.sun_disc:
            patch = sun_disc(request.width, request.sun_azimuth_rad, request.sun_elevation_rad, irradiance)
            panorama[patch.row_start : patch.row_stop, patch.columns] += patch.radiance
        red, green, blue = (float(channel) for channel in irradiance)
        angles = (request.sun_azimuth_rad, request.sun_elevation_rad)
        return SkyFrame(panorama, SunLight(*angles, (red, green, blue), transmittance, sky_peak=sky_peak))

    def _layer(self, request: SkyRequest, index: int, shares: Sequence[Share]) -> FloatArray | None:
        """One layer (S, W, 6) carried from all stills; None without cover."""
        seen, pictures, weights = sky_rows(request.width), [], []
        for one in shares:
            picture = one.still.layers[index]
            if picture is not None:
                way_km = way_between(_layer_of(one.still.request, index), _layer_of(request, index))
                pictures.append(carried_values(picture, one.still.rows, way_km, seen))
                weights.append(one.weight)
        return blended(pictures, weights) if pictures else None

    def _below(self, request: SkyRequest, still: Still) -> FloatArray:
        """The ground's half (W / 4, W, 3) of a still's panorama, without exposure, turned with the sun; kept."""
        with self._lock:
            width, kept = request.width, self._ground.setdefault(still, {})
        if width not in kept:
            direction = panorama_directions(width, width // 4)
            nothing = np.zeros((6, *direction.shape[:2]), dtype=np.float32)
            kept[width] = self._composer.compose_tile(direction, nothing, nothing, still.scene, math.tau / width)
        turn_rad = math.remainder(request.sun_azimuth_rad - still.request.sun_azimuth_rad, math.tau)
        return turned(kept[width], turn_rad * width / math.tau)

    def _sun_transmittance(self, request: SkyRequest, still: Still, sun: FloatArray) -> float:
        """By a still's clouds themselves, moved; not by a picture of them."""
        moved = [
            None if light is None else carried(light, _layer_of(still.request, index), _layer_of(request, index))
            for index, light in enumerate(still.scene.layers)
        ]
        scene = replace(still.scene, layers=(moved[0], moved[1]), sun_direction=sun)
        return self._composer.sun_transmittance(request, scene)


def _layer_of(request: SkyRequest, index: int) -> LayerRequest:
    return (request.low, request.high)[index]


def turned(panorama: FloatArray, columns: float) -> FloatArray:
    """A panorama (h, W, 3) so many columns, whole ones or not, to the right: clockwise, as azimuths grow."""
    whole = math.floor(columns)
    share = np.float32(columns - whole)
    result = np.roll(panorama, whole, axis=1) if whole else panorama
    return result + (np.roll(result, 1, axis=1) - result) * share if share else result


def way_between(before: LayerRequest, now: LayerRequest) -> tuple[float, float]:
    """How far a layer's clouds have moved east and north in km."""
    east, north = np.subtract(now.displacement_km, before.displacement_km).tolist()
    return east, north


def _faded(shares: Sequence[Share]) -> Scene:
    """The scene of several stills: light and air between theirs."""
    scene = shares[0].still.scene
    if len(shares) == 1:
        return scene
    mean: dict[str, Any] = {}
    for name in _BLENDED:
        values = [np.asarray(getattr(one.still.scene, name), dtype=np.float32) for one in shares]
        value = sum(np.float32(one.weight) * value for one, value in zip(shares, values, strict=True))
        mean[name] = value if isinstance(getattr(scene, name), np.ndarray) else float(value)
    return replace(scene, **mean)
