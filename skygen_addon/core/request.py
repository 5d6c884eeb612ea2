"""SkyRequest: everything that one frame depends on. Rates never enter it, only their integrals."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from dataclasses import dataclass
from typing import Any

from .errors import RequestError

CLOUD_TYPES = ("cumulus", "stratocumulus", "altocumulus", "stratus", "cirrus", "towering_cumulus")
"""Names of the cloud kinds that a layer mixes, in the order of every type axis."""

WIDTH_RANGE = (64, 32768)
LAYER_RANGES = {
    "cover": (0.0, 1.0),
    "density": (0.05, 10.0),
    "base_km": (0.1, 15.0),
    "thickness_km": (0.05, 12.0),
    "texture_scale": (0.25, 4.0),
    "stretch": (1.0, 8.0),
}
"""Lowest and highest value of what a layer's controls and its request have in common."""
SKY_RANGES = {
    "haze": (0.0, 20.0),
    "exposure_ev": (-20.0, 20.0),
    "white_balance_k": (4000.0, 25000.0),
    "white_balance_tint": (-100.0, 100.0),
    "weather_strength": (0.0, 2.0),
}
"""The same for the sky as a whole."""
TYPE_WEIGHT_RANGE = (0.0, 1.0)
NEUTRAL_WHITE_K = 6500.0
"""White balance that leaves colours as they are: D65."""


def _check(name: str, value: float, low: float, high: float) -> None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (known and low <= value <= high):  # False for NaN; compares integers of any length
        raise RequestError(f"{name} is {reprlib.repr(value)}.", f"Give a number from {low:g} to {high:g}.")


@dataclass(frozen=True)
class LayerRequest:
    """One cloud layer of one frame."""

    cover: float = 0.0
    """Fraction of the plane that the layer covers, 0 to 1."""
    type_mix: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """Weights of CLOUD_TYPES; not all zero."""
    density: float = 1.0
    """Multiplier of the layer's extinction, 0.05 to 10."""
    base_km: float = 1.5
    """Height of the cloud base above the camera in kilometres."""
    thickness_km: float = 1.0
    """Greatest height of a cloud above its base in kilometres."""
    texture_scale: float = 1.0
    """Multiplier of the size of every cloud feature, 0.25 to 4."""
    stretch: float = 1.0
    """Elongation of features along ``stretch_azimuth_rad``, 1 (none) to 8 (streaks)."""
    stretch_azimuth_rad: float = 0.0
    """Azimuth of the long axis of stretched features."""
    displacement_km: tuple[float, float] = (0.0, 0.0)
    """Integrated wind: how far east and north the clouds have moved; features turn and grow about the camera."""
    evolution_phase: float = 0.0
    """Integrated evolution; one unit replaces every feature once."""
    loop_displacement_km: tuple[float, float] = (0.0, 0.0)
    """``displacement_km`` one loop period earlier; used when the request has a loop angle."""
    loop_evolution_phase: float = 0.0
    """``evolution_phase`` one loop period earlier; used when the request has a loop angle."""

    def __post_init__(self) -> None:
        for name, (low, high) in LAYER_RANGES.items():
            _check(name, getattr(self, name), low, high)
        _check("stretch_azimuth_rad", self.stretch_azimuth_rad, -100, 100)
        _check("evolution_phase", self.evolution_phase, -1e9, 1e9)
        _check("loop_evolution_phase", self.loop_evolution_phase, -1e9, 1e9)
        if len(self.type_mix) != len(CLOUD_TYPES):
            raise RequestError(
                f"type_mix has {len(self.type_mix)} weights.", f"Give one for each of {', '.join(CLOUD_TYPES)}."
            )
        for name, weight in zip(CLOUD_TYPES, self.type_mix, strict=True):
            _check(f"type_mix[{name}]", weight, *TYPE_WEIGHT_RANGE)
        if sum(self.type_mix) <= 0:
            raise RequestError("type_mix is all zero.", "Give at least one cloud type a weight above 0.")
        for name in ("displacement_km", "loop_displacement_km"):
            if len(getattr(self, name)) != 2:
                raise RequestError(f"{name} has not two values.", "Give kilometres east and north.")
            for value in getattr(self, name):
                _check(name, value, -1e9, 1e9)


LOW_LAYER = LayerRequest(cover=0.4)
HIGH_LAYER = LayerRequest(
    cover=0.0, type_mix=(0.0, 0.0, 0.0, 0.0, 1.0, 0.0), density=1.0, base_km=8.0, thickness_km=0.8
)


