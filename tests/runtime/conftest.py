"""A bundle that can be described but not run, a renderer that needs none, and the shipped bundle's renderer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skygen_addon.core.bundle import Bundle, installed_bundle, load_bundle
from skygen_addon.core.geometry import FloatArray, direction_from_angles, panorama_directions
from skygen_addon.core.loop import loop_snap_km
from skygen_addon.core.presets import load_preset
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.runtime.frame.frame import FrameRenderer

DESCRIPTION = {
    "schema": 1,
    "name": "test",
    "graphs": dict.fromkeys(("field.onnx", "shade.onnx", "weather.onnx"), hashlib.sha256(b"").hexdigest()),
    "lattice": {
        "window": 64, "levels": 3, "factor": 4, "texel_km": 0.02, "condition_size": 4, "condition_cell_texels": 64,
        "noise": [{"name": "noise_0", "channels": 2, "size": 8, "cell_texels": 16}],
    },
    "weather": {"step_s": 600.0, "hidden": 8, "deviation": [1.0, 1.0, 1.0, 1.0], "warmup_steps": 20},
    "disc_size": 32, "training_manifest_sha256": "0" * 64, "licence": "GPL-3.0-or-later", "figures": {},
}  # fmt: skip


class LobeRenderer:
    """A glow around the sun, shifted in brightness by everything that changes with time."""

    def __init__(self, bundle_folder: Path, peak: float = 10.0) -> None:
        self.bundle: Bundle = load_bundle(bundle_folder)
        self.peak = peak
        self.rendered: list[SkyRequest] = []

    def render(self, request: SkyRequest) -> NDArray[np.float32]:
        """Linear radiance (H, W, 3)."""
        self.rendered.append(request)
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
        cosine = np.clip(panorama_directions(request.width) @ sun, 0, 1)[..., None]
        wave = 1 + 0.5 * np.sin(request.low.displacement_km[0] + request.seed)
        return (cosine**32 * self.peak + wave * np.array([0.2, 0.4, 0.9])).astype(np.float32)


@pytest.fixture
def bundle_folder(tmp_path: Path) -> Path:
    """A folder that load_bundle accepts."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(DESCRIPTION))
    for name in ("field.onnx", "shade.onnx", "weather.onnx", "MODEL_CARD.md"):
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def renderer(bundle_folder: Path) -> LobeRenderer:
    """A lobe renderer of that bundle; its ``peak`` may be changed."""
    return LobeRenderer(bundle_folder)


@pytest.fixture
def load(renderer: LobeRenderer) -> Callable[[Path, int | None], LobeRenderer]:
    """What loads a renderer, handing out that one."""
    return lambda folder, threads: renderer


@pytest.fixture(scope="session")
def shipped_bundle() -> Path:
    """Folder of the bundle that ships with the engine."""
    return installed_bundle()


@pytest.fixture(scope="session")
def sky_renderer(shipped_bundle: Path) -> FrameRenderer:
    """The shipped bundle's renderer on one thread."""
    return FrameRenderer(shipped_bundle, 1)


@pytest.fixture(scope="session")
def sky(sky_renderer: FrameRenderer) -> Callable[[SkyRequest], FloatArray]:
    """Panorama of a request; a request that several tests share is rendered once and must not be written to."""

    @lru_cache(maxsize=24)
    def render(request: SkyRequest) -> FloatArray:
        panorama = sky_renderer.render(request)
        panorama.setflags(write=False)
        return panorama

    return render


@pytest.fixture(scope="session")
def preset_requests(sky_renderer: FrameRenderer) -> Callable[..., list[SkyRequest]]:
    """Requests of a preset at 24 frames per second; ``changes`` replace controls, dictionaries those of a layer."""

    def requests(
        name: str, frames: list[int], width: int, *, seed: int = 3, loop_frames: int | None = None, **changes: Any
    ) -> list[SkyRequest]:
        controls = load_preset(name).controls
        for key, value in changes.items():
            new = replace(getattr(controls, key), **value) if isinstance(value, dict) else value
            controls = replace(controls, **{key: new})
        snap = None if loop_frames is None else loop_snap_km(sky_renderer.bundle.lattice, controls)
        return requests_for_frames(
            lambda frame: controls, frames, fps=24, seed=seed, width=width, loop_frames=loop_frames, loop_snap_km=snap
        )

    return requests
