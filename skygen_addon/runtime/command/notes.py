"""What the command line says before it renders, so that nobody looks for a fault elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...core.frames import frames_in_words
from ...core.job import SkyJob
from ...core.loop import LoopMotion
from ...core.request import SkyRequest

NIGHT_DEG = -8.0
"""Elevation of the sun below which a sky is told to be dark: there is no moon and there are no stars."""


def tell_strangers(job: SkyJob, strangers: tuple[int, ...]) -> None:
    """Say that frames of another sky stay beside these, so that nobody takes all for one sequence."""
    if strangers:
        print(f"note: frames {frames_in_words(strangers)} in {job.folder} are of another sky and stay", flush=True)


def tell_bent_winds(motions: Sequence[LoopMotion]) -> None:
    """Say how a loop changes the wind, so that nobody looks for the fault elsewhere."""
    for motion in motions:
        print(f"loop: {motion.in_words()}", flush=True)


def tell_night(requests: Sequence[SkyRequest]) -> None:
    """Say that frames will be black, or nearly, where the sun is far below the horizon."""
    elevations = [math.degrees(request.sun_elevation_rad) for request in requests]
    dark = sum(elevation < NIGHT_DEG for elevation in elevations)
    if dark:
        which = "the frame is" if len(elevations) == 1 else f"{dark} of {len(elevations)} frames are"
        print(
            f"note: {which} dark: the sun stands up to {-min(elevations):.1f} degrees below the horizon, and there is "
            "no moon and no stars (a date without a UTC offset is UTC)",
            flush=True,
        )
