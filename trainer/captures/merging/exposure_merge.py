"""One bracket of exposures to one linear radiance picture, and what the bracket could not cover.

Each exposure's light is averaged with weights of inverse variance (shot, read and quantisation noise), as in
Granados et al., "Optimal HDR reconstruction with linear digital cameras" (CVPR 2010). What disagrees with the
reference exposure by more than noise, resampling and lossy coding explain has moved and loses its weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.errors import CaptureError
from skygen_addon.runtime.panoramas.rejected_capture import RejectedCapture
from trainer.captures.merging.camera_response import Response, debevec_malik, linear_response, robertson
from trainer.captures.merging.code_pairs import flat_pixels, reduced_codes
from trainer.captures.merging.coding_loss import CodingLoss, coded_in_blocks, estimate_coding_loss
from trainer.captures.merging.merge_rows import Frame, believed_codes, merge_rows
from trainer.captures.merging.motion import Motion, resample
from trainer.captures.merging.noise_model import NoiseModel, estimate_noise
from trainer.captures.merging.registration import disagreement, register
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
WIDE_STEP_EV = 3.5
"""Gap between neighbours from which a recovered curve is uncertain: few codes tie one exposure to the next."""
DRIFT_FLAGGED = 0.04
"""Relative change of a channel against the others from which a stack is flagged ``white_balance``.

Of 34 skies simulated brackets at one balance reach 0.02, noisy, in JPEG and hand-held ones too; a gain of 1.1 that
comes and goes makes 0.05 to 0.12.
"""
OTHER_VIEW = 0.2
"""Share of disagreeing pixels from which an exposure that could not be registered shows something else.

