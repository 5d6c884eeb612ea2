"""What lossy coding took from the exposures of a stack, and how far they may disagree for it.

JPEG keeps the mean light of a few pixels to about half a code, but not what it looks like inside: it rounds cosines
of 8 x 8 pixels, and often keeps colour for every second pixel only (ITU-T T.81, JFIF 1.02). Hence at edges single
codes are off by ten and more in red and blue, while means of luma over some pixels agree. Next to clipped or black
pixels even luma is off, since colour that bled into them was cut off. All of it is told from the stack itself, of
which most stands still: pictures that were saved again as PNG or scaled no longer say how they were coded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.optimize import nnls

from trainer.captures.merging.camera_response import Response
from trainer.captures.merging.noise_model import NoiseModel

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Lit = tuple[Plane, Mask, Mask, Mask]
"""Light (R, W, 3) of one exposure; where it is usable, clipped, black (R, W, 3)."""

CODED_VARIANCE = 0.1
"""Variance of busy pixels beyond noise, codes squared, from which pictures count as coded with loss."""
SYSTEMATIC = 0.025
"""Relative error of light that response and flare leave, standard deviation."""

_TABLE = 4096
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CHROMA = np.array([[-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], dtype=np.float32)
_LUMA_PX, _CHROMA_PX = 1.5, 3.0  # sigma of the means that are compared
_BLOCK_PX = 9  # window of activity: about a block of JPEG, wherever its grid lies
_BLEED_PX = 5  # window in which colour bleeds
_BLED_CODES = 24.0  # codes beside a clipped one that are off by that, at least: how far it is over is not known
_EVEN_CODES = 20.0  # contrast in a block up to which nothing bleeds: what coding makes of an even one stays below
_BUSY = 4.0  # activity, codes squared, above which coding shows
_MOST_COHERENT = 1.5  # codes: more than the means of JPEG of quality 50 are off by; what is more has moved
_SURE = 6.0  # how much more variance than the median's is allowed: blocks differ
_BLOCK, _FINE = 8, 4  # JPEG's block, and the frequency from which it is called fine
_IN_BLOCKS = 0.9  # fine waves on the grid to those between: about 1 where nothing is coded, less the more is
_BINS, _MIN_SAMPLES = 16, 300


def _smooth(plane: Plane, sigma_px: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), dtype=np.float32)


def _slope(codes: Plane) -> Plane:
    """Squared change of codes to the next pixel, mean of the channels (R, W)."""
    down, across = np.gradient(codes, axis=(0, 1))
    return np.asarray((down**2 + across**2).mean(axis=-1), dtype=np.float32)


def _spread(codes: Plane, size: int) -> Plane:
    """Contrast (R, W) of the channel that has most, in a window of so many pixels."""
    window = np.ones((size, size), dtype=np.uint8)
    return np.asarray((cv2.dilate(codes, window) - cv2.erode(codes, window)).max(axis=-1), dtype=np.float32)


def nearby(mask: Mask) -> Mask:
    """Where a channel (R, W, 3) is clipped, or black, or so near to one that is that it may have been."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((_BLEED_PX, _BLEED_PX), dtype=np.uint8)) > 0)


def extremes(radiance: Plane) -> tuple[Plane, Plane]:
    """Lowest and highest radiance (R, W, 3) as far as colour bleeds.

    Where a channel was clipped, or may have been, its light is at least the lowest of what decoding left there: the
    codes that coding made of clipped ones swing about, below clipping too.
    """
    window = np.ones((_BLEED_PX, _BLEED_PX), dtype=np.uint8)
    return np.asarray(cv2.erode(radiance, window)), np.asarray(cv2.dilate(radiance, window))


@dataclass(frozen=True)
class CodedRows:
    """Some rows of one exposure as codes."""

    codes: Plane
    """(R, W, 3) on the reference's pixels, 0..255."""
    activity: Plane
    """(R, W) mean squared change of codes to the next pixel, over about a block."""
    spread: Plane
    """(R, W) contrast in codes of the channel that has most, as far as colour bleeds."""
    contrast: Plane
    """(R, W) the same over a block."""
    whole: Mask
    """(R, W) without a clipped or black pixel near."""


