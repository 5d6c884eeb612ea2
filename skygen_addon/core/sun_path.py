"""The sun's path over a place: azimuth and elevation at any sky time, for a scene that faces any way.

:func:`.sun.sun_position` gives compass angles; a scene's angles are clockwise from its +Y axis,
wherever that points. The path is a function of sky time, so the sun keeps pace with the clouds in
a time-lapse and a frame still depends on nothing but its own request.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from .errors import RequestError
from .request import SkyRequest, _check
from .sun import sun_position

MOMENT_EXAMPLE = "2026-06-21T14:30+02:00"
"""A moment as :func:`read_moment` takes it."""


def read_moment(text: str) -> datetime:
    """The date and time in an ISO 8601 text such as ``MOMENT_EXAMPLE``; without a UTC offset it is UTC.

    Raises
    ------
    RequestError
        If the text is no date, or has no time of day.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"{reprlib.repr(text)} is no date and time.",
            f"Write it like {MOMENT_EXAMPLE}; without an offset it is UTC.",
        ) from error
    if _is_date(text):
        raise RequestError(f"{text} has no time of day.", f"Write it like {MOMENT_EXAMPLE}.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _is_date(text: str) -> bool:
    """Whether a text that datetime reads is a date alone, which it takes for midnight."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class SunPath:
    """Where the sun stands over one place, from a moment on."""

    moment: datetime
    """Date and time at sky time 0; without a UTC offset it is UTC."""
    latitude_deg: float
    """North of the equator, -90 to 90."""
    longitude_deg: float
    """East of Greenwich, -180 to 180; up to 360 for those who count all the way around."""
    north_deg: float = 0.0
    """Compass direction of the scene's +Y axis, clockwise from north: 90 where +Y points east."""

    def __post_init__(self) -> None:
        _check("latitude_deg", self.latitude_deg, -90, 90)
        _check("longitude_deg", self.longitude_deg, -360, 360)
        _check("north_deg", self.north_deg, -360, 360)
        self.angles_rad(0.0)

    def angles_rad(self, time_s: float) -> tuple[float, float]:
        """Azimuth (0 to 2 pi, clockwise from the scene's +Y axis) and elevation of the sun's centre at a sky time.

        As good as :func:`.sun.sun_position`: 0.02 degrees from 1950 to 2050, without refraction.

        Parameters
        ----------
        time_s : float
            Sky time, seconds after ``moment``, as in SkyRequest.

        Raises
        ------
        RequestError
            If that is no number, or before the year 1 or after the year 9999.
        """
        _check("time_s", time_s, -1e12, 1e12)
        moment = self.moment.replace(tzinfo=UTC) if self.moment.tzinfo is None else self.moment
        try:
            utc = moment.astimezone(UTC) + timedelta(seconds=time_s)
        except OverflowError as error:
            raise RequestError(
                f"{time_s:g} s of sky time after {self.moment.isoformat()} lie beyond the calendar.",
                "Choose a moment, a time offset and a time scale that stay between the years 1 and 9999.",
            ) from error
        azimuth, elevation = sun_position(utc, self.latitude_deg, self.longitude_deg)
        return (azimuth - math.radians(self.north_deg)) % (2 * math.pi), elevation

    def over(self, requests: Sequence[SkyRequest]) -> list[SkyRequest]:
        """The requests with the sun where it stands at each one's sky time.

        Not for a loop of a moving sky: its sky time jumps back where it closes, and so would the sun.
        """
        placed = []
        for request in requests:
            azimuth, elevation = self.angles_rad(request.time_s)
            placed.append(dataclasses.replace(request, sun_azimuth_rad=azimuth, sun_elevation_rad=elevation))
        return placed
