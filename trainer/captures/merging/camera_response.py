"""A camera's response curve from a bracket: which light each code value stands for.

Two routes: least squares over pairs of exposures after Debevec and Malik, "Recovering High Dynamic Range
Radiance Maps from Photographs" (SIGGRAPH 1997), and maximum likelihood after Robertson, Borman and
Stevenson, "Estimation-theoretic approach to dynamic range enhancement using multiple exposures"
(J. Electronic Imaging 12(2), 2003).

OpenCV's CalibrateDebevec and CalibrateRobertson were measured first, on simulated brackets of one synthetic and two
real skies by four cameras: as the largest error of light against full scale over codes 13 to 250 they reach
0.8 to 6 % (2 to 60 % of light in the darker codes) and 3 to 14 %, or no number where a code is missing. These reach
0.2 to 0.4 % and 0.3 to 1.4 %.

Equal steps leave a curve undetermined by any ripple that repeats with the step (Grossberg and Nayar,
"Determining the camera response from images: what is knowable?", PAMI 2003). Hence both routes look for
log light as a smooth rising spline over log code, on which real responses are nearly straight and a
ripple is not. The balance of the channels cannot be known either: equal middle codes are taken to be
equal light, as a camera's own grey is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.optimize import lsq_linear

from trainer.captures.merging.code_pairs import CODE_RANGE, LEVELS, MIN_SAMPLES, Pair, all_pairs, flat_pixels

Array = NDArray[np.float64]

SMOOTHNESS = 100.0
"""Weight of the spline's third differences. From 30 to 300 the error of simulated cameras stays below 0.5 %."""
_MIDDLE = 128
_TOE = 4.0  # codes added before the logarithm, so that black has one
_KNOTS = 14
_DRIFT_CODE, _DRIFT_ROWS = 24, 32  # darker codes are too coarse, and fewer too few, to tell a gain of percents
_START = 2.2 * np.log((np.arange(LEVELS) + 0.5) / 255)  # a common display curve, to start from


@dataclass(frozen=True)
class Response:
    """Light as a function of code."""

    log_light: Array | None
    """(256, 3) natural logarithm of light for codes 0..255 of each channel, full scale about 1; None for raw."""
    exposures: tuple[float, ...]
    """Exposures of the stack, mended for raw pictures."""
    covered: tuple[tuple[int, int], ...]
    """Darkest and brightest code of each channel that two exposures show; beyond them the curve is continued."""
    route: str
    """``debevec``, ``robertson`` or ``linear``."""
    channel_drift: float | None = None
    """Largest relative change of a channel against the others between two exposures that no curve explains.

    Told by `debevec_malik` alone: what ripple `robertson` keeps, a thing that moves raises to 0.16.
    """
    unseen_steps: tuple[int, ...] = ()
    """Raw exposures whose ratio to the next is taken as stated, since no pixel is well exposed in both."""

    def light(self, values: NDArray[np.integer]) -> NDArray[np.float32]:
        """Light (H, W, 3) of code values uint8 or uint16 (H, W, 3)."""
        table = self._table(values.dtype)
        return np.stack([table[values[..., c], c] for c in range(3)], axis=-1)

    def code_light(self, kind: np.dtype[Any]) -> NDArray[np.float32]:
        """Light of every code of uint8 or uint16, rising, mean of the channels."""
        return np.asarray(self._table(kind).mean(axis=1), dtype=np.float32)

    def clipped_light(self, code: float, kind: np.dtype[Any]) -> NDArray[np.float32]:
        """Light (3,) of one code."""
        return np.asarray(self._table(kind)[int(code)], dtype=np.float32)

    def _table(self, kind: np.dtype[Any]) -> NDArray[np.float32]:
        """Light (codes, 3)."""
        codes = np.linspace(0, LEVELS - 1, np.iinfo(kind).max + 1)
        if self.log_light is None:
            return np.repeat((codes / codes[-1])[:, None], 3, axis=1).astype(np.float32)
        curves = [np.exp(np.interp(codes, np.arange(LEVELS), self.log_light[:, c])) for c in range(3)]
        return np.stack(curves, axis=1).astype(np.float32)


def _basis() -> Array:
    """Cubic B-splines over log code, (256, K)."""
    position = np.log(np.arange(LEVELS) + _TOE)
    inner = np.linspace(position[0], position[-1], _KNOTS)
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    return np.asarray(BSpline.design_matrix(position, knots, 3).toarray())


def _at(table: Array, codes: Array) -> Array:
    """Rows of a table (256, K) at fractional codes."""
    lower = np.clip(codes.astype(np.intp), 0, LEVELS - 2)
    part = (codes - lower)[:, None]
    return np.asarray(table[lower] * (1 - part) + table[lower + 1] * part)


