"""The options of the command line that describe a sky, and the requests that they amount to."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.bundle import Bundle
from ..core.controls import SkyControls
from ..core.errors import RequestError
from ..core.loop import LoopMotion, loop_snap_km
from ..core.presets import load_preset, read_preset
from ..core.request import SkyRequest
from ..core.timeline import loop_motions, requests_for_frames

DEFAULT_PRESET = "fair_cumulus"
LOOP_DEVIATION_TOLD = 0.01
"""A loop that bends the wind by more than this is told about."""


@dataclass(frozen=True)
class SkyOptions:
    """A sky as the command line describes it."""

    preset: str = DEFAULT_PRESET
    """Name of a shipped preset, or path of a preset file ending in .json."""
    width: int = 2048
    """Panorama width in pixels."""
    seed: int = 0
    """Chooses the sky."""
    fps: float = 24.0
    """Frames per second of film."""
    first_frame: int = 1
    """Frame where sky time starts and a loop begins."""
    time_offset: float = 0.0
    """Sky seconds at the first frame."""
    time_scale: float | None = None
    """Sky seconds per second of film instead of the preset's."""
    sun_elevation: float | None = None
    """Degrees instead of the preset's."""
    sun_azimuth: float | None = None
    """Degrees instead of the preset's."""
    cover: float | None = None
    """Cover of the preset's main layer, the one that covers more, instead of the preset's."""
    loop: int | None = None
    """Frames of a loop."""

    def controls(self) -> SkyControls:
        """The preset's controls with what the options replace.

        Raises
        ------
        RequestError
            If there is no such preset, or a value is out of range.
        """
        preset = read_preset(Path(self.preset)) if self.preset.endswith(".json") else load_preset(self.preset)
        controls = preset.controls
        if self.time_scale is not None:
            controls = dataclasses.replace(controls, time_scale=self.time_scale)
        if self.sun_elevation is not None:
            controls = dataclasses.replace(controls, sun_elevation_deg=self.sun_elevation)
        if self.sun_azimuth is not None:
            controls = dataclasses.replace(controls, sun_azimuth_deg=self.sun_azimuth)
        if self.cover is not None:
            if controls.high.cover > controls.low.cover:
                controls = dataclasses.replace(controls, high=dataclasses.replace(controls.high, cover=self.cover))
            else:
                controls = dataclasses.replace(controls, low=dataclasses.replace(controls.low, cover=self.cover))
        return controls

    def requests(self, frames: Sequence[int], bundle: Bundle) -> list[SkyRequest]:
        """One request per frame. Raises RequestError as :meth:`controls` and the timeline do."""
        controls = self.controls()
        return requests_for_frames(
            lambda _: controls,
            frames,
            fps=self.fps,
            first_frame=self.first_frame,
            time_offset_s=self.time_offset,
            seed=self.seed,
            width=self.width,
            loop_frames=self.loop,
            loop_snap_km=None if self.loop is None else loop_snap_km(bundle.lattice, controls),
        )

    def bent_winds(self, bundle: Bundle) -> list[LoopMotion]:
        """Motion of the visible layers whose wind the loop bends by more than 1 %."""
        if self.loop is None:
            return []
        controls = self.controls()
        motions = loop_motions(
            lambda _: controls,
            fps=self.fps,
            first_frame=self.first_frame,
            loop_frames=self.loop,
            loop_snap_km=loop_snap_km(bundle.lattice, controls),
        )
        return [motion for motion in motions if motion.seen and motion.deviation > LOOP_DEVIATION_TOLD]


def add_sky_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for each field of SkyOptions; options not given leave no trace."""

    def add(name: str, kind: type, text: str, metavar: str | None = None) -> None:
        parser.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text)

    add("preset", str, f"shipped preset or preset file (default {DEFAULT_PRESET})", "NAME")
    add("width", int, "panorama width in pixels, a multiple of 4 (default 2048)")
    add("seed", int, "chooses the sky (default 0)")
    add("fps", float, "frames per second of film (default 24)")
    add("first-frame", int, "frame where sky time starts and a loop begins (default 1)", "N")
    add("time-offset", float, "sky seconds at the first frame (default 0)", "S")
    add("time-scale", float, "sky seconds per second of film", "X")
    add("sun-elevation", float, "degrees above the horizon", "DEG")
    add("sun-azimuth", float, "degrees clockwise from north", "DEG")
    add("cover", float, "cover of the preset's main layer, 0 to 1")
    add("loop", int, "close the animation after N frames", "N")


def given_sky_options(arguments: argparse.Namespace) -> list[str]:
    """Names of the sky options that were given."""
    return [field.name for field in dataclasses.fields(SkyOptions) if hasattr(arguments, field.name)]


def sky_options(arguments: argparse.Namespace) -> SkyOptions:
    """The sky that parsed arguments describe.

    Raises
    ------
    RequestError
        If the first frame or the loop's length is impossible.
    """
    options = SkyOptions(**{name: getattr(arguments, name) for name in given_sky_options(arguments)})
    if not 0 <= options.first_frame <= 1_000_000:
        raise RequestError(f"--first-frame is {options.first_frame}.", "Give a frame from 0 to 1000000.")
    return options