Of 34 skies simulated exposures of one agree but for 0.034; of two, 0.2 to 0.9 disagree (median 0.65).
"""
OTHER_VIEW_REGISTERED = 0.5
"""The same for one that registration placed: clouds that moved are no other view."""
MIN_SIDE = 64
"""Shorter side that can be registered and merged at least, pixels."""
MAX_SIDE = 32_750
"""Longest side of a stack, pixels: OpenCV resamples less than 32767, and a panorama that wraps needs margins."""
MAX_STACK_BYTES = 4 << 30
"""Pixels of all exposures together; the merge takes about as much again."""

_TILE_ROWS, _MARGIN_ROWS = 256, 16


@dataclass(frozen=True)
class MergedStack:
    """A merged bracket."""

    radiance: NDArray[np.float32]
    """(H, W, 3) linear, relative: 1 is full scale of the reference exposure. Finite and non-negative.

    Where even the shortest exposure is clipped it is the least that the light can be.
    """
    flags: tuple[str, ...]
    """Of ``registered``, ``ghosts``, ``sun_clipped``, ``dark_clipped``, ``wide_steps``, ``white_balance``."""
    notes: dict[str, Any]
    """What the stack covers and how it was merged; JSON-able."""


def check_stack_memory(name: str, pictures: Sequence[Picture]) -> None:
    """Refuse exposures whose pixels together take more than `MAX_STACK_BYTES`.

    Raises
    ------
    RejectedCapture
        Reason ``unreadable``.
    """
    taken = sum(p.values.nbytes for p in pictures)
    if taken > MAX_STACK_BYTES:
        height, width = pictures[0].values.shape[:2]
        message = f"{name}: {len(pictures)} exposures take {taken >> 20} MiB, more than {MAX_STACK_BYTES >> 20}."
        raise RejectedCapture("unreadable", message, "Scale them down, or leave some out.", width, height)


def _check_sides(name: str, height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE:
        message = f"{name}: {width}x{height} is too small for a bracket."
        raise RejectedCapture("low_resolution", message, "Use larger pictures.", width, height)
    if max(height, width) > MAX_SIDE:
        message = f"{name}: {width}x{height} is too large to merge, more than {MAX_SIDE} pixels a side."
        raise RejectedCapture("unreadable", message, "Scale all exposures down.", width, height)


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
    _check_sides(ordered[0].name, *ordered[0].values.shape[:2])
    check_stack_memory(ordered[0].name, ordered)
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


def _usable(motions: Sequence[Motion | None], moved: Sequence[NDArray[np.uint8]], reference: int) -> list[int]:
    """Frames that show what the reference shows, from their codes on its pixels."""
    camera_moved = any(m is not None and not m.is_still for m in motions)
    kept = [reference]
    for frame in sorted(range(len(moved)), key=lambda k: abs(k - reference)):
        lost = motions[frame] is None
        if frame == reference or (lost and camera_moved):  # who is not placed cannot be used
            continue
        pairs = [(moved[min(frame, k)], moved[max(frame, k)]) for k in kept]
        if max(disagreement(*pair) for pair in pairs) <= (OTHER_VIEW if lost else OTHER_VIEW_REGISTERED):
            kept.append(frame)
    return sorted(kept)


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


def _sample_coding(frames: Sequence[Frame], response: Response, noise: NoiseModel) -> CodingLoss | None:
    """What lossy coding took, from up to a few hundred rows of display-encoded pictures of 8 bits."""
    if frames[0].linear or frames[0].values.dtype != np.uint8:
        return None
    in_blocks, height = coded_in_blocks([f.values for f in frames]), len(frames[0].values)
    if not in_blocks and not all(f.motion.is_still for f in frames):  # resampled pictures disagree at edges anyway
        return None
    starts = np.unique(np.linspace(0, max(0, height - 48), 8).astype(int)).tolist()
    strips = [[f.rows(slice(start, min(start + 48, height)), response) for f in frames] for start in starts]
    return estimate_coding_loss(strips, [f.exposure for f in frames], response, noise, in_blocks)


def merge_stack(pictures: Sequence[Picture], route: str = "debevec", aligned: bool = False) -> MergedStack:
    """Merge one bracket.

    What it cannot see: a white balance that drifts evenly with the exposure (as much for each EV) looks like another
    curve for that channel; only changes that come and go are flagged ``white_balance``, and only between exposures
    that share smooth, well exposed pixels. The recovery by ``robertson`` flags none.

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
        Fewer than 2 pictures or than 2 of the same view, sizes or kinds that differ, an exposure that is missing, all
        exposures the same, display-encoded neighbours so far apart that no pixel is well exposed in both; as
        RejectedCapture: pictures too small or too large to merge.
    """
    ordered = _checked(pictures)
    codes = [reduced_codes(p.values) if not p.linear else reduced_codes(_display(p.values)) for p in ordered]
    height, width = codes[0].shape[:2]
    reference = _reference(ordered)
    wraps = width == 2 * height
    motions: list[Motion | None] = [Motion(wraps=wraps)] * len(ordered)
    if not aligned:
        motions = register(codes, reference, wraps)
    names = [p.name for p in ordered]
    lost = [n for n, m in zip(names, motions, strict=True) if m is None]
    still = Motion(wraps=wraps)
    moved = [_moved(c, m or still) for c, m in zip(codes, motions, strict=True)]
    kept = _usable(motions, moved, reference)
    if len(kept) < 2:
        raise CaptureError(
            f"{', '.join(names[:3])}: fewer than 2 exposures show the same view.",
            "Keep only exposures of one view together, taken from a tripod.",
        )
    left_out = [n for k, n in enumerate(names) if k not in kept]
    flat = flat_pixels(codes[reference])
    ordered, moved, placed = [ordered[k] for k in kept], [moved[k] for k in kept], [motions[k] or still for k in kept]
    reference = kept.index(reference)
    exposures = [p.exposure or 0.0 for p in ordered]
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
    coding = _sample_coding(frames, response, noise)
    radiance = np.empty((height, width, 3), dtype=np.float32)
    ghosts = clipped = dark = 0
    for start in range(0, height, _TILE_ROWS):
        stop = min(start + _TILE_ROWS, height)
        outer = slice(max(0, start - _MARGIN_ROWS), min(height, stop + _MARGIN_ROWS))
        inner = slice(start - outer.start, stop - outer.start)
        part = merge_rows(frames, response, noise, reference, outer, coding)
        radiance[start:stop] = part.radiance[inner]
        ghosts += int(part.ghosts[inner].sum())
        clipped += int(part.clipped[inner].sum())
        dark += int(part.dark[inner].sum())
    area = height * width
    steps_ev = np.diff(np.log2([f.exposure for f in frames]))
    largest = max(m.largest_px(height, width) for m in placed)
    flags = {
        "registered": largest > 0,
        "ghosts": ghosts > GHOST_SHARE_FLAGGED * area,
        "sun_clipped": clipped > 0,
        "dark_clipped": dark > DARK_SHARE_FLAGGED * area,
        "wide_steps": not ordered[0].linear and bool(steps_ev.max() > WIDE_STEP_EV),
        "white_balance": (response.channel_drift or 0.0) > DRIFT_FLAGGED,
    }
    notes: dict[str, Any] = {
        "files": [p.name for p in ordered],
        "exposures_ev": [round(float(np.log2(f.exposure)), 3) for f in frames],
        "response": response.route,
        "reference": ordered[reference].name,
        "largest_shift_px": round(largest, 3),
        "unregistered": lost,
        "left_out": left_out,
        "covered_codes": [list(codes) for codes in response.covered],
        "clipped_share": float(f"{clipped / area:.4g}"),
        "dark_share": float(f"{dark / area:.4g}"),
        "ghost_share": float(f"{ghosts / area:.4g}"),
        "brightest_known": float(f"{1 / frames[0].exposure:.4g}"),
        "noise_gain": float(f"{noise.gain:.3g}"),
    }
    if coding is not None:
        notes["coding_error_codes"] = float(f"{coding.luma:.3g}")
    if response.channel_drift is not None:
        notes["channel_drift"] = float(f"{response.channel_drift:.3g}")
    if response.unseen_steps:
        notes["unchecked_exposures"] = [[ordered[k].name, ordered[k + 1].name] for k in response.unseen_steps]
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
