"""How many pictures a second the live preview gets while a film plays: a serving process, asked as Blender asks it."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.controls import SkyControls
from ...core.errors import SkyGenError
from ...core.request import SkyRequest
from ...core.timeline import requests_for_frames
from ..kept_memory import MemoryUse
from ..serve.serve_protocol import Ask, Picture, Ready, Refusal, ask_line, read_answer, read_picture

FPS = 24.0
ASK_S = 0.04
"""Time between two requests while the film plays, as the live preview's timer has it."""
COARSE_WIDTH, CARRIED_WIDTH = 256, 512
"""Of the first picture, and of those that are carried."""
_PATIENCE_S = 120.0
_GONE = Refusal(None, SkyGenError("The serving process has ended.", "Run serve by hand to see what it says."))


@dataclass(frozen=True)
class PlayingRate:
    """What came while a film played."""

    pictures_per_s: float
    """From the start on."""
    carried_share: float
    """Share of pictures that were carried from others."""
    longest_gap_s: float
    """Longest time without a new picture."""
    late_s: float
    """Mean time by which pictures came after the moment that they show."""


def serve_command(bundle_folder: Path, threads: int | None, device: str) -> list[str]:
    """Arguments that start a serving process with this Python, without its folder."""
    package = __name__.rpartition(".runtime.")[0]
    options = ["--bundle", str(bundle_folder), "--device", device]
    options += [] if threads is None else ["--threads", str(threads)]
    return [sys.executable, "-m", package, "serve", *options]


def measure_playing(command: Sequence[str], controls: SkyControls, seconds: float = 12.0) -> PlayingRate:
    """Play a film of controls in real time for so many seconds, from a finished picture of its first frame on.

    Raises
    ------
    SkyGenError
        If the process refuses a request or ends.
    """
    frames = round((seconds + 1) * FPS) + 1
    film = requests_for_frames(lambda _: controls, range(1, frames + 1), fps=FPS, seed=1, width=CARRIED_WIDTH)
    with tempfile.TemporaryDirectory() as name:
        pipe, folder = subprocess.PIPE, Path(name)
        process = subprocess.Popen(
            [*command, "--folder", name], env=os.environ | {"PYTHONPATH": _root()}, stdin=pipe, stdout=pipe, text=True
        )
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(process, answers), daemon=True).start()
        try:
            return _play(lambda line: _say(process, line), answers, film, folder, seconds)
        finally:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            process.wait()


def _root() -> str:
    """Folder that the package lies in, before what PYTHONPATH holds."""
    here = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def _listen(process: subprocess.Popen[str], answers: queue.SimpleQueue[str | None]) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            answers.put(line)
    answers.put(None)


def _say(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):  # it has ended, which who listens is told
            process.stdin.write(f"{line}\n")
            process.stdin.flush()


def _play(
    ask: Callable[[str], None],
    answers: queue.SimpleQueue[str | None],
    film: Sequence[SkyRequest],
    folder: Path,
    seconds: float,
) -> PlayingRate:
    def answer(timeout_s: float) -> Ready | Picture | MemoryUse | None:
        try:
            line = answers.get(timeout=timeout_s)
        except queue.Empty:
            return None
        said = read_answer(line) if line is not None else _GONE
        if isinstance(said, Refusal):
            raise said.error
        if isinstance(said, Picture):
            read_picture(folder / said.file, said.width)
            (folder / said.file).unlink()
        return said

    # What Blender shows when somebody begins to play: asked for as what it carries is, then finished.
    ask(ask_line(Ask(0, film[0], (COARSE_WIDTH, CARRIED_WIDTH), True, CARRIED_WIDTH)))
    while not (isinstance(said := answer(_PATIENCE_S), Picture) and said.width == CARRIED_WIDTH):
        if said is None:
            raise SkyGenError(f"No picture came in {_PATIENCE_S:g} seconds.", "Choose a smaller model.")
    begun = now = time.perf_counter()
    asked, came, late, carried = dict[int, float](), [begun], list[float](), 0
    while now - begun < seconds:
        picture, now = answer(ASK_S), time.perf_counter()
        if isinstance(picture, Picture):
            came.append(now)
            late.append(now - asked[picture.id])
            carried += picture.carried
        number = len(asked)
        if now - asked.get(number, 0.0) >= ASK_S:
            asked[number + 1] = now
            frame = int((now - begun) * FPS)
            ask(ask_line(Ask(number + 1, film[frame], (COARSE_WIDTH,), True, CARRIED_WIDTH)))
    if not late:
        raise SkyGenError(f"No picture came in {seconds:g} seconds.", "Play for longer.")
    gaps = [after - before for before, after in zip(came, [*came[1:], now], strict=True)]
    return PlayingRate(len(late) / (now - begun), carried / len(late), max(gaps), sum(late) / len(late))
