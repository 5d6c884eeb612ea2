"""White balance of a match: what clear sky and clouds of a panorama agree on, against those of a try.

A camera's white balance moves the colours of everything alike. So the clear sky is compared with the model's at the
same places, and so is the try's where it is clear, for clouds shade the air before it; the clouds are compared with the
try's clouds. Where both are seen only the shift that they have in common is taken: warm clouds below a blue sky are a
sunset's light, and stay so. Light decides, pixel by pixel, so that the picture lights a scene in the panorama's
colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.controls import SkyControls
from ...core.geometry import REC709_LUMINANCE, FloatArray, disc_directions
from ...core.measuring.calibration import model_radiance
from ...core.measuring.cloud_opacity import CloudEstimate
from ...core.measuring.sampling import disc_weights
from ...core.request import NEUTRAL_WHITE_K
from ...core.white_balance import nearest_balance, white_balance_gains
from ..frame.sun_record import SkyFrame, SunlitFrame
from .match_view import SUN_GLARE_RAD, View

TEMPERATURES_K, TINTS = (5000.0, 10000.0), (-15.0, 15.0)
"""What a match may set: the temperature's soft range; the tint less than its own, lest a graded sky turn green."""

CLEAR_OPACITY, CLOUD_OPACITY = 0.08, 0.6
"""Opacity below which a pixel is clear sky, and above which it has the cloud's own colour."""

LEAST_LIGHT = 0.05
"""Share of the sky's light that clear sky or clouds must give to be compared."""

LEAST_PIXELS = 0.02
"""Share of the visible sky that clouds of a try must take to be compared."""

SETTLED_EV = 0.07
"""Stops in a channel, below which a white balance that changes is not worth another try."""


def balanced(frame: SunlitFrame, white_balance_k: float, white_balance_tint: float) -> SkyFrame:
    """A frame that was rendered without white balance, with one: as if it had been asked for with it."""
    gains = white_balance_gains(white_balance_k, white_balance_tint)
    red, green, blue = (float(channel) for channel in np.asarray(frame.sun.irradiance) * gains)
    radiance = frame.radiance * gains.astype(np.float32)
    sun = replace(frame.sun, irradiance=(red, green, blue), sky_peak=frame.sun.sky_peak * float(gains.max()))
    return SkyFrame(radiance, sun)


def is_same_balance(before: SkyControls, after: SkyControls) -> bool:
    """Whether the white balance of two tries is the same, to `SETTLED_EV`: the ground's colour is found with it."""
    one, other = (white_balance_gains(c.white_balance_k, c.white_balance_tint) for c in (before, after))
    return float(np.abs(np.log2(one / other)).max()) < SETTLED_EV


@dataclass(frozen=True)
class Shifts:
    """Stops of red over blue, and of their mean over green, (2,), by which a panorama's colours differ from a try's."""

    clear: NDArray[np.float64] | None
    """Of clear sky; None where too little is seen, as below."""
    clouds: NDArray[np.float64] | None
    """Of clouds."""
    clear_ev: float | None = None
    """Stops by which the panorama's clear sky is brighter than the try's; None where it is not known."""

    def balance(self) -> tuple[float, float]:
        """Temperature (kelvin) and tint within `TEMPERATURES_K` and `TINTS`; neutral where nothing can be compared."""
        known = [shift for shift in (self.clear, self.clouds) if shift is not None]
        if not known:
            return NEUTRAL_WHITE_K, 0.0
        warmth, magenta = _common(np.array(known))
        gains = 2.0 ** np.array([magenta + warmth / 2, 0.0, magenta - warmth / 2])
        temperature_k, tint = nearest_balance(gains, TEMPERATURES_K, TINTS)
        return float(round(temperature_k)), round(tint, 1)


def colour_shifts(
    panorama: FloatArray,
    tried: FloatArray,
    view: View,
    clouds: tuple[CloudEstimate, CloudEstimate],
    controls: SkyControls,
    *,
    overcast: bool,
) -> Shifts:
    """How a panorama's colours differ from a try's; their `balance` brings the try's nearest.

    Parameters
    ----------
    panorama, tried : ndarray, shape (N, N, 3), float32
        Discs; the try's without white balance.
    clouds : tuple of CloudEstimate
        Those of the panorama and of the try.
    controls : SkyControls
        Of the try; its haze and ground colour the clear sky.
    overcast : bool
        Whether all of the sky is cloud, however thin.
    """
    directions = disc_directions(panorama.shape[0])
    z = directions[..., 2]
    use = view.sky & (z > math.sin(math.radians(5.0)))
    use &= directions @ view.sun.direction.astype(np.float32) < math.cos(SUN_GLARE_RAD)
    weight = np.where(use, disc_weights(z) * z, 0.0)
    light, tried_light = (np.asarray(weight * (disc @ REC709_LUMINANCE)) for disc in (panorama, tried))
    if overcast:
        covered, tried_covered = use, use
    else:
        covered, tried_covered = (use & c.valid & (c.alpha > CLOUD_OPACITY) for c in clouds)
    of_clear: NDArray[np.float64] | None = None
    of_clouds: NDArray[np.float64] | None = None
    clear_ev: float | None = None
    clear, tried_clear = (use & c.valid & (c.alpha < CLEAR_OPACITY) for c in clouds)
    if not overcast and light[clear].sum() > LEAST_LIGHT * light.sum():

        def beside_model(disc: FloatArray, place: NDArray[np.bool_], lit: FloatArray) -> NDArray[np.float64]:
            model = model_radiance(directions[place], view.sun.direction, controls.haze, controls.ground_albedo)
            brighter = np.log2(np.maximum(disc[place] @ REC709_LUMINANCE, 1e-30) / (model @ REC709_LUMINANCE))
            values = np.column_stack([_hue(disc[place]) - _hue(model), brighter.astype(np.float64)])
            return _middle(values, lit[place])

        of_clear = beside_model(panorama, clear, light)
        if tried_light[tried_clear].sum() > LEAST_LIGHT * tried_light.sum():
            of_clear = of_clear - beside_model(tried, tried_clear, tried_light)
            clear_ev = float(of_clear[2])
    enough = tried_covered.sum() > LEAST_PIXELS * use.sum()
    if enough and light[covered].sum() > LEAST_LIGHT * light.sum():
        shown = _middle(_hue(tried[tried_covered]), tried_light[tried_covered])
        of_clouds = _middle(_hue(panorama[covered]), light[covered]) - shown
    return Shifts(None if of_clear is None else of_clear[:2], of_clouds, clear_ev)


def _hue(radiance: FloatArray) -> NDArray[np.float64]:
    """Stops of red over blue, and of their mean over green, of pixels (P, 3): (P, 2)."""
    stops = np.log2(np.maximum(radiance.astype(np.float64), 1e-30))
    red, green, blue = stops[:, 0], stops[:, 1], stops[:, 2]
    return np.stack([red - blue, (red + blue) / 2 - green], axis=-1)


def _middle(values: NDArray[np.float64], light: FloatArray) -> NDArray[np.float64]:
    """Median of each column of (P, C), weighted by the light of the pixels (P,)."""
    middles = []
    for column in values.T:
        order = np.argsort(column)
        sums = np.cumsum(light[order], dtype=np.float64)
        middles.append(column[order][np.searchsorted(sums, sums[-1] / 2)])
    return np.array(middles)


def _common(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part (C,) that shifts (S, C) have in common: the least of them, 0 where they go different ways."""
    same = np.all(np.sign(shifts) == np.sign(shifts[0]), axis=0)
    return np.where(same, np.sign(shifts[0]) * np.abs(shifts).min(axis=0), 0.0)
