"""A process of the engine beside Blender: how it is started, asked to end, and what it leaves to be told."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, cast

from ...core.errors import SkyGenError

NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""On Windows a console program would open a console otherwise."""
LESS_URGENT: int = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
"""On Windows a process cannot be polite by itself, see ``runtime/serve/serve.py``."""


class Child:
    """One running process; what it writes to its standard error is kept until :meth:`complaints`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping of str to str
        Its environment.
    answers : bool
        Whether its standard output is read through :attr:`output`; it is thrown away otherwise.
    less_urgent : bool
        Let it give way to the interface, on systems where only its parent can say so.

    Raises
    ------
    SkyGenError
        If it cannot be started, or no temporary file can be made.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, answers: bool = True, less_urgent: bool = False
    ) -> None:
        try:
            self._complaints = tempfile.TemporaryFile()  # closed by complaints() or kill()
        except OSError as error:
            words = f"No temporary file can be made: {error.strerror or error}."
            raise SkyGenError(words, "Free some space on the disk.") from error
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
                stderr=self._complaints,
                creationflags=NO_WINDOW | (LESS_URGENT if less_urgent else 0),
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            self._complaints.close()
            words = f"{command[0]} cannot be started: {error.strerror or error}."
            raise SkyGenError(words, "Reinstall Blender.") from error

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def input(self) -> IO[str]:
        """Its standard input; it ends when that does."""
        return cast(IO[str], self._process.stdin)

    @property
    def output(self) -> IO[str]:
        """Its standard output, of a process that answers."""
        return cast(IO[str], self._process.stdout)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait()

    def kill(self) -> None:
        """End it by force, and wait for that."""
        self._process.kill()
        self._process.wait()

    def kill_after(self, grace_s: float) -> None:
        """End it by force if it has not ended by itself after a time."""
        force = threading.Timer(grace_s, self._process.kill)
        force.daemon = True
        force.start()

    def end_input(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(OSError):  # it has ended already
            self.input.close()

    def complaints(self) -> str:
        """After its end, once: what it wrote to its standard error, stripped; all that is open is closed."""
        self.end_input()
        if self._process.stdout is not None:
            with contextlib.suppress(OSError):
                self._process.stdout.close()
        with self._complaints as file:
            file.seek(0)
            return file.read().decode("utf-8", errors="replace").strip()
