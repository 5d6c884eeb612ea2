"""Whether two panoramas show one scene: coarse log-luminance fields compared at the best rotation and mirroring.

Rows run from the zenith down, columns around the horizon. The distance between two halves is what
is left of the one after the best smooth tone curve of the other, relative to how much the half
varies around the horizon: exposure, contrast and a mild tint cancel. Skies of the same sun height
look alike where they are clear, but a clear sky is its own mirror image about the sun's meridian:
only what breaks that symmetry (clouds, hills, houses) identifies a scene, so it must agree as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROWS, COLUMNS = 32, 64
"""Fields of a fingerprint: 5.6 degrees each way."""

UNIT = 1 / 2048
"""Step of a stored field, in natural logarithms of luminance."""

SKY = slice(1, 15)
"""Rows 6 to 84 degrees up."""
HIGH_SKY = slice(1, 13)
"""Rows above 17 degrees, where a retouched horizon no longer shows."""
GROUND = slice(17, 26)
"""Rows 6 to 56 degrees down: tripods and their patches lie below."""

MAX_DISTANCE = 0.12
"""Copies (turned, mirrored, halved, tinted, as 8-bit JPEG) stay below 0.05; the nearest different skies are at 0.25."""

MAX_DISTANCE_UNMARKED = 0.01
"""The same where nothing breaks the mirror symmetry: two clear skies whose suns differ by 2 degrees are at 0.06."""

MIN_MARKS = 0.01
"""Least rms of what breaks the symmetry: a perfectly clear sky has 0.002, the emptiest real one 0.013."""

MIN_MARKS_AGREEMENT = 0.8
"""Least correlation of what breaks the symmetry: copies have 0.95 and more, different clear skies 0.3 and less."""

_TURNS = 512
_MIN_VARIATION = 0.02
_MIN_USABLE = 0.1
_MIN_SKY_CORRELATION = 0.75
_ROW_WEIGHT = np.sin((np.arange(ROWS) + 0.5) / ROWS * np.pi)[:, None]


@dataclass(frozen=True)
class Fields:
    """Coarse fields of one panorama."""

    log_luminance: Array
    """(ROWS, COLUMNS), natural logarithm relative to the median."""
    usable: NDArray[np.bool_]
    """(ROWS, COLUMNS): neither burnt out nor black nor outside the picture."""

    def mirrored(self) -> Fields:
        """The same scene seen in a mirror."""
        return Fields(self.log_luminance[:, ::-1], self.usable[:, ::-1])

    def turned(self, turn: float) -> Fields:
        """The same scene turned by a fraction of the full circle, exact for what the fields resolve."""
        return Fields(_turn(self.log_luminance, turn), _turn(self.usable.astype(np.float64), turn) > 0.95)


@dataclass(frozen=True)
class Agreement:
    """What two panoramas have in common."""

    distance: float
    """Of the half that agrees less, 0 for copies; infinite where the skies differ at a glance."""
    same_scene: bool
    """Sky and ground agree: the one is a copy of the other."""
    same_sky: bool
    """The sky above 17 degrees agrees, and has marks by which to tell: one sky, whatever the ground."""


def is_fingerprint(stored: NDArray[np.generic]) -> bool:
    """Whether a stored array is a fingerprint of this make."""
    return stored.shape == (2, ROWS, COLUMNS) and stored.dtype == np.int16


def stored_fields(stored: NDArray[np.int16]) -> Fields:
    """Fields of a fingerprint (2, ROWS, COLUMNS)."""
    return Fields(stored[0].astype(np.float64) * UNIT, stored[1] > 0)


def _turn(values: Array, turn: float) -> Array:
    spectrum = np.fft.rfft(values, axis=1)
    waves = np.exp(-2j * np.pi * turn * np.arange(spectrum.shape[1]))
    return np.asarray(np.fft.irfft(spectrum * waves, COLUMNS, axis=1))


def _around(values: Array) -> Array:
    """Rows without their means: what varies around the horizon."""
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def _correlation(moved: Array, still: Array, rows: slice) -> Array:
    """Correlation around the horizon at each of _TURNS turns of the first, by the Fourier transform."""
    a, b, weight = _around(moved[rows]), _around(still[rows]), _ROW_WEIGHT[rows]
    cross = (weight * np.fft.rfft(b, axis=1) * np.fft.rfft(a, axis=1).conj()).sum(axis=0)
    padded = np.zeros(_TURNS // 2 + 1, dtype=np.complex128)
    padded[: COLUMNS // 2] = cross[:-1]
    norm = np.sqrt((weight * a * a).sum() * (weight * b * b).sum()) + 1e-12
    return np.asarray(np.fft.irfft(padded, _TURNS) * (_TURNS / COLUMNS) / norm)


def _align(moved: Fields, still: Fields, parts: tuple[slice, ...]) -> tuple[Fields, float]:
    """The first panorama turned, and mirrored where that fits better, onto the second; their mean correlation."""
    best, best_correlation = moved, -1.0
    for candidate in (moved, moved.mirrored()):
        curves = [_correlation(candidate.log_luminance, still.log_luminance, rows) for rows in parts]
        curve = np.mean(curves, axis=0)
        if curve.max() > best_correlation:
            best, best_correlation = candidate.turned(int(curve.argmax()) / _TURNS), float(curve.max())
    return best, best_correlation


def _seen(fields: Fields, rows: slice) -> bool:
    """Whether these rows show anything that differs around the horizon."""
    usable = float((_ROW_WEIGHT[rows] * fields.usable[rows]).mean() / _ROW_WEIGHT[rows].mean())
    return usable >= _MIN_USABLE and _variation(fields, rows) >= _MIN_VARIATION


def _variation(fields: Fields, rows: slice) -> float:
    weight = np.broadcast_to(_ROW_WEIGHT[rows], (rows.stop - rows.start, COLUMNS))
    return float(np.sqrt(np.average(_around(fields.log_luminance[rows]) ** 2, weights=weight)))


def _distance(copy: Fields, original: Fields, rows: slice) -> float:
    """What a cubic tone curve of the copy leaves of the original, relative to its variation around the horizon."""
    weight = (_ROW_WEIGHT * (copy.usable & original.usable))[rows].ravel()
    if weight.mean() < _MIN_USABLE * _ROW_WEIGHT[rows].mean():
        return float("inf")
    values, target = copy.log_luminance[rows].ravel(), original.log_luminance[rows].ravel()
    values = values - np.average(values, weights=weight)
    powers = (values / max(float(np.abs(values).max()), 1e-6))[:, None] ** np.arange(4)
    root = np.sqrt(weight)
    factors = np.linalg.lstsq(powers * root[:, None], target * root, rcond=None)[0]
    left = float(np.sqrt(np.average((target - powers @ factors) ** 2, weights=weight)))
    return left / max(_variation(original, rows), _MIN_VARIATION)


def _marks(copy: Fields, original: Fields, rows: NDArray[np.intp]) -> tuple[float, float]:
    """What breaks the mirror symmetry about the original's best axis: its rms there, and its correlation."""
    whole = slice(int(rows[0]), int(rows[-1]) + 1)
    mirror = original.log_luminance[:, ::-1]
    turn = int(_correlation(mirror, original.log_luminance, whole).argmax()) / _TURNS
    usable = (copy.usable & original.usable).astype(np.float64)
    weight = (_ROW_WEIGHT * (usable > 0) * (_turn(usable[:, ::-1], turn) > 0.95))[rows]
    first, second = ((f.log_luminance - _turn(f.log_luminance[:, ::-1], turn))[rows] / 2 for f in (copy, original))
    if not weight.any():
        return 0.0, 0.0
    powers = [float(np.average(v, weights=weight)) for v in (first * first, second * second, first * second)]
    return float(np.sqrt(powers[1])), powers[2] / float(np.sqrt(powers[0] * powers[1]) + 1e-12)


