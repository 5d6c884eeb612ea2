"""Which sunlight graphs light a layer: shares that sum to one and change smoothly, samples close enough."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skygen_addon.core.geometry import direction_from_angles
from skygen_addon.core.sunlight_passes import (
    HORIZON_FADE_RAD,
    LONGEST_SPACING_KM,
    LOW_SUN_FADE_RAD,
    SUBSTEPS,
    SunlightPass,
    mixed_depth,
    share_above,
    sunlight_passes,
)

GAPS_KM = [0.005, 0.067, 0.22, 1.5]


def passes_at(elevation_deg: float, gap_km: float) -> list[SunlightPass]:
    sun = direction_from_angles(0.7, math.radians(elevation_deg)).astype(np.float32)
    return sunlight_passes(sun, gap_km)


def shares_at(elevation_deg: float, gap_km: float) -> dict[tuple[bool, bool], float]:
    """Shares by (from above, low sun)."""
    passes = passes_at(elevation_deg, gap_km)
    return {(bool(one.sun_direction[2] >= 0), one.low_sun): one.share for one in passes}


@pytest.mark.parametrize("gap_km", GAPS_KM)
def test_a_moving_sun_changes_no_share_by_a_step(gap_km: float) -> None:
    """Hundredths of a degree: at most 1.5 parts in 120 of the horizon's fade and one in 100 of the other."""
    elevations = np.arange(-90.0, 90.001, 0.01)
    shares = [shares_at(float(e), gap_km) for e in elevations]
    kinds = [(side, low) for side in (True, False) for low in (True, False)]
    table = np.array([[share.get(kind, 0.0) for kind in kinds] for share in shares])
    np.testing.assert_allclose(table.sum(1), 1.0, atol=1e-9)
    steps_deg = 0.015 / math.degrees(2 * HORIZON_FADE_RAD), 0.01 / math.degrees(LOW_SUN_FADE_RAD)
    assert np.abs(np.diff(table, axis=0)).max() < sum(steps_deg) * 1.01


@pytest.mark.parametrize("elevation_deg", [-0.59, -0.2, 0.0, 0.3, 2.0, 40.0])
def test_directions_stay_unit_vectors_toward_the_sun(elevation_deg: float) -> None:
    azimuth = math.atan2(*passes_at(elevation_deg, 0.067)[0].sun_direction[:2])
    assert azimuth == pytest.approx(0.7, abs=1e-5)
    for one in passes_at(elevation_deg, 0.067):
        assert np.linalg.norm(one.sun_direction) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("gap_km", GAPS_KM)
@pytest.mark.parametrize("elevation_deg", [-70.0, -9.0, -1.0, 1.0, 4.0, 9.0, 20.0, 70.0])
def test_few_samples_are_close_together(elevation_deg: float, gap_km: float) -> None:
    """Over a flat Earth, where paths are longer; in the middle of the fade the spacing is the limit."""
    for one in passes_at(elevation_deg, gap_km):
        if not one.low_sun:
            nearest_rad = math.radians(abs(elevation_deg)) + 0.5 * LOW_SUN_FADE_RAD
            assert gap_km / math.tan(nearest_rad) / SUBSTEPS < LONGEST_SPACING_KM * 1.001


def test_a_high_sun_takes_one_pass_and_a_setting_one_both_sides() -> None:
    assert [(one.share, one.low_sun) for one in passes_at(50.0, 0.067)] == [(1.0, False)]
    assert [(one.share, one.low_sun) for one in passes_at(2.0, 0.067)] == [(1.0, True)]
    setting = passes_at(0.0, 0.067)
    assert [one.low_sun for one in setting] == [True, True]
    assert [one.share for one in setting] == pytest.approx([0.5, 0.5], abs=1e-6)
    assert setting[0].sun_direction[2] >= 0 > setting[1].sun_direction[2]
    assert share_above(math.sin(HORIZON_FADE_RAD)) == 1.0 and share_above(-1.0) == 0.0


def test_a_hundredth_of_the_other_side_neither_lights_nor_darkens() -> None:
    """A base lit from beneath lies up to 500 optical depths under the light from above, a top the other way round."""
    passes = passes_at(-0.530, 0.067)  # a hundredth from above
    assert [one.share for one in passes] == pytest.approx([0.01, 0.99], abs=1e-3)
    above, beneath = np.float32([500.0, 0.0, 3.0]), np.float32([0.0, 500.0, 3.0])
    base, top, even = mixed_depth(passes, [above, beneath])
    assert 0 < base < 0.6 and 200 < top < 500
    assert even == pytest.approx(3.0, abs=1e-5)
    np.testing.assert_array_equal(mixed_depth(passes[:1], [above]), above)
