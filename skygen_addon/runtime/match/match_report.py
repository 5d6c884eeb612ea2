"""What a match found and what it could not match: in words, as a preset, and as a picture of both skies."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.geometry import REC709_LUMINANCE, FloatArray
from ...core.measuring.cloud_look import CloudLook
from ...core.presets import Preset
from ..preview import tone_map
from .match import MatchedSky
from .match_type import CLEAR_COVER

MIDDLE_DISPLAY = 0.3
"""Luminance at which the panorama's sky is shown, before the tone curve."""

KIND_WORDS = {
    "clear": "no clouds to speak of",
    "cumulus": "cumulus",
    "broken": "broken stratocumulus and cumulus",
    "stratocumulus": "stratocumulus",
    "altocumulus": "altocumulus",
    "stratus": "an overcast of stratus",
    "cirrus": "a veil of cirrus",
    "cumulus under cirrus": "cumulus under a veil of cirrus",
}

SUN_WORDS = {
    "disc": "seen",
    "sky": "not seen, placed by the clear sky's light",
    "glow": "not seen, its side by the brighter sky, its height assumed",
}


def found_lines(sky: MatchedSky) -> list[str]:
    """What was found, a line for each thing."""
    azimuth, elevation = (math.degrees(v) for v in (sky.sun.azimuth_rad, sky.sun.elevation_rad))
    lines = [f"Sun at azimuth {azimuth:.1f}°, elevation {elevation:.1f}° ({SUN_WORDS[sky.sun.told_by]})"]
    seen = "" if sky.reason is None else " of the visible part"
    lines.append(f"Clouds: {KIND_WORDS[sky.kind]}" + _cover_words(sky.wanted, seen))
    haze = f"Haze {sky.controls.haze:.1f}"
    lines.append(haze if sky.haze_told else f"{haze} (assumed, no clear sky tells it)")
    lines.append(f"Exposure {sky.controls.exposure_ev:+.2f} EV, so that the sky's light is the panorama's")
    lines.append(f"White balance {sky.controls.white_balance_k:.0f} K, tint {sky.controls.white_balance_tint:+.0f}")
    return lines


def _cover_words(look: CloudLook, seen: str) -> str:
    return "" if look.overcast or look.cover < CLEAR_COVER else f", cover {look.cover:.0%}{seen}"


def difference_lines(sky: MatchedSky) -> list[str]:
    """What could not be matched, a line for each thing that shows."""
    left, lines = sky.differences, []
    if sky.reason is not None:
        lines.append("Most of the sky is hidden: only the visible part was matched.")
    if left.cover is not None and abs(left.cover) > 0.05:
        lines.append(f"It shows {abs(left.cover):.0%} {'more' if left.cover > 0 else 'less'} cover than the panorama.")
    if left.opacity is not None and abs(left.opacity) > 0.15:
        lines.append(f"Its clouds are {'denser' if left.opacity > 0 else 'thinner'} than the panorama's.")
    if abs(left.median_ev) > 0.25:
        word = "brighter" if left.median_ev > 0 else "darker"
        lines.append(f"Its typical sky is {abs(left.median_ev):.1f} EV {word}, at equal light.")
    if left.sun is not None and not 0.6 < left.sun < 1.7:
        how = f"{left.sun:.2g} times as strong as" if left.sun > 0.01 else "hidden by clouds, unlike"
        clipped = left.sun > 1.7 and sky.sun_clipped
        lines.append(f"Its sun is {how} the panorama's" + (", which is clipped or veiled." if clipped else "."))
    if not 0.85 < left.red_to_blue < 1.18:
        word = "redder" if left.red_to_blue > 1 else "bluer"
        lines.append(f"Its light is {word} (red to blue {left.red_to_blue:.2f} times the panorama's).")
    if not 0.92 < left.green < 1.09:
        lines.append(f"Its light is {'greener' if left.green > 1 else 'more magenta'} than the panorama's.")
    return lines


def match_report(sky: MatchedSky) -> dict[str, Any]:
    """Figures of a match for JSON."""
    return {
        "kind": sky.kind,
        "seed": sky.seed,
        "sun_told_by": sky.sun.told_by,
        "haze_told": sky.haze_told,
        "wanted": dataclasses.asdict(sky.wanted),
        "shown": dataclasses.asdict(sky.shown),
        "differences": dataclasses.asdict(sky.differences),
        "found": found_lines(sky),
        "remaining": difference_lines(sky),
    }


def match_preset(sky: MatchedSky, name: str, source: str) -> Preset:
    """The matched sky as a preset called ``name``; ``source`` is the panorama's file name."""
    label = name.replace("_", " ").strip().title() or "Matched Sky"
    return Preset(name, label, f"Matched to {source}: {KIND_WORDS[sky.kind]}.", sky.controls)


def both_pictures(sky: MatchedSky) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Display pictures (256, 512, 3) of the panorama and of the matched sky, under one exposure."""
    ev = _display_ev(sky.panorama)
    return tone_map(sky.panorama, ev), tone_map(sky.sky, ev)


def side_by_side(sky: MatchedSky) -> NDArray[np.uint8]:
    """Both in one picture (256, 1032, 3), the panorama left."""
    left, right = both_pictures(sky)
    return np.concatenate([left, np.full((left.shape[0], 8, 3), 255, dtype=np.uint8), right], axis=1)


def _display_ev(panorama: FloatArray) -> float:
    upper = panorama[: panorama.shape[0] * 4 // 9] @ REC709_LUMINANCE
    return math.log2(MIDDLE_DISPLAY / max(float(np.median(upper)), 1e-12))
