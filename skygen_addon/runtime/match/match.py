"""A sky like the one in a panorama: its controls are measured, tried and corrected, and what still differs is told.

panorama -> sun, clouds, haze -> first controls -> seed
    -> [render -> white balance -> measure alike -> correct] -> exposure -> MatchedSky

Asked cover and shown cover differ, and no two cloud fields show alike, so the engine's own sky is rendered and
measured through the same mask and with the same sun as the panorama, a bounded number of times. Exposure comes
last, by the light of the sky alone, in the panorama's own unit: a scene that it lit stays as bright.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from ...core.controls import SkyControls
from ...core.geometry import FloatArray
from ...core.measuring.cloud_look import CloudLook, cloud_look
from ...core.measuring.cloud_opacity import estimate_clouds
from ...core.measuring.measure import ANALYSIS_DISC, judge_panorama
from ...core.measuring.panorama import Panorama
from ...core.measuring.sampling import sample_disc, shrink_panorama
from ...core.request import SkyRequest
from ...core.timeline import requests_for_frames
from ..frame.sun_record import DraftRenderer, SunlitFrame, SunlitRenderer
from .match_balance import balanced, colour_shifts, is_same_balance
from .match_haze import corrected_haze, first_haze, haze_astray, is_same_haze, read_haze
from .match_refusal import check_clouds, check_sky
from .match_seed import MOST_SEEDS, Glimpse, glimpses, sun_astray, varies
from .match_sun import SunPlace, place_sun
from .match_type import closer, first_layers, is_alike, kind_of, thinner_or_thicker, unlikeness
from .match_view import Found, Light, View, ground_albedo, is_behind_clouds, sun_is_clipped, sunlight_of

MATCH_WIDTH = 512
"""Width in pixels at which panorama and tries are compared."""

MOST_TRIES = 5
"""Skies that are rendered at most, beside drafts."""

MOST_STEPS = 1 + MOST_SEEDS + MOST_TRIES
"""Steps of a match at most: the panorama is measured, seeds are glimpsed, skies are tried."""

EXPOSURE_RANGE_EV = 20.0
"""Farthest exposure that a request takes, up or down."""


@runtime_checkable
class MatchRenderer(SunlitRenderer, DraftRenderer, Protocol):
    """Draws what a match tries and glimpses: :class:`..frame.frame.FrameRenderer`."""


@dataclass(frozen=True)
class Differences:
    """What still differs, the matched sky to the panorama; 0 or 1 is alike."""

    cover: float | None
    """Shown cover less the panorama's; None for an overcast, which is asked for whole and may be thin enough for a sun
    to shine through: its colours then no longer tell it from clear sky."""
    opacity: float | None
    """Mean opacity of clouds less the panorama's; None for an overcast and a clear sky."""
    median_ev: float
    """Median luminance of the sky in stops above the panorama's, where the irradiance is alike."""
    sun: float | None
    """Irradiance of the sun itself over the panorama's; None where it shows none."""
    red_to_blue: float
    """Ratio of red to blue of the sky's light over the panorama's: below 1 the matched sky is bluer."""
    green: float
    """Ratio of green to the mean of red and blue of the sky's light over the panorama's: below 1 it is more magenta."""


@dataclass(frozen=True)
class MatchedSky:
    """A sky that looks like a panorama, and moves."""

    controls: SkyControls
    """What the panel holds and a preset keeps."""
    seed: int
    """Chooses the sky among those of these controls: with it the sun is as free or hidden as in the panorama."""
    kind: str
    """What the clouds were taken for."""
    sun: SunPlace
    """Where the sun stands and what tells it."""
    sun_clipped: bool
    """Whether the panorama's sun is seen through open sky, but weaker than any sun is there."""
    haze_told: bool
    """Whether clear sky told the haze."""
    wanted: CloudLook
    """The panorama's clouds."""
    shown: CloudLook
    """The matched sky's, measured alike."""
    differences: Differences
    """What is left."""
    reason: str | None
    """The measuring's reason against the panorama, where it was matched anyway."""
    panorama: FloatArray
    """(256, 512, 3), the panorama."""
    sky: FloatArray
    """(256, 512, 3), the matched sky in the same unit."""


