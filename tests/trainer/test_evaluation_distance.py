"""The kernel distance against its definition, and what its resamples must obey."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.judging.kernel_distance import (
    SkyKernel,
    halves_distance,
    nearest_distances,
    resampled_distances,
)

WIDTH = 24


def skies(count: int, views: int, shift: float, seed: int) -> list[np.ndarray]:
    """Features of ``count`` skies: unit normal around a shifted mean."""
    random = np.random.default_rng(seed)
    return [(random.standard_normal((views, WIDTH)) + shift).astype(np.float32) for _ in range(count)]


def index(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop)


def test_with_one_view_a_sky_it_is_the_unbiased_estimator_of_binkowski() -> None:
    """Sums written out pair by pair; float32 features in float64 sums agree to 1e-9."""
    one, other = skies(5, 1, 0.0, 1), skies(4, 1, 0.3, 2)
    kernel = SkyKernel(one + other)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a[0].astype(np.float64) @ b[0].astype(np.float64) / WIDTH + 1) ** 3)

    within_one = np.mean([k(a, b) for i, a in enumerate(one) for j, b in enumerate(one) if i != j])
    within_other = np.mean([k(a, b) for i, a in enumerate(other) for j, b in enumerate(other) if i != j])
    mixed = np.mean([k(a, b) for a in one for b in other])
    expected = 1000 * (within_one + within_other - 2 * mixed)
    assert kernel.distance(index(0, 5), index(5, 9)) == pytest.approx(expected, rel=1e-9)


def test_pairs_within_a_sky_do_not_count() -> None:
    """Views that repeat make a sky's own kernel large; means over pairs of skies stay what one view gives."""
    one, other = skies(6, 1, 0.0, 3), skies(6, 1, 0.2, 4)
    repeated = [np.repeat(f, 8, axis=0) for f in one + other]
    plain = SkyKernel(one + other).distance(index(0, 6), index(6, 12))
    assert SkyKernel(repeated).distance(index(0, 6), index(6, 12)) == pytest.approx(plain, rel=1e-9)


def test_every_sky_counts_alike_however_many_views_it_has() -> None:
    one, other = skies(5, 1, 0.0, 5), skies(5, 1, 0.2, 6)
    uneven = [np.repeat(f, 1 + 3 * k, axis=0) for k, f in enumerate(one)]
    plain = SkyKernel(one + other).distance(index(0, 5), index(5, 10))
    assert SkyKernel(uneven + other).distance(index(0, 5), index(5, 10)) == pytest.approx(plain, rel=1e-9)


def test_it_is_unbiased_for_sets_of_one_distribution_and_grows_with_the_shift() -> None:
    """Mean over 40 draws of the same distribution: zero within four standard errors."""
    found = []
    for seed in range(40):
        kernel = SkyKernel(skies(16, 2, 0.0, 100 + seed))
        found.append(kernel.distance(index(0, 8), index(8, 16)))
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    distances = []
    for shift in (0.2, 0.5, 1.0):
        kernel = SkyKernel(skies(12, 2, 0.0, 7) + skies(12, 2, shift, 8))
        distances.append(kernel.distance(index(0, 12), index(12, 24)))
    assert 0 < distances[0] < distances[1] < distances[2]


def test_resamples_surround_the_distance_and_compare_sets_pair_by_pair() -> None:
    kernel = SkyKernel(skies(20, 2, 0.0, 9) + skies(20, 2, 0.6, 10) + skies(20, 2, 0.9, 11))
    sets = {"near": index(20, 40), "far": index(40, 60)}
    found = resampled_distances(kernel, index(0, 20), sets, 200, np.random.default_rng(0))
    for name, own in sets.items():
        low, high = np.percentile(found[name], [2.5, 97.5])
        assert low < kernel.distance(index(0, 20), own) < high
    assert (found["near"] < found["far"]).mean() > 0.95
    same = resampled_distances(kernel, index(0, 20), {"a": sets["far"], "b": sets["far"]}, 20, np.random.default_rng(1))
    assert np.array_equal(same["a"], same["b"])  # the same skies meet the same resample


def test_skies_that_are_asked_for_alike_are_drawn_together() -> None:
    """Four copies of each of a few skies tell no more than these: their distances scatter more than those of 24."""
    rng = np.random.default_rng(5)
    real, few = ([rng.normal(size=(1, 8)).astype(np.float32) for _ in range(6)] for _ in range(2))
    kernel = SkyKernel([*real, *few, *(copy for sky in few for copy in [sky] * 4)])
    sets = {"few": np.arange(6, 12), "copies": np.arange(12, 36)}
    kin = [str(k // 4) for k in range(24)]
    plain, drawn = (
        resampled_distances(kernel, np.arange(6), sets, 400, np.random.default_rng(1), words) for words in (None, kin)
    )
    assert drawn["copies"].std() > 1.2 * plain["copies"].std()
    assert drawn["copies"].std() > 0.9 * drawn["few"].std()


def test_halves_of_one_set_scatter_about_zero() -> None:
    kernel = SkyKernel(skies(30, 2, 0.0, 12))
    found = halves_distance(kernel, index(0, 30), 200, np.random.default_rng(0))
    assert abs(found.mean()) < 2 * found.std()


def test_too_few_skies_are_refused() -> None:
    kernel = SkyKernel(skies(3, 1, 0.0, 13))
    with pytest.raises(ValueError, match="two different"):
        kernel.distance(index(0, 1), index(1, 3))
    with pytest.raises(ValueError, match="at least one view"):
        SkyKernel([np.zeros((0, WIDTH), np.float32)])


def test_nearest_distance_is_zero_for_a_copy_and_root_two_for_what_has_nothing_in_common() -> None:
    """Vectors of length sqrt(d) at right angles are sqrt(2) of that length apart; float32 rounding 1e-3."""
    known = np.zeros((2, 4), np.float32)
    known[0, 0] = known[1, 1] = 2.0
    queries = np.array([[2, 0, 0, 0], [0, 0, 2, 0]], np.float32)
    assert nearest_distances(queries, known) == pytest.approx([0.0, np.sqrt(2)], abs=1e-3)
