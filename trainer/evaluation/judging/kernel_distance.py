"""Kernel distance between two sets of skies, with bootstrap intervals over whole panoramas.

KID (Binkowski et al. 2018): the unbiased squared maximum mean discrepancy of features under the
polynomial kernel (x y / d + 1)^3. Views of one sky are alike, so pairs within one sky (one panorama, or
one site of several captures) are left out of both sets' own terms, every sky counts alike, and
resampling draws skies, not views.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KID_SCALE = 1000.0
"""Distances are stated times this."""

Index = NDArray[np.int64]
"""Numbers of skies in a :class:`SkyKernel`; with repetitions in a resample."""


class SkyKernel:
    """Mean kernel between the views of every two skies.

    Parameters
    ----------
    features : sequence of ndarray, shape (views, d)
        One array per sky; numbers of views may differ, none may be empty.
    """

    def __init__(self, features: Sequence[NDArray[np.float32]]) -> None:
        if not features or any(len(f) == 0 for f in features):
            raise ValueError("every sky needs at least one view")
        stacked = np.concatenate(features).astype(np.float64)
        starts = np.concatenate([[0], np.cumsum([len(f) for f in features])[:-1]])
        count = np.array([len(f) for f in features], dtype=np.float64)
        size = len(features)
        self.mean: NDArray[np.float64] = np.empty((size, size))
        for row, own in enumerate(features):
            kernel = (own.astype(np.float64) @ stacked.T / stacked.shape[1] + 1) ** 3  # views, all views
            self.mean[row] = np.add.reduceat(kernel.sum(axis=0), starts) / (count * len(own))

    def distance(self, one: Index, other: Index) -> float:
        """KID x 1000 between two sets of skies; a sky that stands in both is left out of the mixed term too.

        Raises
        ------
        ValueError
            If a set has fewer than two different skies.
        """
        return KID_SCALE * (
            self._mean_of_different(one, one)
            + self._mean_of_different(other, other)
            - 2 * self._mean_of_different(one, other)
        )

    def _mean_of_different(self, one: Index, other: Index) -> float:
        different = one[:, None] != other[None, :]
        if not different.any():
            raise ValueError("a set needs two different skies")
        return float(self.mean[np.ix_(one, other)][different].mean())


def halves_distance(kernel: SkyKernel, skies: Index, repeats: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Distances (repeats,) between two random halves of one set: what no generator can fall below but by chance."""
    found = []
    for _ in range(repeats):
        order = rng.permutation(skies)
        found.append(kernel.distance(order[: len(order) // 2], order[len(order) // 2 :]))
    return np.array(found)


def resampled_distances(
    kernel: SkyKernel,
    real: Index,
    generated: dict[str, Index],
    repeats: int,
    rng: np.random.Generator,
    kin: Sequence[str] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Distances (repeats,) of each generated set to the real one over bootstrap resamples of skies.

    All sets meet the same resample of real skies; sets of the same length meet the same resample of their
    own, so those that were drawn from the same requests are compared pair by pair. In sets of the length of ``kin``
    skies of one word are asked for alike, and are drawn together.
    """
    found: dict[str, list[float]] = {name: [] for name in generated}
    lengths = sorted({len(own) for own in generated.values()})
    for _ in range(repeats):
        drawn_real = real[_draw(len(real), rng)]
        places = {length: _draw(length, rng) for length in lengths}
        if kin is not None:
            places[len(kin)] = _draw_kin(kin, rng)
        for name, own in generated.items():
            found[name].append(kernel.distance(drawn_real, own[places[len(own)]]))
    return {name: np.array(values) for name, values in found.items()}


def _draw(count: int, rng: np.random.Generator) -> Index:
    """A resample of ``count`` places with at least two different ones."""
    if count < 2:
        raise ValueError("a set needs two different skies")
    while True:
        drawn = rng.integers(0, count, count)
        if (drawn != drawn[0]).any():
            return drawn


def _draw_kin(kin: Sequence[str], rng: np.random.Generator) -> Index:
    """A resample of words, and the places of each; at least two different words."""
    words = sorted(set(kin))
    members = [np.flatnonzero([one == word for one in kin]) for word in words]
    return np.concatenate([members[k] for k in _draw(len(words), rng)])


def nearest_distances(queries: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance (n,) from each feature vector (n, d) to the nearest of ``known`` (m, d), relative to their length."""
    length = float(np.sqrt(known.shape[1]))
    similarity = queries.astype(np.float64) @ known.T.astype(np.float64) / length**2
    return np.asarray(np.sqrt(np.maximum(2 - 2 * similarity.max(axis=1), 0.0)))
