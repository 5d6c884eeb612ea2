"""A warm process that renders pictures as they are asked for, for Blender's live preview: the newest request wins.

``python -m skygen_addon serve --folder DIR`` reads requests from standard input and answers on standard output, see
:mod:`.serve_protocol`. A request that has not begun when a newer one comes is dropped without a word, and so are the
finer widths of one that has begun. Where the asker allows it, a picture of a sky that moves is carried from others by
:mod:`..film.film`. The process ends with its input; a picture in the making is given up then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import OutputError, SkyGenError
from ...core.request import SkyRequest
from ..bake.bake import Renderer
from ..film.film import Film, StillRenderer
from ..frame.sun_record import DraftRenderer, SunLight, SunlitFrame, SunlitRenderer
from ..kept_memory import MemoryUse
from .serve_protocol import (
    Ask,
    AskError,
    MemoryOrder,
    Picture,
    Refusal,
    memory_line,
    picture_line,
    read_ask,
    read_order,
    ready_line,
    refusal_line,
    write_picture,
)

_LOG = logging.getLogger(__name__)
_READ_BYTES = 65536
_LOOK_S = 0.03
"""Time between two looks at what is newer while a picture that comes from another thread is waited for."""
_POLITENESS = 3
"""Steps by which the process is less urgent than the interface that it serves, where the system has such steps. On
Windows whoever starts it sets that."""


class Newest:
    """Hands the newest line of a stream to another thread; older ones that nobody has taken are gone.

    Orders are lines that are never overtaken: each is handed over, before the newest other one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._orders: deque[str] = deque()
        self._line: str | None = None
        self._ended = False

    def put(self, line: str) -> None:
        """A newer line."""
        with self._changed:
            self._line = line
            self._changed.notify()

    def order(self, line: str) -> None:
        """One more order."""
        with self._changed:
            self._orders.append(line)
            self._changed.notify()

    def end(self) -> None:
        """No more lines; one that nobody has taken is gone too."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def waits(self) -> bool:
        """Whether there is a line that nobody has taken and that is no order, or the end."""
        with self._changed:
            return self._ended or self._line is not None

    def take(self) -> str | None:
        """The next order or else the newest line, waited for; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._orders or self._line is not None)
            if self._orders and not self._ended:
                return self._orders.popleft()
            line, self._line = self._line, None
            return None if self._ended else line