def match(
    panorama: Panorama,
    renderer: MatchRenderer,
    *,
    anyway: bool = False,
    on_step: Callable[[int, str], None] | None = None,
) -> MatchedSky:
    """Find the controls of a sky like the one in a panorama.

    Parameters
    ----------
    panorama : Panorama
        Linear radiance in any scale, as `panoramas.panorama_file.read_panorama` gives it.
    renderer : MatchRenderer
        Draws the tries.
    anyway : bool
        Match a sky that is mostly hidden, by what is seen of it.
    on_step : callable, optional
        Called with how many of `MOST_STEPS` steps are done and what comes next.

    Raises
    ------
    CaptureError
        If it is no sky that could be matched: with the reason and a remedy.
    """
    tell = on_step or (lambda done, what: None)
    tell(0, "Measuring the panorama")
    measured = judge_panorama(panorama)
    check_sky(measured, anyway)
    small = np.minimum(shrink_panorama(panorama.radiance, MATCH_WIDTH), np.float32(1e30))
    disc = sample_disc(small, ANALYSIS_DISC)
    direction = None if measured.sun is None else measured.sun.direction
    clouds = estimate_clouds(disc, measured.sky, direction)
    view = View(measured.sky, place_sun(disc, measured.sky, clouds, measured.sun))
    if view.sun.told_by == "sky":
        clouds = view.clouds(disc)
    check_clouds(clouds)
    wanted = cloud_look(disc, measured.sky, clouds)
    kind = kind_of(wanted)
    reading = read_haze(disc, view, clouds, kind)
    low, high = first_layers(kind, wanted)
    controls = SkyControls(
        sun_azimuth_deg=round(math.degrees(view.sun.azimuth_rad) % 360.0, 2),
        sun_elevation_deg=round(math.degrees(view.sun.elevation_rad), 2),
        low=low,
        high=high,
        haze=first_haze(reading, kind),
    )
    light = view.light(disc)
    sunlight = measured.sun.energy_ratio * light.sky if measured.sun is not None else 0.0
    found = Found(
        measured=measured,
        view=view,
        wanted=wanted,
        kind=kind,
        haze_told=reading is not None,
        light=light,
        small=small,
        sunlight=sunlight,
        sun_clipped=sun_is_clipped(measured, clouds),
        behind_clouds=is_behind_clouds(measured, view.sun),
    )
    first, waiting = controls, _glimpsed(controls, found, renderer, tell)
    seed = waiting.pop(0).seed if waiting else 0
    tries: list[_Try] = []
    for number in range(MOST_TRIES):
        tell(1 + MOST_SEEDS + number, f"Trying a sky, number {number + 1} of at most {MOST_TRIES}")
        plain = renderer.render_frame(_request(controls, seed))
        tried = sample_disc(plain.radiance, ANALYSIS_DISC)
        both = clouds, view.clouds(tried)
        shifts = colour_shifts(disc, tried, view, both, controls, overcast=kind == "stratus")
        balance = shifts.balance()
        frame = balanced(plain, *balance)
        tried = sample_disc(frame.radiance, ANALYSIS_DISC)
        haze = corrected_haze(controls, reading, shifts)
        shown, shown_light = cloud_look(tried, view.sky, both[1]), view.light(tried)
        astray = sun_astray(found, frame, shown_light)
        gain = light.sky / max(shown_light.sky, 1e-12) if shifts.clear_ev is None else 2.0**shifts.clear_ev
        ground = ground_albedo(controls.ground_albedo, small, frame.radiance, gain)
        score = unlikeness(wanted, shown) + astray + _ground_astray(controls.ground_albedo, ground)
        score += haze_astray(controls.haze, haze)
        shining = replace(controls, white_balance_k=balance[0], white_balance_tint=balance[1])
        settled = is_same_haze(controls.haze, haze)
        settled &= is_same_balance(tries[-1].controls if tries else controls, shining)
        tries.append(_Try(score, shining, seed, frame, shown, shown_light))
        changed = _next(controls, found, tries[-1], astray)
        if changed is None and settled and _is_settled(controls.ground_albedo, ground):
            break
        if astray > 0.0 and waiting:  # clouds that were corrected have come before the sun, or left it
            other = waiting.pop(0)
            seed, changed = other.seed, closer(first, kind, wanted, other.shown)
        controls = replace(changed or controls, ground_albedo=ground, haze=haze)
    # Where skies do not vary each try is nearer than the one before.
    return _finished(min(tries, key=lambda made: made.unlikeness) if varies(kind) else tries[-1], found)


