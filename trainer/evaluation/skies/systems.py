"""The sources that ``evaluate`` compares: the bundle, the bundle with one part put out of action, and others."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.errors import RequestError
from skygen_addon.core.request import SkyRequest
from trainer.evaluation.skies.sources import (
    SkySource,
    bundle_source,
    evolving,
    simulator_source,
    steady,
    stored_source,
)
from trainer.export import write_description
from trainer.networks.field_export import described_lattices, export_fields
from trainer.networks.procedural_field import FIELD_LATTICE, ProceduralField
from trainer.training.dense_2021_samples import linear_panoramas, sample_panoramas

SHIPPED = "shipped"
"""The source that all others are compared with."""

SOURCES = (
    SHIPPED,
    "procedural_field",
    "correction_off",
    "detail_off",
    "weather_evolving",
    "weather_steady",
    "simulator",
    "dense_2021",
)
"""Every source by name, in the order of the table."""

DENSE_SEED = 20210
"""Of the samples of the system of 2021."""


def all_sources(
    bundle: Path,
    requests: Sequence[tuple[str, SkyRequest]],
    only: Sequence[str] | None,
    dense: Path | None,
    scratch: Path,
) -> list[SkySource]:
    """The shipped bundle first, then the other sources that were asked for, by default all.

    Parameters
    ----------
    bundle : Path
        Bundle folder.
    requests : sequence of (str, SkyRequest)
        Labels and requests of the bundle's skies; other sources have as many.
    only : sequence of str, optional
        Names out of SOURCES.
    dense : Path, optional
        Run directory of ``train dense_2021``; without it the system of 2021 is left out.
    scratch : Path
        Folder for a copy of the bundle, needed as long as the sources are drawn.

    Raises
    ------
    RequestError
        If the system of 2021 is asked for by name without its run.
    """
    wanted = [name for name in SOURCES if name == SHIPPED or only is None or name in only]
    check_sources(only, dense)
    if dense is None and "dense_2021" in wanted:
        wanted.remove("dense_2021")
    count = len(requests)
    sources = []
    for name in wanted:
        if name == SHIPPED:
            sources.append(bundle_source(name, "the bundle as it is", bundle, requests))
        elif name == "procedural_field":
            other = with_procedural_field(bundle, scratch / name)
            sources.append(bundle_source(name, "the bundle with the procedural field", other, requests))
        elif name == "correction_off":
            words = "the bundle without the learned correction of cloud light"
            sources.append(bundle_source(name, words, bundle, requests, correction=False))
        elif name == "detail_off":
            words = "the bundle without detail finer than its texels"
            sources.append(bundle_source(name, words, bundle, requests, detail=False))
        elif name == "weather_evolving":
            sources.append(bundle_source(name, "weather at full strength in all presets", bundle, evolving(requests)))
        elif name == "weather_steady":
            sources.append(bundle_source(name, "no weather in any preset", bundle, steady(requests)))
        elif name == "simulator":
            sources.append(simulator_source(count))
        elif dense is not None:
            panoramas = linear_panoramas(sample_panoramas(dense, count, DENSE_SEED))
            key = hashlib.sha256(panoramas.tobytes()).hexdigest()
            sources.append(stored_source(name, "the dense GAN of 2021, 128 x 64 grey", panoramas, key))
    return sources


def check_sources(only: Sequence[str] | None, dense: Path | None) -> None:
    """Raise RequestError if the system of 2021 is asked for by name without its run."""
    if only is not None and "dense_2021" in only and dense is None:
        raise RequestError("dense_2021 needs its run.", "Name it with --dense RUN, or leave the source out.")


def with_procedural_field(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle whose field is the procedural one, all else equal.

    Raises
    ------
    RequestError
        If the bundle's field runs on another lattice.
    """
    shutil.copytree(bundle, folder)
    if load_bundle(bundle).lattice != FIELD_LATTICE:
        raise RequestError(f"The field of {bundle} has another lattice.", "Leave out procedural_field.")
    export_fields(ProceduralField(), folder)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    write_description(folder, described | described_lattices())
    return folder
