"""The process that renders live pictures: started, asked and heard without ever waiting for it.

Two threads stand between Blender and the process, one writes and one reads, so that neither a full pipe nor a busy
renderer can hold up the interface. Nothing here touches Blender's data. The process ends when its standard input
does, so it ends with Blender too, even by a crash.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SkyGenError
from ...runtime.kept_memory import MemoryUse
from ...runtime.serve.serve import Newest
from ...runtime.serve.serve_protocol import (
    Ask,
    MemoryOrder,
    Picture,
    Ready,
    Refusal,
    ask_line,
    order_line,
    read_answer,
    read_picture,
)
from ..engine.child import Child
from ..engine.interpreter import bake_command, bake_environment
from ..engine.model import bundle_folder
from ..engine.preferences_access import engine_options, live_memory_bytes

GRACE_S = 5.0
"""How long a process that was asked to end may take before it is ended by force."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """A picture is there, or its file could not be read."""

    picture: Picture
    """What it shows."""
    pixels: NDArray[np.float32] | SkyGenError
    """As :func:`..runtime.serve.serve_protocol.read_picture` returns them."""


@dataclass(frozen=True)
class Ended:
    """The process has ended, though nobody asked it to."""

    error: SkyGenError
    """How, and what to do."""


Answer = Ready | Arrived | Refusal | Ended


def engine_choice() -> tuple[str, ...]:
    """What a process renders with: model folder, threads, device. Another choice needs another process.

    Raises
    ------
    BundleError
        If there is no bundle to choose from.
    """
    return str(bundle_folder()), *engine_options()


class LiveProcess:
    """One serving process.

    Parameters
    ----------
    temporary_folder : str, optional
        Where its folder of pictures is made; the system's by default.

    Raises
    ------
    SkyGenError
        If there is no Python, library or bundle to render with. What only the process can tell comes as an answer.
    """

    def __init__(self, temporary_folder: str | None = None) -> None:
        command, environment = bake_command(), bake_environment()
        self.engine = engine_choice()
        """What it renders with."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="skygen_live_", dir=temporary_folder, ignore_cleanup_errors=True
        )
        command += ["serve", "--folder", self._folder.name, "--bundle", *self.engine]
        self._asks, self._answers = Newest(), queue.SimpleQueue[Answer]()
        self._stopping = False
        self.memory: MemoryUse | None = None
        """What it keeps, as it has said last; None before the first word."""
        try:
            self._process = Child(command, environment, less_urgent=True)
        except SkyGenError:
            self._folder.cleanup()
            raise
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()
        self.allow(live_memory_bytes())

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, ask: Ask) -> None:
        """Ask for pictures; earlier requests that have not begun are dropped."""
        self._asks.put(ask_line(ask))

    def allow(self, budget: int, *, clear: bool = False) -> None:
        """Let it keep so many bytes from now on, and with ``clear`` nothing of what it keeps now."""
        self._asks.order(order_line(MemoryOrder(budget, clear)))

    def answers(self) -> list[Answer]:
        """What has come in since the last call, in order."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._answers.get_nowait())
        return found

    def stop(self) -> None:
        """End the process; it is gone soon after, without a word."""
        if self._stopping:
            return
        self._stopping = True
        self._asks.end()
        self._process.kill_after(GRACE_S)

    def end(self, timeout_s: float) -> None:
        """:meth:`stop`, and wait for it: on Windows the files of a running program cannot be removed or replaced."""
        self.stop()
        if not self.wait(timeout_s):
            self._process.kill()
            self.wait(timeout_s)

    def wait(self, timeout_s: float) -> bool:
        """Whether the process has ended within a time and all that it has left is gone."""
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _write(self) -> None:
        stream = self._process.input
        with contextlib.suppress(OSError, ValueError):  # it has ended, or its input is closed: the reading thread tells
            while (line := self._asks.take()) is not None:
                stream.write(f"{line}\n")
                stream.flush()
        self._process.end_input()

    def _read(self) -> None:
        for line in self._process.output:
            answer = read_answer(line)
            if isinstance(answer, MemoryUse):
                self.memory = answer
            elif isinstance(answer, Picture):
                self.memory = answer.memory or self.memory
                self._answers.put(Arrived(answer, self._pixels(answer)))
            elif answer is not None:
                self._answers.put(answer)
        code = self._process.wait()
        self._asks.end()
        lines = self._process.complaints().splitlines()
        self._folder.cleanup()
        if not self._stopping:
            self._answers.put(_end(code, lines[-1].rstrip(".") if lines else "it left no message"))

    def _pixels(self, picture: Picture) -> NDArray[np.float32] | SkyGenError:
        """A picture's pixels; its file is deleted."""
        path = Path(self._folder.name) / picture.file
        try:
            return read_picture(path, picture.width)
        except SkyGenError as error:
            return error
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def _end(code: int, last: str) -> Refusal | Ended:
    """What an end that nobody asked for is to be told as; ``last`` is the last line of the process's complaints."""
    if code == 2:
        remedy = "Choose another device or model in the add-on's preferences, then press Update Preview."
        return Refusal(None, SkyGenError(f"The live preview cannot start: {last.removeprefix('skygen: ')}.", remedy))
    return Ended(
        SkyGenError(
            f"The live preview's process has ended (code {code}): {last}.",
            "Free some memory or choose a smaller preview, then press Update Preview; if it ends again, "
            "reinstall the extension made for this platform and Blender version.",
        )
    )
