"""How far merged brackets are from the light that was photographed: ``python -m tests.comparison.merge_truth FOLDER``.

Every panorama of the folder is photographed by simulated cameras (5 exposures, 2 EV apart, 8 bits, shot and read
noise), at rest, moved between the exposures, and with two discs that cross the view; then it is merged and compared.
With ``--jpeg 95 85`` the pictures are stored as JPEG of those qualities too, colour for every second pixel only.
Covered are pixels that some exposure shows with a code of 40 to 250 in that channel: a darker code is
off by more than 1 % by its rounding alone. One scale is fitted, as the result is relative; a scale for
each channel where the channels' curves differ, as no bracket can tell their balance.
"""

from __future__ import annotations

import argparse
import io
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.runtime.panoramas.panorama_file import SUFFIXES, read_panorama
from tests.comparison.simulated_camera import (
    CAMERAS,
    Curve,
    SimulatedCamera,
    bracket,
    bracket_exposures,
    move,
    shrink,
    synthetic_scene,
)
from trainer.captures.merging.camera_response import Response
from trainer.captures.merging.code_pairs import LEVELS
from trainer.captures.merging.exposure_merge import MergedStack, merge_stack
from trainer.captures.readers.picture_file import Picture

Plane = NDArray[np.float32]

COVERED_CODES = (40, 250)
FINER = 2
"""Pixels of the scene to one of the camera, across."""
HAND_HELD = ((-6.3, 3.2, 0.25), (4.6, -2.7, -0.2), (0.0, 0.0, 0.0), (11.4, 8.3, 0.4), (-17.5, -9.1, -0.5))
"""Shift right and down in pixels and rotation in degrees of each exposure."""
YAWS = (-7, 12, 0, 3, -21)
"""Turn of each exposure of a panorama, scene pixels."""


def true_log_light(curve: Curve) -> NDArray[np.float64]:
    """Natural logarithm of the light (256,) at which a curve gives each code of 8 bits."""
    light = np.geomspace(1e-7, 1.0, 400_001)
    return np.interp(np.arange(LEVELS) / (LEVELS - 1), curve(light), np.log(light))


def through_jpeg(pictures: Sequence[Picture], quality: int | None, subsampling: str = "4:2:0") -> list[Picture]:
    """Pictures as they come back from JPEG of a quality of 1..100; None leaves them as they are."""
    if quality is None:
        return list(pictures)
    stored = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture.values).save(file, "JPEG", quality=quality, subsampling=subsampling)
        stored.append(replace(picture, values=np.asarray(Image.open(file))))
    return stored


def response_error(found: Response, curves: Sequence[Curve]) -> tuple[float, float]:
    """Worst channel's error over covered codes, a scale fitted: of light against full scale, and rms of ln light."""
    assert found.log_light is not None
    of_light, of_log = [], []
    for channel, curve in enumerate(curves):
        low, high = found.covered[channel]
        codes = slice(max(low, 10), high + 1)  # below code 10 a curve of 8 bits is mostly rounding
        ours, true = found.log_light[codes, channel], true_log_light(curve)[codes]
        light, truth = np.exp(ours), np.exp(true)
        of_light.append(float(np.abs(light * (light @ truth) / (light @ light) - truth).max()))
        of_log.append(float(np.sqrt(np.mean((ours - true - np.mean(ours - true)) ** 2))))
    return max(of_light), max(of_log)


def covered(pictures: Sequence[Picture]) -> NDArray[np.bool_]:
    """Channels of pixels (H, W, 3) that some exposure shows well; for pictures at rest."""
    low, high = COVERED_CODES
    top = np.iinfo(pictures[0].values.dtype).max / 255
    seen = [(p.values >= low * top) & (p.values <= high * top) for p in pictures]
    return np.asarray(np.logical_or.reduce(seen))


def relative_error(
    merged: MergedStack, truth: Plane, where: NDArray[np.bool_], per_channel: bool = False
) -> NDArray[np.float64]:
    """Relative error of each channel of each pixel (N,) of ``where``, after the one scale that fits best."""
    ratio = merged.radiance.astype(np.float64) / np.maximum(truth, 1e-12)
    scale = [np.median(ratio[..., c][where[..., c]]) if per_channel else np.median(ratio[where]) for c in range(3)]
    return np.asarray(np.abs(ratio / np.array(scale) - 1)[where])


def with_discs(scene: Plane, frame: int) -> Plane:
    """The scene with a dark and a bright disc that walk between exposures."""
    height, width = scene.shape[:2]
    changed = scene.copy()
    bright = 3 * float(np.median(scene.mean(axis=-1)))
    for row, column, step, light in ((0.62, 0.2, 0.035, 0.1 * bright), (0.35, 0.75, -0.03, bright)):
        centre = (int((column + step * frame) * width), int(row * height))
        cv2.circle(changed, centre, int(height / 22), (light, 0.9 * light, 0.8 * light), -1, cv2.LINE_8)
    return changed


