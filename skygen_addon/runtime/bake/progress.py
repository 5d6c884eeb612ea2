"""What a bake tells whoever watches it: a line for people, or a JSON object a line for the program that started it.

The program reads ``{"frame": 3, "skipped": false, "done": 3, "total": 48, "frames_per_second": 2.1,
"seconds_left": 21.4}`` after every frame and, before exit code 2, ``{"error": "...", "remedy": "..."}``.
"""

from __future__ import annotations

import _thread
import dataclasses
import json
import os
import signal
import threading
from dataclasses import dataclass

from ...core.errors import SkyGenError
from .bake import Progress

PROGRESS_FORMS = ("text", "json")
INTERRUPTED = 130
"""Exit code of a bake that was stopped, by Ctrl-C or by whoever started it, as shells have it."""
PAUSE, RESUME = b"pause", b"resume"
"""Lines on a bake's standard input."""
GATE_S = 0.1
"""How long a paused bake takes at most to notice that it is interrupted."""


@dataclass(frozen=True)
class FrameDone:
    """One finished frame, as a bake in another process reports it."""

    frame: int
    """The frame just finished."""
    skipped: bool
    """Whether it was there already."""
    done: int
    """Frames finished, skipped ones included."""
    total: int
    """Frames of the job."""
    frames_per_second: float
    """Rendered frames per second."""
    seconds_left: float | None
    """Estimate; None before a frame was rendered."""


def text_line(progress: Progress) -> str:
    """One frame for people."""
    line = f"frame {progress.frame:4d}  {progress.done}/{progress.total}" + ("  kept" if progress.skipped else "")
    if progress.seconds_left is not None:
        line += f"  {progress.frames_per_second:.2f} frames/s  {minutes(progress.seconds_left)} left"
    return line


def minutes(seconds: float) -> str:
    """A time as minutes and seconds, ``1:05``."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole}:{rest:02d}"


def json_line(progress: Progress) -> str:
    """One frame for a program."""
    return json.dumps({field.name: getattr(progress, field.name) for field in dataclasses.fields(FrameDone)})


def error_line(error: SkyGenError) -> str:
    """What is wrong and its remedy, for a program."""
    return json.dumps({"error": error.message, "remedy": error.remedy})


def read_line(line: str) -> FrameDone | SkyGenError | None:
    """What :func:`json_line` or :func:`error_line` wrote; None for anything else, such as a library's chatter."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    if data.keys() == {"error", "remedy"}:
        return SkyGenError(str(data["error"]), str(data["remedy"]))
    if data.keys() != {field.name for field in dataclasses.fields(FrameDone)}:
        return None
    return FrameDone(**data)


class Gate:
    """Whether the next frame may be begun; from any thread."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()

    def hear(self, words: bytes) -> None:
        """Follow the last of the lines ``pause`` and ``resume`` in what came in; others mean nothing."""
        for word in words.split():
            if word == PAUSE:
                self._open.clear()
            elif word == RESUME:
                self._open.set()

    def is_shut(self) -> bool:
        """False once the next frame may be begun, which may take a while: what :func:`.bake.bake` asks."""
        while not self._open.wait(GATE_S):  # in short turns: an interruption waits for the end of one
            pass
        return False


def stop_at_end_of_input() -> Gate:
    """Interrupt this process, as Ctrl-C does but not within a library call, once its standard input ends.

    A program that started it keeps that input open for as long as it wants the bake: closing it
    stops the bake at once and cleanly, and so does the end of the program, even by a crash.
    Lines ``pause`` and ``resume`` in that input move the gate that is returned.
    To be called from the main thread.
    """
    gate = Gate()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background ignores SIGINT

    def wait() -> None:
        while words := os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
            gate.hear(words)
        _thread.interrupt_main()

    threading.Thread(target=wait, name="SkyGen end of input", daemon=True).start()
    return gate