def _smooth_rows(columns: int, channel: int, size: int) -> tuple[Array, Array]:
    """Equations that hold a channel's curve smooth and its middle code at its place."""
    part = slice(channel * size, (channel + 1) * size)
    rows = np.zeros((size - 2, columns))
    # Third differences: powers of the code have none and gentle S curves little.
    rows[:-1, part] = SMOOTHNESS * np.diff(np.eye(size), n=3, axis=0)
    rows[-1, part] = 1e4 * _basis()[_MIDDLE]
    target = np.zeros(size - 2)
    target[-1] = 1e4 * 2.2 * np.log(_MIDDLE / 255)
    return rows, target


def _rising_spline(design: Array, target: Array) -> Array:
    """Least-squares coefficients that rise, so that the curve does."""
    steps = np.tril(np.ones((design.shape[1],) * 2))
    lower = np.full(design.shape[1], 1e-4)
    lower[0] = -np.inf
    _, triangle = np.linalg.qr(np.column_stack([design @ steps, target]))  # the same squares in K + 1 rows
    return np.asarray(steps @ lsq_linear(triangle[:, :-1], triangle[:, -1], bounds=(lower, np.inf), method="bvls").x)


def _pair_curve(pairs: list[Pair], log_exposures: Array) -> Array:
    """Log light (256, 3) from pairs."""
    basis = _basis()
    size = basis.shape[1]
    log_light = np.repeat(_START[:, None], 3, axis=1)
    for iteration in range(5):
        slope = np.gradient(log_light, axis=0)
        fitted = log_light.copy()
        for channel in range(3):
            rows, target = _smooth_rows(size, 0, size)
            designs, targets = [rows], [target]
            for i, j, c, samples in pairs:
                if c != channel:
                    continue
                darker, brighter, count = samples.T
                step = log_exposures[j] - log_exposures[i]
                g, s = log_light[:, channel : channel + 1], slope[:, channel : channel + 1]
                # Quantisation leaves about an eighth of a code however many samples there are; noise falls with them.
                variance = (_at(s, darker) ** 2 + _at(s, brighter) ** 2)[:, 0] * (0.125**2 + 1 / count)
                residual = (_at(g, brighter) - _at(g, darker))[:, 0] - step
                weight = 1 / variance
                if iteration:  # Huber: a cloud that moved is not noise
                    weight = weight / np.maximum(1, np.abs(residual) / np.sqrt(variance) / 3)
                designs.append((_at(basis, brighter) - _at(basis, darker)) * np.sqrt(weight)[:, None])
                targets.append(step * np.sqrt(weight))
            fitted[:, channel] = basis @ _rising_spline(np.concatenate(designs), np.concatenate(targets))
        log_light = fitted
    return log_light


def debevec_malik(codes: Sequence[NDArray[np.uint8]], exposures: Sequence[float]) -> Response:
    """Response by least squares: log light of two codes that one pixel shows differs by the log of the exposures.

    Parameters
    ----------
    codes : sequence of ndarray, shape (H, W, 3), uint8
        Aligned pictures, short to long; see `reduced_codes`.
    exposures : sequence of float
        Relative, rising.

    Returns
    -------
    Response
        With the exposures as stated: where the curve is unknown too, codes cannot tell an exposure that is off
        from a thing that moved (tried: a moving disc turned a step of 2 EV into 1.6).

    Raises
    ------
    CaptureError
        No two exposures show the same pixels between black and clipped.
    """
    log_exposures = np.log(np.asarray(exposures, dtype=np.float64))
    pairs = all_pairs(codes, log_exposures)
    log_light = _pair_curve(pairs, log_exposures)
    drift = _channel_drift(log_light, log_exposures, pairs)
    return _response(log_light, log_exposures, pairs, "debevec", drift)