def swept(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a disc is in some exposure, (H, W)."""
    blank = np.ones((*shape, 3), dtype=np.float32)
    return np.asarray(np.logical_or.reduce([(with_discs(blank, k) != 1).any(axis=-1) for k in range(5)]))


def scenes_at(scene: Plane, motion: str) -> list[Plane]:
    """What each of 5 exposures sees of a scene rendered `FINER`."""
    if motion == "still":
        return [shrink(scene, FINER)] * 5
    if motion == "yaw":
        turned = [shrink(np.roll(scene, yaw, axis=1), FINER) for yaw in YAWS]
    elif motion == "hand-held":
        margin = scene.shape[0] // 16 * FINER
        view = (slice(margin, -margin), slice(3 * margin, -3 * margin))  # part of a scene that goes on; not 2:1
        turned = [shrink(move(scene, (FINER * x, FINER * y), angle)[view], FINER) for x, y, angle in HAND_HELD]
    else:
        turned = [with_discs(shrink(scene, FINER), k) for k in range(5)]
    return turned


def finer(radiance: Plane, width: int) -> Plane:
    """A panorama drawn `FINER` than a camera of some width sees it."""
    size = (width * FINER, width * FINER // 2)
    method = cv2.INTER_AREA if radiance.shape[1] >= size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(radiance, size, interpolation=method), dtype=np.float32)


def measured(
    scene: Plane, camera: str, motion: str, route: str = "debevec", quality: int | None = None
) -> dict[str, float | str]:
    """One line of the table; with a quality the pictures go through JPEG."""
    curves = CAMERAS[camera]
    seen = scenes_at(scene, motion)
    exposures = bracket_exposures(seen[2])
    pictures = through_jpeg(bracket(SimulatedCamera(curves), seen, exposures), quality)
    merged = merge_stack(pictures, route)
    truth = seen[[p.name for p in pictures].index(merged.notes["reference"])]
    where = covered(bracket(SimulatedCamera(curves), [truth] * 5, exposures))
    if motion == "hand-held":  # only what every exposure saw
        where[:40] = where[-40:] = where[:, :40] = where[:, -40:] = False
    error = relative_error(merged, truth, where, per_channel=camera == "per channel")
    line: dict[str, float | str] = {
        "covered": float(where.mean()),
        "median": float(np.median(error)),
        "p95": float(np.quantile(error, 0.95)),
        "p99": float(np.quantile(error, 0.99)),
        "shift": float(merged.notes["largest_shift_px"]),
        "ghosts": float(merged.notes["ghost_share"]),
        "flags": " ".join(merged.flags),
    }
    if motion == "ghost":
        inside = where & swept(truth.shape[:2])[..., None]
        error = relative_error(merged, truth, inside)
        line["swept p95"] = float(np.quantile(error, 0.95))
    return line


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="panoramas; without it a synthetic scene")
    parser.add_argument("--width", type=int, default=512, help="of the camera's panorama, pixels")
    parser.add_argument("--cameras", nargs="+", default=["srgb", "film"], choices=sorted(CAMERAS))
    parser.add_argument("--motions", nargs="+", default=["still", "yaw", "hand-held", "ghost"])
    parser.add_argument("--routes", nargs="+", default=["debevec", "robertson"])
    parser.add_argument("--jpeg", nargs="+", type=int, default=[], metavar="QUALITY", help="besides not compressed")
    options = parser.parse_args()
    scenes: dict[str, Path | None] = {"synthetic": None}
    if options.folder:
        scenes = {p.stem: p for p in sorted(options.folder.iterdir()) if p.suffix in SUFFIXES}
    print(
        f"{'scene':32} {'camera':11} {'motion':9} {'route':9} {'coded':8} covered  median  p95     p99     "
        "shift  ghosts  swept p95"
    )
    for name, path in scenes.items():
        radiance = synthetic_scene(options.width * FINER) if path is None else read_panorama(path).radiance
        scene = finer(radiance, options.width)
        for camera in options.cameras:
            for motion in options.motions:
                for route, quality in itertools.product(options.routes, [None, *options.jpeg]):
                    m = measured(scene, camera, motion, route, quality)
                    coded = "-" if quality is None else f"JPEG {quality}"
                    print(
                        f"{name[:32]:32} {camera:11} {motion:9} {route:9} {coded:8} {m['covered']:.3f}    "
                        f"{m['median']:.4f}  {m['p95']:.4f}  {m['p99']:.4f}  {m['shift']:5.1f}  {m['ghosts']:.4f}  "
                        f"{m.get('swept p95', '')!s:.6}  {m['flags']}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
