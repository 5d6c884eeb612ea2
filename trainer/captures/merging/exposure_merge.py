"""One bracket of exposures to one linear radiance picture, and what the bracket could not cover.

Each exposure's light is averaged with weights of inverse variance (shot, read and quantisation noise), as in
Granados et al., "Optimal HDR reconstruction with linear digital cameras" (CVPR 2010). What disagrees with the
reference exposure by more than noise and resampling explain has moved and loses its weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from trainer.captures.merging.camera_response import Response, debevec_malik, linear_response, robertson
from trainer.captures.merging.code_pairs import flat_pixels, reduced_codes
from trainer.captures.merging.merge_rows import Frame, believed_codes, merge_rows
from trainer.captures.merging.motion import Motion, resample
from trainer.captures.merging.noise_model import NoiseModel, estimate_noise
from trainer.captures.merging.registration import register
from trainer.captures.readers.picture_file import Picture

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

ROUTES = {"debevec": debevec_malik, "robertson": robertson}
"""Ways to recover the response of display-encoded pictures."""
SAME_EXPOSURE = 1.05
"""Exposures closer than this ratio are one exposure."""
DARK_SHARE_FLAGGED = 1e-3
"""Share of black pixels in the longest exposure from which a stack is flagged ``dark_clipped``."""
GHOST_SHARE_FLAGGED = 1e-3
"""Share of pixels with an exposure left out from which a stack is flagged ``ghosts``."""

_TILE_ROWS, _MARGIN_ROWS = 256, 16


@dataclass(frozen=True)
class MergedStack:
    """A merged bracket."""

    radiance: NDArray[np.float32]
    """(H, W, 3) linear, relative: 1 is full scale of the reference exposure. Finite and non-negative.

    Where even the shortest exposure is clipped it is the least that the light can be.
    """
    flags: tuple[str, ...]
    """Of ``registered``, ``ghosts``, ``sun_clipped``, ``dark_clipped``."""
    notes: dict[str, Any]
    """What the stack covers and how it was merged; JSON-able."""


def _checked(pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures from short to long exposure, or a refusal."""
    if len(pictures) < 2:
        raise CaptureError("A stack of fewer than 2 exposures cannot be merged.", "Give the whole bracket.")
    names = ", ".join(p.name for p in pictures[:3])
    if len({p.values.shape for p in pictures}) > 1 or len({(p.linear, p.values.dtype) for p in pictures}) > 1:
        raise CaptureError(f"{names}: sizes or kinds differ within the stack.", "Export all exposures the same way.")
    missing = [p.name for p in pictures if p.exposure is None or not p.exposure > 0]
    if missing:
        raise CaptureError(
            f"{missing[0]}: its exposure is not known.", "Keep the EXIF data or name the files like view_ev-2.jpg."
        )
    ordered = sorted(pictures, key=lambda p: p.exposure or 0.0)
    exposures = [p.exposure or 0.0 for p in ordered]
    if exposures[-1] / exposures[0] < SAME_EXPOSURE:
        raise CaptureError(f"{names}: all have the same exposure.", "Take a bracket, 2 EV between exposures.")
    return ordered


def _reference(pictures: Sequence[Picture]) -> int:
    """The exposure with the most pixels that are well exposed in every channel."""
    shares = []
    for picture in pictures:
        top = np.iinfo(picture.values.dtype).max
        part = picture.values[::2, ::2]
        dim = 0.01 if picture.linear else 0.12
        well = (part < believed_codes(part, picture.linear)[0]) & (part > dim * top)
        shares.append(float(well.all(axis=-1).mean()))
    return int(np.argmax(shares))


def _sample_noise(frames: Sequence[Frame], response: Response, flat: Mask) -> NoiseModel:
    """Noise from up to a few hundred rows of the stack."""
    height = frames[0].values.shape[0]
    starts = np.unique(np.linspace(0, max(0, height - 32), 12).astype(int))
    lights: list[list[Plane]] = [[] for _ in frames]
    usable: list[list[Mask]] = [[] for _ in frames]
    for start in starts:
        rows = slice(int(start), min(int(start) + 32, height))
        for k, frame in enumerate(frames):
            light, good, _, _ = frame.rows(rows, response)
            lights[k].append(light[..., 1].ravel())
            usable[k].append((good[..., 1] & flat[rows]).ravel())
    return estimate_noise(
        [np.concatenate(v) for v in lights],
        [np.concatenate(v) for v in usable],
        [f.exposure for f in frames],
        response.code_light(frames[0].values.dtype),
    )


