"""The live preview's memory: what the preferences say and set, and the button that frees it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

import bpy
import live_world
import pytest
from live_world import Clock, ask, part, red_of
from recording_layout import drawn

live = live_world.live
MODULE = "bl_ext.user_default.skygen"


@pytest.fixture
def preferences(package: Any) -> Iterator[Any]:
    """The preferences, as they were afterwards."""
    found = bpy.context.preferences.addons[MODULE].preferences
    yield found
    found.property_unset("live_memory_mb")


def use(kept: int, picture: int) -> Any:
    return importlib.import_module(f"{MODULE}.runtime.kept_memory").MemoryUse(kept, picture)


def words() -> str:
    return str(part("live.live_memory").memory_in_words())


def test_without_a_process_nothing_is_kept_and_nothing_can_be_cleared(world: Any, live: Clock) -> None:
    assert live.preview.process is None
    assert words() == "The live preview does not run and keeps nothing"
    assert part("live.live_memory").budget_in_words() == ""
    assert not bpy.ops.skygen.clear_live_memory.poll()
    with pytest.raises(RuntimeError):
        bpy.ops.skygen.clear_live_memory()


def test_the_words_follow_what_the_process_says(
    world: Any, live: Clock, preferences: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(world)
    process = live.preview.process
    process.memory = None
    assert words() == "The live preview starts"
    live.settle()
    resident: list[int | None] = [None]
    monkeypatch.setattr(part("live.live_memory"), "resident_bytes", lambda pid: resident[0])
    process.memory = use(0, 0)
    assert words() == "Kept now: 0 kB"
    process.memory, resident[0] = use(464_000_000, 262_000_000), 1_012_000_000
    assert (
        words() == ("Kept now: 464 MB; the live preview's process has 1.0 GB in all. One picture takes 262 MB")
        and not part("live.live_memory").budget_in_words()
    )
    process.memory = None
    preferences.live_memory_mb = 200
    live.until(lambda: process.memory is not None)
    process.memory, resident[0] = use(0, 262_000_000), None  # in the place of the process's own answer
    too_small = "One picture takes 262 MB, more than the preferences let it keep: clouds are made anew for each"
    assert words() == f"Kept now: 0 kB. {too_small}"
    assert too_small in " ".join(drawn(bpy.types.SKYGEN_PT_world_main).texts)


def test_a_budget_reaches_the_process_at_its_start_and_when_it_is_changed(
    world: Any, live: Clock, preferences: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another process, and never overtaken by requests."""
    said, queue = list[str](), importlib.import_module(f"{MODULE}.runtime.serve.serve").Newest
    order = queue.order

    def noted(self: Any, line: str) -> None:
        said.append(line)
        order(self, line)

    monkeypatch.setattr(queue, "order", noted)
    preferences.live_memory_mb = 300
    ask(world)
    live.settle()
    pid = live.preview.process.pid
    preferences.live_memory_mb = 400
    assert bpy.ops.skygen.clear_live_memory() == {"FINISHED"}
    bpy.context.scene.frame_set(5)
    live.settle()
    assert live.preview.process.pid == pid
    assert said == [
        '{"budget": 300000000, "clear": false}', '{"budget": 400000000, "clear": false}',
        '{"budget": 400000000, "clear": true}',
    ]  # fmt: skip


def test_a_cleared_process_goes_on(world: Any, live: Clock) -> None:
    """It answers with what it keeps; the next picture is as it should be."""
    bpy.context.scene.render.fps, world.skygen.time_scale = 24, 24 * 60
    ask(world)
    live.settle()
    process = live.preview.process
    process.memory = None
    bpy.ops.skygen.clear_live_memory()
    live.until(lambda: process.memory is not None)
    assert process.memory.kept == 0
    bpy.context.scene.frame_set(3)
    live.settle()
    os.kill(process.pid, 0)  # it runs
    assert live.preview.process is process and red_of(world) == pytest.approx(2.1, rel=1e-3)
