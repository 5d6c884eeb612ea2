"""Requests for skies like the captures: what ``match`` reads from each, so that the mix of skies is theirs.

Presets are an artist's choice, captures are what photographers found: half of them nearly clear. A distance between
the two sets measures that choice too. Skies that are asked for like the captures leave it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.controls import SkyControls, controls_from_dict
from skygen_addon.core.engine_identity import engine_identity
from skygen_addon.core.errors import CaptureError
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.match.match import match
from trainer.evaluation.skies.real_skies import RealSky

FIRST_SEED = 3000
"""Seeds of these skies: other ones than those of the presets."""


def requests_like_captures(
    skies: Sequence[RealSky], bundle: Path, count: int, width: int, folder: Path
) -> list[tuple[str, SkyRequest]]:
    """Site and request of ``count`` skies: the sites in turn, each time with another seed and azimuth.

    Parameters
    ----------
    skies : sequence of RealSky
        Captures; of a site with several the first one counts.
    bundle : Path
        Bundle by which they are matched, half a minute or more each.
    count : int
        Number of requests.
    width : int
        Of the requests, pixels.
    folder : Path
        Keeps what was found; what is there is not matched again.

    Raises
    ------
    CaptureError
        If a capture cannot be matched.
    OutputError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first: dict[str, RealSky] = {}
    for sky in skies:
        first.setdefault(sky.site, sky)
    renderer: FrameRenderer | None = None
    controls: dict[str, SkyControls] = {}
    for site, sky in tqdm(sorted(first.items()), desc="match", unit="sky", disable=None):
        kept = folder / f"{_key(sky, bundle)}.json"
        if not kept.is_file():
            renderer = renderer or FrameRenderer(bundle)
            with whole_file(kept) as temporary:
                temporary.write_text(json.dumps(_matched(sky, renderer).to_dict()), encoding="utf-8")
        controls[site] = controls_from_dict(json.loads(kept.read_text(encoding="utf-8")), kept.name)
    requests = []
    sites = sorted(controls)
    for number in range(count):
        site = sites[number % len(sites)]
        turned = float(np.random.default_rng([13, number]).uniform(0, 360))
        asked = replace(controls[site], sun_azimuth_deg=turned)
        (request,) = requests_for_frames(
            lambda _, c=asked: c,  # type: ignore[misc]
            [1],
            fps=24.0,
            seed=FIRST_SEED + number,
            width=width,
        )
        requests.append((site, request))
    return requests


def _matched(sky: RealSky, renderer: FrameRenderer) -> SkyControls:
    try:
        return match(Panorama(sky.panorama, ()), renderer, anyway=True).controls
    except CaptureError as error:
        raise CaptureError(f"{sky.file}: {error}", "Reject it: python -m trainer curate --reject.") from error


def _key(sky: RealSky, bundle: Path) -> str:
    made = f"{engine_identity()} {load_bundle(bundle).identity} "
    return hashlib.sha256(made.encode() + sky.panorama.tobytes()).hexdigest()[:32]
