"""The sun's path: angles known from NREL SPA, turned into the scene, and its pace in sky time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import direction_from_angles
from skygen_addon.core.sun_path import MOMENT_EXAMPLE, SunPath, read_moment
from skygen_addon.core.timeline import requests_for_frames

GREENWICH = SunPath(datetime(2024, 6, 21, 12, tzinfo=UTC), 51.4779, 0.0)
"""Azimuth 179.0623, elevation 61.9554 degrees: NREL SPA by pvlib 0.16."""


def test_offsets_of_moments_are_heeded_and_absent_ones_are_utc() -> None:
    assert read_moment(MOMENT_EXAMPLE) == datetime(2026, 6, 21, 12, 30, tzinfo=UTC)
    assert read_moment("2026-06-21 12:30") == read_moment("2026-06-21T12:30Z") == read_moment(MOMENT_EXAMPLE)
    naive = SunPath(datetime(2024, 6, 21, 12), 51.4779, 0.0)
    far_east = SunPath(datetime(2024, 6, 22, 1, 45, tzinfo=timezone(timedelta(hours=13.75))), 51.4779, 0.0)
    assert naive.angles_rad(0) == far_east.angles_rad(0) == GREENWICH.angles_rad(0)
    # 0.02 degrees: what the ephemeris promises
    assert np.rad2deg(GREENWICH.angles_rad(0)) == pytest.approx([179.0623, 61.9554], abs=0.02)


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-06-21", "20260621", "2026-W25-7", "2026-02-30T12:00", "14:30", "9" * 5000]
)
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        read_moment(text)
    assert MOMENT_EXAMPLE in refused.value.remedy and len(str(refused.value)) < 300


@given(north=st.floats(-360, 360), time_s=st.floats(-1e9, 1e9))
def test_north_turns_the_sun_about_the_vertical(north: float, time_s: float) -> None:
    """Seen from a scene whose +Y points to ``north``, everything is turned back by as much; heights stay."""
    azimuth, elevation = SunPath(GREENWICH.moment, 51.4779, 0.0, north).angles_rad(time_s)
    compass, same = GREENWICH.angles_rad(time_s)
    assert elevation == same and 0 <= azimuth <= 2 * math.pi
    expected = direction_from_angles(compass - math.radians(north), elevation)
    assert direction_from_angles(azimuth, elevation) == pytest.approx(expected, abs=1e-12)


def test_the_noon_sun_is_to_the_right_of_a_scene_that_faces_east() -> None:
    azimuth, elevation = SunPath(GREENWICH.moment, 51.4779, 0.0, north_deg=90).angles_rad(0)
    right, ahead, _ = direction_from_angles(azimuth, elevation)  # +X, +Y
    assert right > 0.4 and abs(ahead) < 0.02  # due south within a degree


def test_the_sun_goes_around_in_a_day() -> None:
    """The equinox sun over the equator moves 15 degrees an hour, apart from its own motion of 0.04."""
    path = SunPath(datetime(2024, 3, 20, 6, tzinfo=UTC), 0.0, 0.0)
    hours = [direction_from_angles(*path.angles_rad(3600 * hour)) for hour in range(25)]
    for earlier, later in zip(hours[:-1], hours[1:], strict=True):
        assert math.degrees(math.acos(earlier @ later)) == pytest.approx(15, abs=0.05)
    assert math.degrees(math.acos(min(hours[0] @ hours[24], 1))) < 0.5  # the season's pace


def test_requests_get_the_sun_of_their_own_sky_time() -> None:
    controls = SkyControls(time_scale=3600)
    options = {"fps": 24.0, "seed": 1, "width": 512, "time_offset_s": 900.0}
    plain = requests_for_frames(lambda _: controls, [1, 25, 49], **options)  # type: ignore[arg-type]
    placed = GREENWICH.over(plain)
    for request, time_s in zip(placed, (900, 4500, 8100), strict=True):
        found = request.sun_azimuth_rad, request.sun_elevation_rad
        assert found == pytest.approx(GREENWICH.angles_rad(time_s), abs=1e-9)  # times are sums of frame steps
    assert GREENWICH.over(plain[1:2]) == placed[1:2]  # alone as in company
    assert [r.low for r in placed] == [r.low for r in plain]


@pytest.mark.parametrize(
    ("latitude", "longitude", "north"), [(91, 0, 0), (0, 400, 0), (0, 0, 361), (math.nan, 0, 0), (0, math.inf, 0)]
)
def test_places_off_the_earth_are_refused(latitude: float, longitude: float, north: float) -> None:
    with pytest.raises(RequestError):
        SunPath(GREENWICH.moment, latitude, longitude, north)


@pytest.mark.parametrize("time_s", [1e12, -1e12, 1e13, math.nan, math.inf])
def test_times_beyond_the_calendar_are_refused(time_s: float) -> None:
    with pytest.raises(RequestError):
        GREENWICH.angles_rad(time_s)
    with pytest.raises(RequestError):
        SunPath(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), 0, 0)  # the year 0 in UTC
