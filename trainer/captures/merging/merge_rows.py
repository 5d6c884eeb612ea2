"""Exposures averaged row by row: weights of inverse variance, without what moved or is clipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.captures.merging.camera_response import Response
from trainer.captures.merging.coding_loss import SYSTEMATIC, CodingLoss, departure, extremes, nearby
from trainer.captures.merging.motion import Motion, resample
from trainer.captures.merging.noise_model import NoiseModel

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

RESAMPLED_PX = 0.5
"""Error of a resampled exposure at an edge, in pixels of its slope: where it can, the sharp reference decides."""

_CLIPPED, _BLACK = 250.5 / 255, 3.5 / 255  # codes, share of full scale, from and up to which nothing is known
_LINEAR_CLIPPED, _LINEAR_BLACK = 0.985, 2e-4
_DEPARTS = 4.0  # squared departure in units of the variance from which something moved
_BLED = 1e-3  # weight of codes that have a clipped or black one beside them, in what others are compared with
_CODED_RIM_PX = 5  # a block's ringing about it
_CODED_PX = 4  # least size of a thing that moved in coded pictures
_LEAST = 0.85  # share of the light of a clipped exposure below which another shows something else


@dataclass(frozen=True)
class Frame:
    """One exposure of a stack and where it lies."""

    values: NDArray[Any]
    """Codes (H, W, 3), uint8 or uint16."""
    linear: bool
    """Whether codes are proportional to light."""
    exposure: float
    """Relative to the reference exposure."""
    motion: Motion
    """From the reference's pixels to this frame's."""

    def rows(self, rows: slice, response: Response) -> tuple[Plane, Mask, Mask, Mask]:
        """Light (R, W, 3) at the reference's rows; where it is usable, where clipped, where black (R, W, 3)."""
        height, width = self.values.shape[:2]
        clipped_code, black_code = believed_codes(self.values, self.linear)
        if self.motion.is_still:
            values = self.values[rows]
            clipped, black = values >= clipped_code, values <= black_code
            return response.light(values), ~(clipped | black), clipped, black
        column, row = self.motion.coordinates(height, width, rows)
        first = int(np.clip(np.floor(row.min()) - 4, 0, height - 1))
        source = self.values[first : int(np.clip(np.ceil(row.max()) + 5, first + 1, height))]
        row = row - np.float32(first)
        found = response.light(source)
        near = np.ones((3, 3), dtype=np.uint8)
        lowest, highest = (
            resample(grown, column, row, self.motion.wraps, cv2.INTER_NEAREST)
            for grown in (np.asarray(f(found, near), dtype=np.float32) for f in (cv2.erode, cv2.dilate))
        )
        # A cubic is sharp but swings over at the rim of a sun, even below black.
        light = np.clip(resample(found, column, row, self.motion.wraps), lowest, highest)
        inside = resample(np.ones(source.shape[:2], dtype=np.float32), column, row, self.motion.wraps) > 0.999

        def touched(mask: Mask) -> Mask:
            grown = cv2.dilate(mask.astype(np.uint8), near).astype(np.float32)  # a cubic reaches two pixels
            return resample(grown, column, row, self.motion.wraps, cv2.INTER_LINEAR) > 1e-3

        clipped, black = touched(source >= clipped_code), touched(source <= black_code)
        usable = ~(clipped | black) & inside[..., None]
        return light, usable, clipped & inside[..., None], black & inside[..., None]


def believed_codes(values: NDArray[Any], linear: bool) -> tuple[float, float]:
    """Codes from which on a pixel is clipped, and up to which it is black."""
    top = np.iinfo(values.dtype).max
    return (_LINEAR_CLIPPED * top, _LINEAR_BLACK * top) if linear else (_CLIPPED * top, _BLACK * top)


def _steepness(radiance: Plane) -> Plane:
    """Change to the next pixel (H, W, 3)."""
    across = np.abs(np.gradient(radiance, axis=1))
    return np.asarray(np.maximum(across, np.abs(np.gradient(radiance, axis=0))), dtype=np.float32)