def _told_apart(distance: float, copy: Fields, original: Fields, rows: NDArray[np.intp]) -> bool:
    """Whether a distance is small enough for the marks by which this scene can be told from others."""
    strength, agreement = _marks(copy, original, rows)
    if strength < MIN_MARKS:
        return distance <= MAX_DISTANCE_UNMARKED
    return distance <= MAX_DISTANCE and agreement >= MIN_MARKS_AGREEMENT


def compare(copy: Fields, original: Fields) -> Agreement:
    """Compare two panoramas at the rotation and mirroring at which they agree best.

    Parameters
    ----------
    copy, original : Fields
        The smaller or worse one first: its tone curve is fitted to the other's.

    Returns
    -------
    Agreement
    """
    every_row = np.arange(ROWS)
    by_sky, correlation = _align(copy, original, (HIGH_SKY,))
    if correlation < _MIN_SKY_CORRELATION and _seen(original, HIGH_SKY):
        return Agreement(float("inf"), False, False)
    distance = float("inf")
    grounds = (_seen(copy, GROUND), _seen(original, GROUND))
    if grounds[0] == grounds[1]:
        parts = (SKY, GROUND) if grounds[0] else (SKY,)
        aligned, _ = _align(copy, original, parts)
        distance = max(_distance(aligned, original, rows) for rows in parts)
        rows = np.concatenate([every_row[part] for part in parts])
        if distance <= MAX_DISTANCE and _told_apart(distance, aligned, original, rows):
            return Agreement(distance, True, True)
    if not _seen(original, HIGH_SKY) or _distance(by_sky, original, HIGH_SKY) > MAX_DISTANCE:
        return Agreement(distance, False, False)
    strength, shared = _marks(by_sky, original, every_row[HIGH_SKY])
    return Agreement(distance, False, strength >= MIN_MARKS and shared >= MIN_MARKS_AGREEMENT)
