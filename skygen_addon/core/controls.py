"""SkyControls: what an artist sets, at one moment. Presets store them, keyframes change them."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from dataclasses import dataclass
from typing import Any

from .errors import RequestError
from .request import CLOUD_TYPES, LAYER_RANGES, NEUTRAL_WHITE_K, SKY_RANGES, TYPE_WEIGHT_RANGE, _check


@dataclass(frozen=True)
class LayerControls:
    """One cloud layer as an artist sets it; meanings as in LayerRequest, rates instead of integrals."""

    cover: float = 0.4
    """Fraction covered, 0 to 1."""
    types: dict[str, float] = dataclasses.field(default_factory=lambda: {"cumulus": 1.0})
    """Weights of cloud types by name; absent types weigh 0."""
    density: float = 1.0
    """Multiplier of extinction."""
    base_km: float = 1.5
    """Cloud base above the camera."""
    thickness_km: float = 1.0
    """Greatest cloud height above the base."""
    texture_scale: float = 1.0
    """Feature size multiplier."""
    stretch: float = 1.0
    """Elongation along the wind, 1 to 8."""
    wind_speed_m_s: float = 8.0
    """Speed of the clouds, 0 to 150."""
    wind_toward_deg: float = 90.0
    """Azimuth toward which the clouds move, clockwise from north."""
    evolution_per_hour: float = 1.0
    """How often per sky hour every feature is replaced by a new one, 0 to 60."""

    def __post_init__(self) -> None:
        if not isinstance(self.types, dict):
            raise RequestError(
                f"types is {reprlib.repr(self.types)}.", 'Give weights by cloud type, such as {"cumulus": 1.0}.'
            )
        unknown = sorted(set(self.types) - set(CLOUD_TYPES))
        if unknown:
            raise RequestError(f"Unknown cloud types: {', '.join(unknown)}.", f"Known: {', '.join(CLOUD_TYPES)}.")
        for name, weight in self.types.items():
            _check(f"types[{name}]", weight, *TYPE_WEIGHT_RANGE)
        for name, (low, high) in LAYER_RANGES.items():
            _check(name, getattr(self, name), low, high)
        _check("wind_speed_m_s", self.wind_speed_m_s, 0, 150)
        _check("wind_toward_deg", self.wind_toward_deg, -3600, 3600)
        _check("evolution_per_hour", self.evolution_per_hour, 0, 60)

    def velocity_km_s(self) -> tuple[float, float]:
        """East and north speed of the clouds in km per sky second."""
        angle = math.radians(self.wind_toward_deg)
        speed = self.wind_speed_m_s * 1e-3
        return speed * math.sin(angle), speed * math.cos(angle)


@dataclass(frozen=True)
class SkyControls:
    """Everything the panel shows, evaluated at one moment."""

    sun_azimuth_deg: float = 135.0
    """Clockwise from north."""
    sun_elevation_deg: float = 45.0
    """Up from the horizon."""
    low: LayerControls = LayerControls()
    """The lower layer."""
    high: LayerControls = LayerControls(
        cover=0.0,
        types={"cirrus": 1.0},
        base_km=8.0,
        thickness_km=0.8,
        texture_scale=3.0,
        stretch=3.0,
        wind_speed_m_s=25.0,
    )
    """The upper layer."""
    haze: float = 1.0
    """Aerosol relative to clear reference air."""
    exposure_ev: float = 0.0
    """Stops."""
    white_balance_k: float = NEUTRAL_WHITE_K
    """Temperature of the daylight that is shown white; higher is warmer."""
    white_balance_tint: float = 0.0
    """-100 green to 100 magenta."""
    ground_albedo: tuple[float, float, float] = (0.18, 0.16, 0.13)
    """Linear Rec.709 reflectance of the ground."""
    sun_disc: bool = True
    """Draw the sun's disc."""
    weather_strength: float = 0.0
    """0 steady, 1 evolving as measured."""
    time_scale: float = 60.0
    """Sky seconds per second of film."""

    def __post_init__(self) -> None:
        _check("sun_azimuth_deg", self.sun_azimuth_deg, -36000, 36000)
        _check("sun_elevation_deg", self.sun_elevation_deg, -90, 90)
        if not isinstance(self.ground_albedo, tuple) or len(self.ground_albedo) != 3:
            raise RequestError(
                f"ground_albedo is {reprlib.repr(self.ground_albedo)}.", "Give red, green and blue from 0 to 1."
            )
        for value in self.ground_albedo:
            _check("ground_albedo", value, 0, 1)
        for name, (low, high) in SKY_RANGES.items():
            _check(name, getattr(self, name), low, high)
        if not isinstance(self.sun_disc, bool):
            raise RequestError(f"sun_disc is {reprlib.repr(self.sun_disc)}.", "Give true or false.")
        _check("time_scale", self.time_scale, 0, 100000)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for a preset file."""
        return dataclasses.asdict(self)


def controls_from_dict(data: dict[str, Any], what: str = "the preset") -> SkyControls:
    """SkyControls of a dictionary; absent keys keep their defaults, unknown keys are errors.

    Raises
    ------
    RequestError
        On unknown keys or values out of range.
    """
    defaults = SkyControls()

    def build(cls: type, base: Any, values: Any, where: str) -> Any:
        if not isinstance(values, dict):
            raise RequestError(f"{where} is not an object.", "Compare it with a shipped preset.")
        names = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise RequestError(
                f"{where} has unknown keys: {', '.join(unknown)}.", f"Known: {', '.join(sorted(names))}."
            )
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        try:
            return dataclasses.replace(base, **values)
        except RequestError as error:
            raise RequestError(f"In {where}, {error.message}", error.remedy) from error
        except TypeError as error:
            raise RequestError(f"{where} cannot be read: {error}.", "Compare it with a shipped preset.") from error

    values = dict(data)
    for name, base in (("low", defaults.low), ("high", defaults.high)):
        if name in values:
            values[name] = build(LayerControls, base, values[name], f"{what}, {name} layer")
    controls = build(SkyControls, defaults, values, what)
    assert isinstance(controls, SkyControls)
    return controls
