"""Which of many skies of the same controls to set out from: one whose sun is as free or hidden as the panorama's.

Every seed puts other clouds before the sun, and shows more or less cover than is asked for. Both are the seed's own,
so corrections that one sky asks for mislead another. Drafts tell both at a third of a frame's cost; the tries then
stay with a seed as long as its sun does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...core.measuring.cloud_look import CloudLook, cloud_look
from ...core.measuring.measure import ANALYSIS_DISC
from ...core.measuring.sampling import sample_disc
from ...core.request import SkyRequest
from ..frame.sun_record import DraftRenderer, SunlitFrame
from .match_type import unlikeness
from .match_view import Found, Light, sunlight_of

MOST_SEEDS = 8
"""Skies that are glimpsed at most: where the sun is hidden in one of four, nine of ten searches find such a one."""

GOOD_ENOUGH = 0.3
"""Unlikeness of a glimpse with the right sun, from which on no other is looked for: corrections do the rest."""

SUN_FREEDOM = 0.15
"""Difference in the sun's share of all light that is not minded: between a sun 2 and 4 times as strong as the sky."""

_SUN_WEIGHT = 1.5
"""Weight of what is beyond, beside the clouds' unlikeness: a free sun for a hidden one counts as half of the cover."""

CLIPPED_FREE = 0.6
"""Least part of its light that must come through the clouds before a sun that the panorama has clipped."""


@dataclass(frozen=True)
class Glimpse:
    """One seed's sky, as a draft shows it."""

    seed: int
    """The seed."""
    shown: CloudLook
    """Its clouds, measured as the panorama's."""
    astray: float
    """:func:`sun_astray`."""
    unlikeness: float
    """That, and how unlike its clouds are."""


def glimpses(
    request: Callable[[int], SkyRequest], found: Found, renderer: DraftRenderer, tell: Callable[[int], None]
) -> list[Glimpse]:
    """Skies of the first few seeds, the most alike first.

    Parameters
    ----------
    request : callable
        The request of a seed.
    tell : callable
        Called before each with how many are done.
    """
    seen: list[Glimpse] = []
    for seed in range(MOST_SEEDS):
        tell(seed)
        frame = renderer.render_draft(request(seed))
        disc = sample_disc(frame.radiance, ANALYSIS_DISC)
        shown = cloud_look(disc, found.view.sky, found.view.clouds(disc))
        astray = sun_astray(found, frame, found.view.light(disc))
        seen.append(Glimpse(seed, shown, astray, unlikeness(found.wanted, shown) + astray))
        if astray == 0.0 and seen[-1].unlikeness < GOOD_ENOUGH:
            break
    return sorted(seen, key=lambda glimpse: glimpse.unlikeness)


def varies(kind: str) -> bool:
    """Whether skies of one kind and the same controls show different clouds."""
    return kind not in ("clear", "stratus")


def sun_astray(found: Found, frame: SunlitFrame, shown: Light) -> float:
    """0 where a sky's sun is as free or hidden as the panorama's, else how far from it, up to 1.3.

    What counts is the sun's share of all the light: a veiled sun, a hundredth as strong as a free one, lights next to
    nothing and is met by a hidden one too. ``shown`` is the light of the frame.
    """
    sun, through = found.measured.sun, frame.sun.transmittance
    if not varies(found.kind) or found.view.sun.elevation_rad < 0:
        return 0.0
    if sun is None and not found.behind_clouds:
        return 0.0
    if found.sun_clipped:
        return _SUN_WEIGHT * (1.0 - through) if through < CLIPPED_FREE else 0.0
    wanted = found.sunlight / max(found.light.sky, 1e-12)
    ratio = sunlight_of(frame) / max(shown.sky, 1e-12)
    off = abs(ratio / (1.0 + ratio) - wanted / (1.0 + wanted))
    return _SUN_WEIGHT * max(off - SUN_FREEDOM, 0.0)
