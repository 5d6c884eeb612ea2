"""Where the settings put the sun: by angles, or by date and place along sky time."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import bpy

from ...core.errors import RequestError
from ...core.sun_path import SunPath
from ..settings.world_animation import sets_by_driver_or_strip, settings_curve

if TYPE_CHECKING:
    from ..settings.properties import SkyGenSettings
    from .sun_properties import SkyGenSun


@dataclass(frozen=True)
class SunNow:
    """The sun at one scene frame."""

    azimuth_rad: float
    """Clockwise from the scene's +Y axis."""
    elevation_rad: float
    """Up from the horizon."""
    moment: datetime | None
    """Local time there, sky time included; None where the sun is placed by angles."""
    exact: bool
    """False where a driver or a strip sets the time scale, whose present value is then taken for all frames."""


def is_dated(settings: SkyGenSettings) -> bool:
    """Whether date and place put the sun."""
    return bool(settings.sun.placement == "DATE_PLACE")


def sun_path(sun: SkyGenSun) -> SunPath:
    """The sun's path by date and place, at the moment at which the settings were evaluated.

    Values are rounded to a ten-thousandth of a degree and a hundredth of a second, because a float property holds
    32 bits.

    Raises
    ------
    RequestError
        If the month has no such day.
    """
    year, month, day = int(sun.year), int(sun.month), int(sun.day)
    days = calendar.monthrange(year, month)[1]
    if day > days:
        raise RequestError(
            f"{calendar.month_name[month]} {year} has no day {day}.", f"Set the day of the sun to {days} or less."
        )
    zone = timezone(timedelta(minutes=round(sun.utc_offset * 60)))
    moment = datetime(year, month, day, tzinfo=zone) + timedelta(seconds=round(sun.time_of_day * 3600, 2))
    return SunPath(moment, short_degrees(sun.latitude), short_degrees(sun.longitude), short_degrees(sun.north))


def refuse_loop(path: SunPath, time_offset_s: float) -> None:
    """Tell why a loop does not go with a date and place.

    Raises
    ------
    RequestError
        Always.
    """
    azimuth_deg, elevation_deg = (math.degrees(angle) for angle in path.angles_rad(time_offset_s))
    raise RequestError(
        "A loop does not go with a sun by date and place: the sun would jump back where the loop closes.",
        f"Switch Loop off, or set the sun's Placement to Direction: azimuth {azimuth_deg:.2f} and elevation "
        f"{elevation_deg:.2f} degrees hold it where it stands at the start.",
    )


def sun_now(world: bpy.types.World, settings: SkyGenSettings, scene: bpy.types.Scene) -> SunNow:
    """Where the sun stands at a scene's current frame.

    Parameters
    ----------
    world : World
        The original one, which holds the animation.
    settings : SkyGenSettings
        Its settings, original or evaluated at that frame.

    Raises
    ------
    RequestError
        If the date and place make no sense.
    """
    if not is_dated(settings):
        return SunNow(float(settings.sun_azimuth), float(settings.sun_elevation), None, True)
    path = sun_path(settings.sun)
    time_s = sky_time_s(world, settings, scene)
    azimuth, elevation = path.angles_rad(time_s)
    zone = path.moment.tzinfo or UTC
    moment = (path.moment.astimezone(UTC) + timedelta(seconds=time_s)).astimezone(zone)
    return SunNow(azimuth, elevation, moment, not sets_by_driver_or_strip(world, "skygen.time_scale"))


def sky_time_s(world: bpy.types.World, settings: SkyGenSettings, scene: bpy.types.Scene) -> float:
    """Sky time at a scene's current frame as a bake counts it, without stepping the scene.

    A keyframed time scale is integrated over whole frames, as :mod:`..core.motion` does, and over what is left of the
    last one between frames. Where a driver or a strip sets it, its present value stands for all frames.
    """
    fps = scene.render.fps / scene.render.fps_base
    frames = float(scene.frame_current_final) - int(settings.origin_frame)  # sub-frame and frame map included
    curve = settings_curve(world, "skygen.time_scale")
    if curve is None:
        return float(settings.time_offset) + frames / fps * short_number(settings.time_scale)
    sign, whole = (-1 if frames < 0 else 1), int(abs(frames))
    scales = [short_number(curve.evaluate(settings.origin_frame + sign * step)) for step in range(whole + 1)]
    last = 0.5 * (scales[-1] + short_number(curve.evaluate(settings.origin_frame + frames))) * (abs(frames) - whole)
    return float(settings.time_offset) + sign * (_trapezoid(scales) + last) / fps


def _trapezoid(values: Sequence[float]) -> float:
    """Integral over whole steps; 0 of a single value."""
    return math.fsum(values) - 0.5 * (values[0] + values[-1])


def short_number(value: float) -> float:
    """A property's value as the artist reads it: a float property holds 32 bits, about seven digits."""
    return float(f"{value:.7g}")


def short_degrees(angle_rad: float) -> float:
    """An angle to a ten-thousandth of a degree, for the same reason."""
    return round(math.degrees(angle_rad), 4)
