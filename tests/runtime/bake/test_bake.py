"""Baking: resumable, cancellable, refusing, and the same frame whatever surrounds it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.bundle import graph_hashes, load_bundle
from skygen_addon.core.controls import SkyControls
from skygen_addon.core.engine_identity import engine_identity
from skygen_addon.core.errors import BundleError, JobError, OutputError, RequestError, SkyGenError
from skygen_addon.core.job import SkyJob, read_job
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.runtime.bake.bake import Progress, bake, load_renderer
from skygen_addon.runtime.exr import read_exr


@pytest.fixture
def job(tmp_path: Path, bundle_folder: Path) -> SkyJob:
    """Six frames of 64 px."""
    return job_of(tmp_path / "out", bundle_folder, range(1, 7))


def job_of(folder: Path, bundle_folder: Path, frames: Any, seed: int = 1) -> SkyJob:
    controls = SkyControls()
    requests = requests_for_frames(lambda _: controls, list(frames), fps=24.0, seed=seed, width=64)
    bundle = load_bundle(bundle_folder)
    return SkyJob(bundle.name, bundle.identity, tuple(frames), tuple(requests), folder)


def test_a_bake_writes_frames_job_and_progress(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    seen: list[Progress] = []
    result = bake(job, bundle_folder, on_progress=seen.append, load=load)
    assert result.written == job.frames and not result.skipped and not result.cancelled
    assert sorted(p.name for p in job.folder.iterdir()) == ["sky.json", *(f"sky_{f:04d}.exr" for f in job.frames)]
    assert read_job(job.folder / "sky.json") == job
    assert [(p.frame, p.done, p.total) for p in seen] == [(f, f, 6) for f in job.frames]
    assert seen[-1].seconds_left == 0 and seen[0].frames_per_second > 0


def test_one_frame_equals_the_same_frame_of_the_sequence_bit_for_bit(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], tmp_path: Path
) -> None:
    bake(job, bundle_folder, load=load)
    bake(job_of(tmp_path / "one", bundle_folder, [5]), bundle_folder, load=load)
    assert (tmp_path / "one" / "sky_0005.exr").read_bytes() == job.path(5).read_bytes()


def test_skip_existing_keeps_only_whole_frames_of_the_same_sky(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], renderer: Any
) -> None:
    bake(job, bundle_folder, load=load)
    os.truncate(job.path(2), 500)  # damaged
    job.path(3).unlink()  # missing
    other = job_of(job.folder, bundle_folder, [4], seed=2)
    bake(other, bundle_folder, load=load, record=False)  # of another sky
    renderer.rendered.clear()
    result = bake(job, bundle_folder, skip_existing=True, load=load)
    assert result.written == (2, 3, 4) and result.skipped == (1, 5, 6)
    assert [r for r in renderer.rendered] == [job.requests[i] for i in (1, 2, 3)]
    floats = dataclasses.replace(job, pixel_format="float")
    assert bake(floats, bundle_folder, skip_existing=True, load=load).written == job.frames
    assert not read_exr(job.path(1)).half


def test_nothing_is_loaded_when_nothing_is_to_do(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    bake(job, bundle_folder, load=load)

    def refuse(folder: Path, threads: int | None) -> Any:
        raise AssertionError("loaded")

    assert bake(job, bundle_folder, skip_existing=True, load=refuse).skipped == job.frames


def test_cancelling_keeps_whole_frames(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    seen: list[Progress] = []
    result = bake(job, bundle_folder, on_progress=seen.append, should_cancel=lambda: len(seen) == 2, load=load)
    assert result.cancelled and result.written == (1, 2)
    assert sorted(p.name for p in job.folder.iterdir()) == ["sky.json", "sky_0001.exr", "sky_0002.exr"]


def test_a_job_of_another_bundle_is_refused_before_anything_is_made(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    (bundle_folder / "shade.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"shade\.onnx .* is not the file"):
        bake(job, bundle_folder, load=load)
    description = json.loads((bundle_folder / "model.json").read_text())
    (bundle_folder / "model.json").write_text(json.dumps({**description, "graphs": graph_hashes(bundle_folder)}))
    with pytest.raises(JobError, match="written for the bundle test"):
        bake(job, bundle_folder, load=load)
    (bundle_folder / "shade.onnx").unlink()
    with pytest.raises(BundleError, match=r"shade\.onnx"):
        bake(job, bundle_folder, load=load)
    assert not job.folder.exists()


def refuse_to_load(folder: Path, threads: int | None) -> Any:
    raise BundleError("field.onnx is damaged.", "Reinstall SkyGen.")


def refuse_to_render(folder: Path, threads: int | None) -> Any:
    class Refusing:
        def render(self, request: Any) -> Any:
            raise RequestError("The loop does not close.", "Let it cross whole steps.")

    return Refusing()


@pytest.mark.parametrize("refuse", [refuse_to_load, refuse_to_render])
def test_a_refused_bake_leaves_nothing(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], refuse: Callable[..., Any]
) -> None:
    deep = dataclasses.replace(job, folder=job.folder / "a" / "b")
    before = sorted(job.folder.parent.iterdir())
    with pytest.raises(SkyGenError):
        bake(deep, bundle_folder, load=refuse)
    assert sorted(job.folder.parent.iterdir()) == before
    bake(job, bundle_folder, load=load)
    files = {p.name: p.read_bytes() for p in job.folder.iterdir()}
    with pytest.raises(SkyGenError):
        bake(job_of(job.folder, bundle_folder, [1], seed=8), bundle_folder, load=refuse)
    assert {p.name: p.read_bytes() for p in job.folder.iterdir()} == files


def test_a_part_baked_again_leaves_the_larger_job(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], renderer: Any
) -> None:
    bake(job, bundle_folder, load=load)
    renderer.rendered.clear()
    bake(job_of(job.folder, bundle_folder, [5]), bundle_folder, load=load)
    assert read_job(job.folder / "sky.json") == job and renderer.rendered == [job.requests[4]]


def test_parts_of_a_sequence_become_one_job(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    for part in ([4, 3], [1], [5, 6, 2]):
        bake(job_of(job.folder, bundle_folder, part), bundle_folder, load=load)
    assert read_job(job.folder / "sky.json") == job
    assert bake(job, bundle_folder, skip_existing=True, load=load).skipped == job.frames


OTHER_ENGINE = "2-" + "ab" * 8


@pytest.fixture
def baked_by_another_engine(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> SkyJob:
    """The job, baked by an engine of another version."""
    other = dataclasses.replace(job, engine=OTHER_ENGINE)
    with monkeypatch.context() as patch:
        patch.setattr("skygen_addon.runtime.bake.bake.engine_identity", lambda: OTHER_ENGINE)
        bake(other, bundle_folder, load=load)
    return other


def test_a_job_of_another_engine_is_refused_before_anything_is_made(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    with pytest.raises(JobError, match=f"engine {OTHER_ENGINE}; this is engine {engine_identity()}.*Install"):
        bake(dataclasses.replace(job, engine=OTHER_ENGINE), bundle_folder, load=load)
    assert not job.folder.exists()


def test_frames_of_another_engine_are_not_taken_for_finished(
    job: SkyJob, baked_by_another_engine: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    assert bake(job, bundle_folder, skip_existing=True, load=load).written == job.frames
    assert read_job(job.folder / "sky.json") == job


def test_a_part_is_not_baked_between_frames_of_another_engine(
    job: SkyJob, baked_by_another_engine: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    files = {p.name: p.read_bytes() for p in job.folder.iterdir()}
    part = job_of(job.folder, bundle_folder, [2, 3])
    with pytest.raises(JobError, match=r"Frames 1, 4-6 in .* another SkyGen engine.*1-6 in all.*another folder"):
        bake(part, bundle_folder, load=load)
    assert {p.name: p.read_bytes() for p in job.folder.iterdir()} == files
    for frame in (1, 4, 5, 6):
        job.path(frame).unlink()  # nothing stays beside the part
    assert bake(part, bundle_folder, load=load).written == (2, 3)


def test_an_output_folder_that_cannot_be(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    job.folder.write_text("a file")
    with pytest.raises(OutputError):
        bake(job, bundle_folder, load=load)
    assert job.folder.read_text() == "a file"
    below = dataclasses.replace(job, folder=job.folder / "deeper" / "still")
    with pytest.raises(OutputError):
        bake(below, bundle_folder, load=refuse_to_load)  # told before anything is loaded
    assert job.folder.read_text() == "a file"


def test_a_renderer_that_fails_leaves_the_frames_before(job: SkyJob, bundle_folder: Path, renderer: Any) -> None:
    whole = renderer.render

    def failing(request: Any) -> np.ndarray:
        radiance = whole(request)
        return radiance if len(renderer.rendered) < 3 else radiance * np.float32(np.nan)

    renderer.render = failing
    with pytest.raises(ValueError, match="not finite"):
        bake(job, bundle_folder, load=lambda folder, threads: renderer)
    assert sorted(p.name for p in job.folder.iterdir()) == ["sky.json", "sky_0001.exr", "sky_0002.exr"]


def test_a_missing_onnx_runtime_is_told_with_its_remedy(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it raises ImportError
    with pytest.raises(SkyGenError, match="for this platform"):
        load_renderer(bundle_folder)


def test_another_compression_is_not_current(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], renderer: Any
) -> None:
    bake(job, bundle_folder, load=load)
    small = dataclasses.replace(job, compression="dwaa")
    assert bake(small, bundle_folder, skip_existing=True, load=load).written == job.frames
    assert {read_exr(job.path(f)).compression for f in job.frames} == {"dwaa"}
    assert bake(small, bundle_folder, skip_existing=True, load=load).skipped == job.frames
    assert read_job(job.folder / "sky.json").compression == "dwaa"


def test_kept_frames_do_not_count_as_time_of_rendered_ones(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that moves on by 100 s where a kept frame's picture is drawn, and by 1 s whenever it is read."""
    clock, seen = [0.0], []
    part = dataclasses.replace(job, frames=job.frames[2:5], requests=job.requests[2:5])
    bake(part, bundle_folder, load=load)

    def now() -> float:
        clock[0] += 1.0
        return clock[0]

    def draw(job: SkyJob, frame: int, digest: str) -> None:
        clock[0] += 100.0 if frame in part.frames else 0.0

    monkeypatch.setattr("skygen_addon.runtime.bake.bake.time.perf_counter", now)
    monkeypatch.setattr("skygen_addon.runtime.bake.bake.picture_is_current", lambda job, frame, digest: False)
    monkeypatch.setattr("skygen_addon.runtime.bake.bake.write_frame_picture", draw)
    bake(job, bundle_folder, skip_existing=True, on_progress=seen.append, load=load)
    assert [progress.skipped for progress in seen] == [False, False, True, True, True, False]
    assert [progress.seconds_left for progress in seen] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


def test_a_pause_does_not_count_as_time_of_frames(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    seen: list[Progress] = []

    def rest() -> bool:
        time.sleep(0.3)
        return False

    started = time.perf_counter()
    bake(job, bundle_folder, on_progress=seen.append, should_cancel=rest, load=load)
    assert time.perf_counter() - started > 1.8 and seen[-1].seconds < 1.0