def serve(
    load: Callable[[], Renderer],
    lines: Iterable[str],
    folder: Path,
    answer: Callable[[str], None],
    *,
    at_end: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until ``lines`` end.

    Parameters
    ----------
    load : callable
        Makes the renderer; of the requests that come in meanwhile the newest waits.
    lines : iterable of str
        Requests, read in a thread of its own.
    folder : Path
        Where pictures are written. Whoever asked deletes them.
    answer : callable
        Takes each line that goes out.
    at_end : callable
        Called by the reading thread when the lines have ended, so that a process need not finish its picture.

    Raises
    ------
    SkyGenError
        If the renderer cannot be loaded.
    """
    newest, films = Newest(), list[Film]()

    def read() -> None:
        for line in lines:
            if read_order(line) is not None:
                newest.order(line)
            elif line.strip():
                _tell(films, line)
                newest.put(line)
        newest.end()
        at_end()

    threading.Thread(target=read, name="SkyGen requests", daemon=True).start()
    renderer = load()
    if isinstance(renderer, StillRenderer):
        films.append(Film(renderer))
    film = films[0] if films else None
    answer(ready_line())
    while (line := newest.take()) is not None:
        number = None
        try:
            if (order := read_order(line)) is not None:
                answer(memory_line(_obeyed(film, order)))
                continue
            ask = read_ask(line)
            number = ask.id
            _serve_one(renderer, film, ask, folder, answer, newest.waits)
        except SkyGenError as error:
            answer(refusal_line(Refusal(error.number if isinstance(error, AskError) else number, error)))
        except Exception as error:  # a defect in one picture must not end the preview of all others
            _LOG.exception("A picture failed.")
            words = f"The picture could not be made ({type(error).__name__}: {error})."
            answer(refusal_line(Refusal(number, SkyGenError(words, "Change a setting to try again, and report it."))))
    if film is not None:
        film.close()


def _obeyed(film: Film | None, order: MemoryOrder) -> MemoryUse:
    """What is kept after an order."""
    return film.allow(order.budget, clear=order.clear) if film is not None else MemoryUse(0, 0)


def _tell(films: Sequence[Film], line: str) -> None:
    """Tell films of a request that may be carried, whether it is answered or overtaken; others are refused later."""
    try:
        for film in films:
            ask = read_ask(line)
            if ask.carried:
                film.note(ask.request)
    except AskError:
        pass  # whoever answers it refuses it
    except Exception:  # the thread that reads must go on, or the process would not even end with its input
        _LOG.exception("A request was not told to the film.")


def _serve_one(
    renderer: Renderer,
    film: Film | None,
    ask: Ask,
    folder: Path,
    answer: Callable[[str], None],
    newer_waits: Callable[[], bool],
) -> None:
    """Make the pictures of one request, coarse to fine, or the carried one, until something newer waits."""

    def send(radiance: NDArray[np.float32], sun: SunLight | None, started: float, *, carried: bool = False) -> None:
        width = radiance.shape[1]
        seconds = round(time.perf_counter() - started, 4)
        file = f"{ask.id}_{width}.rgba"
        write_picture(folder / file, radiance)
        last = carried or width == ask.widths[-1]
        memory = film.memory if film is not None else None
        answer(picture_line(Picture(ask.id, width, file, seconds, last, sun, carried, memory)))

    if ask.carried and film is not None:
        request, started = dataclasses.replace(ask.request, width=ask.carried), time.perf_counter()
        while (moved := film.carried(request)) is None and film.plays(request):
            if newer_waits():
                return
            film.wait(_LOOK_S)
        if moved is not None:
            send(moved.radiance, moved.sun, started, carried=True)
            return
    for width in ask.widths:
        if width != ask.widths[0] and newer_waits():
            return
        request, started = dataclasses.replace(ask.request, width=width), time.perf_counter()
        frame = _frame(renderer, film, request, ask.draft)
        if frame is None:
            send(renderer.render(request), None, started)
        else:
            send(frame.radiance, frame.sun, started)


def _frame(renderer: Renderer, film: Film | None, request: SkyRequest, draft: bool) -> SunlitFrame | None:
    """A rendered frame or draft; None of a renderer that does not know its sun."""
    if film is not None:
        return film.draw(request, draft=draft)
    if draft and isinstance(renderer, DraftRenderer):
        return renderer.render_draft(request)
    return renderer.render_frame(request) if isinstance(renderer, SunlitRenderer) else None


def serve_standard_streams(load: Callable[[], Renderer], folder: Path) -> None:
    """:func:`serve` on this process's standard input and output; the process ends with its input.

    Raises
    ------
    SkyGenError
        If the folder is none, or the renderer cannot be loaded. It goes out as an answer too.
    """

    def answer(line: str) -> None:
        print(line, flush=True)

    def leave() -> None:
        for path in folder.glob(f".*.{os.getpid()}.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()
        os._exit(0)  # a graph that runs cannot be interrupted, and its picture is of no use to anybody

    try:
        if not folder.is_dir():
            raise OutputError(f"{folder} is not a folder.", "Give --folder one that exists.")
        if hasattr(os, "nice"):
            os.nice(_POLITENESS)
        serve(load, _lines_of_input(), folder, answer, at_end=leave)
    except SkyGenError as error:
        answer(refusal_line(Refusal(None, error)))
        raise


def _lines_of_input() -> Iterator[str]:
    """Lines of standard input; not through ``sys.stdin``, whose lock would be held when the interpreter ends."""
    rest = b""
    while data := os.read(0, _READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", errors="replace")
