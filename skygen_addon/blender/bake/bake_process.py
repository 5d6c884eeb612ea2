"""A bake in a process of its own: started from a sky job, followed line by line, stopped at any moment.

The child ends when its standard input does. So Esc ends it cleanly, and closing Blender (or a
crash of it) ends it too: frames that are finished stay, and a bake that skips finished frames goes
on from there. Nothing here touches Blender's data, so any thread may follow a bake.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...core.errors import SkyGenError
from ...core.job import JOB_FILE, SkyJob, write_job
from ...runtime.bake.bake import BakeResult
from ...runtime.bake.output_folder import check_folder
from ...runtime.bake.progress import INTERRUPTED, PAUSE, RESUME, FrameDone, read_line
from ..engine.child import Child
from ..engine.interpreter import bake_command, bake_environment
from ..engine.model import bundle_folder
from ..engine.preferences_access import engine_options
from .bake_space import check_space

GRACE_S = 10.0
"""How long a child that was asked to stop may take before it is ended by force."""

_CANNOT_IMPORT = re.compile(r"(ImportError|ModuleNotFoundError|.*No module named)\b")


class BakeProcess:
    """One running bake.

    Parameters
    ----------
    job : SkyJob
        Handed to the child in a temporary file; the child records it beside the frames.
    skip_existing : bool
        Keep frames that are already baked from these very requests.

    Raises
    ------
    SkyGenError
        If there is no Python, library or bundle to bake with, the folder cannot be written, or its disk is too full.
        What only the child can tell, such as a library that does not load, :meth:`follow` raises.
    """

    def __init__(self, job: SkyJob, *, skip_existing: bool = False) -> None:
        command, environment, bundle = bake_command(), bake_environment(), bundle_folder()
        check_folder(job.folder)
        check_space(job)
        self._handed_over = tempfile.TemporaryDirectory(prefix="skygen-")  # removed when the process has ended
        job_file = Path(self._handed_over.name) / JOB_FILE
        write_job(job, job_file)
        command += ["bake", "--job", str(job_file), "--bundle", str(bundle)]
        command += ["--progress", "json", "--stop-at-end-of-input", *engine_options()]
        if skip_existing:
            command.append("--skip-existing")
        self.job = job
        self.latest: FrameDone | None = None
        self.stopping = False
        self.paused = False
        try:
            self._process = Child(command, environment)
        except SkyGenError:
            self._handed_over.cleanup()
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def follow(self, on_progress: Callable[[FrameDone], None] | None = None) -> BakeResult:
        """Wait for the end; must be called once.

        Parameters
        ----------
        on_progress : callable, optional
            Called after every frame.

        Raises
        ------
        SkyGenError
            If the request or the environment is at fault, or the process was ended from outside.
        RuntimeError
            If it ended by a defect: with its traceback.
        """
        error: SkyGenError | None = None
        written: list[int] = []
        skipped: list[int] = []
        try:
            for line in self._process.output:
                message = read_line(line)
                if isinstance(message, SkyGenError):
                    error = message
                elif message is not None:
                    self.latest = message
                    (skipped if message.skipped else written).append(message.frame)
                    if on_progress is not None:
                        on_progress(message)
            code = self._process.wait()
        except BaseException:
            self._process.kill()
            raise
        finally:
            complaints = self._close()
        if code not in (0, INTERRUPTED):
            self._remove_unfinished()
        if code and not self.stopping and code != INTERRUPTED:
            raise error if error is not None else _failure(code, complaints)
        return BakeResult(tuple(written), tuple(skipped), cancelled=code != 0)

    def stop(self) -> None:
        """Ask the process to end; :meth:`follow` returns soon after. From any thread."""
        if self.stopping:
            return
        self.stopping = True
        self._process.end_input()
        self._process.kill_after(GRACE_S)

    def pause(self, paused: bool) -> None:
        """Let the process rest once the frame at hand is finished, or go on; it keeps all that it has loaded."""
        if paused == self.paused or self.stopping:
            return
        self.paused = paused
        with contextlib.suppress(OSError, ValueError):  # it has ended already
            self._process.input.write(f"{(PAUSE if paused else RESUME).decode()}\n")
            self._process.input.flush()

    def _close(self) -> str:
        """Close what is open; returns what the process wrote to its standard error."""
        with contextlib.suppress(OSError):
            self._handed_over.cleanup()
        return self._process.complaints()

    def _remove_unfinished(self) -> None:
        """Remove what a process that was killed could not remove itself."""
        for path in self.job.folder.glob(f".*.{self.pid}.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


def run_job(
    job: SkyJob,
    *,
    on_progress: Callable[[FrameDone], None] | None = None,
    skip_existing: bool = False,
) -> BakeResult:
    """Bake a job and wait for it; parameters and errors as those of :class:`BakeProcess`."""
    return BakeProcess(job, skip_existing=skip_existing).follow(on_progress)


def _failure(code: int, complaints: str) -> Exception:
    """What a bake that ended without a word of its own is to be told as."""
    lines = complaints.splitlines()
    last = lines[-1].rstrip(".") if lines else "it left no message"
    if code == 1 and not _CANNOT_IMPORT.match(last):
        return RuntimeError(f"The bake failed:\n{complaints}")
    if code == 1:
        return SkyGenError(
            f"The bake's Python cannot load what it needs: {last}.",
            "Reinstall the extension made for this platform and Blender version, then restart Blender.",
        )
    if code == 2:
        return SkyGenError(f"The bake refused its job: {last}.", "Reinstall the extension.")
    how = f"by signal {-code}" if code < 0 and os.name != "nt" else f"with code {code}"
    return SkyGenError(
        f"The bake was ended from outside or crashed ({how}): {last}.",
        "Free some memory or choose a smaller resolution, then bake again; finished frames can be skipped.",
    )
