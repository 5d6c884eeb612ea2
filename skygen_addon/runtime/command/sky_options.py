"""The options of the command line that describe a sky, and the requests that they amount to."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.bundle import Bundle
from ...core.controls import SkyControls
from ...core.errors import RequestError
from ...core.loop import LoopMotion, loop_snap_km
from ...core.presets import Preset, load_preset, read_preset
from ...core.request import SkyRequest
from ...core.sun_path import MOMENT_EXAMPLE, SunPath, read_moment
from ...core.timeline import loop_motions, requests_for_frames

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
    sun_date: str | None = None
    """Date and time in ISO 8601 at sky time 0; with latitude and longitude it places the sun, which then moves."""
    latitude: float | None = None
    """Degrees north of the place whose sun it is."""
    longitude: float | None = None
    """Degrees east of the place whose sun it is."""
    north: float | None = None
    """Compass direction of the scene's +Y axis in degrees, instead of 0."""
    cover: float | None = None
    """Cover of the preset's main layer, the one that covers more, instead of the preset's."""
    temperature: float | None = None
    """Kelvin of the white balance instead of the preset's."""
    tint: float | None = None
    """Tint of the white balance instead of the preset's."""
    loop: int | None = None
    """Frames of a loop."""

    def controls(self) -> SkyControls:
        """The preset's controls with what the options replace.

        Raises
        ------
        RequestError
            If there is no such preset, or a value is out of range.
        """
        controls = given_preset(self.preset).controls
        if self.time_scale is not None:
            controls = dataclasses.replace(controls, time_scale=self.time_scale)
        if self.sun_elevation is not None:
            controls = dataclasses.replace(controls, sun_elevation_deg=self.sun_elevation)
        if self.sun_azimuth is not None:
            controls = dataclasses.replace(controls, sun_azimuth_deg=self.sun_azimuth)
        if self.temperature is not None:
            controls = dataclasses.replace(controls, white_balance_k=self.temperature)
        if self.tint is not None:
            controls = dataclasses.replace(controls, white_balance_tint=self.tint)
        if self.cover is not None:
            if controls.high.cover > controls.low.cover:
                controls = dataclasses.replace(controls, high=dataclasses.replace(controls.high, cover=self.cover))
            else:
                controls = dataclasses.replace(controls, low=dataclasses.replace(controls.low, cover=self.cover))
        return controls

    def sun_path(self) -> SunPath | None:
        """The sun's path by date and place; None where the options do not ask for one.

        Raises
        ------
        RequestError
            If a part of it is missing or out of range, or it is asked for beside fixed angles or in a loop.
        """
        if all(value is None for value in (self.sun_date, self.latitude, self.longitude, self.north)):
            return None
        if self.sun_date is None or self.latitude is None or self.longitude is None:
            needed = {"--sun-date": self.sun_date, "--latitude": self.latitude, "--longitude": self.longitude}
            missing = " and ".join(name for name, value in needed.items() if value is None)
            raise RequestError(
                f"To place the sun by date, {missing} {'are' if ' and ' in missing else 'is'} missing.",
                "Give --sun-date, --latitude and --longitude together.",
            )
        for name, angle in (("--sun-elevation", self.sun_elevation), ("--sun-azimuth", self.sun_azimuth)):
            if angle is not None:
                raise RequestError(
                    f"{name} does not go with --sun-date, which places the sun.", "Leave out one of them."
                )
        path = SunPath(read_moment(self.sun_date), self.latitude, self.longitude, self.north or 0.0)
        if self.loop is not None:
            azimuth_deg, elevation_deg = (math.degrees(angle) for angle in path.angles_rad(self.time_offset))
            raise RequestError(
                "--loop does not go with --sun-date: the sun would jump back where the loop closes.",
                f"Hold it with --sun-azimuth {azimuth_deg:.2f} --sun-elevation {elevation_deg:.2f} instead.",
            )
        return path

    def requests(self, frames: Sequence[int], bundle: Bundle) -> list[SkyRequest]:
        """One request per frame. Raises RequestError as :meth:`controls`, :meth:`sun_path` and the timeline do."""
        controls, sun_path = self.controls(), self.sun_path()
        requests = requests_for_frames(
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
        return requests if sun_path is None else sun_path.over(requests)

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


def given_preset(name: str) -> Preset:
    """The shipped preset of a name, or that of a file whose path ends in .json; RequestError if there is none."""
    return read_preset(Path(name)) if name.endswith(".json") else load_preset(name)


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
    add("sun-date", str, f"date and time at sky time 0, {MOMENT_EXAMPLE}; without an offset it is UTC", "TIME")
    add("latitude", float, "place whose sun --sun-date means, degrees north", "DEG")
    add("longitude", float, "place whose sun --sun-date means, degrees east", "DEG")
    add("north", float, "compass direction of the scene's +Y axis for --sun-date (default 0)", "DEG")
    add("cover", float, "cover of the preset's main layer, 0 to 1")
    add("temperature", float, "white balance, 4000 (cooler) to 25000 (warmer); 6500 is neutral", "K")
    add("tint", float, "tint of the white balance, -100 (greener) to 100 (more magenta)")
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