@dataclass(frozen=True)
class CodeTable:
    """Codes of 0..255 for light, the inverse of a response."""

    table: Plane
    """(K, 3) codes over the square root of light."""

    @classmethod
    def of(cls, response: Response) -> CodeTable:
        """Of the three curves of a response."""
        levels = np.arange(256, dtype=np.uint8)
        light = response.light(np.repeat(levels[None, :, None], 3, axis=2))[0]
        grid = np.linspace(0, np.sqrt(light.max()), _TABLE) ** 2
        table = np.stack([np.interp(grid, light[:, c], levels) for c in range(3)], axis=-1)
        return cls(np.asarray(np.column_stack([table, np.sqrt(grid)]), dtype=np.float32))

    def codes(self, light: Plane) -> Plane:
        """Codes (R, W, 3) of light (R, W, 3)."""
        place = np.sqrt(np.maximum(light, 0)) * np.float32((_TABLE - 1) / self.table[-1, 3]) + np.float32(0.5)
        index = np.minimum(place, _TABLE - 1).astype(np.int32)
        return np.stack([self.table[index[..., c], c] for c in range(3)], axis=-1)

    def rows(self, lit: Lit) -> CodedRows:
        """One exposure as codes."""
        light, _, clipped, black = lit
        codes = self.codes(light)
        activity = cv2.blur(_slope(codes), (_BLOCK_PX, _BLOCK_PX))
        spread, contrast = (_spread(codes, size) for size in (_BLEED_PX, _BLOCK_PX))
        whole = np.asarray(~nearby(clipped | black).any(axis=-1))
        return CodedRows(codes, np.asarray(activity, dtype=np.float32), spread, contrast, whole)


@dataclass(frozen=True)
class CodingLoss:
    """Errors of codes that coding left, in codes of 0..255."""

    floor: float
    """Variance of a code where nothing changes."""
    growth: float
    """What is added to it for each code of activity."""
    luma: float
    """Standard deviation of luma, averaged over a few pixels."""
    chroma: float
    """Standard deviation of Cb and Cr together, averaged over some more pixels."""
    inverse: CodeTable
    """From light to codes."""

    def variance(self, rows: CodedRows) -> Plane:
        """Variance (R, W) of single codes."""
        found = np.float32(self.floor) + np.float32(self.growth) * np.sqrt(np.maximum(rows.activity, 0))
        return np.asarray(found + (self._bleeding(rows) / 2) ** 2, dtype=np.float32)

    def coherent(self, rows: CodedRows) -> Plane:
        """Variance (R, W) of luma and chroma averaged over some pixels, the larger one.

        Bleeding counts in full: what bled from one edge is off by the same for many pixels.
        """
        return np.asarray(max(self.luma, self.chroma) ** 2 + (self._bleeding(rows) / 4) ** 2, dtype=np.float32)

    def _bleeding(self, rows: CodedRows) -> Plane:
        """Codes (R, W) by which a pixel may be off that has a clipped or black one near; else 0.

        How far the next one is over is not known; but where a block shows no contrast there is no colour to bleed.
        """
        unseen = np.where(rows.contrast > _EVEN_CODES, _BLED_CODES, 0)
        return np.where(rows.whole, 0, np.maximum(rows.spread, unseen)).astype(np.float32)


