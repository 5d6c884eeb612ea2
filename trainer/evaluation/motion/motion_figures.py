"""Figures of motion of one bundle and preset: random access, loop, endlessness, flow, sticking, flicker, resolution."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.presets import load_preset
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer
from trainer.evaluation.motion.film import Film
from trainer.evaluation.motion.flow import FlowFigures, flow_figures
from trainer.evaluation.motion.long_run import LongRunFigures, long_run_figures
from trainer.evaluation.motion.loop_figures import LoopFigures, loop_figures
from trainer.evaluation.motion.resolution_figures import ResolutionFigures, resolution_figures
from trainer.evaluation.motion.steadiness import SteadinessFigures, steadiness_figures

__all__ = ["MotionFigures", "motion_figures"]

log = logging.getLogger(__name__)

SEED = 11
"""Chooses the sky that is measured."""

ACCESS_WIDTH = 128
"""Pixels of the frames of the random access test."""

ACCESS_FRAMES = (1, 37, 500_000)
"""Its frames."""


@dataclass(frozen=True)
class MotionFigures:
    """Figures of one preset."""

    frames: int
    """Frames that were rendered for them."""
    random_access: bool
    """Whether frames are the same bit for bit alone, in order, in reverse and on one thread."""
    loop: LoopFigures
    """A loop of the preset."""
    long_run: LongRunFigures
    """Endlessness and sticking."""
    flow: FlowFigures | None
    """Measured against imposed displacement; None where nothing moves."""
    steadiness: SteadinessFigures
    """Flicker and exposure pumping."""
    resolution: ResolutionFigures
    """A large frame against a small one."""


def accessed_at_random(
    renderers: Callable[[int | None], FrameRenderer], requests: list[SkyRequest], rendered: Callable[[str], None]
) -> bool:
    """Whether frames do not depend on what was rendered before them, nor on the number of threads.

    Parameters
    ----------
    renderers : callable
        Makes a new renderer with a number of threads, None for its default.
    requests : list of SkyRequest
        Two or more.
    rendered : callable
        Is told after each frame.

    Returns
    -------
    bool
        Whether all frames of ``requests`` in order equal, bit for bit, those in reverse order by a new renderer on
        one thread, whose first one is thus rendered alone, and the second one alone by a third renderer.
    """

    def render(renderer: FrameRenderer, request: SkyRequest) -> FloatArray:
        panorama = renderer.render(request)
        rendered("random access")
        return panorama

    first = renderers(None)
    in_order = [render(first, request) for request in requests]
    second = renderers(1)
    backwards = [render(second, request) for request in reversed(requests)][::-1]
    alone = render(renderers(None), requests[1])
    same = [np.array_equal(a, b) for a, b in zip(in_order, backwards, strict=True)]
    return all(same) and np.array_equal(alone, in_order[1])


def motion_figures(
    bundle_folder: Path, preset: str = "fair_cumulus", progress: Callable[[str], None] = log.info
) -> MotionFigures:
    """Measure one shipped preset with a bundle; some 60 frames, most of them 256 pixels wide.

    Seven frames for random access, 12 for the loop, 21 for endlessness and sticking, 8 for the flow, 10 of 512
    pixels for steadiness, and two for the resolution, one of them 1024 pixels wide.

    Parameters
    ----------
    bundle_folder : Path
        Folder of a model bundle.
    preset : str
        Name of a shipped preset.
    progress : callable
        Gets a line for each frame.

    Raises
    ------
    RequestError
        If there is no such preset.
    BundleError
        If the bundle does not fit the engine.
    """
    film = Film(FrameRenderer(bundle_folder), load_preset(preset).controls, SEED, progress)
    requests = film.requests(ACCESS_FRAMES, ACCESS_WIDTH)
    random_access = accessed_at_random(lambda threads: FrameRenderer(bundle_folder, threads), requests, film.count)
    loop = loop_figures(film)
    long_run = long_run_figures(film)
    flow = flow_figures(film)
    steadiness = steadiness_figures(film)
    resolution = resolution_figures(film)
    return MotionFigures(film.rendered, random_access, loop, long_run, flow, steadiness, resolution)
