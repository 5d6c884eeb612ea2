"""The serving process: what it reads and says, which requests it drops, what ends it, what its pictures hold."""

from __future__ import annotations

import dataclasses
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.sun_record import SunLight
from skygen_addon.runtime.kept_memory import MemoryUse, resident_bytes
from skygen_addon.runtime.serve.serve import serve
from skygen_addon.runtime.serve.serve_protocol import (
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
from tests.runtime.film.film_stub import StillsOfTime

ROOT = Path(__file__).resolve().parents[3]
SUN = SunLight(1.0, 0.5, (3.0, 2.0, 1.0), 0.25, 0.75)


class Input:
    """Lines that a test hands over one by one."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def put(self, *lines: str) -> None:
        for line in lines:
            self._lines.put(line)

    def end(self) -> None:
        self._lines.put(None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines.get, None)


class Gate:
    """A renderer that waits in every picture until the test lets it go on."""

    def __init__(self, renderer: Any) -> None:
        self._renderer, self.bundle = renderer, renderer.bundle
        self.begun: queue.SimpleQueue[SkyRequest] = queue.SimpleQueue()
        self.go_on: queue.SimpleQueue[None] = queue.SimpleQueue()

    def render(self, request: SkyRequest) -> Any:
        self.begun.put(request)
        self.go_on.get(timeout=30)
        if request.seed == 666:
            raise ZeroDivisionError("by chance")
        return self._renderer.render(request)


class Served:
    """A loop of requests in a thread, its input and what it says."""

    def __init__(self, load: Callable[[], Any], folder: Path) -> None:
        self.input, self.answers = Input(), queue.SimpleQueue[Any]()
        say = lambda line: self.answers.put(read_answer(line))  # noqa: E731
        self.thread = threading.Thread(target=serve, args=(load, self.input, folder, say), daemon=True)
        self.thread.start()

    def next(self) -> Any:
        return self.answers.get(timeout=30)

    def end(self) -> None:
        self.input.end()
        self.thread.join(30)
        assert not self.thread.is_alive() and self.answers.empty()


def ask(number: int, *widths: int, **changes: Any) -> str:
    return ask_line(Ask(number, SkyRequest(**changes), widths))


@pytest.fixture
def gate(renderer: Any) -> Gate:
    return Gate(renderer)


@pytest.fixture
def served(gate: Gate, tmp_path: Path) -> Served:
    loop = Served(lambda: gate, tmp_path)
    assert loop.next() == Ready()
    return loop


def test_pictures_come_coarse_to_fine_and_hold_what_the_renderer_made(
    served: Served, gate: Gate, renderer: Any, tmp_path: Path
) -> None:
    served.input.put(ask(7, 64, 128, seed=3))
    for width, last in ((64, False), (128, True)):
        gate.go_on.put(None)
        picture = served.next()
        assert (picture.id, picture.width, picture.last, picture.sun) == (7, width, last, None)
        pixels = read_picture(tmp_path / picture.file, width).reshape(width // 2, width, 4)
        assert np.array_equal(pixels[::-1, :, :3], renderer.render(SkyRequest(seed=3, width=width)))
        assert (pixels[..., 3] == 1).all()
    served.end()
    assert not list(tmp_path.glob(".*"))  # no temporary file stays


def test_the_newest_request_wins(served: Served, gate: Gate) -> None:
    served.input.put(ask(1, 64, seed=1))
    assert gate.begun.get(timeout=30).seed == 1
    served.input.put(ask(2, 64, seed=2), ask(3, 64, seed=3), ask(4, 64, seed=4))
    time.sleep(0.2)  # the reading thread has them all
    gate.go_on.put(None)
    gate.go_on.put(None)
    assert [served.next().id, served.next().id] == [1, 4]
    served.end()


def test_an_order_is_never_overtaken_and_drops_no_picture(served: Served, gate: Gate) -> None:
    """Those that come while a picture is made are carried out after it, before the newest request."""
    served.input.put(ask(1, 64, seed=1))
    gate.begun.get(timeout=30)
    served.input.put(*(order_line(MemoryOrder(budget)) for budget in (1, 2)), ask(2, 64), order_line(MemoryOrder(3)))
    served.input.put(ask(3, 64))
    time.sleep(0.2)  # the reading thread has them all
    gate.go_on.put(None)
    gate.go_on.put(None)
    said = [served.next() for _ in range(5)]
    assert [type(one) for one in said] == [Picture, MemoryUse, MemoryUse, MemoryUse, Picture]
    assert [said[0].id, said[-1].id] == [1, 3]
    served.input.put(ask(4, 64, 128))
    gate.begun.get(timeout=30)
    gate.begun.get(timeout=30)
    served.input.put(order_line(MemoryOrder(4)))
    time.sleep(0.2)
    gate.go_on.put(None)
    gate.go_on.put(None)
    assert [(one.id, one.width) for one in (served.next(), served.next())] == [(4, 64), (4, 128)]
    assert isinstance(served.next(), MemoryUse)
    served.end()


def test_a_process_says_what_it_keeps_and_clears_it(tmp_path: Path, sky_renderer: FrameRenderer) -> None:
    """Drawn anew the picture is the same, bit for bit; cleared, the process is smaller by most of what it kept."""
    line = ask_line(Ask(1, SkyRequest(seed=2), (64,)))
    with process(tmp_path) as served:
        assert served.stdin is not None and served.stdout is not None
        said, resident = [read_answer(served.stdout.readline())], list[int | None]()
        for line_in in (line, order_line(MemoryOrder(10**9, True)), line, order_line(MemoryOrder(0)), line):
            served.stdin.write(line_in + "\n")
            served.stdin.flush()
            said.append(read_answer(served.stdout.readline()))
            resident.append(resident_bytes(served.pid))
            if isinstance(said[-1], Picture):
                (tmp_path / said[-1].file).rename(tmp_path / str(len(said)))
        served.stdin.close()
        assert served.wait(60) == 0
    _, first, cleared, again, forbidden, last = said
    assert isinstance(first, Picture) and isinstance(again, Picture) and isinstance(last, Picture)
    assert first.memory is not None and again.memory is not None and last.memory is not None
    assert isinstance(cleared, MemoryUse) and isinstance(forbidden, MemoryUse)
    assert first.memory.kept > 10**7 and 0 < first.memory.picture <= first.memory.kept
    assert cleared.kept == 0 and forbidden.kept == 0 and last.memory.kept == 0
    assert again.memory.kept == first.memory.kept and last.memory.picture == first.memory.picture
    files = [(tmp_path / name).read_bytes() for name in ("2", "4", "6")]
    assert files[0] == files[1] == files[2]
    before, after = resident[:2]
    if before is not None and after is not None:
        assert before - after > 0.5 * first.memory.kept


def test_a_finer_picture_waits_for_a_newer_request(served: Served, gate: Gate) -> None:
    served.input.put(ask(1, 64, 128, 256))
    gate.begun.get(timeout=30)
    served.input.put(ask(2, 64))
    time.sleep(0.2)
    gate.go_on.put(None)
    gate.go_on.put(None)
    assert [(p.id, p.width) for p in (served.next(), served.next())] == [(1, 64), (2, 64)]
    served.end()


def test_requests_that_come_while_the_graphs_load_wait(gate: Gate, tmp_path: Path) -> None:
    loaded = threading.Event()

    def load() -> Gate:
        loaded.wait(30)
        return gate

    loop = Served(load, tmp_path)
    loop.input.put(ask(1, 64), ask(2, 64))
    time.sleep(0.2)
    loaded.set()
    gate.go_on.put(None)
    assert loop.next() == Ready()
    assert loop.next().id == 2
    loop.end()


def test_a_refused_request_and_a_defect_end_nothing(served: Served, gate: Gate) -> None:
    for line, number, words in (
        ("no json", None, "cannot be read"),
        (ask(3, 64).replace('"seed": 0', '"seed": -1'), 3, "seed is -1"),
        (ask(4, 66), 4, "width is 66"),
        (ask(5, 128, 64), 5, "rising order"),
        (ask(5, 64).replace('"draft": false', '"draft": 1'), 5, "draft is 1"),
        (ask(5, 64).replace('"carried": 0', '"carried": true'), 5, "carried is True"),
        (ask(5, 64).replace('"carried": 0', '"carried": 7'), 5, "width is 7"),
        (ask(5, 64).replace('"id": 5', '"id": -1'), None, "id is -1"),
    ):
        served.input.put(line)
        refusal = served.next()
        assert refusal.id == number and words in str(refusal.error) and refusal.error.remedy
    gate.go_on.put(None)
    served.input.put(ask(6, 64, seed=666))
    refusal = served.next()
    assert refusal.id == 6 and "ZeroDivisionError: by chance" in refusal.error.message
    gate.go_on.put(None)
    served.input.put(ask(7, 64))
    assert served.next().id == 7
    served.end()


def test_drafts_are_drawn_only_where_they_are_asked_for(renderer: Any, tmp_path: Path) -> None:
    class Drafting:
        bundle = renderer.bundle

        def render_frame(self, request: SkyRequest) -> Any:
            return SimpleNamespace(radiance=renderer.render(request), sun=SUN)

        def render_draft(self, request: SkyRequest) -> Any:
            return SimpleNamespace(radiance=0.5 * renderer.render(request), sun=SUN)

    loop = Served(Drafting, tmp_path)  # type: ignore[arg-type]
    assert loop.next() == Ready()
    pictures = []
    for number, draft in enumerate((False, True)):
        loop.input.put(ask_line(Ask(number, SkyRequest(), (64,), draft)))
        pictures.append(read_picture(tmp_path / loop.next().file, 64).reshape(-1, 4)[:, :3])
    np.testing.assert_array_equal(pictures[1], 0.5 * pictures[0])
    loop.end()


def test_pictures_are_carried_only_where_that_is_allowed_and_say_so(tmp_path: Path) -> None:
    """The first of them is drawn, for there is nothing to carry; a frame is always drawn."""
    stills = StillsOfTime()
    loop = Served(lambda: stills, tmp_path)  # type: ignore[arg-type,return-value]
    assert loop.next() == Ready()
    said = []
    for number, (draft, carried) in enumerate(((True, 128), (True, 128), (True, 0), (False, 0))):
        loop.input.put(ask_line(Ask(number, SkyRequest(time_s=float(number)), (64,), draft, carried)))
        said.append(loop.next())
    assert [(one.width, one.carried, one.last) for one in said] == [
        (64, False, True), (128, True, True), (64, False, True), (64, False, True)
    ]  # fmt: skip
    shown = [float(np.median(read_picture(tmp_path / one.file, one.width).reshape(-1, 4)[:, 0])) for one in said]
    assert shown == [0.0, 0.0, 2.0, 3.0] and len(stills.drawn) == 3
    loop.end()


def test_what_fails_while_drawing_ahead_is_told_to_who_asks_next(tmp_path: Path) -> None:
    loop = Served(StillsOfTime, tmp_path)  # type: ignore[arg-type]
    assert loop.next() == Ready()
    moved = [SkyRequest(seed=666, low=dataclasses.replace(SkyRequest().low, displacement_km=(e, 0.0))) for e in (0, 1)]
    loop.input.put(ask_line(Ask(1, moved[0], (64,), True, 64)))
    said = [loop.next()]
    while not isinstance(said[-1], Refusal):
        loop.input.put(ask_line(Ask(len(said) + 1, moved[len(said) % 2], (64,), True, 64)))
        said.append(loop.next())
        time.sleep(0.05)
    assert said[-1].id == len(said) and "ZeroDivisionError: by chance" in said[-1].error.message
    assert all(picture.carried for picture in said[1:-1])
    loop.input.put(ask_line(Ask(99, moved[0], (64,), False)))
    assert loop.next().id == 99
    loop.end()


def test_a_picture_that_cannot_be_written_is_told_and_the_next_one_comes(gate: Gate, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    loop = Served(lambda: gate, folder)
    assert loop.next() == Ready()
    gate.go_on.put(None)
    loop.input.put(ask(1, 64))
    assert loop.next().error.message == f"{folder} is not a folder."
    folder.mkdir()
    gate.go_on.put(None)
    loop.input.put(ask(2, 64))
    assert loop.next().file == "2_64.rgba"
    loop.end()


def process(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "skygen_addon", "serve", "--folder", str(folder), *options]
    pipe, env = subprocess.PIPE, os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_the_process_serves_what_the_renderer_makes_and_ends_with_its_input(
    tmp_path: Path, sky_renderer: FrameRenderer
) -> None:
    request = SkyRequest(seed=2, sun_elevation_rad=0.4, width=2048)
    with process(tmp_path) as served:
        assert served.stdin is not None and served.stdout is not None
        served.stdin.write(ask_line(Ask(1, request, (64, 128))) + "\n")
        served.stdin.flush()
        said = [read_answer(served.stdout.readline()) for _ in range(3)]
        served.stdin.close()
        assert served.wait(60) == 0
    assert said[0] == Ready()
    for picture, width in zip(said[1:], (64, 128), strict=True):
        assert isinstance(picture, Picture)
        frame = sky_renderer.render_frame(dataclasses.replace(request, width=width))
        pixels = read_picture(tmp_path / picture.file, width).reshape(width // 2, width, 4)[::-1, :, :3]
        assert np.array_equal(pixels, frame.radiance)
        assert picture.sun == frame.sun


def test_the_process_ends_at_once_though_a_picture_is_in_the_making(tmp_path: Path) -> None:
    with process(tmp_path) as served:
        assert served.stdin is not None and served.stdout is not None
        assert read_answer(served.stdout.readline()) == Ready()
        served.stdin.write(ask_line(Ask(1, SkyRequest(), (8192,))) + "\n")
        served.stdin.flush()
        time.sleep(1.0)
        served.stdin.close()
        assert served.wait(5) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["folder", "bundle"])
def test_what_keeps_the_process_from_serving_is_said_and_ends_it(tmp_path: Path, fault: str) -> None:
    gone = str(tmp_path / "gone")
    served = process(tmp_path / "gone") if fault == "folder" else process(tmp_path, "--bundle", gone)
    served.wait(60)  # its input is open
    out, err = served.communicate()
    refusal = read_answer(out.splitlines()[-1])
    assert served.returncode == 2 and isinstance(refusal, Refusal) and refusal.id is None
    assert gone in refusal.error.message and err.startswith("skygen: ")
