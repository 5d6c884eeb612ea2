"""Frames of one preset through one bundle, for figures of motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from skygen_addon.core.controls import LayerControls, SkyControls
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.loop import loop_snap_km
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.runtime.frame.frame import FrameRenderer

FPS = 24.0
"""Frames per second of film where nothing else is said."""

LayerName = Literal["low", "high"]


class Film:
    """Renders frames of a sky whose controls stay as they are.

    Parameters
    ----------
    renderer : FrameRenderer
        Of the bundle.
    controls : SkyControls
        As a preset gives them; the time scale must be above 0.
    seed : int
        Chooses the sky.
    progress : callable
        Gets a line for every frame that was rendered.

    Raises
    ------
    RequestError
        If time stands still.
    """

    def __init__(
        self,
        renderer: FrameRenderer,
        controls: SkyControls,
        seed: int,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        if controls.time_scale <= 0:
            raise RequestError(f"time_scale is {controls.time_scale!r}.", "Measure motion where time goes on.")
        self.renderer = renderer
        self.controls = controls
        self.seed = seed
        self.rendered = 0
        self._progress = progress

    @property
    def frame_s(self) -> float:
        """Sky seconds between two frames."""
        return self.controls.time_scale / FPS

    def moving_layer(self) -> LayerName | None:
        """The layer whose motion shows: of those with clouds and wind the one with more cover."""
        names: tuple[LayerName, ...] = ("low", "high")
        moving = [name for name in names if self.layer(name).cover > 0 and self.layer(name).wind_speed_m_s > 0]
        return max(moving, key=lambda name: self.layer(name).cover, default=None)

    def layer(self, name: LayerName) -> LayerControls:
        """Controls of one layer."""
        return self.controls.low if name == "low" else self.controls.high

    def requests(
        self,
        frames: Sequence[int],
        width: int,
        *,
        controls: SkyControls | None = None,
        frame_s: float | None = None,
        time_offset_s: float = 0.0,
        loop_frames: int | None = None,
    ) -> list[SkyRequest]:
        """Requests of frames, counted from 1.

        Parameters
        ----------
        frames : sequence of int
        width : int
            Pixels.
        controls : SkyControls, optional
            Instead of the film's own.
        frame_s : float, optional
            Sky seconds between two frames instead of the film's own.
        time_offset_s : float
            Sky time of frame 1.
        loop_frames : int, optional
            Length of a loop.
        """
        kept = self.controls if controls is None else controls
        snap = None if loop_frames is None else loop_snap_km(self.renderer.bundle.lattice, kept)
        fps = FPS if frame_s is None else kept.time_scale / frame_s
        return requests_for_frames(
            lambda frame: kept,
            frames,
            fps=fps,
            time_offset_s=time_offset_s,
            seed=self.seed,
            width=width,
            loop_frames=loop_frames,
            loop_snap_km=snap,
        )

    def render(self, request: SkyRequest, what: str) -> FloatArray:
        """Panorama (H, W, 3) of a request; ``what`` names it for the progress line."""
        panorama = self.renderer.render(request)
        self.count(what)
        return panorama

    def count(self, what: str) -> None:
        """Tell that a frame was rendered."""
        self.rendered += 1
        self._progress(f"{what}: frame {self.rendered}")


def without_disc(requests: Sequence[SkyRequest]) -> list[SkyRequest]:
    """The same requests without the sun's disc, which would outweigh everything else."""
    return [replace(request, sun_disc=False) for request in requests]


def cloudless(request: SkyRequest) -> SkyRequest:
    """The same sky without clouds and without the sun's disc."""
    low, high = (replace(layer, cover=0.0) for layer in (request.low, request.high))
    return replace(request, low=low, high=high, sun_disc=False, weather_strength=0.0)