@dataclass(frozen=True)
class SkyRequest:
    """One frame of sky. A frame is a pure function of (bundle, request)."""

    seed: int = 0
    """Chooses the sky, 0 to 2^31 - 1."""
    time_s: float = 0.0
    """Sky time in seconds; drives the weather."""
    sun_azimuth_rad: float = 0.0
    """Clockwise from north."""
    sun_elevation_rad: float = 0.8
    """Up from the horizon, -pi/2 to pi/2."""
    low: LayerRequest = LOW_LAYER
    """The layer that is nearer to the camera."""
    high: LayerRequest = HIGH_LAYER
    """The layer above it."""
    haze: float = 1.0
    """Aerosol amount relative to clear reference air, 0 to 20."""
    exposure_ev: float = 0.0
    """Stops by which the output radiance is scaled."""
    white_balance_k: float = NEUTRAL_WHITE_K
    """Temperature of the daylight that is shown white in kelvin, 4000 (picture cooler) to 25000 (warmer)."""
    white_balance_tint: float = 0.0
    """Tint of that daylight, -100 (picture greener) to 100 (more magenta); see :mod:`.white_balance`."""
    ground_albedo: tuple[float, float, float] = (0.18, 0.16, 0.13)
    """Linear Rec.709 reflectance of the ground, 0 to 1."""
    sun_disc: bool = True
    """Whether the sun's disc is drawn into the panorama."""
    width: int = 2048
    """Panorama width in pixels, a multiple of 4; the height is half of it."""
    weather_strength: float = 0.0
    """0 keeps the artist's values (Steady); 1 lets the weather walk as measured (Evolving)."""
    loop_angle_rad: float = 0.0
    """Position in a loop, 0 to pi/2; the noise is n(t) cos(angle) + n(t - T) sin(angle)."""
    loop_weather_time_s: float = 0.0
    """``time_s`` one loop period earlier; used when ``loop_angle_rad`` is above 0."""

    def __post_init__(self) -> None:
        if not (isinstance(self.low, LayerRequest) and isinstance(self.high, LayerRequest)):
            raise RequestError("A layer of the sky request is not an object.", "Give a low and a high layer.")
        if not isinstance(self.sun_disc, bool):
            raise RequestError(f"sun_disc is {reprlib.repr(self.sun_disc)}.", "Give true or false.")
        if not (type(self.seed) is int and 0 <= self.seed < 2**31):
            raise RequestError(f"seed is {reprlib.repr(self.seed)}.", "Give a whole number from 0 to 2147483647.")
        if not isinstance(self.width, int) or self.width % 4 or not WIDTH_RANGE[0] <= self.width <= WIDTH_RANGE[1]:
            raise RequestError(
                f"width is {reprlib.repr(self.width)}.",
                f"Give a multiple of 4 from {WIDTH_RANGE[0]} to {WIDTH_RANGE[1]}, for example 2048.",
            )
        _check("time_s", self.time_s, -1e12, 1e12)
        _check("loop_weather_time_s", self.loop_weather_time_s, -1e12, 1e12)
        _check("sun_azimuth_rad", self.sun_azimuth_rad, -100, 100)
        _check("sun_elevation_rad", self.sun_elevation_rad, -math.pi / 2, math.pi / 2)
        for name, (low, high) in SKY_RANGES.items():
            _check(name, getattr(self, name), low, high)
        _check("loop_angle_rad", self.loop_angle_rad, 0, math.pi / 2)
        if len(self.ground_albedo) != 3:
            raise RequestError("ground_albedo has not three channels.", "Give red, green and blue from 0 to 1.")
        for value in self.ground_albedo:
            _check("ground_albedo", value, 0, 1)
        if self.high.base_km < self.low.base_km + self.low.thickness_km:
            raise RequestError(
                f"The high layer's base ({self.high.base_km:g} km) lies inside the low layer.",
                f"Raise it to {self.low.base_km + self.low.thickness_km:g} km or more.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; :func:`request_from_dict` restores it exactly."""
        return dataclasses.asdict(self)


def _from_dict(cls: type, data: dict[str, Any], what: str) -> Any:
    names = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - names)
    if unknown:
        raise RequestError(
            f"{what} has unknown keys: {', '.join(unknown)}.", f"Known keys: {', '.join(sorted(names))}."
        )
    missing = sorted(names - set(data))
    if missing:
        raise RequestError(f"{what} lacks {', '.join(missing)}.", "Compare it with a job written by this engine.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise RequestError(
            f"{what} cannot be read: {error}.", "Compare it with a job written by this engine."
        ) from error


def layer_from_dict(data: dict[str, Any], what: str = "The layer") -> LayerRequest:
    """LayerRequest of a dictionary. Raises RequestError on missing or unknown keys and on bad values."""
    layer = _from_dict(LayerRequest, data, what)
    assert isinstance(layer, LayerRequest)
    return layer


_COMPOSING = ("exposure_ev", "white_balance_k", "white_balance_tint", "sun_disc", "width")
"""What composing alone decides: clouds and their light are the same whatever these are."""
_PLAIN = SkyRequest(width=WIDTH_RANGE[0])


def uncomposed(request: SkyRequest) -> SkyRequest:
    """The request without what composing alone decides, such as exposure and width: what frames can share."""
    return composed_as(request, _PLAIN)


def composed_as(request: SkyRequest, other: SkyRequest) -> SkyRequest:
    """A request with all that composing alone decides as another one has it."""
    return dataclasses.replace(request, **{name: getattr(other, name) for name in _COMPOSING})


def request_from_dict(data: dict[str, Any]) -> SkyRequest:
    """SkyRequest of a dictionary made by ``to_dict``.

    Raises
    ------
    RequestError
        On anything else. A key that is missing is named and never takes its default: a job states
        everything that its frames depend on. Only white balance may be missing, in jobs from before there was one.
    """
    if not isinstance(data, dict):
        raise RequestError("The sky request is not an object.", "Compare it with a job written by this engine.")
    values = {"white_balance_k": NEUTRAL_WHITE_K, "white_balance_tint": 0.0, **data}
    for name in ("low", "high"):
        if isinstance(values.get(name), dict):
            values[name] = layer_from_dict(values[name], f"The {name} layer")
    request = _from_dict(SkyRequest, values, "The sky request")
    assert isinstance(request, SkyRequest)
    return request
