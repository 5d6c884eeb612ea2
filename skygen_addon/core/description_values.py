"""Checks of the values that model.json states: each refusal names the value and what it should be.

All raise BundleError.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from typing import Any

from .errors import BundleError

REMEDY = "Export the bundle again, or reinstall SkyGen."
"""What to do about a description that makes no sense."""


def refusal(what: str, value: object, expected: str) -> BundleError:
    """What to raise about a value; long values are shortened."""
    return BundleError(f"{what} is {reprlib.repr(value)}, expected {expected}.", REMEDY)


def check_whole(what: str, value: object, low: int, high: int, even: bool = False) -> None:
    """A whole number from ``low`` to ``high``; True and 1.0 are none."""
    if type(value) is not int or not low <= value <= high or (even and value % 2):
        raise refusal(what, value, f"{'an even' if even else 'a'} whole number from {low} to {high}")


def check_positive(what: str, value: object, high: float) -> None:
    """A finite number above 0 and up to ``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= high:
        raise refusal(what, value, f"a number above 0 and up to {high:g}")


def check_text(what: str, value: object, pattern: str, expected: str) -> None:
    """A text that matches ``pattern`` as a whole."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise refusal(what, value, expected)


def check_finite(what: str, value: object) -> None:
    """No infinity and no NaN in lists and objects of any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_finite(f"{what}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            check_finite(what, item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise refusal(what, value, "a finite number")


def check_keys(data: object, names: tuple[str, ...], what: str) -> None:
    """An object with exactly these keys."""
    if not isinstance(data, dict):
        raise refusal(what, data, "an object")
    missing, unknown = sorted(set(names) - set(data)), sorted(set(data) - set(names))
    if missing:
        raise BundleError(f"{what} lacks {', '.join(missing)}.", REMEDY)
    if unknown:
        raise BundleError(f"{what} has unknown keys: {', '.join(unknown)}.", REMEDY)


def section(cls: type, data: Any, what: str) -> Any:
    """A dataclass of an object that has exactly its fields; lists become tuples."""
    check_keys(data, tuple(f.name for f in dataclasses.fields(cls)), what)
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
