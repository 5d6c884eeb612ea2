"""Exposures written in file names.

What is read, in any case, between separators (``_``, ``-``, space, ``.``, brackets) or at an end of the name:

==================================================  ===================================================
``ev-2`` ``ev+1.3`` ``ev_2`` ``-2ev`` ``+2EV`` ``0ev``  steps of light: 2 to that power
``m2ev`` ``p2ev`` ``minus2ev`` ``plus2ev`` ``evm2``     the same with the sign spelt out
``1_250s`` ``1-250s`` ``1_250sec``                      1/250 second
``0.004s`` ``0.5sec`` ``2s``                            seconds
``exp0.004`` ``exp_1_250`` ``exposure1_250``            seconds; a whole number alone is a count, not a time
==================================================  ===================================================

A minus before ``2ev`` is always a sign: ``view-2ev`` is 2 EV under.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_START, _END = r"(?:^|(?<=[_\s.()\[\]-]))", r"(?=$|[_\s.()\[\]-])"
_SIGN, _NUMBER = r"(?P<sign>[+-]|minus|plus|m|p)?", r"(?P<number>\d+(?:\.\d+)?)"
_EV = (
    re.compile(rf"(?:^|(?<=[_\s.()\[\]])|(?=[+-])){_SIGN}{_NUMBER}[_\s]?ev{_END}", re.IGNORECASE),
    re.compile(rf"{_START}ev[_\s]?{_SIGN}{_NUMBER}{_END}", re.IGNORECASE),
)
_SECONDS = (
    re.compile(rf"{_START}(?:exp(?:osure)?[_\s]?)1[_-](?P<part>\d+)(?:s|sec)?{_END}", re.IGNORECASE),
    re.compile(rf"{_START}1[_-](?P<part>\d+)(?:s|sec){_END}", re.IGNORECASE),
    re.compile(rf"{_START}(?:exp(?:osure)?[_\s]?)(?P<number>\d+\.\d+)(?:s|sec)?{_END}", re.IGNORECASE),
    re.compile(rf"{_START}(?P<number>\d+(?:\.\d+)?)(?:s|sec){_END}", re.IGNORECASE),
)


@dataclass(frozen=True)
class NamedExposure:
    """An exposure found in a file name."""

    exposure: float
    """2 to the EV, or seconds; comparable only within one ``kind``."""
    kind: str
    """``ev`` or ``seconds``."""
    rest: str
    """The name without it: what the exposures of one view share."""


def named_exposure(stem: str) -> NamedExposure | None:
    """Exposure that a file name without its ending states, or None.

    Parameters
    ----------
    stem : str
        For example ``view_ev-2``.
    """
    for pattern in _EV:
        if (match := pattern.search(stem)) is not None:
            under = (match["sign"] or "").lower() in ("-", "m", "minus")
            steps = min(float(match["number"]), 64.0)
            return NamedExposure(2.0 ** (-steps if under else steps), "ev", _without(stem, match))
    for pattern in _SECONDS:
        if (match := pattern.search(stem)) is not None:
            found = match.groupdict()
            value = 1 / max(float(found["part"]), 1e-9) if found.get("part") else float(match["number"])
            if value > 0:
                return NamedExposure(value, "seconds", _without(stem, match))
    return None


def _without(stem: str, match: re.Match[str]) -> str:
    return stem[: match.start()].rstrip("_-. ") + "*" + stem[match.end() :]
