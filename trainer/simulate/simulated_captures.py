"""Simulated captures and sequences: marched skies in the format in which ``ingest`` keeps real ones.

They lie in a folder of their own, ``DATA/simulated_captures``, with its own ``manifest.jsonl``,
``items/``, ``discs-*.npz`` and ``planes-*.npz`` (:mod:`trainer.captures.shards`), so that nothing
takes them for real ones unless it is told to. What differs from a real capture:

- ``sha256`` is that of the description from which the sky is drawn, not of a file;
- sun, haze and clouds are known: ``sun`` is given also where clouds hide it, ``state`` holds the whole
  request and ``sun_transmittance``, opacity and depth are those of the volume, up to TAU_MAX;
- each state is a ``site`` of its own; the frames of a sequence share it and have ``frame`` and ``time_s``;
- ``state`` also holds what a site is drawn with: ``drawn_by``, ``window`` and ``step_s``, alike for all of its lines.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.engine_identity import ENGINE_VERSION
from skygen_addon.core.geometry import disc_directions
from skygen_addon.core.measuring.calibration import Calibration
from skygen_addon.core.measuring.cloud_opacity import TAU_MAX, CloudEstimate
from skygen_addon.core.measuring.measure import Measurement, remove_sun
from skygen_addon.core.measuring.sky_state import cloud_cover, mean_opacity
from skygen_addon.core.measuring.sun_position import SunPosition
from skygen_addon.core.measuring.verdict import SkyEvidence
from trainer.captures.items import blank_finding, item_path, read_item, save_arrays, write_item
from trainer.captures.manifest import Capture
from trainer.captures.origins import Origin
from trainer.captures.training_maps import plane_maps

from .marcher import SUBSTEPS, MarchedSky, Marcher
from .moving_states import draw_motion, states_at
from .volume_states import SkyState, draw_state

FORMAT = 2
"""Raised when the same description gives another sky, so that older items are drawn again."""
CAPTURE_STREAM, SEQUENCE_STREAM = 1_000_000, 2_000_000
"""First index of captures and of sequences in the series of states, apart from those of ``--frames``."""
ORIGIN = ("simulated, no capture", "SkyGen simulator")
"""Licence and source in the manifest."""
SEEN_SUN = 1e-3
"""Transmittance of the clouds from which on the sun's surroundings are in-painted, as where ingest finds a sun."""
OVERCAST_OPACITY = 0.98
"""Mean opacity above 15 degrees from which on a sky counts as overcast."""


@dataclass(frozen=True)
class SimulatedCapture:
    """One sky to draw."""

    file: str
    """Name in the manifest."""
    site: str
    """Frames of one sequence share it."""
    state: SkyState
    """What is drawn, with the sun in the north."""
    frame: int
    """Number within the sequence, from 0; 0 for a single capture."""
    time_s: float
    """Sky time since frame 0."""
    disc: int
    """Pixels along the side of the disc."""
    window: int
    """Texels of the field's windows."""
    step_s: float | None
    """Sky seconds between two frames of its sequence; None for a single capture."""

    @property
    def sha256(self) -> str:
        """Of everything that the item depends on: pixels and finding."""
        description = {
            **drawn_by(),
            "frame": self.frame,
            "step_s": self.step_s,
            "request": self.state.request.to_dict(),
            "grain": self.state.grain,
            "disc": self.disc,
            "window": self.window,
            "substeps": SUBSTEPS,
        }
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def drawn_by() -> dict[str, int]:
    """What raises when the same request gives another sky: format and engine."""
    return {"format": FORMAT, "engine": ENGINE_VERSION}


def plan_captures(
    captures: int, sequences: int, frames: int, step_s: float, *, seed: int, disc: int, window: int
) -> list[SimulatedCapture]:
    """Captures, then sequences of ``frames`` frames of ``step_s`` sky seconds; each depends on its number alone."""
    plan = []
    for kind, count, length, stream in (
        ("capture", captures, 1, CAPTURE_STREAM),
        ("sequence", sequences, frames, SEQUENCE_STREAM),
    ):
        for number in range(count):
            index = stream + number
            state = draw_state(seed, index)
            controls = draw_motion(state, seed, index)
            site = f"simulated_{seed}_{kind}_{number:05d}"
            for frame, moment in enumerate(states_at(state, controls, range(length), step_s)):
                file = site if kind == "capture" else f"{site}/frame_{frame:04d}"
                step = None if kind == "capture" else step_s
                plan.append(SimulatedCapture(file, site, moment, frame, moment.request.time_s, disc, window, step))
    return plan


