"""From the look of real clouds to layers of ours: which kind, how high, how dense.

What is decided, in words: no clear sky is stratus, with stratocumulus the more the more it varies. Clouds that stand
out from the sky by more than a tenth at the size of a fist are cumulus, or stratocumulus where they take most of
the sky. Among those that stand out less, small cloudlets are altocumulus; without them, a veil that one can mostly
see through is cirrus, and one that hides the blue is stratocumulus. The limits are where real captures and skies
of this engine, measured alike, lie apart; a sheet of altocumulus and one of stratocumulus differ by their height,
which no picture tells. Altostratus is drawn as stratus, cirrocumulus as altocumulus.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...core.controls import LayerControls, SkyControls
from ...core.geometry import REC709_LUMINANCE
from ...core.measuring.cloud_look import CloudLook
from ..frame.sun_record import clear_sun_irradiance

CLEAR_COVER = 0.05
"""Less cover is no cloud: glare and haze read as much."""

FIST_CONTRAST = 0.1
"""Contrast from which on clouds stand out as heaps do: those of this engine read 0.13 to 0.19, sheets below 0.09."""

BROKEN_COVER = 0.55
"""Cover from which on heaps join to stratocumulus."""

FINE_GRAIN = 0.5
"""Grain from which on cloudlets are seen: altocumulus reads 0.7 to 4, cirrus and stratocumulus 0.2 to 0.4."""

CLOSED_GRAIN = 0.4
"""The same where clouds hide most of the sky, for cirrus never does."""

VEIL_OPACITY = 0.5
"""Mean opacity of what is covered, below which one sees through it."""

EVEN_CONTRAST, UNEVEN_CONTRAST = 0.008, 0.04
"""Contrasts of an overcast between which its share of stratocumulus grows from 0 to 1."""

VEIL_BESIDE_HEAPS = 0.12
"""Thin cover beyond the rims of heaps from which on there is a veil above them."""

KINDS = {
    "cumulus": LayerControls(
        types={"cumulus": 1.0}, density=2.5, base_km=1.3, thickness_km=1.0, evolution_per_hour=2.0
    ),
    "broken": LayerControls(
        types={"cumulus": 0.4, "stratocumulus": 0.6}, density=2.0, base_km=1.2, thickness_km=0.9, evolution_per_hour=1.5
    ),
    "stratocumulus": LayerControls(types={"stratocumulus": 1.0}, density=1.5, base_km=1.2, thickness_km=0.6),
    "altocumulus": LayerControls(
        types={"altocumulus": 1.0}, density=0.9, base_km=4.0, thickness_km=0.35, texture_scale=0.6, wind_speed_m_s=14.0
    ),
    "stratus": LayerControls(types={"stratus": 1.0}, density=1.2, base_km=0.7, thickness_km=0.6, texture_scale=1.2),
}
"""Low layers to start from, as the shipped presets have them."""

CIRRUS = LayerControls(
    cover=0.0,
    types={"cirrus": 1.0},
    density=0.5,
    base_km=9.0,
    thickness_km=1.0,
    texture_scale=3.0,
    stretch=3.0,
    wind_speed_m_s=28.0,
    evolution_per_hour=0.6,
)
"""The high layer to start from."""


def kind_of(look: CloudLook) -> str:
    """Name of the clouds: ``clear``, ``cirrus``, one of `KINDS`, or ``cumulus under cirrus``."""
    if look.overcast:
        return "stratus"
    if look.cover < CLEAR_COVER:
        return "clear"
    if look.contrast >= FIST_CONTRAST and look.grain < 1.0:
        if look.cover >= BROKEN_COVER and look.thick >= 0.4 * look.cover:
            return "broken"
        return "cumulus under cirrus" if look.cover - 2 * look.thick > VEIL_BESIDE_HEAPS else "cumulus"
    closed = look.opacity >= VEIL_OPACITY
    if look.grain >= (CLOSED_GRAIN if closed else FINE_GRAIN):
        return "altocumulus"
    return "stratocumulus" if closed else "cirrus"


def first_layers(kind: str, look: CloudLook) -> tuple[LayerControls, LayerControls]:
    """Low and high layer of a kind with the cover that was measured."""
    if kind == "clear":
        return replace(KINDS["cumulus"], cover=0.0), CIRRUS
    if kind == "cirrus":
        return replace(KINDS["cumulus"], cover=0.0), replace(CIRRUS, cover=_share(look.cover))
    if kind == "cumulus under cirrus":
        heaps = _share(2 * look.thick)
        return replace(KINDS["cumulus"], cover=heaps), replace(CIRRUS, cover=_share(look.cover - heaps))
    layer = replace(KINDS[kind], cover=1.0 if look.overcast else _share(look.cover))
    if kind == "stratus":
        uneven = (look.contrast - EVEN_CONTRAST) / (UNEVEN_CONTRAST - EVEN_CONTRAST)
        uneven = round(min(max(uneven, 0.0), 1.0), 2)
        layer = replace(layer, types={"stratus": 1.0 - uneven, "stratocumulus": uneven})
    return layer, CIRRUS


def closer(controls: SkyControls, kind: str, wanted: CloudLook, shown: CloudLook) -> SkyControls:
    """Controls whose sky should look more like ``wanted``, where theirs now looks like ``shown``.

    Cover moves by the difference, density by the square of the ratio of opacities, and the size of features by
    that of the bands in which they are seen; each by a bounded step, and within ranges that look like clouds.
    """
    if kind in ("clear", "stratus"):
        return controls
    low, high = controls.low, controls.high
    missing = wanted.cover - shown.cover
    if kind == "cumulus under cirrus":
        heaps = 2 * (wanted.thick - shown.thick)
        low = replace(low, cover=_share(low.cover + heaps))
        return replace(controls, low=low, high=replace(high, cover=_share(high.cover + missing - heaps)))
    layer = high if kind == "cirrus" else low
    denser = (wanted.opacity / max(shown.opacity, 0.05)) ** 2 if shown.cover > CLEAR_COVER else 1.0
    layer = replace(
        layer,
        cover=_share(layer.cover + missing),
        density=_within(layer.density * _within(denser, 0.5, 2.0), 0.2, 8.0),
        texture_scale=_within(layer.texture_scale * _growth(wanted, shown), 0.4, 4.0 if kind == "cirrus" else 2.5),
    )
    return replace(controls, high=layer) if kind == "cirrus" else replace(controls, low=layer)


def unlikeness(wanted: CloudLook, shown: CloudLook) -> float:
    """How far one look is from another, 0 or more: a tenth of the sky in cover counts 0.2."""
    score = 2 * abs(shown.cover - wanted.cover)
    if wanted.cover > CLEAR_COVER:
        score += abs(shown.opacity - wanted.opacity)
    if wanted.size_octaves is not None and shown.size_octaves is not None:
        score += 0.3 * abs(shown.size_octaves - wanted.size_octaves)
    return score


def is_alike(wanted: CloudLook, shown: CloudLook) -> bool:
    """Whether two looks differ by no more than two skies of the same controls do."""
    return (
        abs(shown.cover - wanted.cover) < 0.05
        and abs(shown.opacity - wanted.opacity) < 0.1
        and (
            wanted.size_octaves is None
            or shown.size_octaves is None
            or abs(shown.size_octaves - wanted.size_octaves) < 0.4
        )
    )


def thinner_or_thicker(
    controls: SkyControls, wanted_ratio: float, through: float, sky_irradiance: float
) -> SkyControls | None:
    """Stratus of another density, so that the sun shines through as in the panorama; None if it need not change.

    Parameters
    ----------
    controls : SkyControls
        Of a try.
    wanted_ratio : float
        The panorama's light of the sun over that of its sky.
    through : float
        Fraction of the sun's light that the try's clouds let through.
    sky_irradiance : float
        Luminance of the light of the try's sky.
    """
    through = max(through, 1e-35)
    clear_sun = clear_sun_irradiance(math.radians(controls.sun_elevation_deg), controls.haze, 0.0)
    free = float(np.asarray(clear_sun) @ REC709_LUMINANCE) / max(sky_irradiance, 1e-12)
    if wanted_ratio <= 0.0 or free <= 0.0 or through > 0.999:
        return None
    depth, wanted_depth = -math.log(through), max(-math.log(wanted_ratio / free), 0.05)
    density = controls.low.density * min(max(wanted_depth / depth, 0.1), 4.0)
    density = round(min(max(density, 0.05), 6.0), 3)
    if abs(wanted_depth - depth) < 0.4 or abs(density / controls.low.density - 1) < 0.02:
        return None
    return replace(controls, low=replace(controls.low, density=density))


def _growth(wanted: CloudLook, shown: CloudLook) -> float:
    """Factor on the size of features."""
    if wanted.size_octaves is None or shown.size_octaves is None:
        return 1.0
    return float(2 ** _within(0.7 * (wanted.size_octaves - shown.size_octaves), -0.7, 0.7))


def _share(cover: float) -> float:
    return round(_within(cover, 0.02, 1.0), 3)


def _within(value: float, low: float, high: float) -> float:
    return round(min(max(value, low), high), 3)
