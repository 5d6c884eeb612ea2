"""A bundle that can be described but not run, and a renderer that needs none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from skygen_addon.core.bundle import Bundle, load_bundle
from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.request import SkyRequest

DESCRIPTION = {
    "schema": 1,
    "name": "test",
    "lattice": {
        "window": 64, "levels": 2, "factor": 4, "texel_km": 0.02, "condition_size": 4, "condition_cell_texels": 32,
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