def draw_capture(folder: Path, capture: SimulatedCapture, marcher: Marcher) -> None:
    """Draw one sky and store it as an item of ``folder``, maps first, whole or not at all."""
    sky = marcher.march(capture.state, capture.disc)
    measured = as_measured(sky, capture.state)
    assert measured.clouds is not None
    radiance = measured.disc
    if measured.sun is not None and sky.sun_transmittance > SEEN_SUN:
        radiance = remove_sun(radiance, measured.sun)
    sha256 = capture.sha256
    # nothing is a duplicate here: frames are alike on purpose, so a fingerprint only tells skies apart
    own = np.random.default_rng(int(sha256[:16], 16)).integers(-127, 128, (12, 24), dtype=np.int8)
    arrays: dict[str, Any] = {
        "fingerprint": own,
        "thumbnail": radiance[::2, ::2].astype(np.float16),
        "thumbnail_sky": measured.sky[::2, ::2],
        "radiance": radiance,
        "valid": measured.sky.astype(np.uint8),
        "alpha": measured.clouds.alpha[::2, ::2].astype(np.float16),
        "alpha_valid": measured.clouds.valid[::2, ::2],
    }
    for texel, maps in plane_maps(measured).items():
        arrays[f"plane_{texel}m"] = maps
    save_arrays(item_path(folder, sha256), arrays)
    write_item(folder, sha256, _finding(capture, sky, measured))


def as_measured(sky: MarchedSky, state: SkyState) -> Measurement:
    """A marched sky as if it had been measured without error; ``sun`` is None with the sun below the horizon."""
    size = sky.radiance.shape[0]
    up = disc_directions(size)[..., 2]
    above = up > 0
    depth = sky.view_depth
    clouds = CloudEstimate(
        alpha=1 - np.exp(-depth),
        tau_vertical=np.clip(depth * np.maximum(up, 0), 0, TAU_MAX),
        valid=above,
        overcast=False,
        s_clear=np.zeros((size, size), dtype=np.float32),
        s_cloud=0.0,
    )
    elevation_rad = state.request.sun_elevation_rad
    sun = SunPosition(0.0, elevation_rad, math.inf, math.inf, False) if elevation_rad > 0 else None
    evidence = SkyEvidence(1.0, 1.0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    known = Calibration(1.0, (1.0, 1.0, 1.0), "simulation", state.request.haze, 0.0)
    return Measurement(sun, sky.radiance, above, evidence, None, clouds, known)


def _finding(capture: SimulatedCapture, sky: MarchedSky, measured: Measurement) -> dict[str, Any]:
    """What ingest would have found, and what only a simulation knows."""
    request = capture.state.request
    assert measured.clouds is not None
    cover, opacity = cloud_cover(measured.clouds), mean_opacity(measured.clouds)
    assert cover is not None and opacity is not None  # all of the sky is seen
    found = blank_finding()
    found.update(
        width=capture.disc,
        height=capture.disc,
        flags=["simulated"],
        sun={"azimuth_deg": 0.0, "elevation_deg": round(math.degrees(request.sun_elevation_rad), 3)},
        has_maps=True,
        state={
            "sky_share": 1.0,
            "cover": round(cover, 4),
            "opacity": round(opacity, 4),
            "overcast": opacity > OVERCAST_OPACITY,
            "scale": 1.0,
            "balance": [1.0, 1.0, 1.0],
            "calibrated_by": "simulation",
            "haze": request.haze,
            "sun_transmittance": float(f"{sky.sun_transmittance:.4g}"),
            "frame": capture.frame,
            "time_s": capture.time_s,
            "step_s": capture.step_s,
            "window": capture.window,
            "drawn_by": drawn_by(),
            "grain": capture.state.grain,
            "request": request.to_dict(),
        },
    )
    return found


def finished(folder: Path, plan: Sequence[SimulatedCapture]) -> list[Capture]:
    """Those of the plan that lie in the folder, as the captures module knows them."""
    done = []
    for capture in plan:
        found = read_item(folder, capture.sha256, maps_wanted=True)
        if found is not None:
            done.append(Capture(capture.file, capture.sha256, Origin(capture.site, *ORIGIN), found))
    return done
