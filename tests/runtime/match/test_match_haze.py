"""Haze of a match: raised where clear sky looks too warm beside its clouds, within what shade explains."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core.controls import SkyControls
from skygen_addon.runtime.match.match_balance import Shifts
from skygen_addon.runtime.match.match_haze import (
    GREATEST_SHADE,
    HAZE_OVERCAST,
    HAZE_UNTOLD,
    LEAST_READING,
    corrected_haze,
    first_haze,
    haze_astray,
    is_same_haze,
)


def corrected(haze: float, reading: float | None, clear: float | None, clouds: float | None) -> float:
    shifts = Shifts(*(None if warmth is None else np.array([warmth, 0.0]) for warmth in (clear, clouds)))
    return corrected_haze(SkyControls(haze=haze), reading, shifts)


def test_it_rises_until_clear_sky_and_clouds_agree() -> None:
    assert corrected(1.0, 1.0, 0.0, 0.0) == 1.0
    assert 1.0 < corrected(1.0, 1.0, 0.1, 0.0) < corrected(1.0, 1.0, 0.3, 0.0)
    assert corrected(1.6, 1.0, -0.1, 0.0) < 1.6  # raised too far before


def test_it_stays_between_the_reading_and_what_shade_explains() -> None:
    assert corrected(1.0, 1.0, -0.9, 0.0) == 1.0  # a blue that was graded
    assert corrected(2.4, 1.0, 0.9, 0.0) == GREATEST_SHADE
    assert corrected(7.0, 7.0, 0.9, 0.0) == 8.0
    assert corrected(1.2, 0.25, 0.9, 0.0) == LEAST_READING * GREATEST_SHADE


@pytest.mark.parametrize(("reading", "clear", "clouds"), [(None, 0.4, 0.0), (1.0, None, 0.0), (1.0, 0.4, None)])
def test_where_one_tells_nothing_it_stays(reading: float | None, clear: float | None, clouds: float | None) -> None:
    assert corrected(1.7, reading, clear, clouds) == 1.7


def test_without_a_reading_it_begins_with_what_such_skies_have() -> None:
    assert first_haze(None, "cumulus") == HAZE_UNTOLD and first_haze(None, "stratus") == HAZE_OVERCAST
    assert first_haze(0.1, "clear") == 0.3 and first_haze(1.234, "clear") == 1.23


def test_small_changes_are_none() -> None:
    assert is_same_haze(1.0, 1.1) and not is_same_haze(1.0, 1.2) and not is_same_haze(1.2, 1.0)
    assert haze_astray(1.0, 1.0) == 0.0 and haze_astray(2.0, 1.0) == haze_astray(1.0, 2.0) == pytest.approx(0.1)
