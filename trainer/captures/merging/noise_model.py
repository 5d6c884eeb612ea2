"""How uncertain the light behind a code is: shot noise, read noise and quantisation, estimated from a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Plane = NDArray[np.float32]

_BINS = 24
_TABLE = 2048
_MIN_SAMPLES = 400
_DEFAULT_GAIN, _DEFAULT_READ = 1 / 20_000, 1e-7  # a small sensor: no stack of pixels was left to tell


@dataclass(frozen=True)
class NoiseModel:
    """Variance of light: ``gain * light + read + step(light)^2 / 12``; light 1 is full scale."""

    gain: float
    """Light of one electron."""
    read: float
    """Variance of the read-out."""
    light: Plane
    """(K,) rising light of codes, mean of the channels."""
    step: Plane
    """(K,) light between neighbouring codes there."""

    def rounding(self, light: Plane) -> Plane:
        """Variance that rounding to codes adds to light, same shape."""
        # Through a table over the square root of light: looked up, not interpolated, it is ten times as fast.
        root = np.sqrt(np.clip(light, 0, 1))
        steps = np.interp(np.linspace(0, 1, _TABLE) ** 2, self.light, self.step)
        table = steps.astype(np.float32) ** 2 / np.float32(12)
        return np.asarray(table[(root * np.float32(_TABLE - 1)).astype(np.int32)])

    def variance(self, light: Plane, coding: Plane | None = None) -> Plane:
        """Variance of light, same shape; with the variance of its code that lossy coding left, codes squared."""
        rounding = self.rounding(light)
        if coding is not None:
            rounding = rounding * (1 + 12 * coding)
        return np.asarray(np.float32(self.gain) * np.maximum(light, 0) + np.float32(self.read) + rounding)


def estimate_noise(
    lights: Sequence[Plane], usable: Sequence[NDArray[np.bool_]], exposures: Sequence[float], codes: Plane
) -> NoiseModel:
    """Noise from how far two exposures disagree about flat pixels.

    Parameters
    ----------
    lights : sequence of ndarray, shape (N,) or more
        Light of the same pixels at each exposure, short to long.
    usable : sequence of ndarray of bool, same shape
        Neither black, clipped, nor at an edge.
    exposures : sequence of float
        Relative exposures.
    codes : ndarray, shape (K,)
        Light of each code, rising.
    """
    steps = np.gradient(codes).astype(np.float32)
    blank = NoiseModel(0.0, 0.0, codes, steps)
    rows, found, weights = [], [], []
    for i in range(len(lights) - 1):
        both = usable[i] & usable[i + 1]
        if both.sum() < _MIN_SAMPLES:
            continue
        ratio = exposures[i] / exposures[i + 1]
        darker, brighter = lights[i][both].astype(np.float64), lights[i + 1][both].astype(np.float64) * ratio
        edges = np.geomspace(max(float(brighter.min()), 1e-6), float(brighter.max()) * 1.0001, _BINS + 1)
        place = np.digitize(brighter, edges) - 1
        for k in range(_BINS):
            here = place == k
            if here.sum() < _MIN_SAMPLES:
                continue
            difference = darker[here] - brighter[here]
            low, middle, high = np.quantile(difference, [0.16, 0.5, 0.84])
            kept = np.abs(difference - middle) <= 4 * max((high - low) / 2, 1e-9)  # what moved is not noise
            level = float(brighter[here].mean())
            quantised = blank.variance(np.array([level, level / ratio], dtype=np.float32))
            excess = float(difference[kept].var()) - float(quantised[0]) - ratio**2 * float(quantised[1])
            rows.append((level * (1 + ratio), 1 + ratio**2))
            found.append(max(excess, 0.0))
            weights.append(np.sqrt(here.sum()) / max(float(difference[kept].var()), 1e-14))
    if len(rows) < 3:
        return NoiseModel(_DEFAULT_GAIN, _DEFAULT_READ, codes, steps)
    weight = np.array(weights) / max(weights)
    (gain, read), _ = nnls(np.array(rows) * weight[:, None], np.array(found) * weight)
    return NoiseModel(float(gain), float(read), codes, steps)