def robertson(codes: Sequence[NDArray[np.uint8]], exposures: Sequence[float], iterations: int = 30) -> Response:
    """Response by maximum likelihood: light of pixels and light of codes estimated in turn.

    Parameters, result and errors are those of `debevec_malik`; exposures are taken as stated.

    Parameters
    ----------
    iterations : int
        Turns; each ends in the smooth rising curve nearest to the light of the codes.
    """
    log_exposures = np.log(np.asarray(exposures, dtype=np.float64))
    pairs = all_pairs(codes, log_exposures)
    seconds = np.exp(log_exposures - log_exposures.mean())
    chosen = np.logical_and.reduce([flat_pixels(c) for c in codes])
    basis = _basis()
    low, high = CODE_RANGE
    belief = np.exp(-16 * ((np.arange(LEVELS) - 127.5) / 255) ** 2)
    belief[:low] = belief[high + 1 :] = 0.0
    log_light = np.repeat(_START[:, None], 3, axis=1)
    for channel in range(3):
        stack = _evenly_sampled(np.stack([c[..., channel][chosen] for c in codes]))
        g = _START.copy()
        for _ in range(iterations):
            weight = belief[stack]
            light = np.exp(g)[stack]
            radiance = (weight * seconds[:, None] * light).sum(axis=0)
            radiance /= np.maximum((weight * seconds[:, None] ** 2).sum(axis=0), 1e-12)
            seen = weight > 0
            number = np.bincount(stack[seen], minlength=LEVELS)
            total = np.bincount(stack[seen], (seconds[:, None] * radiance[None, :])[seen], minlength=LEVELS)
            known = number >= MIN_SAMPLES
            strength = np.sqrt(np.minimum(number, 40)[known]) / np.gradient(g)[known]
            rows, target = _smooth_rows(basis.shape[1], 0, basis.shape[1])
            design = np.concatenate([rows, basis[known] * strength[:, None]])
            mean = np.log(total[known] / number[known])
            mean += _START[_MIDDLE] - np.interp(_MIDDLE, np.flatnonzero(known), mean)
            g = basis @ _rising_spline(design, np.concatenate([target, mean * strength]))
        log_light[:, channel] = g
    return _response(log_light, log_exposures, pairs, "robertson")


def _evenly_sampled(stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (frames, N) such that the codes of every frame occur about equally often, where they occur at all."""
    chosen = []
    for row in stack:
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], np.arange(LEVELS + 1))
        for start, end in zip(ends[:-1], ends[1:], strict=True):
            chosen.append(order[np.unique(np.linspace(start, max(start, end - 1), 60).astype(np.intp))[: end - start]])
    return stack[:, np.unique(np.concatenate(chosen))]


def _response(
    log_light: Array, log_exposures: Array, pairs: list[Pair], route: str, drift: float | None = None
) -> Response:
    """Scaled so that full scale is light 1 in the mean of the channels."""
    covered = tuple(
        (
            int(min(p[3][:, 0].min() for p in pairs if p[2] == c)),
            int(max(p[3][:, 1].max() for p in pairs if p[2] == c)),
        )
        for c in range(3)
    )
    scaled = log_light - log_light[-1].mean()
    return Response(scaled, tuple(np.exp(log_exposures).tolist()), covered, route, drift)


def _channel_drift(log_light: Array, log_exposures: Array, pairs: list[Pair]) -> float:
    """Largest change of a channel's light against the mean of the channels between neighbours, beyond the curves.

    A fixed curve, even another for each channel, explains every step by the same codes; a gain that comes and goes
    with the frames it cannot.
    """
    steps: dict[tuple[int, int], dict[int, float]] = {}
    for i, j, channel, rows in pairs:
        darker, brighter, count = rows.T
        curve = log_light[:, channel : channel + 1]
        residual = (_at(curve, brighter) - _at(curve, darker))[:, 0] - (log_exposures[j] - log_exposures[i])
        bright = darker >= _DRIFT_CODE
        if j == i + 1 and bright.sum() >= _DRIFT_ROWS:
            steps.setdefault((i, j), {})[channel] = float(np.median(residual[bright]))
    complete = [np.array(list(found.values())) for found in steps.values() if len(found) == 3]
    return float(np.expm1(max((np.abs(found - found.mean()).max() for found in complete), default=0.0)))


def linear_response(stack: Sequence[NDArray[np.unsignedinteger[Any]]], exposures: Sequence[float]) -> Response:
    """Raw pictures: light is code; only stated exposures are mended, by the ratio of pixels seen in both.

    A shutter that says 1/60 s opens for 1/64 s: 6 % that would show as a step in the merged sky.

    Parameters
    ----------
    stack : sequence of ndarray, shape (H, W, 3), uint8 or uint16
        Aligned pictures, short to long.
    exposures : sequence of float
        As stated; a ratio is moved by at most 10 %, and kept where no pixel is well exposed in both.
    """
    mended, unseen = [float(exposures[0])], []
    for i in range(len(stack) - 1):
        top = np.iinfo(stack[i].dtype).max
        stated = exposures[i + 1] / exposures[i]
        darker, brighter = (s[::2, ::2, 1].astype(np.float64) / top for s in stack[i : i + 2])
        seen = (brighter < 0.9) & (darker > 0.004) & (brighter > 0.05)
        ratio = stated
        if seen.sum() > 1000:
            ratio = float(np.median(brighter[seen] / darker[seen]))
        elif not seen.any():
            unseen.append(i)
        mended.append(mended[-1] * (ratio if abs(ratio / stated - 1) < 0.1 else stated))
    return Response(None, tuple(mended), ((0, 255),) * 3, "linear", unseen_steps=tuple(unseen))
