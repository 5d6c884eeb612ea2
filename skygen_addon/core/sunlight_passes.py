"""Which runs of the sunlight graph light a layer: from which side, how finely sampled, each with its share.

The graph follows the sun's rays from above for a sun above the horizon and from beneath for one
below it. Close to the horizon both sides have their share; and a low sun, whose rays are long
between two shells, needs more samples there than a high one. Shares change smoothly with the
sun's elevation, so that a moving sun changes the picture without a step. Runtime and trainer light
their volumes by this rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .geometry import FloatArray

HORIZON_FADE_RAD = math.radians(0.6)
"""Sun elevation on both sides of the horizon within which clouds are lit from above and from beneath."""
SUBSTEPS, LOW_SUN_SUBSTEPS = 4, 16
"""Samples of extinction between two shells for a high and for a low sun."""
LONGEST_SPACING_KM = 0.25
"""Distance on the ground between two of the SUBSTEPS samples from which the sun counts as low."""
LOW_SUN_FADE_RAD = math.radians(1.0)
"""Range of sun elevation over which the two numbers of samples melt into one another."""

MIXED_LOSS = 0.02
"""Depths S of several passes are mixed as exp(-MIXED_LOSS S). With 0 a small share of a great depth darkens a lit cloud
at once; the more, the more light a small share of no depth brings into a dark one, where the path tracer has none."""


@dataclass(frozen=True)
class SunlightPass:
    """One run of a sunlight graph."""

    share: float
    """Of the layer's light, above 0; all passes of a layer have 1 together."""
    sun_direction: FloatArray
    """(3,) unit vector, float32."""
    low_sun: bool
    """Whether it takes the graph for a low sun, with LOW_SUN_SUBSTEPS samples."""


def sunlight_graph(shells: int, low_sun: bool) -> str:
    """File name of the sunlight graph for a number of shells, and for a high or a low sun."""
    return f"sunlight_{shells}_low_sun.onnx" if low_sun else f"sunlight_{shells}.onnx"


def sunlight_passes(sun_direction: FloatArray, gap_km: float) -> list[SunlightPass]:
    """The passes that light a layer.

    Parameters
    ----------
    sun_direction : ndarray, shape (3,)
        Unit vector.
    gap_km : float
        Height between two of the layer's shells.
    """
    low = low_sun_share(math.asin(min(max(float(sun_direction[2]), -1.0), 1.0)), gap_km)
    return [
        SunlightPass(side_share * share, direction, low_sun)
        for side_share, direction in _sides(sun_direction)
        for share, low_sun in ((1 - low, False), (low, True))
        if share > 0
    ]


def mixed_depth(passes: Sequence[SunlightPass], depths: Sequence[FloatArray]) -> FloatArray:
    """Optical depth toward the sun from those of a layer's passes.

    Sides may differ by hundreds: a cloud's base has depth 0 from beneath and near the horizon 500 from above.
    """
    if len(depths) == 1:
        return depths[0]
    least: FloatArray = depths[0]
    for depth in depths[1:]:
        least = np.asarray(np.minimum(least, depth), dtype=np.float32)
    light: FloatArray = np.zeros_like(least)
    for one, depth in zip(passes, depths, strict=True):
        beam: FloatArray = np.exp(np.float32(MIXED_LOSS) * (least - depth))
        light += np.float32(one.share) * beam
    mixed: FloatArray = np.log(light)
    mixed /= -MIXED_LOSS
    mixed += least
    return mixed


def low_sun_share(sun_elevation_rad: float, gap_km: float) -> float:
    """Share, 0 to 1, of the passes with more samples: half where the spacing is LONGEST_SPACING_KM."""
    limit_rad = math.atan(gap_km / (SUBSTEPS * LONGEST_SPACING_KM))
    share = 0.5 + (limit_rad - abs(sun_elevation_rad)) / LOW_SUN_FADE_RAD
    return min(max(share, 0.0), 1.0)


def share_above(sin_sun_elevation: float) -> float:
    """Share, 0 to 1, of a layer's light that reaches it from above; the rest lights it from beneath."""
    even = min(max(0.5 + 0.5 * sin_sun_elevation / math.sin(HORIZON_FADE_RAD), 0.0), 1.0)
    return even * even * (3 - 2 * even)


def _sides(sun_direction: FloatArray) -> list[tuple[float, FloatArray]]:
    """From where a layer is lit, above or beneath, each with its share.

    The sun's disc sets over half a degree of elevation, and clouds stand a few tenths of a degree
    above the observer's horizon.
    """
    sine = float(sun_direction[2])
    above = share_above(sine)
    sides = []
    for share, side in ((above, max(sine, 0.0)), (1 - above, min(sine, -1e-6))):
        if share > 0:
            level = math.sqrt((1 - side * side) / max(1 - sine * sine, 1e-12))
            direction = np.array([*(sun_direction[:2] * level), side]) if 0 < share < 1 else sun_direction
            sides.append((share, np.asarray(direction, dtype=np.float32)))
    return sides
