"""Which pictures of a folder are exposures of one view.

File names that state an exposure decide first (`exposure_names`); then EXIF does (`exposure_headers`): pictures of
one camera, size and kind of file, taken within seconds of each other or, where no clock tells, numbered one after
the other, whose exposures all differ. Of a camera that writes raw and JPEG together the raws are the bracket.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skygen_addon.runtime.panoramas.panorama_file import SUFFIXES
from trainer.captures.merging.exposure_headers import PICTURES, ExposureHeader, read_header, real_shutter_s
from trainer.captures.merging.exposure_names import named_exposure

__all__ = ["HDR_SUFFIXES", "exposure_of", "group_brackets", "real_shutter_s", "stack_exposures"]

HDR_SUFFIXES = SUFFIXES
"""Already hold the whole range: never part of a stack."""
MIN_STEP = 2**0.45
"""Ratio of two exposures of a stack at least; less is one exposure again, or a camera on automatic."""
MIN_SPAN = 2.0
"""Ratio of a stack's longest to its shortest exposure at least."""
MAX_FRAMES = 16
"""Exposures of a stack at most; more are a sequence."""
MAX_PAUSE_S = 10.0
"""Between the end of one exposure and the start of the next, seconds."""
MAX_PAIR_PAUSE_S = 2.0
"""The same where there are only two, which chance makes of two single pictures; a clock must tell it."""

_Run = list[tuple[float, ExposureHeader]]


def exposure_of(path: Path) -> float | None:
    """Relative exposure of one picture: by EXIF, else by its name, else None.

    Parameters
    ----------
    path : Path

    Returns
    -------
    float or None
        By EXIF: seconds x ISO / 100 / f-number squared, the shutter's real time for its marked one.
    """
    header = read_header(path)
    if header is not None and header.exposure is not None:
        return header.exposure
    named = named_exposure(path.stem)
    return None if named is None else named.exposure


def stack_exposures(files: Sequence[Path]) -> list[float | None]:
    """Relative exposures of the pictures of one stack, all from the same source.

    Names that state a bracket go before EXIF: pictures developed brighter and darker from one raw share its EXIF.
    Names that all state the same (``tour_2s_1``) do not.

    Parameters
    ----------
    files : sequence of Path

    Returns
    -------
    list of float or None
        None for all where neither all names nor all headers tell.
    """
    named = [n for n in (named_exposure(f.stem) for f in files) if n is not None]
    agree = len(named) == len(files) and len({n.kind for n in named}) == 1
    if agree and _is_bracket([n.exposure for n in named]):
        return [n.exposure for n in named]
    headers = [read_header(f) for f in files]
    exposures = [None if h is None else h.exposure for h in headers]
    if None not in exposures:
        return exposures
    return [n.exposure for n in named] if agree else [None] * len(files)


def _is_bracket(exposures: Sequence[float]) -> bool:
    """Whether exposures differ by a bracket's steps."""
    if not 2 <= len(exposures) <= MAX_FRAMES:
        return False
    ordered = sorted(exposures)
    steps = [b / a for a, b in zip(ordered[:-1], ordered[1:], strict=True)]
    return min(steps) >= MIN_STEP and ordered[-1] / ordered[0] >= MIN_SPAN


def _natural(path: Path) -> tuple[tuple[tuple[int, str], ...], str]:
    """Sorts numbers in names by value."""
    pieces = re.split(r"(\d+)", path.name)
    return tuple((int(p), "") if p.isdecimal() else (-1, p.lower()) for p in pieces), str(path)


def _pause_s(before: ExposureHeader, after: ExposureHeader) -> float | None:
    """Between the end of one exposure and the start of the next, seconds; None without clocks."""
    if before.taken_s is None or after.taken_s is None:
        return None
    return max(after.taken_s - before.taken_s - before.shutter_s, min(0.0, after.taken_s - before.taken_s))


