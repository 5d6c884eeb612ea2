"""What the live preview's process keeps in memory: how much that is, how much it may be, and letting it go."""

from __future__ import annotations

from ...runtime.kept_memory import MemoryUse, resident_bytes
from ..bake.bake_space import size_in_words
from ..engine.preferences_access import live_memory_bytes
from .live_session import PREVIEW


def apply_budget(*, clear: bool = False) -> bool:
    """Tell the process what it may keep, and with ``clear`` to let go what it keeps; whether there is a process.

    It follows once the picture at hand is finished.
    """
    process = PREVIEW.process
    if process is not None:
        process.allow(live_memory_bytes(), clear=clear)
    return process is not None


def memory_in_words() -> str:
    """What the preferences say about it."""
    process = PREVIEW.process
    if process is None:
        return "The live preview does not run and keeps nothing"
    memory = process.memory
    if memory is None:
        return "The live preview starts"
    words = f"Kept now: {size_in_words(memory.kept)}"
    resident = resident_bytes(process.pid)
    if resident is not None:
        words += f"; the live preview's process has {size_in_words(resident)} in all"
    return f"{words}. {_picture_in_words(memory)}" if memory.picture else words


def budget_in_words() -> str:
    """What the panel says where one picture takes more than may be kept; empty where it does not."""
    process = PREVIEW.process  # asked once: a render in another thread may end it
    memory = None if process is None else process.memory
    return "" if memory is None or memory.picture <= live_memory_bytes() else _picture_in_words(memory)


def _picture_in_words(memory: MemoryUse) -> str:
    words = f"One picture takes {size_in_words(memory.picture)}"
    if memory.picture <= live_memory_bytes():
        return words
    return f"{words}, more than the preferences let it keep: clouds are made anew for each"