def _departs(departure: Plane, compared: Mask) -> Mask:
    """Where an exposure departs (R, W) over a few pixels.

    ``departure`` (R, W, 3) is its squared distance from the others in units of the variance, where ``compared``.
    """
    count = cv2.GaussianBlur(compared.astype(np.float32).sum(axis=-1), (0, 0), 1.5)
    smooth = cv2.GaussianBlur(np.where(compared, departure, 0).astype(np.float32).sum(axis=-1), (0, 0), 1.5)
    # Noise alone has a mean square of 1; its mean over a dozen pixels does not reach 4.
    return np.asarray((smooth > _DEPARTS * count) & (count > 0.5))


def _trust(departs: Mask, least_px: int = 2, rim_px: int = 3) -> Plane:
    """Weight (R, W) of 0..1 of an exposure: 0 where something moved that is at least that wide and high."""
    large = cv2.morphologyEx(departs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((least_px, least_px), dtype=np.uint8))
    moved = cv2.dilate(large, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim_px + 1,) * 2))
    return np.asarray(
        1 - np.clip(cv2.GaussianBlur(np.asarray(moved, dtype=np.float32), (0, 0), 1.0) * 2, 0, 1), dtype=np.float32
    )


@dataclass(frozen=True)
class MergedRows:
    """Some rows of a merged stack."""

    radiance: Plane
    """(R, W, 3), in units of the reference's full scale."""
    ghosts: Mask
    """(R, W) where an exposure was left out because something moved."""
    clipped: Mask
    """(R, W) where a channel is clipped in every exposure: the radiance is a bound."""
    dark: Mask
    """(R, W) where a channel is black in every exposure."""


