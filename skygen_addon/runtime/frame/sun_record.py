"""What the sun itself gives in each baked frame, written beside the frames for whoever lights a scene with a lamp.

``sun.jsonl`` holds one line per rendered frame. Lines are only ever appended, so several machines may bake parts of
a job into one folder and a bake that is killed loses nothing. A line carries the digest of the request that its frame
file carries too, which tells whether the two belong together: a frame that was baked again has a line for each bake.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...core.air import Air, sun_transmittance
from ...core.errors import OutputError, RequestError
from ...core.request import NEUTRAL_WHITE_K, SkyRequest, _check
from ...core.spectrum import into_gamut, solar_to_rgb
from ...core.white_balance import output_gains
from ...core.whole_file import output_error

SUN_FILE = "sun.jsonl"


@dataclass(frozen=True)
class SunLight:
    """The sun as it shines into one frame."""

    azimuth_rad: float
    """Of the disc's centre, clockwise from north."""
    elevation_rad: float
    """Of the disc's centre, up from the horizon."""
    irradiance: tuple[float, float, float]
    """Linear Rec.709 irradiance on a plane facing the sun, after air, horizon and clouds.

    In project radiance units times steradian: a white Lambertian card facing the sun has radiance irradiance / pi.
    Exposure and white balance are included, as in the frame."""
    transmittance: float
    """Fraction of the light that the clouds before the sun let through, 0 to 1."""
    sky_peak: float
    """Highest radiance of a colour channel anywhere in the frame without the sun's disc, as the frame has it."""

    def __post_init__(self) -> None:
        _check("azimuth_rad", self.azimuth_rad, -100, 100)
        _check("elevation_rad", self.elevation_rad, -math.pi / 2, math.pi / 2)
        _check("transmittance", self.transmittance, 0, 1)
        if not isinstance(self.irradiance, tuple) or len(self.irradiance) != 3:
            raise RequestError("irradiance has not three channels.", "Give red, green and blue.")
        for value in (*self.irradiance, self.sky_peak):
            _check("irradiance or sky_peak", value, 0, 1e12)


@dataclass(frozen=True, eq=False)
class SkyFrame:
    """A panorama (H, W, 3), and the sun's light, drawn into it or not."""

    radiance: NDArray[np.float32]
    sun: SunLight


class SunlitFrame(Protocol):
    """A frame that knows its sun; :class:`SkyFrame` outside of tests."""

    @property
    def radiance(self) -> NDArray[np.float32]:
        """Linear Rec.709 radiance (H, W, 3)."""

    @property
    def sun(self) -> SunLight:
        """What the sun gives."""


@runtime_checkable
class SunlitRenderer(Protocol):
    """A renderer that can tell what the sun gives in a frame, which a bake writes beside the frames."""

    def render_frame(self, request: SkyRequest) -> SunlitFrame:
        """Radiance as of the renderer's ``render``, and the sun's light."""


@runtime_checkable
class DraftRenderer(Protocol):
    """A renderer that also draws drafts: quick looks at the same sky."""

    def render_draft(self, request: SkyRequest) -> SunlitFrame:
        """Nearly as of ``render_frame``, and quicker."""


def clear_sun_irradiance(
    sun_elevation_rad: float,
    haze: float,
    exposure_ev: float,
    white_balance_k: float = NEUTRAL_WHITE_K,
    white_balance_tint: float = 0.0,
) -> tuple[float, float, float]:
    """The sun's irradiance (linear Rec.709, on a plane facing it) at the ground of a cloudless sky.

    The same light that the engine gives the disc before clouds dim it, without the sky around it, so it is quick.

    Raises
    ------
    RequestError
        By :class:`...core.air.Air`, for haze out of range.
    """
    light = sun_transmittance(0.0, sun_elevation_rad, Air(haze=haze)) @ solar_to_rgb().astype(np.float32)
    gains = output_gains(exposure_ev, white_balance_k, white_balance_tint)
    red, green, blue = (float(channel) for channel in into_gamut(light) * gains)
    return red, green, blue


def append_sunlight(folder: Path, frame: int, request_digest: str, sun: SunLight) -> None:
    """Add one frame's line to the folder's record.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = folder / SUN_FILE
    row = {"frame": frame, "request": request_digest, **dataclasses.asdict(sun)}
    line = f"{json.dumps(row, allow_nan=False)}\n"
    try:
        if _ends_in_the_middle_of_a_line(path):
            line = f"\n{line}"
        with path.open("ab", buffering=0) as file:  # one write, so that lines of two bakes do not mix
            file.write(line.encode())
    except OSError as error:
        raise output_error(path, error) from error


def read_sunlight(folder: Path) -> dict[tuple[int, str], SunLight]:
    """The folder's record by frame and :func:`...core.job.request_digest`; empty where there is none.

    Lines that are damaged are as if never written.

    Raises
    ------
    OutputError
        If there is a record that cannot be opened.
    """
    path = folder / SUN_FILE
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}.", "Make it readable.") from error
    rows = (_row(line) for line in lines)
    return dict(row for row in rows if row is not None)


def _ends_in_the_middle_of_a_line(path: Path) -> bool:
    """Whether a bake was killed while it wrote."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def _row(line: bytes) -> tuple[tuple[int, str], SunLight] | None:
    """What a line tells; None if it is none."""
    try:
        data = json.loads(line)
        if not isinstance(data, dict) or type(data["frame"]) is not int or not isinstance(data["request"], str):
            return None
        return (data["frame"], data["request"]), _sunlight(data)
    except (ValueError, TypeError, KeyError, RequestError, RecursionError):
        return None


def _sunlight(data: Mapping[str, Any]) -> SunLight:
    values = {field.name: data[field.name] for field in dataclasses.fields(SunLight)}
    return SunLight(**{**values, "irradiance": tuple(values["irradiance"])})
