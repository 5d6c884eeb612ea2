"""Local tone-mapping without hands: virtual exposures of one radiance picture, fused into one display picture.

T. Mertens, J. Kautz and F. Van Reeth, "Exposure Fusion", Pacific Graphics 2007, on luminance: exposures
are chosen from the picture's own range and colours follow their luminance, so no hue moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from skygen_addon.core.errors import CaptureError
from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray
from trainer.captures.display.blend_pyramid import MARGIN, blend, continued
from trainer.captures.display.global_curves import to_srgb

GAMMA = 2.2
"""Virtual exposures are codes ``light ** (1 / GAMMA)``: a change of exposure is then one factor."""

DARK_PERCENT, BRIGHT_PERCENT = 1.0, 99.8
"""Shares of pixels below the range that exposures are chosen for; the sun and its glare lie above it."""

DARK_CODE, BRIGHT_CODE = 0.75, 0.6
"""Where the longest exposure shows the dark end of the range, and the shortest the bright end."""

STEP_EV, MOST_EXPOSURES = 2.0, 6
"""Widest step between exposures while there are no more than so many."""

WELL_EXPOSED_SIGMA = 0.2
"""Spread of the weight about the middle code 0.5 (the paper's)."""

CONTRAST_FLOOR = 1e-3
"""Contrast that counts even where there is none, so that exposedness still chooses in a smooth sky."""

COARSEST_ROWS = 2
"""Rows of the pyramid's coarsest level. One keeps sky and ground further apart; four and more draw halos."""

BLACK_CODE, WHITE_CODE, END_PERCENT = 0.08, 0.98, 0.5
"""Codes that the fused picture is stretched to, and the share of pixels beyond each."""

MOST_STRETCH = 1.4
"""Largest factor of that stretch: fog stays grey, a clear dome does not fall to black."""

DAY_CODE, NIGHT_CODE = 0.45, 0.25
"""Mean code that a picture is led to: naturalness of the TMQI asks for 0.455; a night is darker."""

MOST_BRIGHTENING, MOST_DARKENING = 1.6, 3.0
"""Bounds of the power that leads there, upward and downward."""

_ROWS = 256
"""Rows coloured at once, which bounds memory."""


def fuse_exposures(
    radiance: FloatArray, wrap: bool = True, valid: NDArray[np.bool_] | None = None, night: bool = False
) -> NDArray[np.uint8]:
    """Display picture of linear radiance in which bright sky and dark ground are readable at once.

    The picture does not depend on the unit of radiance. In a panorama it does not depend on where the
    panorama was cut either: the pyramid goes round, and its phase follows the brightest column.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3), float32
        Linear Rec.709, finite, not negative, any scale; any size.
    wrap : bool
        Whether the picture is a panorama, whose columns go round and whose rows meet at the poles.
    valid : ndarray, shape (H, W), bool, optional
        Pixels that hold a picture; others pull at nothing and come out black.
    night : bool
        Whether the scene is known to be a night. Moonlight is sunlight made weaker, so no picture
        without unit tells; a verdict that counts stars does.

    Returns
    -------
    ndarray, shape (H, W, 3), uint8, sRGB

    Raises
    ------
    CaptureError
        If the shapes do not fit.
    """
    if radiance.ndim != 3 or radiance.shape[2] != 3 or (valid is not None and valid.shape != radiance.shape[:2]):
        raise CaptureError(
            f"A picture of shape {radiance.shape} cannot be tone-mapped.", "Give (H, W, 3) and a mask of (H, W)."
        )
    luminance = np.asarray(radiance @ REC709_LUMINANCE, dtype=np.float32)
    lit = luminance > 0 if valid is None else (luminance > 0) & valid
    if not lit.any():
        return np.zeros(radiance.shape, dtype=np.uint8)
    cut = luminance.shape[1] // 2 - int(np.argmax(luminance.sum(axis=0, dtype=np.float64))) if wrap else 0
    code = fused_code(np.roll(luminance, cut, axis=1), np.roll(lit, cut, axis=1), wrap, night)
    return _coloured(radiance, luminance, np.where(lit, np.roll(code, -cut, axis=1), 0))


def fuse_disc(disc: FloatArray, valid: NDArray[np.bool_] | None = None, night: bool = False) -> NDArray[np.uint8]:
    """Display picture of a sky disc (N, N, 3), black where it is not valid.

    ``valid`` (N, N) defaults to what is above the horizon: the inscribed circle. Else as :func:`fuse_exposures`.
    """
    if valid is None:
        axis = (np.arange(disc.shape[0]) + 0.5) / disc.shape[0] * 2 - 1
        valid = np.hypot(axis[:, None], axis[None, :]) <= 1
    return fuse_exposures(disc, wrap=False, valid=valid, night=night)


def fused_code(luminance: FloatArray, lit: NDArray[np.bool_], wrap: bool, night: bool) -> FloatArray:
    """Codes (H, W) from 0 to 1 of fused virtual exposures of luminance (H, W), led to a usual brightness.

    Only ``lit`` pixels, of which there is at least one, choose the exposures; others repeat the nearest of them.
    """
    half = int(np.count_nonzero(lit)) // 2
    middle = np.partition(luminance[lit], half)[half]
    if not lit.all():
        nearest = distance_transform_edt(~lit, return_distances=False, return_indices=True)
        luminance = luminance[tuple(nearest)]
    with np.errstate(over="ignore"):  # what is too bright for a float is white in all exposures
        code = np.minimum(luminance / middle, np.float32(2.0**60)) ** np.float32(1 / GAMMA)
    code = fuse(code, exposure_factors(code[lit]), wrap)
    return _settled(code, code[lit], NIGHT_CODE if night else DAY_CODE)


def exposure_factors(codes: FloatArray) -> list[float]:
    """Factors on codes (N,) by which virtual exposures reach from the bright to the dark end of the range."""
    dark, bright = np.percentile(codes, [DARK_PERCENT, BRIGHT_PERCENT])
    shortest, longest = BRIGHT_CODE / bright, DARK_CODE / dark
    if longest <= shortest:
        return [float(np.sqrt(shortest * longest))]
    steps = int(np.ceil(np.log2(longest / shortest) * GAMMA / STEP_EV))
    return [float(factor) for factor in np.geomspace(shortest, longest, min(steps + 1, MOST_EXPOSURES))]


def fuse(code: FloatArray, factors: Sequence[float], wrap: bool) -> FloatArray:
    """Exposure fusion (H, W) of a plane of codes (H, W) under each factor, by contrast and exposedness.

    OpenCV's ``createMergeMertens(1, 0, 1)`` of the clipped exposures, but around the panorama, with a floor of
    contrast, with a pyramid that ends earlier, and with one exposure held at a time.
    """
    exposures = [np.float32(factor) for factor in factors]
    total = np.zeros_like(code)
    for factor in exposures:
        total += _weight(np.minimum(code * factor, 1), wrap)

    def layer(factor: np.float32) -> tuple[FloatArray, FloatArray]:
        exposure = np.minimum(code * factor, 1)
        return exposure, _weight(exposure, wrap) / total

    return blend((layer(factor) for factor in exposures), wrap, COARSEST_ROWS)


def _weight(exposure: FloatArray, wrap: bool) -> FloatArray:
    if wrap:
        contrast = cv2.Laplacian(continued(exposure), cv2.CV_32F)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    else:
        contrast = cv2.Laplacian(exposure, cv2.CV_32F)
    exposedness = np.exp((exposure - np.float32(0.5)) ** 2 * np.float32(-0.5 / WELL_EXPOSED_SIGMA**2))
    return np.asarray((np.abs(contrast) + np.float32(CONTRAST_FLOOR)) * exposedness, dtype=np.float32)


def _settled(code: FloatArray, counted: FloatArray, mean_code: float) -> FloatArray:
    """Stretched toward black and white as far as allowed, then led to a mean.

    Fused codes leave 0 to 1 where strong edges meet, so the ends of the scale are their own extremes.
    """
    low, high = (float(end) for end in np.percentile(counted, [END_PERCENT, 100 - END_PERCENT]))
    high = max(high, low + 1e-3)
    stretch = min((WHITE_CODE - BLACK_CODE) / (high - low), MOST_STRETCH)
    black = DAY_CODE - stretch * (float(counted.mean(dtype=np.float64)) - low)
    black = float(np.clip(black, BLACK_CODE, WHITE_CODE - stretch * (high - low)))
    found = [min(0.0, float(counted.min()), low - 1e-3), low, high, max(1.0, float(counted.max()), high + 1e-3)]
    shown = [0.0, black, black + stretch * (high - low), 1.0]
    power = np.log(mean_code) / np.log(np.interp(counted, found, shown).mean())
    power = np.clip(power, 1 / MOST_BRIGHTENING, MOST_DARKENING)
    return np.asarray(np.interp(code, found, shown) ** power, dtype=np.float32)


def _coloured(radiance: FloatArray, luminance: FloatArray, code: FloatArray) -> NDArray[np.uint8]:
    """Radiance's colours at the light of the codes; what leaves the display's range is drawn toward grey."""
    display = np.empty(radiance.shape, dtype=np.uint8)
    for start in range(0, len(radiance), _ROWS):
        rows = slice(start, start + _ROWS)
        light = code[rows, :, None] ** np.float32(GAMMA)
        tiny = np.finfo(np.float32).tiny
        colour = radiance[rows] / np.maximum(luminance[rows, :, None], tiny) * light
        excess = colour.max(axis=-1, keepdims=True)
        keep = np.where(excess > 1, (1 - light) / np.maximum(excess - light, 1e-6), 1)
        display[rows] = to_srgb(light + (colour - light) * keep)
    return display