def merge_rows(
    frames: Sequence[Frame],
    response: Response,
    noise: NoiseModel,
    reference: int,
    rows: slice,
    coding: CodingLoss | None = None,
) -> MergedRows:
    """Average some rows of all exposures.

    Parameters
    ----------
    frames : sequence of Frame
        Short to long.
    response : Response
    noise : NoiseModel
    reference : int
        The frame that decides where exposures disagree.
    rows : slice
        Of the reference; the outermost are less sure about what moved, for lack of neighbours.
    coding : CodingLoss, optional
        What lossy coding took from the frames.
    """
    lit = [f.rows(rows, response) for f in frames]
    radiances = [light / np.float32(f.exposure) for f, (light, _, _, _) in zip(frames, lit, strict=True)]
    clipping = (believed_codes(frames[0].values, frames[0].linear)[0], frames[0].values.dtype)
    order = sorted(range(len(frames)), key=lambda k: (abs(k - reference), k))
    edge_px = 0.1 if all(f.motion.is_still for f in frames) else 0.35  # how far an edge may lie from itself

    coded = [coding.inverse.rows(v) for v in lit] if coding else []
    lost = [coding.variance(c)[..., None] for c in coded] if coding else [None] * len(frames)

    def variance_of(frame: int, radiance: Plane, steep: Plane, coded_loss: Plane | None = None) -> Plane:
        """Of an exposure's radiance: noise, what coding took, and what resampling leaves at edges."""
        exposure = np.float32(frames[frame].exposure)
        resampled = 0.0 if frames[frame].motion.is_still else RESAMPLED_PX
        return noise.variance(radiance * exposure, coded_loss) / exposure**2 + np.float32(resampled**2) * steep**2

    def averaged_variance(frame: int, radiance: Plane) -> Plane:
        """Variance (R, W) of one code in radiance, squared."""
        exposure = np.float32(frames[frame].exposure)
        found = 12 * noise.rounding(radiance * exposure).mean(axis=-1) / exposure**2
        return np.asarray(found, dtype=np.float32)

    # Outwards from the reference, each exposure is compared with what those before it say.
    total, weights = np.zeros_like(radiances[0]), np.zeros_like(radiances[0])
    least, most = np.zeros_like(total), np.full_like(total, np.inf)
    coherent, certain = np.zeros(total.shape[:2], dtype=np.float32), np.zeros(total.shape[:2], dtype=bool)
    trusts: list[Plane] = [np.ones(total.shape[:2], dtype=np.float32)] * len(frames)
    for frame in order:
        _, usable, clipped, black = lit[frame]
        radiance = radiances[frame]
        known = weights > 0
        estimate = np.where(known, total / np.where(known, weights, 1), radiance).astype(np.float32)
        steep = _steepness(estimate)
        variance = variance_of(frame, estimate, steep, lost[frame])
        if frame != reference:
            if coding:
                bounded = ~certain & ((least > 0) | (most < np.inf)).any(axis=-1)
                predicted = np.where(certain[..., None], estimate, np.clip(radiance, least, most)).astype(np.float32)
                one_code = averaged_variance(frame, predicted)
                others = np.where(bounded, coding.luma**2, 1 / np.maximum(coherent * one_code, 1e-6))
                compared = usable.any(axis=-1) & (certain | bounded)
                far = departure(
                    coding,
                    coded[frame],
                    predicted * np.float32(frames[frame].exposure),
                    coding.coherent(coded[frame]) + others,
                    compared,
                    edge_px,
                )
                trusts[frame] = _trust((far > _DEPARTS) & compared, _CODED_PX, _CODED_RIM_PX)
            else:
                allowed = variance + (SYSTEMATIC * estimate) ** 2 + (edge_px * steep) ** 2
                allowed += np.where(known, 1 / np.where(known, weights, 1), 0)
                squared = (radiance - estimate) ** 2 / np.maximum(allowed, 1e-30)
                outside = usable & ~known & ((radiance < _LEAST * least) | (radiance > most / _LEAST))
                trusts[frame] = _trust(_departs(np.where(outside, 25.0, squared), usable & (known | outside)))
        trusted = trusts[frame] > 0.9
        weight = trusted[..., None] * usable / variance
        if coding:  # beside clipped pixels codes tell little
            whole = trusted & coded[frame].whole & usable.all(axis=-1)
            certain |= whole
            coherent += whole / (coding.coherent(coded[frame]) * averaged_variance(frame, estimate))
            weight *= np.where(coded[frame].whole, 1, _BLED)[..., None]
            clipped, black = nearby(clipped), nearby(black)
        total += weight * radiance
        weights += weight
        lowest, highest = extremes(radiance) if coding else (radiance, radiance)
        least = np.maximum(least, np.where(clipped, lowest, 0))
        most = np.minimum(most, np.where(black, highest, np.inf))
    for plausible in (True, False):  # better something that moved than nothing
        for frame in order:
            radiance = radiances[frame]
            empty = (weights <= 0) & lit[frame][1]
            if plausible:
                empty &= (radiance >= _LEAST * least) & (radiance <= most / _LEAST)
            total[empty], weights[empty] = radiance[empty], 1.0
            trusts[frame] = np.maximum(trusts[frame], empty.any(axis=-1))
    known = weights > 0
    estimate = np.where(known, total / np.where(known, weights, 1), 0).astype(np.float32)
    steep = _steepness(estimate)
    total[:], weights[:] = 0, 0
    left_out = np.zeros(known.shape[:2], dtype=bool)
    for frame in order:  # again with variances of the whole estimate: a value's own noise must not choose its weight
        usable = lit[frame][1]
        light = estimate * np.float32(frames[frame].exposure)
        near_clipping = np.clip((response.clipped_light(*clipping) - light) * 12, 0.05, 1)
        weight = trusts[frame][..., None] * near_clipping * usable / variance_of(frame, estimate, steep)
        total += weight * radiances[frame]
        weights += weight
        left_out |= (trusts[frame] < 0.5) & usable.any(axis=-1)
    sure = weights > 0
    result = np.where(sure, total / np.where(sure, weights, 1), estimate).astype(np.float32)
    bounded, dark = np.zeros(known.shape[:2], dtype=bool), np.zeros(known.shape[:2], dtype=bool)
    unknown = ~known
    for frame in range(len(frames)):  # short to long: the shortest that saw the pixel clipped bounds it
        here = unknown & lit[frame][2]
        result[here] = radiances[frame][here]
        bounded |= here.any(axis=-1)
        unknown &= ~here
    for frame in reversed(range(len(frames))):
        here = unknown & lit[frame][3]
        result[here] = radiances[frame][here]
        dark |= here.any(axis=-1)
        unknown &= ~here
    return MergedRows(result, left_out, bounded, dark)