def merge_stack(pictures: Sequence[Picture], route: str = "debevec", aligned: bool = False) -> MergedStack:
    """Merge one bracket.

    Parameters
    ----------
    pictures : sequence of Picture
        Exposures of one view, in any order, each with its ``exposure``. Pictures twice as wide as high are
        panoramas that wrap: only yaw is registered.
    route : str
        How the response is recovered: ``debevec`` or ``robertson``. Raw pictures need none.
    aligned : bool
        Whether the exposures are known to be aligned (a tripod), so that none is resampled.

    Returns
    -------
    MergedStack

    Raises
    ------
    CaptureError
        Fewer than 2 pictures, sizes or kinds that differ, an exposure that is missing, all exposures the same,
        or neighbours so far apart that no pixel is well exposed in both.
    """
    ordered = _checked(pictures)
    codes = [reduced_codes(p.values) if not p.linear else reduced_codes(_display(p.values)) for p in ordered]
    height, width = codes[0].shape[:2]
    reference = _reference(ordered)
    wraps = width == 2 * height
    motions: list[Motion | None] = [Motion(wraps=wraps)] * len(ordered)
    if not aligned:
        motions = register(codes, reference, wraps)
    lost = [p.name for p, m in zip(ordered, motions, strict=True) if m is None]
    if any(m is not None and not m.is_still for m in motions):  # the camera moved: who is not placed cannot be used
        kept = [k for k, m in enumerate(motions) if m is not None]
        ordered, codes = [ordered[k] for k in kept], [codes[k] for k in kept]
        motions, reference = [motions[k] for k in kept], kept.index(reference)
    placed = [m or Motion(wraps=wraps) for m in motions]
    exposures = [p.exposure or 0.0 for p in ordered]
    flat = flat_pixels(codes[reference])
    moved = [_moved(c, m) for c, m in zip(codes, placed, strict=True)]
    if ordered[0].linear:
        response = linear_response([_moved(p.values, m) for p, m in zip(ordered, placed, strict=True)], exposures)
    else:
        response = ROUTES[route](moved, exposures)
    del moved, codes
    frames = [
        Frame(p.values, p.linear, e / response.exposures[reference], m)
        for p, e, m in zip(ordered, response.exposures, placed, strict=True)
    ]
    noise = _sample_noise(frames, response, flat)
    radiance = np.empty((height, width, 3), dtype=np.float32)
    ghosts = clipped = dark = 0
    for start in range(0, height, _TILE_ROWS):
        stop = min(start + _TILE_ROWS, height)
        outer = slice(max(0, start - _MARGIN_ROWS), min(height, stop + _MARGIN_ROWS))
        inner = slice(start - outer.start, stop - outer.start)
        part = merge_rows(frames, response, noise, reference, outer)
        radiance[start:stop] = part.radiance[inner]
        ghosts += int(part.ghosts[inner].sum())
        clipped += int(part.clipped[inner].sum())
        dark += int(part.dark[inner].sum())
    area = height * width
    largest = max(m.largest_px(height, width) for m in placed)
    flags = {
        "registered": largest > 0,
        "ghosts": ghosts > GHOST_SHARE_FLAGGED * area,
        "sun_clipped": clipped > 0,
        "dark_clipped": dark > DARK_SHARE_FLAGGED * area,
    }
    notes: dict[str, Any] = {
        "files": [p.name for p in ordered],
        "exposures_ev": [round(float(np.log2(f.exposure)), 3) for f in frames],
        "response": response.route,
        "reference": ordered[reference].name,
        "largest_shift_px": round(largest, 3),
        "unregistered": lost,
        "clipped_share": float(f"{clipped / area:.4g}"),
        "dark_share": float(f"{dark / area:.4g}"),
        "ghost_share": float(f"{ghosts / area:.4g}"),
        "brightest_known": float(f"{1 / frames[0].exposure:.4g}"),
        "noise_gain": float(f"{noise.gain:.3g}"),
    }
    return MergedStack(radiance, tuple(name for name, on in flags.items() if on), notes)


def _display(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Raw values as gamma codes, for registration only."""
    light = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    return np.asarray(np.rint(255 * np.sqrt(light)), dtype=np.uint8)


def _moved(codes: NDArray[Any], motion: Motion) -> NDArray[Any]:
    """Codes on the reference's pixels, for the response; 0 outside."""
    if motion.is_still:
        return codes
    height, width = codes.shape[:2]
    column, row = motion.coordinates(height, width, slice(0, height))
    sampled = resample(codes.astype(np.float32), column, row, motion.wraps, cv2.INTER_LINEAR)
    return np.rint(np.clip(sampled, 0, np.iinfo(codes.dtype).max)).astype(codes.dtype)