def coded_in_blocks(pictures: Sequence[NDArray[Any]]) -> bool:
    """Whether fine detail is missing on the grid of JPEG's blocks, but not on one that lies between.

    Fan and de Queiroz, "Identification of bitmap compression history" (IEEE Trans. Image Processing 12(2), 2003), tell
    blocks by their borders; what coding rounded to nothing shows at high qualities too.

    Parameters
    ----------
    pictures : sequence of ndarray, shape (H, W, 3), uint8
        As stored, not resampled.
    """
    left = np.zeros(2)
    for values in pictures:
        part = values[: 64 * _BLOCK, : 128 * _BLOCK]
        luma = part.astype(np.float32) @ _LUMA
        for place, start in enumerate((0, _BLOCK // 2)):
            shifted = luma[start:, start:]
            rows, columns = (n // _BLOCK for n in shifted.shape)
            blocks = shifted[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
            waves = dctn(blocks, axes=(1, 3), norm="ortho")[:, _FINE:, :, _FINE:]
            left[place] += float((np.abs(waves) >= 1).mean())
    return bool(left[0] < _IN_BLOCKS * left[1])


def _averaged(difference: Plane, allowed: Plane, compared: Mask, sigma_px: float) -> tuple[Plane, Plane]:
    """Mean over some pixels, those that are allowed little counting most; and the variance it is allowed."""
    weight = np.where(compared, 1 / np.maximum(allowed, 1e-6), 0).astype(np.float32)
    total = np.maximum(_smooth(weight, sigma_px), 1e-12)
    shape = difference.shape[:2] + (-1,)
    parts = np.moveaxis(difference.reshape(shape), -1, 0)
    mean = np.stack([_smooth(part * weight, sigma_px) / total for part in parts], axis=-1)
    share = _smooth(compared.astype(np.float32), sigma_px)
    return mean.astype(np.float32), np.asarray(share / total, dtype=np.float32)


def departure(
    loss: CodingLoss, rows: CodedRows, predicted: Plane, allowed: Plane, compared: Mask, edge_px: float
) -> Plane:
    """Squared departure (R, W) of what an exposure shows from what the others predict, in units of what is allowed.

    Only what is coherent over some pixels departs: luma over a few, colour over more.

    Parameters
    ----------
    loss : CodingLoss
    rows : CodedRows
        The exposure.
    predicted : ndarray, shape (R, W, 3)
        Light that the others predict for it.
    allowed : ndarray, shape (R, W)
        Variance of averaged codes, of both.
    compared : ndarray of bool, shape (R, W)
        Where both are known.
    edge_px : float
        How far an edge may lie from itself.
    """
    codes = loss.inverse.codes(predicted)
    brighter = loss.inverse.codes(predicted * np.float32(1 + SYSTEMATIC))
    either = ((brighter - codes) @ _LUMA) ** 2 + np.float32(edge_px**2) * _slope(codes)
    allowed = np.asarray(np.float32(_SURE) * allowed + either, dtype=np.float32)
    difference = rows.codes - codes
    found = []
    for part, sigma_px in (((difference @ _LUMA)[..., None], _LUMA_PX), (difference @ _CHROMA.T, _CHROMA_PX)):
        mean, expected = _averaged(np.asarray(part, dtype=np.float32), allowed, compared, sigma_px)
        found.append((mean**2).sum(axis=-1) / np.maximum(expected, 1e-12))
    return np.asarray(np.maximum(*found), dtype=np.float32)


def _pair(
    inverse: CodeTable, noise: NoiseModel, darker: Lit, brighter: Lit, ratio: float
) -> tuple[Plane, Plane, Plane, Plane]:
    """Of pixels (N,) far from clipping: activity, excess variance of a code, mean luma and chroma error in codes."""
    rows = [inverse.rows(lit) for lit in (darker, brighter)]
    predicted = brighter[0] * np.float32(ratio)
    steps = [12 * noise.rounding(lit[0]) for lit in (darker, brighter)]
    growth = np.minimum(ratio**2 * steps[1] / steps[0], 1).mean(axis=-1)  # of the brighter's errors, in codes of darker
    difference = (rows[0].codes - inverse.codes(predicted)) / np.sqrt(1 + growth)[..., None]
    variance = noise.variance(darker[0]) + ratio**2 * noise.variance(brighter[0]) + (SYSTEMATIC * predicted) ** 2
    expected = (variance / steps[0]).mean(axis=-1) / (1 + growth)
    apart = rows[0].whole & rows[1].whole & darker[1].all(axis=-1) & brighter[1].all(axis=-1)
    clear = cv2.erode(apart.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)) > 0
    alike = np.ones(apart.shape, dtype=np.float32)
    luma, _ = _averaged((difference @ _LUMA)[..., None], alike, apart, _LUMA_PX)
    chroma, _ = _averaged(difference @ _CHROMA.T, alike, apart, _CHROMA_PX)
    activity = (rows[0].activity + growth * rows[1].activity) / (1 + growth)
    excess = _smooth((difference**2).mean(axis=-1), _LUMA_PX) - _smooth(expected, _LUMA_PX)
    return activity[clear], excess[clear], luma[clear][:, 0], np.sqrt((chroma[clear] ** 2).sum(axis=-1))


def estimate_coding_loss(
    strips: Sequence[Sequence[Lit]],
    exposures: Sequence[float],
    response: Response,
    noise: NoiseModel,
    known: bool = False,
) -> CodingLoss | None:
    """How far neighbouring exposures disagree, beyond noise and by how busy the picture is.

    Parameters
    ----------
    strips : sequence of sequence of (light, usable, clipped, black), each (R, W, 3)
        Some rows of all exposures, short to long.
    exposures : sequence of float
        Relative exposures.
    response : Response
        Of pictures of 8 bits.
    noise : NoiseModel
    known : bool
        Whether they are coded with loss for sure.

    Returns
    -------
    CodingLoss or None
        None where not known and busy pixels disagree by no more than noise and rounding make them.
    """
    inverse = CodeTable.of(response)
    parts = [
        _pair(inverse, noise, lit[k], lit[k + 1], exposures[k] / exposures[k + 1])
        for lit in strips
        for k in range(len(exposures) - 1)
    ]
    activity, excess, luma, chroma = (np.concatenate(p) for p in zip(*parts, strict=True))
    busy = activity > _BUSY
    if len(activity) < _MIN_SAMPLES:
        return None
    if not known and (busy.sum() < _MIN_SAMPLES or float(np.median(excess[busy])) < CODED_VARIANCE):
        return None
    edges = np.quantile(activity, np.linspace(0, 1, _BINS + 1))
    place = np.clip(np.searchsorted(edges, activity, side="right") - 1, 0, _BINS - 1)
    # Medians: what moved is a small part of pixels that are about as busy.
    rows = [(1.0, float(np.sqrt(np.median(activity[place == k])))) for k in np.unique(place)]
    found = [max(float(np.median(excess[place == k])), 0.0) for k in np.unique(place)]
    (floor, growth), _ = nnls(np.array(rows), np.array(found))
    coherent = [min(float(np.median(np.abs(v))) / m, _MOST_COHERENT) for v, m in ((luma, 0.6745), (chroma, 1.1774))]
    return CodingLoss(float(floor), float(growth), coherent[0], coherent[1], inverse)
