"""Directions and solid angles: sums over the sphere that are known, and what turns and mirrors do to pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skygen_addon.core.geometry import (
    direction_from_angles,
    disc_directions,
    disc_position,
    panorama_directions,
    panorama_pixel,
    panorama_solid_angles,
    stretch_axis,
)

WIDTHS = [64, 100, 1024]


@pytest.mark.parametrize("width", [4, 64, 100, 2048, 32768])
def test_solid_angles_sum_to_the_sphere(width: int) -> None:
    angles = panorama_solid_angles(width)
    assert angles.shape == (width // 2,) and angles.min() > 0
    assert width * angles.sum() == pytest.approx(4 * math.pi, rel=1e-12)
    assert width * angles[: width // 4].sum() == pytest.approx(2 * math.pi, rel=1e-12)


@pytest.mark.parametrize("width", WIDTHS)
def test_directions_stand_where_the_solid_angles_are(width: int) -> None:
    """Over the sphere directions sum to 0 and their products to 4 pi / 3 times unity, up to squares of a pixel."""
    direction = panorama_directions(width).astype(np.float64)
    weighted = direction * panorama_solid_angles(width)[:, None, None]
    np.testing.assert_allclose(weighted.sum((0, 1)), 0, atol=1e-5)  # single precision
    products = np.einsum("hwi,hwj->ij", weighted, direction)
    np.testing.assert_allclose(products, 4 * math.pi / 3 * np.eye(3), atol=20 / width**2 + 1e-5)
    np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_uniform_panorama_lights_the_ground_with_pi(width: int) -> None:
    """A band's mean sine is that of its middle times the cosine of half its height: pi / W. Single precision."""
    rows = width // 4
    sine = panorama_directions(width, 0, rows)[..., 2].astype(np.float64)
    irradiance = (sine * panorama_solid_angles(width)[:rows, None]).sum()
    assert irradiance * math.cos(math.pi / width) == pytest.approx(math.pi, rel=1e-6)


@pytest.mark.parametrize("size", [64, 256])
def test_a_uniform_disc_lights_the_ground_with_pi(size: int) -> None:
    """Stereographic pixels measure 4 / (1 + r^2)^2 of their area. Along the rim whole pixels count, or none."""
    direction = disc_directions(size).astype(np.float64)
    r2 = (disc_position(direction) ** 2).sum(-1)
    solid_angle = np.where(direction[..., 2] > 0, (2 / size) ** 2 * 4 / (1 + r2) ** 2, 0)
    assert solid_angle.sum() == pytest.approx(2 * math.pi, rel=0.5 / size)
    assert (solid_angle * direction[..., 2]).sum() == pytest.approx(math.pi, rel=1 / size**1.5)


@pytest.mark.parametrize("width", WIDTHS)
def test_pixels_find_their_way_back(width: int) -> None:
    row, column = panorama_pixel(panorama_directions(width), width)
    np.testing.assert_allclose(row, np.broadcast_to(np.arange(width // 2)[:, None] + 0.5, row.shape), atol=width * 1e-6)
    np.testing.assert_allclose(column, np.broadcast_to(np.arange(width) + 0.5, column.shape), atol=width * 1e-6)


def test_the_middle_looks_east_and_north_is_a_quarter_from_the_left() -> None:
    for azimuth_deg, place in ((0, 0.25), (90, 0.5), (180, 0.75)):
        row, column = panorama_pixel(direction_from_angles(math.radians(azimuth_deg), 0.0), 1000)
        assert (row, column) == (pytest.approx(250), pytest.approx(1000 * place))


@given(azimuth=st.floats(-3.0, 3.0), elevation=st.floats(-1.5, 1.5), columns=st.integers(-500, 500))
@settings(deadline=None)
def test_turning_moves_columns_and_mirroring_reverses_them(azimuth: float, elevation: float, columns: int) -> None:
    """A turn of whole columns keeps rows; east for west keeps rows and reverses columns about that of north."""
    width = 1000
    here = panorama_pixel(direction_from_angles(azimuth, elevation), width)
    turned = panorama_pixel(direction_from_angles(azimuth + 2 * math.pi * columns / width, elevation), width)
    mirror = panorama_pixel(direction_from_angles(azimuth, elevation) * [-1, 1, 1], width)
    assert turned[0] == pytest.approx(here[0], abs=1e-6) and mirror[0] == pytest.approx(here[0], abs=1e-6)
    for found, expected in ((turned[1], here[1] + columns), (mirror[1], width / 2 - here[1])):
        assert math.remainder(found - expected, width) == pytest.approx(0, abs=1e-6)


def test_an_axis_of_stretch_has_no_direction_and_vanishes_without_stretch() -> None:
    assert stretch_axis(1.0, 0.7) == (0.0, 0.0)
    np.testing.assert_allclose(stretch_axis(4.0, math.pi / 2), (-0.75, 0.0), atol=1e-12)  # east and west
    np.testing.assert_allclose(stretch_axis(3.0, 0.4), stretch_axis(3.0, 0.4 + math.pi))
