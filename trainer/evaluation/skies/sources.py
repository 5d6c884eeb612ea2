"""Where skies come from: a bundle whole or with a part put out of action, the simulator, the system of 2021.

Every sky of a source has a number and is a pure function of what its key describes, so drawn skies are
kept and an evaluation that is run again draws only what is new. Bundles and their ablations draw the
same requests, so that they can be compared sky by sky.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.engine_identity import engine_identity
from skygen_addon.core.geometry import disc_position, panorama_directions
from skygen_addon.core.presets import load_preset, preset_names
from skygen_addon.core.request import NEUTRAL_WHITE_K, SkyRequest
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.frame.frame import FrameRenderer
from trainer.evaluation.judging.views import PANORAMA_ROWS
from trainer.simulate.marcher import SUBSTEPS, Marcher
from trainer.simulate.volume_states import draw_state

WIDTH = 2 * PANORAMA_ROWS
"""Panoramas are drawn at the size at which they are judged."""

SIMULATED_DISC, SIMULATED_WINDOW = 512, 256
"""Pixels of a marched disc, and texels of its field's windows."""

SIMULATED_SERIES = 5
"""Series of the simulator's states; training draws from series 1 unless it is told otherwise."""

Panorama = NDArray[np.float32]
"""(H, 2 H, 3) linear radiance."""


@dataclass(frozen=True)
class SkySource:
    """A numbered series of panoramas."""

    name: str
    """Short name, in tables and as folder."""
    words: str
    """What it is."""
    keys: tuple[str, ...]
    """What each sky depends on."""
    draw: Callable[[int], Panorama]
    """Sky of a number."""
    labels: tuple[str, ...]
    """What each sky is called on the labelled sheet."""
    release: Callable[[], None] = lambda: None
    """Gives back what drawing holds, a gigabyte for a bundle; drawing again makes it anew."""

    def sky(self, number: int, folder: Path) -> Panorama:
        """The sky of a number: read from ``folder`` if it was drawn before, else drawn and kept there.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        digest = hashlib.sha256(self.keys[number].encode()).hexdigest()
        path = folder / f"{digest[:32]}.npy"
        if path.is_file():
            kept: Panorama = np.load(path)
            return kept
        panorama = np.asarray(self.draw(number), dtype=np.float32)
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, panorama)
        return panorama


def preset_requests(count: int) -> list[tuple[str, SkyRequest]]:
    """Preset and request of ``count`` skies: the shipped presets in turn, each with another seed, hour and azimuth."""
    names = preset_names()
    requests = []
    for number in range(count):
        name = names[number % len(names)]
        turned = float(np.random.default_rng([7, number]).uniform(0, 360))
        controls = replace(
            load_preset(name).controls,
            sun_azimuth_deg=turned,
            white_balance_k=NEUTRAL_WHITE_K,  # captures are calibrated to the neutral sky, too
            white_balance_tint=0.0,
        )
        hour = 1 + number // len(names)
        (request,) = requests_for_frames(
            lambda _, c=controls: c,  # type: ignore[misc]
            [1],
            fps=24.0,
            seed=1000 + number,
            width=WIDTH,
            time_offset_s=3600.0 * hour,
        )
        requests.append((name, request))
    return requests


def bundle_source(
    name: str,
    words: str,
    bundle: Path,
    requests: Sequence[tuple[str, SkyRequest]],
    *,
    correction: bool = True,
    detail: bool = True,
) -> SkySource:
    """Skies of a bundle, without its learned correction or the detail octaves where those are False."""
    identity = load_bundle(bundle).identity
    parts = {"engine": engine_identity(), "bundle": identity, "correction": correction, "detail": detail}

    @cache
    def renderer() -> FrameRenderer:
        return FrameRenderer(bundle, correction=correction, detail=detail)

    return SkySource(
        name,
        words,
        tuple(_key(parts, request.to_dict()) for _, request in requests),
        lambda number: renderer().render(requests[number][1]),
        tuple(preset for preset, _ in requests),
        renderer.cache_clear,
    )


def steady(requests: Sequence[tuple[str, SkyRequest]]) -> list[tuple[str, SkyRequest]]:
    """The same requests without weather."""
    return [(preset, replace(request, weather_strength=0.0)) for preset, request in requests]


def evolving(requests: Sequence[tuple[str, SkyRequest]]) -> list[tuple[str, SkyRequest]]:
    """The same requests with weather at full strength."""
    return [(preset, replace(request, weather_strength=1.0)) for preset, request in requests]


def simulator_source(count: int) -> SkySource:
    """Skies of broad weather through the fast marcher: procedural clouds, no correction, no detail, no sun's disc."""
    parts = {"engine": engine_identity(), "disc": SIMULATED_DISC, "window": SIMULATED_WINDOW, "substeps": SUBSTEPS}
    states = [draw_state(SIMULATED_SERIES, number) for number in range(count)]

    @cache
    def marcher() -> Marcher:
        return Marcher(SIMULATED_WINDOW)

    return SkySource(
        "simulator",
        "marched skies of drawn weather, without the sun's disc",
        tuple(_key(parts, {**state.request.to_dict(), "grain": state.grain}) for state in states),
        lambda number: panorama_of_disc(marcher().march(states[number], SIMULATED_DISC).radiance, WIDTH),
        tuple("simulated" for _ in states),
        marcher.cache_clear,
    )


def stored_source(name: str, words: str, panoramas: Sequence[Panorama] | Panorama, key: str) -> SkySource:
    """Skies that are there already, such as samples of a network; ``key`` says which network."""
    return SkySource(
        name,
        words,
        tuple(f"{key} {number}" for number in range(len(panoramas))),
        lambda number: panoramas[number],
        tuple(name for _ in panoramas),
    )


def panorama_of_disc(disc: NDArray[np.float32], width: int) -> Panorama:
    """Panorama (width / 2, width, 3) of a sky disc (N, N, 3), row 0 north; the ground repeats the horizon.

    Bilinear; below the horizon there is nothing on a disc that a view of the sky could show.
    """
    size = disc.shape[0]
    d = panorama_directions(width).astype(np.float64)
    d[..., 2] = np.maximum(d[..., 2], 0.0)
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    place = disc_position(d)
    row, column = (1 - place[..., 1]) / 2 * size - 0.5, (1 + place[..., 0]) / 2 * size - 0.5
    channels = [ndimage.map_coordinates(disc[..., c], [row, column], order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _key(*parts: dict[str, Any]) -> str:
    return json.dumps(parts, sort_keys=True)
