"""The table's rows: every source of skies against real captures, by the judge's features and by figures of the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.judging.judge import Judge
from trainer.evaluation.judging.kernel_distance import (
    Index,
    SkyKernel,
    halves_distance,
    nearest_distances,
    resampled_distances,
)
from trainer.evaluation.judging.views import sky_views, thumbnail
from trainer.evaluation.looks.sky_figures import SkyFigures, sky_figures, summarise
from trainer.evaluation.skies.real_skies import RealSky
from trainer.evaluation.skies.sources import SkySource

THUMBNAIL_WIDTH = 384
"""Width of the pictures on the sheets."""

INTERVAL = (2.5, 97.5)
"""Percentiles of bootstrap intervals."""

VIEWS_COMPARED = 5
"""Views of a sky whose distances to the training views are compared: as many of every sky."""


@dataclass(frozen=True)
class SeenSky:
    """What is kept of a sky once it was looked at."""

    features: NDArray[np.float32]
    """(n, 1280) of its views."""
    figures: SkyFigures
    """Numbers of suns, range, seam and so on."""
    thumbnail: NDArray[np.uint8]
    """Panorama's picture for the sheets."""
    view: NDArray[np.uint8]
    """(128, 128, 3) one of its views, without buildings, for the blind sheet."""
    radiance: NDArray[np.float32]
    """Upper hemisphere shrunk by whole pixels to some 64 rows, to compare the same sky of two sources."""


@dataclass(frozen=True)
class SourceFigures:
    """One row of the table."""

    name: str
    words: str
    skies: int
    """Number of skies."""
    kid: float
    """KID x 1000 to all real open skies, those of training sites among them."""
    kid_interval: tuple[float, float]
    """Bootstrap interval over skies, real and generated."""
    kid_held_out: float | None
    """The same to the sites that training never sees; None where fewer than two are open, or have skies like them."""
    kid_held_out_interval: tuple[float, float] | None
    """Its bootstrap interval."""
    shipped_better: float | None
    """Share of resamples in which the shipped bundle is nearer to the real skies; None for itself."""
    shipped_better_held_out: float | None
    """The same for the held-out sites."""
    training_distance: float | None
    """Median distance of its views to the nearest training view over the same for held-out real views: below 1 it
    is nearer to what was trained on than unseen real skies are. The procedural field, which has seen nothing, is the
    control. None without held-out sites."""
    training_distance_interval: tuple[float, float] | None
    """Bootstrap interval over held-out sites and skies."""
    change: float | None
    """Mean absolute difference of radiance to the shipped bundle's sky of the same request, relative to its mean."""
    figures: dict[str, float]
    """Summary of the skies' own figures."""


@dataclass(frozen=True)
class Comparison:
    """All rows and what they stand beside."""

    rows: tuple[SourceFigures, ...]
    floor: tuple[float, float, float]
    """KID x 1000 of random halves of the real sites to one another: mean, and 2.5th and 97.5th percentile."""
    floor_deviation: float
    """Standard deviation of the halves' distances."""
    held_out_to_training: float | None
    """KID x 1000 of the held-out sites to the others: how unlike the two sides of the split are."""
    real_files: int
    real_sites: int
    """Captures and sites with an unobstructed view."""
    held_out_sites: tuple[str, ...]
    """Sites that training never sees."""
    resamples: int
    """Bootstrap resamples."""


