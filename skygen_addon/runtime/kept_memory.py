"""How much memory is kept between pictures, how much of it one picture takes, and giving it back to the system.

What is kept is counted by the arrays themselves, so it means the same on every system. The system's own figure for the
whole process holds the libraries and the networks' working memory too; it is told where the system tells it.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .kept import Kept

MEGABYTE = 1_000_000
DEFAULT_BUDGET_MB = 1000
"""More than is kept of a sky of two layers that plays, with a picture 1024 wide."""


@dataclass(frozen=True)
class MemoryUse:
    """What a process that serves pictures keeps."""

    kept: int
    """Bytes of clouds, noise and stills kept for the next picture."""
    picture: int
    """Bytes of them that the last picture took alone, before anything over the budget went; 0 before the first."""


@runtime_checkable
class Forgetful(Protocol):
    """A renderer that keeps what frames share, and can let it go at any time: it is made anew then."""

    def kept(self) -> list[Any]:
        """What is kept for the next frame, as :func:`array_bytes` counts it, but for noise."""

    def kept_noise(self) -> list[Any]:
        """Noise that clouds were made from."""

    def forget(self, *, noise_only: bool = False) -> None:
        """Let it go; not while a frame is rendered."""


def array_bytes(*things: Any) -> int:
    """Bytes of all arrays in things: in mappings, sequences, dataclasses and kept values; shared ones count once."""
    memory: dict[int, int] = {}
    seen: set[int] = set()
    todo = list(things)
    while todo:
        thing = todo.pop()
        if isinstance(thing, np.ndarray):
            while isinstance(thing.base, np.ndarray):  # a view holds the whole of what it looks into
                thing = thing.base
            memory[id(thing)] = thing.nbytes
        elif id(thing) not in seen:
            seen.add(id(thing))
            todo.extend(_parts(thing))
    return sum(memory.values())


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, list | tuple | deque):
        return list(thing)
    if isinstance(thing, Kept):
        return [thing.value]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return [getattr(thing, field.name) for field in dataclasses.fields(thing)]
    return []


def resident_bytes(pid: int) -> int | None:
    """Bytes of a process in physical memory; None where the system has no such file (Linux has), or no such process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def give_back() -> None:
    """Let the C library return what it holds for later; glibc keeps much of what large arrays have left."""
    if sys.platform == "linux":  # other systems' libraries return it by themselves
        with contextlib.suppress(OSError, AttributeError):  # a C library without that call
            ctypes.CDLL(None).malloc_trim(0)