def _glimpsed(
    controls: SkyControls, found: Found, renderer: DraftRenderer, tell: Callable[[int, str], None]
) -> list[Glimpse]:
    """The sky to set out from, then others whose sun is right; none where skies of one kind do not differ."""
    if not varies(found.kind):
        return []

    def looking(done: int) -> None:
        tell(1 + done, f"Looking for a sky with such a sun, number {done + 1} of at most {MOST_SEEDS}")

    best, *others = glimpses(lambda seed: _request(controls, seed), found, renderer, looking)
    return [best, *(other for other in others if other.astray == 0.0)]


@dataclass(frozen=True)
class _Try:
    """One sky that was rendered."""

    unlikeness: float
    controls: SkyControls
    seed: int
    frame: SunlitFrame
    shown: CloudLook
    light: Light


def _next(controls: SkyControls, found: Found, tried: _Try, astray: float) -> SkyControls | None:
    """Controls to try after a try; None where it cannot be bettered, but perhaps by another ground."""
    if found.kind == "clear":
        return None
    if found.kind == "stratus":
        through = tried.frame.sun.transmittance
        return thinner_or_thicker(controls, found.sunlight / found.light.sky, through, tried.light.sky)
    if is_alike(found.wanted, tried.shown) and astray == 0.0:
        return None
    return closer(controls, found.kind, found.wanted, tried.shown)


def _is_settled(before: tuple[float, ...], after: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 0.01 + 0.1 * b for a, b in zip(after, before, strict=True))


def _ground_astray(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """How unlike the grounds are, 0 to 0.3; it tells tries apart whose skies are alike."""
    off = [abs(math.log2(a / b)) for a, b in zip(after, before, strict=True)]
    return min(0.1 * sum(off) / len(off), 0.3)


def _finished(tried: _Try, found: Found) -> MatchedSky:
    """Exposure, and what is left."""
    shown, shown_light = tried.shown, tried.light
    exposure = math.log2(max(found.light.sky, 1e-12) / max(shown_light.sky, 1e-12))
    exposure = round(min(max(exposure, -EXPOSURE_RANGE_EV), EXPOSURE_RANGE_EV), 3)
    gain = 2.0**exposure
    sun = sunlight_of(tried.frame) * gain
    differences = Differences(
        cover=None if found.kind == "stratus" else shown.cover - found.wanted.cover,
        opacity=None if found.kind in ("clear", "stratus") else shown.opacity - found.wanted.opacity,
        median_ev=math.log2(max(shown_light.median * gain, 1e-12) / max(found.light.median, 1e-12)),
        sun=sun / found.sunlight if found.sunlight > 0 else None,
        red_to_blue=shown_light.red_to_blue / max(found.light.red_to_blue, 1e-12),
        green=shown_light.green / max(found.light.green, 1e-12),
    )
    return MatchedSky(
        controls=replace(tried.controls, exposure_ev=exposure),
        seed=tried.seed,
        kind=found.kind,
        sun=found.view.sun,
        sun_clipped=found.sun_clipped,
        haze_told=found.haze_told,
        wanted=found.wanted,
        shown=shown,
        differences=differences,
        reason=found.measured.reason,
        panorama=found.small,
        sky=(tried.frame.radiance * np.float32(gain)).astype(np.float32),
    )


def _request(controls: SkyControls, seed: int) -> SkyRequest:
    """The first frame of controls at the width of a try."""
    (request,) = requests_for_frames(lambda frame: controls, [1], fps=24.0, seed=seed, width=MATCH_WIDTH)
    return request