def look_at(
    panorama: NDArray[np.float32],
    judge: Judge,
    number: int,
    views: NDArray[np.float32] | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> SeenSky:
    """Features, figures and pictures of the panorama of a number.

    ``views`` if only some of its views count, ``seen`` (H, W) if only a part of it is sky.

    Raises
    ------
    ValueError
        If it is black above the horizon.
    """
    shown = sky_views(panorama) if views is None else views
    chosen = shown[int(np.random.default_rng([11, number]).integers(len(shown)))]
    height, width = panorama.shape[:2]
    rows, columns = max(1, height // 128), max(1, width // 256)
    upper = panorama[: height // 2]
    upper = upper[: len(upper) // rows * rows, : width // columns * columns]
    shrunk = upper.reshape(len(upper) // rows, rows, -1, columns, 3).mean(axis=(1, 3))
    return SeenSky(
        judge.features(shown),
        sky_figures(panorama, seen),
        thumbnail(panorama, THUMBNAIL_WIDTH),
        np.asarray(np.round(chosen * 255), dtype=np.uint8),
        shrunk,
    )


def compare(
    real: Sequence[RealSky],
    seen_real: Sequence[SeenSky],
    sources: Sequence[SkySource],
    seen: dict[str, list[SeenSky]],
    *,
    shipped: str,
    like_sites: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """The table.

    Parameters
    ----------
    real, seen_real : sequences of equal length
        Captures with at least one view.
    sources, seen : sequence of SkySource, and what was seen of each by name
    shipped : str
        Name of the source that all others are compared with.
    like_sites : bool
        Whether the shipped bundle's skies are labelled with the sites that they were asked to be like; then those like
        held-out sites alone are compared with these, and resampling draws sites. So it is with other sources of the
        same labels.
    resamples : int
        Bootstrap resamples.
    seed : int
        Of resamples and halves.
    """
    rng = np.random.default_rng(seed)
    sites = sorted({sky.site for sky in real})
    by_site = {
        site: np.concatenate([s.features for sky, s in zip(real, seen_real, strict=True) if sky.site == site])
        for site in sites
    }
    held_out = tuple(sorted({sky.site for sky in real if sky.held_out}))
    groups = [by_site[site] for site in sites]
    index: dict[str, Index] = {}
    for source in sources:
        index[source.name] = np.arange(len(groups), len(groups) + len(seen[source.name]))
        groups += [s.features for s in seen[source.name]]
    kernel = SkyKernel(groups)
    real_index: Index = np.arange(len(sites))
    held_index: Index = np.array([k for k, site in enumerate(sites) if site in held_out], dtype=np.int64)
    halves = halves_distance(kernel, real_index, resamples, rng)
    labels = next(source.labels for source in sources if source.name == shipped)
    kin = labels if like_sites and len(set(labels)) > 1 else None
    resampled = resampled_distances(kernel, real_index, index, resamples, rng, kin)
    like_held = np.array([label in held_out for label in labels]) if like_sites else np.ones(len(labels), dtype=bool)
    held_own = {source.name: index[source.name] for source in sources}
    held_own |= {s.name: index[s.name][like_held] for s in sources if s.labels == labels}
    like = [label for label, held in zip(labels, like_held, strict=True) if held]
    enough = len(held_index) > 1 and len(set(like)) > 1
    kin = like if like_sites else None
    held = resampled_distances(kernel, held_index, held_own, resamples, rng, kin) if enough else None
    known_index: Index = np.array([k for k, site in enumerate(sites) if site not in held_out], dtype=np.int64)
    known = [by_site[site] for site in sites if site not in held_out]
    nearest = {}
    if held_out and known:
        training = np.concatenate(known)
        unseen = [nearest_distances(by_site[site], training) for site in held_out]
        nearest = {
            name: _distance_ratio([nearest_distances(s.features, training) for s in own], unseen, resamples, rng)
            for name, own in seen.items()
        }
    rows = []
    for source in sources:
        own = seen[source.name]
        other = source.name != shipped
        ratio = nearest.get(source.name)
        rows.append(
            SourceFigures(
                source.name,
                source.words,
                len(own),
                kernel.distance(real_index, index[source.name]),
                _interval(resampled[source.name]),
                None if held is None else kernel.distance(held_index, held_own[source.name]),
                None if held is None else _interval(held[source.name]),
                float((resampled[shipped] < resampled[source.name]).mean()) if other else None,
                float((held[shipped] < held[source.name]).mean()) if other and held is not None else None,
                None if ratio is None else ratio[0],
                None if ratio is None else (ratio[1], ratio[2]),
                _change(sources, seen, shipped, source),
                summarise([s.figures for s in own]),
            )
        )
    both = len(held_index) > 1 and len(known_index) > 1
    return Comparison(
        tuple(rows),
        (float(halves.mean()), *_interval(halves)),
        float(halves.std()),
        kernel.distance(held_index, known_index) if both else None,
        len(real),
        len(sites),
        held_out,
        resamples,
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, INTERVAL)
    return float(low), float(high)


def _distance_ratio(
    generated: Sequence[NDArray[np.float64]],
    held_out: Sequence[NDArray[np.float64]],
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Median distance to training of generated views over held-out ones', and its interval over skies and sites.

    Of every sky or site as many views count, drawn with repetition where it has fewer.
    """

    def drawn(skies: Sequence[NDArray[np.float64]]) -> float:
        chosen = rng.integers(0, len(skies), len(skies))
        return float(np.median([rng.choice(skies[k], VIEWS_COMPARED) for k in chosen]))

    ratios = np.array([drawn(generated) / max(drawn(held_out), 1e-9) for _ in range(resamples)])
    return (float(np.median(ratios)), *_interval(ratios))


def _change(
    sources: Sequence[SkySource], seen: dict[str, list[SeenSky]], shipped: str, source: SkySource
) -> float | None:
    """Mean change against the shipped bundle, of sources with the same labels: they draw the same requests."""
    whole = next(s for s in sources if s.name == shipped)
    if source.name == shipped or source.labels != whole.labels:
        return None
    pairs = zip(seen[shipped], seen[source.name], strict=True)
    return float(np.mean([np.abs(a.radiance - b.radiance).mean() / a.radiance.mean() for a, b in pairs]))
