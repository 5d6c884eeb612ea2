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

NEAR_PERCENTILE = 5.0
"""A generated view is near a training view if it is nearer than all but this share of held-out real views."""


@dataclass(frozen=True)
class SeenSky:
    """What is kept of a sky once it was looked at."""

    features: NDArray[np.float32]
    """(n, 1280) of its views."""
    figures: SkyFigures
    """Numbers of suns, range, seam and so on."""
    thumbnail: NDArray[np.uint8]
    """Picture for the sheets."""
    radiance: NDArray[np.float32]
    """(64, 256, 3) upper hemisphere, shrunk, to compare the same sky of two sources."""


@dataclass(frozen=True)
class SourceFigures:
    """One row of the table."""

    name: str
    words: str
    skies: int
    """Number of skies."""
    kid: float
    """KID x 1000 to all real open skies."""
    kid_interval: tuple[float, float]
    """Bootstrap interval over skies, real and generated."""
    kid_held_out: float | None
    """The same to the sites that training never sees; None where fewer than two are open."""
    shipped_better: float | None
    """Share of resamples in which the shipped bundle is nearer to the real skies; None for itself and for reals."""
    near_training: float | None
    """Share of its views that are as near to a training view as only 5 % of held-out real views are; about 0.05
    says that nothing was learned by heart. None without held-out sites."""
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
    real_files: int
    real_sites: int
    """Captures and sites with an unobstructed view."""
    held_out_sites: tuple[str, ...]
    """Sites that training never sees."""
    resamples: int
    """Bootstrap resamples."""


def look_at(panorama: NDArray[np.float32], judge: Judge, views: NDArray[np.float32] | None = None) -> SeenSky:
    """Features, figures and thumbnail of a panorama; ``views`` if only some of its views count."""
    shown = sky_views(panorama) if views is None else views
    height, width = panorama.shape[:2]
    rows, columns = max(1, height // 128), max(1, width // 256)
    upper = panorama[: height // 2]
    upper = upper[: len(upper) // rows * rows, : width // columns * columns]
    shrunk = upper.reshape(len(upper) // rows, rows, -1, columns, 3).mean(axis=(1, 3))
    return SeenSky(judge.features(shown), sky_figures(panorama), thumbnail(panorama, THUMBNAIL_WIDTH), shrunk)


def compare(
    real: Sequence[RealSky],
    seen_real: Sequence[SeenSky],
    sources: Sequence[SkySource],
    seen: dict[str, list[SeenSky]],
    *,
    shipped: str,
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
    resampled = resampled_distances(kernel, real_index, index, resamples, rng)
    known = [by_site[site] for site in sites if site not in held_out]
    rows = []
    for source in sources:
        own = seen[source.name]
        low, high = np.percentile(resampled[source.name], INTERVAL)
        better = None
        if source.name != shipped:
            better = float((resampled[shipped] < resampled[source.name]).mean())
        near = None
        if len(held_index) and known:
            near = _near_training(
                np.concatenate([s.features for s in own]),
                np.concatenate([by_site[site] for site in held_out]),
                np.concatenate(known),
            )
        rows.append(
            SourceFigures(
                source.name,
                source.words,
                len(own),
                kernel.distance(real_index, index[source.name]),
                (float(low), float(high)),
                kernel.distance(held_index, index[source.name]) if len(held_index) > 1 else None,
                better,
                near,
                _change(sources, seen, shipped, source),
                summarise([s.figures for s in own]),
            )
        )
    low, high = np.percentile(halves, INTERVAL)
    return Comparison(
        tuple(rows),
        (float(halves.mean()), float(low), float(high)),
        float(halves.std()),
        len(real),
        len(sites),
        held_out,
        resamples,
    )


def _near_training(
    generated: NDArray[np.float32], held_out: NDArray[np.float32], training: NDArray[np.float32]
) -> float:
    near = float(np.percentile(nearest_distances(held_out, training), NEAR_PERCENTILE))
    return float((nearest_distances(generated, training) < near).mean())


def _change(
    sources: Sequence[SkySource], seen: dict[str, list[SeenSky]], shipped: str, source: SkySource
) -> float | None:
    """Mean change against the shipped bundle, of sources with the same labels: they draw the same requests."""
    whole = next(s for s in sources if s.name == shipped)
    if source.name == shipped or source.labels != whole.labels:
        return None
    pairs = zip(seen[shipped], seen[source.name], strict=True)
    return float(np.mean([np.abs(a.radiance - b.radiance).mean() / a.radiance.mean() for a, b in pairs]))
