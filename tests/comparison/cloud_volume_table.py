"""Compare our path tracer with Cycles on one cloud volume: a table on the screen, and the pictures side by side.

    python3 -c 'import build; build.main_environment("trainer"); build.side_environment("bpy")'
    python3 -c 'import build; build.side_environment("bpy-5.0")'
    PYTHONPATH=. .venv/bin/python -m tests.comparison.cloud_volume_scene build/comparison
    .venv-bpy/bin/python tests/comparison/cloud_volume_cycles.py build/comparison 256 2
    .venv-bpy/bin/python tests/comparison/cloud_volume_cycles.py build/comparison 48 1
    .venv-bpy-5.0/bin/python tests/comparison/cloud_volume_cycles.py build/comparison 8 1
    PYTHONPATH=. .venv/bin/python -m tests.comparison.cloud_volume_table build/comparison

Half an hour on one thread. Our traces are kept in the folder, as ``cloud_volume_traced.npz``, each with
what it depends on; it is traced again when that differs. After a change of the tracer delete the file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.comparison.cloud_volume_scene import PIXELS, SUNS_DEG, VIEWS, heaps, trace_views
from trainer.simulate.cloud_volume import CloudVolume

Array = NDArray[np.float64]

LIGHTS = ("sun", "sky", "ground", "transmittance")
RENDERERS = {"4.5_2": "Cycles 4.5", "4.5_1": "4.5, half the step", "5.0_1": "Cycles 5.0"}
WAYS: dict[str, dict[str, int | bool]] = {
    "exact": {"exact_sun": True},
    "sun by table": {},
    "and similarity from order 24": {"sharp_orders": 24},
}
"""Options of our tracer: no approximation; the sun marched and tabulated; and as the simulator traces."""
PER_SIDE, BATCHES = 6, 6
"""Each trace has BATCHES * PER_SIDE**2 paths for each pixel."""
PATCHES = 3
"""Patches along a picture's side."""


def rendered(folder: Path, renderer: str, view: str, sun_deg: float) -> Array | None:
    """Cycles' sun, sky and ground scatter and transmittance (4, PIXELS, PIXELS); None if it was not rendered."""
    path = folder / f"cloud_volume_{renderer}_{view}_{sun_deg:g}.exr".replace(" ", "_")
    if not path.is_file():
        return None
    planes = np.moveaxis(OpenEXR.File(str(path)).channels()["RGBA"].pixels.astype(float), -1, 0)
    return np.concatenate([planes[:3], 1 - planes[3:]])


def traced(folder: Path) -> dict[tuple[str, str, float], Array]:
    """Ours (4, PIXELS, PIXELS) per way, view and sun; from the folder where the same was traced before."""
    path, found = folder / "cloud_volume_traced.npz", {}
    kept = dict(np.load(path)) if path.is_file() else {}
    for way, options in WAYS.items():
        for index, sun in enumerate(SUNS_DEG):
            name, volume = f"{way}/{sun:g}", heaps(sun)
            seeds = list(range(BATCHES * index, BATCHES * (index + 1)))
            numbers = traced_from(volume, options, seeds)
            if name not in kept or str(kept.get(f"{name}/from")) != numbers:
                batches = [trace_views(volume, list(VIEWS), PER_SIDE, seed, **options).double() for seed in seeds]
                kept[name] = torch.stack(batches).mean(0).numpy()
                kept[f"{name}/from"] = np.array(numbers)
                np.savez(path, **kept)
            found.update({(way, view, sun): planes for view, planes in zip(VIEWS, kept[name], strict=True)})
    return found


def traced_from(volume: CloudVolume, options: dict[str, int | bool], seeds: list[int]) -> str:
    """All that a trace depends on but the tracer itself, as text: two traces are the same when it is."""
    digest = hashlib.sha256()
    for part in (volume.atlas, volume.shell_km, volume.texel_km, volume.plane_matrix, volume.plane_offset_km):
        digest.update(part.contiguous().numpy().tobytes())
    sun = [float(value) for value in volume.sun_direction]
    numbers = {"options": options, "seeds": seeds, "per_side": PER_SIDE, "pixels": PIXELS, "views": VIEWS, "sun": sun}
    return json.dumps({**numbers, "volume": digest.hexdigest()}, sort_keys=True)


def patch_means(picture: Array) -> Array:
    """Means (PATCHES, PATCHES) of a picture (PIXELS, PIXELS)."""
    side = PIXELS // PATCHES
    return np.asarray(picture.reshape(PATCHES, side, PATCHES, side).mean((1, 3)))


def compared(theirs: Array, ours: Array) -> tuple[float, float, float]:
    """Ratio of the means, its standard error, and RMS of the patches' differences over the mean.

    The standard error follows from how much the pixels differ, so it holds both renderers' noise.
    """
    mean = ours.mean()
    error = float((theirs - ours).std() / PIXELS / mean)
    spread = np.sqrt(((patch_means(theirs) - patch_means(ours)) ** 2).mean()) / mean
    return float(theirs.mean() / mean), error, float(spread)


def print_tables(folder: Path, ours: dict[tuple[str, str, float], Array]) -> None:
    """Every renderer against our exact way under every light, and our own ways against the exact one under the sun."""
    for renderer, title in RENDERERS.items():
        print(f"\n{title} / ours: mean, +- standard error, RMS of {PATCHES} x {PATCHES} patches")
        for view in VIEWS:
            suns = {sun: rendered(folder, renderer, view, sun) for sun in SUNS_DEG}
            pairs = {sun: (theirs, ours["exact", view, sun]) for sun, theirs in suns.items() if theirs is not None}
            for sun, (theirs, own) in pairs.items():
                print_line(f"{view}, sun at {sun:g}", theirs[0], own[0])
            if pairs:
                theirs, own = (np.mean([pair[i] for pair in pairs.values()], axis=0) for i in (0, 1))
                for light in (1, 2, 3):
                    print_line(f"{view}, {LIGHTS[light]}", theirs[light], own[light])
    for way in list(WAYS)[1:]:
        print(f"\nours, {way} / ours, exact")
        for view in VIEWS:
            for sun in SUNS_DEG:
                print_line(f"{view}, sun at {sun:g}", ours[way, view, sun][0], ours["exact", view, sun][0])


def print_line(name: str, theirs: Array, own: Array) -> None:
    """One row of a table."""
    ratio, error, spread = compared(theirs, own)
    print(f"  {name:32} {own.mean():9.5f}   {ratio:6.3f} +- {error:.3f}   {100 * spread:5.1f} %")


def draw_pictures(folder: Path, ours: dict[tuple[str, str, float], Array]) -> None:
    """Sunlit views as cloud_volume.png: a row for each sun, a pair for each view, Cycles 4.5 left of ours."""
    rows = []
    for sun in SUNS_DEG:
        pairs = [(rendered(folder, "4.5_2", view, sun), ours["exact", view, sun]) for view in VIEWS]
        row = []
        for theirs, own in pairs:
            left = np.zeros_like(own) if theirs is None else theirs
            white = np.quantile(own[0], 0.98)
            row += [np.clip(picture[0] / white, 0, 1) ** (1 / 2.2) for picture in (left, own)]
        rows.append(np.concatenate(row, axis=1))
    display = (255 * np.concatenate(rows)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(display).save(folder / "cloud_volume.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("cloud_volume_table: one folder is needed, that of the renders", file=sys.stderr)
        sys.exit(2)
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    own_views = traced(target)
    print_tables(target, own_views)
    draw_pictures(target, own_views)
