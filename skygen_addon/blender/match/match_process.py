"""A match in a process of its own: started for a panorama, followed line by line, stopped at any moment.

It ends when its standard input does, so Esc and the end of Blender end it too. Nothing here touches Blender's data,
so any thread may follow it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ...core.errors import SkyGenError
from ...runtime.match.match_messages import MatchFound, MatchStep, read_match_line
from ..engine.child import Child
from ..engine.interpreter import bake_command, bake_environment
from ..engine.model import bundle_folder
from ..engine.preferences_access import engine_options

GRACE_S = 5.0
"""How long a process that was asked to stop may take before it is ended by force."""


class MatchProcess:
    """One running match.

    Parameters
    ----------
    file : Path
        The panorama.
    anyway : bool
        Match a sky that is mostly hidden, by what is seen of it.

    Raises
    ------
    SkyGenError
        If there is no Python, library or bundle to match with. What only the process can tell, :meth:`follow` raises.
    """

    def __init__(self, file: Path, *, anyway: bool = False) -> None:
        command, environment, bundle = bake_command(), bake_environment(), bundle_folder()
        self._pictures = tempfile.TemporaryDirectory(prefix="skygen_match_", ignore_cleanup_errors=True)
        command += ["match", "--pictures", self._pictures.name, "--bundle", str(bundle)]
        command += ["--progress", "json", "--stop-at-end-of-input", *(["--anyway"] if anyway else [])]
        command += [*engine_options(), "--", str(file)]
        self.latest: MatchStep | None = None
        self.stopping = False
        try:
            self._process = Child(command, environment)
        except SkyGenError:
            self._pictures.cleanup()
            raise

    @property
    def pictures(self) -> Path:
        """Folder of the two pictures, until :meth:`close`."""
        return Path(self._pictures.name)

    def follow(self) -> MatchFound | None:
        """Wait for the end; must be called once. None where it was stopped.

        Raises
        ------
        SkyGenError
            If the panorama or the environment is at fault, or the process was ended from outside.
        RuntimeError
            If it ended by a defect: with its traceback.
        """
        error: SkyGenError | None = None
        found: MatchFound | None = None
        try:
            for line in self._process.output:
                message = read_match_line(line)
                if isinstance(message, MatchStep):
                    self.latest = message
                elif isinstance(message, MatchFound):
                    found = message
                elif message is not None:
                    error = message
            code = self._process.wait()
        except BaseException:
            self._process.kill()
            raise
        finally:
            complaints = self._process.complaints()
        if self.stopping:
            self.close()  # whoever stopped it need not wait, and may be gone
            return None
        if error is not None:
            raise error
        if code or found is None:
            raise _failure(code, complaints)
        return found

    def stop(self) -> None:
        """Ask the process to end; :meth:`follow` returns soon after. From any thread."""
        if self.stopping:
            return
        self.stopping = True
        self._process.end_input()
        self._process.kill_after(GRACE_S)

    def close(self) -> None:
        """Delete the pictures."""
        self._pictures.cleanup()


def _failure(code: int, complaints: str) -> Exception:
    """What a match that ended without a word of its own is to be told as."""
    lines = complaints.splitlines()
    last = lines[-1].rstrip(".") if lines else "it left no message"
    if code == 1 and "Error" in last and "No module named" not in last and not last.startswith("ImportError"):
        return RuntimeError(f"The match failed:\n{complaints}")
    if code in (1, 2):
        return SkyGenError(
            f"The match's Python cannot do its work: {last}.",
            "Reinstall the extension made for this platform and Blender version, then restart Blender.",
        )
    return SkyGenError(
        f"The match was ended from outside or crashed (code {code}): {last}.",
        "Free some memory, then match again.",
    )
