"""Small training data made up for tests: captured planes and simulated skies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.geometry import disc_directions
from skygen_addon.core.shade_features import shade_features
from trainer.simulate.generate import shard_path
from trainer.simulate.simulated_sky import SimulatedSky


def captured_planes(data: Path) -> Path:
    """A folder with a small table of captured planes: broken cloud at three sites."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {
        "site": np.array(["a", "b", "c"]),
        "base_km": np.float32(1.5),
        "sun_elevation_deg": np.full(3, 10, np.float32),
        "sun_azimuth_deg": np.zeros(3, np.float32),
    }
    for texel, size in ((25, 144), (100, 128), (400, 80)):
        maps = np.zeros((3, 3, size, size), np.float32)
        blocks = rng.random((3, size // 16 + 1, size // 16 + 1)) > 0.5
        maps[:, 0] = 4 * np.kron(blocks, np.ones((16, 16)))[:, :size, :size]
        maps[:, 1] = 1
        arrays[f"maps_{texel}m"] = maps
    np.savez(data / "planes-train-000.npz", **arrays)  # type: ignore[arg-type]
    return data


def toy_skies(folder: Path) -> None:
    """Skies whose reference is the formula times exp(0.5) on the sun's side, with noise."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    direction = disc_directions(64)
    for index in range(20):
        sun = rng.standard_normal(3)
        sun[2] = abs(sun[2])
        sun = (sun / np.linalg.norm(sun)).astype(np.float32)
        layer = rng.random((6, 1, 1)).astype(np.float32) * np.ones((6, 64, 64), np.float32)
        features = shade_features(direction, layer, layer, sun, np.ones((64, 64), np.float32))
        side = features[0, 4].reshape(16, 4, 16, 4).mean((1, 3)) > 0.3
        formula = np.ones((6, 16, 16), np.float32)
        noise = rng.gamma(4.0, 0.25, (6, 16, 16))
        sky = SimulatedSky(
            features=features[0].astype(np.float16),
            formula=formula,
            reference=(formula * np.exp(0.5 * side) * noise).astype(np.float32),
            opacity=np.ones((16, 16), np.float32),
            light=np.ones((6, 3), np.float32),
            state={"request": {"sun_elevation_rad": float(np.arcsin(sun[2]))}, "grain": 0.0},
        )
        sky.save(shard_path(folder, index))


@contextmanager
def killed_at(step: int, trainer_type: type[Any]) -> Iterator[None]:
    """Context in which a training is killed when it has done so many steps."""
    advance = trainer_type.advance

    class Killed(BaseException):
        pass

    def until_killed(trainer: Any) -> dict[str, float]:
        if trainer.step == step:
            raise Killed
        figures: dict[str, float] = advance(trainer)
        return figures

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainer_type, "advance", until_killed)
        yield
