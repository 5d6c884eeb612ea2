"""White balance of a match: what clear sky and clouds of a panorama agree on, against those of a try.

A camera's white balance moves the colours of everything alike. So the clear sky is compared with the model's at the
same places, the clouds with the try's clouds, and where both are seen only the shift that they have in common is
taken: warm clouds below a blue sky are a sunset's light, and stay so. Light decides, pixel by pixel, so that the
picture lights a scene in the panorama's colour.
"""

from __future__ import annotations

import math
from dataclasses import replace

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


def sky_balance(
    panorama: FloatArray,
    tried: FloatArray,
    view: View,
    clouds: tuple[CloudEstimate, CloudEstimate],
    controls: SkyControls,
    *,
    overcast: bool,
) -> tuple[float, float]:
    """Temperature (kelvin) and tint that bring a try's colours nearest to a panorama's.

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

    Returns
    -------
    temperature_k, tint : float
        Within `TEMPERATURES_K` and `TINTS`; neutral where nothing can be compared.
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
    shifts: list[NDArray[np.float64]] = []
    clear = use & clouds[0].valid & (clouds[0].alpha < CLEAR_OPACITY)
    if not overcast and light[clear].sum() > LEAST_LIGHT * light.sum():
        model = model_radiance(directions[clear], view.sun.direction, controls.haze, controls.ground_albedo)
        shifts.append(_middle(_hue(panorama[clear]) - _hue(model), light[clear]))
    enough = tried_covered.sum() > LEAST_PIXELS * use.sum()
    if enough and light[covered].sum() > LEAST_LIGHT * light.sum():
        shown = _middle(_hue(tried[tried_covered]), tried_light[tried_covered])
        shifts.append(_middle(_hue(panorama[covered]), light[covered]) - shown)
    if not shifts:
        return NEUTRAL_WHITE_K, 0.0
    warmth, magenta = _common(np.array(shifts))
    gains = 2.0 ** np.array([magenta + warmth / 2, 0.0, magenta - warmth / 2])
    temperature_k, tint = nearest_balance(gains, TEMPERATURES_K, TINTS)
    return float(round(temperature_k)), round(tint, 1)


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
