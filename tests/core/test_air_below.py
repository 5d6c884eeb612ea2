"""Light in the air below clouds: nothing changes without clouds, and a closed layer leaves no clear sky."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core.air_below import air_below, ceiling_km, opening


def test_without_clouds_the_air_is_the_clear_skys() -> None:
    assert opening(1.0) == 1.0
    light = np.array([2.0, 2.1, 2.4])
    share, glow = air_below(light, light, np.array([0.2, 0.2, 0.2]), 1.0)
    assert share == 1.0 and not glow.any()


def test_below_a_closed_layer_thick_air_is_the_mean_of_layer_and_ground() -> None:
    assert opening(0.0) == 0.0
    radiance, ground = np.array([0.3, 0.4, 0.5]), np.array([0.1, 0.1, 0.1])
    share, glow = air_below(np.pi * radiance, np.full(3, 3.0), ground, 0.0)
    assert share == 0.0
    np.testing.assert_allclose(glow, (radiance + ground) / 2, rtol=1e-6)  # float32


@pytest.mark.parametrize("fine", [np.linspace(0, 1, 1001)])
def test_clouds_that_close_dim_the_glow_steadily(fine: np.ndarray) -> None:
    shares = np.array([opening(float(t)) for t in fine])
    assert np.all(np.diff(shares) > 0)
    assert opening(0.3) > 0.9  # separate clouds keep it


def test_light_is_never_more_than_the_clear_skys() -> None:
    """Bright clouds beside the sun can light the ground above the clear sky's; the air's light has the sky table's."""
    share, _ = air_below(np.full(3, 4.0), np.full(3, 3.0), np.zeros(3), 1.0)
    assert share == 1.0


def test_the_ceiling_is_the_base_of_what_dims_the_sun() -> None:
    bases = (1.0, 9.0)
    assert ceiling_km(bases, (1.0, 1.0)) == 0.0
    assert ceiling_km(bases, (0.6, 1.0)) == 1.0 and ceiling_km(bases, (1.0, 0.6)) == pytest.approx(9.0)
    assert ceiling_km(bases, (0.9, 0.7)) == pytest.approx(7.0)
    assert ceiling_km(bases, (0.999999, 0.7)) == pytest.approx(9.0, abs=1e-3)  # begins smoothly
