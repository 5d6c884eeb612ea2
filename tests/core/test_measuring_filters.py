"""The filters that measuring is made of, held against scipy's: equal to the last bit, so that measurements are too."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import BSpline

from skygen_addon.core.measuring.morphology import closing, dilate, erode, opening, within_reach
from skygen_addon.core.measuring.nearest import nearest_inside
from skygen_addon.core.measuring.regions import join, label_regions, region_sums
from skygen_addon.core.measuring.resampling import bilinear_at, resize
from skygen_addon.core.measuring.smoothing import gaussian_blur, median_filter, percentile_filter
from skygen_addon.core.measuring.splines import clamped_knots, spline_basis, spline_slope


@pytest.fixture(scope="module")
def picture() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(150, 210)).astype(np.float32)


@pytest.fixture(scope="module")
def mask(picture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Blobs, some of which touch the edges."""
    return np.asarray(ndimage.gaussian_filter(picture, 2) > 0.02)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 3.0, 26.7, 60.0])
def test_gaussian_blur_is_scipys(picture: NDArray[np.float32], sigma: float) -> None:
    """The widest kernel is wider than the picture, so that mirrored edges are mirrored again."""
    np.testing.assert_array_equal(gaussian_blur(picture, sigma), ndimage.gaussian_filter(picture, sigma))


@pytest.mark.parametrize("size", [3, 7])
def test_median_is_scipys(picture: NDArray[np.float32], size: int) -> None:
    np.testing.assert_array_equal(median_filter(picture, size), ndimage.median_filter(picture, size))


def test_percentile_is_scipys(picture: NDArray[np.float32]) -> None:
    expected = ndimage.percentile_filter(picture, 80, size=21, mode="nearest")
    np.testing.assert_array_equal(percentile_filter(picture, 80, 21), expected)


def test_bilinear_reads_are_scipys_beyond_the_edges_too(picture: NDArray[np.float32]) -> None:
    row, column = np.random.default_rng(2).uniform(-20, 230, size=(2, 60, 70))
    expected = ndimage.map_coordinates(picture, [row, column], order=1, mode="nearest")
    np.testing.assert_array_equal(bilinear_at(picture, row, column), expected)


@pytest.mark.parametrize("factor", [0.125, 8.0, 1.37])
def test_resizing_is_scipys(factor: float) -> None:
    square = np.random.default_rng(3).normal(size=(80, 80)).astype(np.float32)
    np.testing.assert_array_equal(resize(square, factor), ndimage.zoom(square, factor, order=1))


def test_morphology_is_scipys(mask: NDArray[np.bool_]) -> None:
    disk = np.add.outer(np.arange(-4, 5) ** 2, np.arange(-4, 5) ** 2) <= 16
    cross = np.add.outer(np.arange(-1, 2) ** 2, np.arange(-1, 2) ** 2) <= 1
    inside = np.roll(mask, 30, axis=1) | mask
    for ours, scipys in (
        (dilate(mask, iterations=4), ndimage.binary_dilation(mask, iterations=4)),
        (dilate(mask, cross, 6, within=inside), ndimage.binary_dilation(mask, cross, iterations=6, mask=inside)),
        (erode(mask, iterations=3), ndimage.binary_erosion(mask, iterations=3)),
        (opening(mask, disk), ndimage.binary_opening(mask, disk)),
        (opening(mask, iterations=3), ndimage.binary_opening(mask, iterations=3)),
        (closing(mask, iterations=2), ndimage.binary_closing(mask, iterations=2)),
    ):
        np.testing.assert_array_equal(ours, scipys)


@pytest.mark.parametrize("reach", [1, 5, 14])
def test_reach_is_scipys_chessboard_distance(mask: NDArray[np.bool_], reach: int) -> None:
    expected = ndimage.distance_transform_cdt(~mask) <= reach
    np.testing.assert_array_equal(within_reach(mask, reach), expected)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.45, 0.6, 1.0])
def test_regions_are_numbered_as_scipys(corners: bool, share: float) -> None:
    """Noise about the percolation threshold has the longest and most winding regions."""
    noise = np.random.default_rng(4).random((90, 130)) < share
    expected, count = ndimage.label(noise, np.ones((3, 3)) if corners else None)
    labels, found = label_regions(noise, corners)
    assert found == count
    np.testing.assert_array_equal(labels, expected)
    values = np.random.default_rng(5).random(noise.shape)
    np.testing.assert_array_equal(
        region_sums(values, labels, count), ndimage.sum_labels(values, expected, np.arange(1, count + 1))
    )


def test_joining_follows_long_chains() -> None:
    """Pairs that link 0-1-2-... in a shuffled order are one group, and what is in no pair stays alone."""
    order = np.random.default_rng(6).permutation(999)
    lowest = join(1002, order, order + 1)
    np.testing.assert_array_equal(lowest, [*[0] * 1000, 1000, 1001])


def test_nearest_pixels_are_as_near_as_scipys(mask: NDArray[np.bool_]) -> None:
    """Of pixels that are equally near, either may be taken."""
    middle = np.hypot(*np.mgrid[-75:75, -105:105]) < 40
    for inside in (mask, middle, ~middle):
        row, column = np.nonzero(~inside)
        near_row, near_column = nearest_inside(inside)
        assert inside[near_row, near_column].all()
        expected = ndimage.distance_transform_edt(~inside)[row, column]
        np.testing.assert_allclose(np.hypot(near_row - row, near_column - column), expected, rtol=1e-12)


def test_splines_are_scipys() -> None:
    rng = np.random.default_rng(7)
    edges = np.concatenate([[0.0], np.sort(rng.uniform(0.01, 1.0, 11))])
    knots = clamped_knots(edges)
    at = np.clip(rng.uniform(0, 1, 400), 0, edges[-1] - 1e-9)
    expected = BSpline.design_matrix(at, knots, 2).toarray()
    np.testing.assert_array_equal(spline_basis(at, knots), expected)
    coefficients = rng.normal(size=expected.shape[1])
    slope = BSpline(knots, coefficients, 2).derivative()(at)
    np.testing.assert_allclose(spline_slope(coefficients, at, knots), slope, rtol=1e-12, atol=1e-10)