def _follows(before: ExposureHeader, after: ExposureHeader) -> bool:
    """Whether one picture was taken right after another."""
    pause = _pause_s(before, after)
    if pause is not None:
        return 0 <= pause <= MAX_PAUSE_S
    return before.series == after.series and after.number == before.number + 1


def _by_name(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    views: dict[tuple[str, ...], list[tuple[float, Path]]] = {}
    for path in files:
        if (named := named_exposure(path.stem)) is not None:
            key = (str(path.parent), path.suffix.lower(), named.kind, named.rest)
            views.setdefault(key, []).append((named.exposure, path))
    return [tuple(p for _, p in sorted(view)) for view in views.values() if _is_bracket([e for e, _ in view])]


def _views(run: _Run) -> list[_Run]:
    """A run as it is, or cut where it repeats its steps: the same bracket of the next view at another exposure."""
    steps = np.diff(np.log2([e for e, _ in run]))
    if len(steps) > 2 and np.ptp(steps) > 0.1:  # equal steps are one long bracket
        for frames in range(2, len(run) // 2 + 1):
            if len(run) % frames:
                continue
            parts = [run[k : k + frames] for k in range(0, len(run), frames)]
            inner = np.array([np.diff(np.log2([e for e, _ in part])) for part in parts])
            if np.ptp(inner, axis=0).max() < 0.1:
                return parts
    return [run]


def _is_one_view(run: _Run) -> bool:
    if not _is_bracket([e for e, _ in run]):
        return False
    if len(run) > 2:
        return True
    pause = _pause_s(run[0][1], run[1][1])
    return pause is not None and pause <= MAX_PAIR_PAUSE_S


def _runs(files: Sequence[Path]) -> list[_Run]:
    """Pictures of one kind taken one after the other, none at the exposure of another."""
    kinds: dict[tuple[str, ...], _Run] = {}
    for path in sorted(files, key=_natural):
        header = read_header(path)
        if header is None:
            continue
        named = named_exposure(path.stem)
        exposure = header.exposure or (named.exposure if named else None)
        if exposure is not None:
            kinds.setdefault(header.kind, []).append((exposure, header))
    runs: list[_Run] = []
    for pictures in kinds.values():
        current: _Run = []
        for exposure, header in pictures:
            repeats = any(max(e / exposure, exposure / e) < MIN_STEP for e, _ in current)
            if current and (repeats or not _follows(current[-1][1], header)):
                runs.append(current)
                current = []
            current.append((exposure, header))
        runs.append(current)
    return runs


def _by_header(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    views = [view for run in _runs(files) for view in _views(run) if _is_one_view(view)]
    return [tuple(h.path for _, h in sorted(view, key=lambda c: (c[0], c[1].path))) for view in views]


def _twin(path: Path) -> tuple[Path, str]:
    """What a raw and the display picture that the camera wrote with it share."""
    return path.parent, path.stem.lower()


def group_brackets(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Sort the pictures of one folder into captures.

    Parameters
    ----------
    files : sequence of Path
        Pictures and raws of one folder; HDR files among them stay single.

    Returns
    -------
    list of tuple of Path
        Each file once, in the order of the first of each tuple by name. A stack holds its exposures from short to
        long; everything else, unreadable files and display twins of stacked raws too, is a tuple of one.
    """
    pictures = [f for f in files if f.suffix.lower() not in HDR_SUFFIXES]
    display = [f for f in pictures if f.suffix.lower() in PICTURES]
    stacks: list[tuple[Path, ...]] = []
    for family in ([f for f in pictures if f.suffix.lower() not in PICTURES], display):
        twins = {_twin(f) for stack in stacks for f in stack}  # of raws, which go first
        left = [f for f in family if _twin(f) not in twins]
        named = _by_name(sorted(left, key=_natural))
        taken = {f for stack in named for f in stack}
        stacks += named + _by_header([f for f in left if f not in taken])
    taken = {f for stack in stacks for f in stack}
    groups = stacks + [(f,) for f in files if f not in taken]
    return sorted(groups, key=lambda group: min(_natural(f) for f in group))
