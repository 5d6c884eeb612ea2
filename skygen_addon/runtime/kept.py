"""One value kept until what it depends on changes: frames that follow one another often share a part."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The value that was made last, with what it was made from.

    It can be forgotten at any time, for what is made anew from the same key is the same. The pair is
    replaced as one, so that threads find a value of another key at worst, and make their own.
    """

    def __init__(self) -> None:
        self._pair: tuple[Hashable, Value] | None = None

    @property
    def value(self) -> Value | None:
        """The kept value; None where there is none."""
        pair = self._pair
        return None if pair is None else pair[1]

    def forget(self) -> None:
        """Keep none."""
        self._pair = None

    def peek(self, key: Hashable) -> Value | None:
        """The value of ``key`` if it is the kept one."""
        pair = self._pair
        return pair[1] if pair is not None and pair[0] == key else None

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of ``key``: the kept one, or what ``make`` returns.

        Parameters
        ----------
        key : hashable
            Everything that the value depends on.
        make : callable
            Makes it; what it raises is passed on, and the older value stays.
        """
        pair = self._pair
        if pair is None or pair[0] != key:
            pair = self._pair = (key, make())
        return pair[1]
