"""Many different captures out of a few: turned, mirrored, exposed, tinted and relit copies of panoramas.

Turns, mirroring, exposure and tint alone would make duplicates. So each copy is also multiplied by a random smooth
pattern over the sphere, in features of 10 to 60 degrees, as strong as clouds' shading, and by noise of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import panorama_directions
from skygen_addon.core.measuring.sampling import shrink_panorama
from skygen_addon.runtime.exr import write_exr
from skygen_addon.runtime.panoramas.panorama_file import SUFFIXES, read_panorama
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture

WAVES = 16
"""Plane waves of which the pattern is the sum."""
WAVE_NUMBERS = (3.0, 18.0)
"""Least and largest, in radians a radian: half a wave is 60 to 10 degrees."""
STRENGTH = 0.45
"""Standard deviation of the pattern, in the natural logarithm of radiance."""
GRAIN = 0.01
"""The same of the noise of pixels."""
MOST_EV = 3.0
TINT = 0.05


def load_bases(folder: Path, width: int) -> list[NDArray[np.float32]]:
    """Panoramas (width / 2, width, 3) of a folder, by name, averaged down; those that cannot be read are left out."""
    bases = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
        try:
            bases.append(shrink_panorama(read_panorama(path).radiance, width))
        except RejectedCapture:
            continue
    return bases


def vary(base: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Another capture (H, W, 3) out of a panorama, the same for the same seed."""
    rng = np.random.default_rng(seed)
    height, width = base.shape[:2]
    turned = np.roll(base, rng.integers(width), axis=1)
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    heading = rng.normal(size=(WAVES, 3))
    waves = heading / np.linalg.norm(heading, axis=1, keepdims=True) * rng.uniform(*WAVE_NUMBERS, (WAVES, 1))
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    pattern = np.cos(panorama_directions(width) @ waves.T + phase).sum(axis=-1) * np.sqrt(2 / WAVES)  # (H, W)
    log_gain = STRENGTH * pattern + GRAIN * rng.normal(size=(height, width))
    gain = 2.0 ** rng.uniform(-MOST_EV, MOST_EV) * np.exp(log_gain)[..., None] * rng.uniform(1 - TINT, 1 + TINT, 3)
    return np.ascontiguousarray(turned * gain, dtype=np.float32)


def write_captures(
    bases: Sequence[NDArray[np.float32]], folder: Path, count: int, begin: int = 0, whole_every: int = 1
) -> None:
    """Write captures ``begin`` to ``count`` - 1 as OpenEXR, a site each; the table of sites names all of them.

    With ``whole_every`` above 1 only every so-manieth is as wide as the panoramas; others have half of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(begin, count):
        base = bases[number // whole_every % len(bases)]
        if number % whole_every:
            base = shrink_panorama(base, base.shape[1] // 2)
        write_exr(folder / _name(number), vary(base, number))
    rows = [f"{_name(number)},site{number:05d},CC0-1.0,made" for number in range(count)]
    (folder / "CAPTURES.csv").write_text("\n".join(["file,site,licence,origin", *rows]) + "\n", encoding="utf-8")


def _name(number: int) -> str:
    return f"sky{number:05d}.exr"
