"""Sky jobs and frame lists: written, read back the same, and refused when they do not fit."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.engine_identity import ENGINE_VERSION, engine_identity
from skygen_addon.core.errors import BundleError, JobError, OutputError, RequestError
from skygen_addon.core.frames import frames_in_words, parse_frames
from skygen_addon.core.job import SkyJob, read_job, request_digest, write_job
from skygen_addon.core.job_record import JobRecord, job_record
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.timeline import requests_for_frames


def job_of(folder: Path, frames: tuple[int, ...] = (1, 2, 3)) -> SkyJob:
    controls = SkyControls()
    requests = requests_for_frames(lambda _: controls, frames, fps=30.0, seed=9, width=512)
    return SkyJob("test", "ab" * 32, frames, tuple(requests), folder)


def test_a_job_reads_back_the_same(tmp_path: Path) -> None:
    job = job_of(tmp_path / "frames")
    write_job(job, tmp_path / "sky.json")
    assert read_job(tmp_path / "sky.json") == job
    assert [p.name for p in tmp_path.iterdir()] == ["sky.json"]  # no temporary file stays


def test_a_job_beside_its_frames_moves_with_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_job(job_of(tmp_path / "a"), tmp_path / "a" / "sky.json")
    (tmp_path / "a").rename(tmp_path / "b")
    assert read_job(tmp_path / "b" / "sky.json").path(7) == tmp_path / "b" / "sky_0007.exr"


def test_select_keeps_requests_with_their_frames(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    assert job.select((3, 1)).requests == (job.requests[2], job.requests[0])
    with pytest.raises(JobError, match="no frame 4"):
        job.select((4,))


@pytest.mark.parametrize(
    "path, value",
    [
        (("schema",), 2), (("schema",), "1"), (("schema",), True), (("schema",), 1.0), (("schema",), None),
        (("bundle", "identity"), "ab"), (("bundle",), "test"), (("extra",), 1),
        (("engine",), "1"), (("engine",), 1), (("engine",), None),
        (("output", "compression"), "piz"), (("output", "compression"), None), (("output", "format"), "png"),
        (("output", "folder"), 3), (("output", "pattern"), "sky.exr"),
        (("output", "pictures"), "gif"), (("output", "pictures"), None),
        (("output", "pattern"), "../{frame}.exr"), (("output", "pattern"), "{frame}"),
        (("output", "pattern"), "{other}.exr"), (("output", "pattern"), "{frame!r}{frame.exr"),
        (("output", "pattern"), "{frame!r}.exr"), (("output", "pattern"), "{frame!s:04d}.exr"),
        (("output", "pattern"), "a\0{frame}.exr"), (("output", "pattern"), "\ud800{frame}.exr"),
        (("output", "pattern"), "a" * 300 + "{frame}.exr"), (("output", "folder"), "a\0b"),
        (("output", "folder"), "\ud800"), (("frames", 0, "request", "haze"), 10**400),
        (("frames", 0, "request", "seed"), 10**400), (("frames", 0, "request", "width"), 10**400),
        (("frames", 0, "request", "low", "displacement_km", 1), -(10**400)), (("frames", 0, "frame"), 10**400),
        (("output", "pattern"), "{frame:>9999999999}.exr"), (("frames",), []), (("frames",), None),
        (("frames", 0, "frame"), -1), (("frames", 0, "frame"), 2), (("frames", 0, "frame"), True),
        (("frames", 0, "request", "width"), 1024), (("frames", 0, "request", "width"), 513),
        (("frames", 0, "request", "low", "cover"), 7), (("frames", 0, "request"), None),
    ],
)  # fmt: skip
def test_damaged_jobs_are_refused(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    write_job(job_of(tmp_path), tmp_path / "sky.json")
    data = json.loads((tmp_path / "sky.json").read_text())
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    (tmp_path / "sky.json").write_text(json.dumps(data))
    with pytest.raises(JobError) as caught:
        read_job(tmp_path / "sky.json")
    assert len(str(caught.value)) < 1000  # a value of any length is one line


def test_a_job_made_in_memory_is_checked_too(tmp_path: Path) -> None:
    for change in ({"schema": True}, {"folder": Path("a\0b")}, {"pattern": "{frame!r}.exr"}):
        with pytest.raises(JobError):
            dataclasses.replace(job_of(tmp_path), **change)


@pytest.mark.parametrize("path", [("seed",), ("time_s",), ("low",), ("high", "cover"), ("low", "loop_displacement_km")])
def test_a_row_that_lacks_a_key_is_refused_by_name(tmp_path: Path, path: tuple[str, ...]) -> None:
    write_job(job_of(tmp_path), tmp_path / "sky.json")
    data = json.loads((tmp_path / "sky.json").read_text())
    at = data["frames"][1]["request"]
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    (tmp_path / "sky.json").write_text(json.dumps(data))
    with pytest.raises(JobError, match=f"Frame 2 of the job: .* lacks {path[-1]}"):
        read_job(tmp_path / "sky.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000, '{"schema": 1' + "0" * 5000])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sky.json").write_text(text)
    with pytest.raises(JobError):
        read_job(tmp_path / "sky.json")
    with pytest.raises(JobError):
        read_job(tmp_path / "missing.json")


def test_a_full_disk_leaves_the_old_job_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_job(job_of(tmp_path), tmp_path / "sky.json")
    before = (tmp_path / "sky.json").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_job(job_of(tmp_path, (5, 6)), tmp_path / "sky.json")
    assert [p.name for p in tmp_path.iterdir()] == ["sky.json"]
    assert (tmp_path / "sky.json").read_bytes() == before


def test_the_digest_tells_requests_bundles_and_engines_apart() -> None:
    request = SkyRequest()
    digests = {
        request_digest(request, "aa", "1-00"),
        request_digest(request, "bb", "1-00"),
        request_digest(request, "aa", "2-00"),
        request_digest(dataclasses.replace(request, time_s=1e-300), "aa", "1-00"),
    }
    assert len(digests) == 4
    assert request_digest(SkyRequest(), "aa", "1-00") in digests


@pytest.mark.parametrize(
    "text, frames",
    [
        ("1-4", (1, 2, 3, 4)), ("5", (5,)), ("1-10x3", (1, 4, 7, 10)), ("1,3,7", (1, 3, 7)),
        ("7, 1-3, 2", (7, 1, 2, 3)), ("0", (0,)), ("3-3", (3,)), ("1-4x9", (1,)),
    ],
)  # fmt: skip
def test_frame_lists(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize(
    "text",
    ["", ",", "1-", "-1", "a", "1..4", "4-1", "1-4x0", "1-4x-1", "0-99999999", "99999999", "1-1000000", "1.5", "1x2"]
    + ["9" * 5000, "1-" + "9" * 5000, "1-9x" + "9" * 5000, "1" * 10, "a" * 5000, "1," * 5000],
)
def test_absurd_frame_lists_are_refused(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_frames(text)
    assert caught.value.remedy and len(str(caught.value)) < 200


@given(st.text(alphabet="0123456789-x, ", max_size=12))
def test_any_text_gives_frames_or_a_request_error(text: str) -> None:
    try:
        frames = parse_frames(text)
    except RequestError:
        return
    assert frames and len(set(frames)) == len(frames) and min(frames) >= 0


@given(st.sets(st.integers(0, 99), min_size=1, max_size=9))
def test_few_frames_in_words_are_read_back(frames: set[int]) -> None:
    words = frames_in_words(frames)
    if not words.endswith("and more"):
        assert set(parse_frames(words)) == frames


def test_many_frames_in_words_are_cut_short() -> None:
    assert frames_in_words(range(1, 20, 2)) == "1, 3, 5, 7, 9, 11 and more"
    assert frames_in_words((9, 5, 3, 6, 7)) == "3, 5-7, 9"


def recorded(job: SkyJob, folder: Path) -> SkyJob:
    """Write a job as sky.json, with empty files for its frames."""
    folder.mkdir(exist_ok=True)
    write_job(job, folder / "sky.json")
    for frame in job.frames:
        job.path(frame).write_bytes(b"")
    return job


def test_the_recorded_job_grows_and_does_not_shrink(tmp_path: Path) -> None:
    whole = job_of(tmp_path, (1, 2, 3, 4))
    assert job_record(whole.select((2,))) == JobRecord(whole.select((2,)), ())  # nothing there
    recorded(whole.select((4, 1)), tmp_path)
    assert job_record(whole.select((3, 2))) == JobRecord(whole, ())
    assert job_record(whole.select((1,))).job == whole.select((1, 4))
    half = dataclasses.replace(whole.select((2,)), pixel_format="half", pictures="png")
    assert job_record(half).job == dataclasses.replace(whole.select((1, 2, 4)), pixel_format="half", pictures="png")


@pytest.mark.parametrize("change", [{"seed": 10}, {"width": 1024}, {"haze": 3.0}])
def test_another_sky_replaces_the_job(tmp_path: Path, change: dict[str, Any]) -> None:
    whole = recorded(job_of(tmp_path), tmp_path)
    part = whole.select((2,))
    other = dataclasses.replace(part, requests=(dataclasses.replace(part.requests[0], **change),))
    assert job_record(other) == JobRecord(other, (1, 3))
    whole.path(1).unlink()
    assert job_record(other).strangers == (3,)


@pytest.mark.parametrize("maker", [{"engine": "7-" + "0" * 16}, {"bundle_identity": "cd" * 32}])
def test_frames_of_two_engines_or_bundles_are_not_mixed(tmp_path: Path, maker: dict[str, str]) -> None:
    older = recorded(dataclasses.replace(job_of(tmp_path), **maker), tmp_path)
    whole = job_of(tmp_path)
    with pytest.raises(JobError, match=r"Frames 1, 3 .* frames 2 would not fit.*1-3 in all"):
        job_record(whole.select((2,)))
    assert job_record(whole) == JobRecord(whole, ())
    for frame in (1, 3):
        older.path(frame).unlink()
    assert job_record(whole.select((2,))) == JobRecord(whole.select((2,)), ())


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 0}'])
def test_a_file_that_is_no_job_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "sky.json").write_text(text)
    assert job_record(job_of(tmp_path)) == JobRecord(job_of(tmp_path), ())


def test_too_many_frames_for_one_job_are_baked_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(job_of(tmp_path, (1, 2, 3)), tmp_path)
    monkeypatch.setattr("skygen_addon.core.job_record.MAX_FRAMES", 4)
    part = job_of(tmp_path, (4, 5))
    assert job_record(part).job == part


def test_the_engine_is_told_by_its_version_and_its_graphs(tmp_path: Path) -> None:
    def engine(**graphs: bytes) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in graphs.items():
            (folder / f"{name}.onnx").write_bytes(content)
        return engine_identity(folder)

    one = engine(dome=b"a", compose=b"b")
    assert one == engine(dome=b"a", compose=b"b")
    assert len({one, engine(dome=b"a", compose=b"c"), engine(dome=b"b", compose=b"a"), engine(dome=b"a")}) == 4
    assert one.startswith(f"{ENGINE_VERSION}-") and engine_identity() != one
    with pytest.raises(BundleError, match="no graphs"):
        engine()


def test_a_job_of_before_pictures_has_none_and_pictures_have_the_names_of_frames(tmp_path: Path) -> None:
    for kind, name in (("png", "sky_0007.png"), ("jpeg", "sky_0007.jpg")):
        job = dataclasses.replace(job_of(tmp_path), pictures=kind)
        assert job.picture_path(7) == tmp_path / name
        write_job(job, tmp_path / "sky.json")
        assert read_job(tmp_path / "sky.json") == job
    dotted = dataclasses.replace(job, pattern="my.sky.{frame}.exr")
    assert dotted.picture_path(7) == tmp_path / "my.sky.7.jpg"
    data = json.loads((tmp_path / "sky.json").read_text())
    del data["output"]["pictures"]
    (tmp_path / "sky.json").write_text(json.dumps(data))
    older = read_job(tmp_path / "sky.json")
    assert older.pictures == "none" and older.picture_path(7) is None
    with pytest.raises(JobError, match="'gif'.*none, png, jpeg"):
        dataclasses.replace(job, pictures="gif")


def test_a_job_of_before_compressions_is_zip_and_dwaa_wants_half(tmp_path: Path) -> None:
    job = dataclasses.replace(job_of(tmp_path), compression="dwaa")
    write_job(job, tmp_path / "sky.json")
    assert read_job(tmp_path / "sky.json") == job
    data = json.loads((tmp_path / "sky.json").read_text())
    del data["output"]["compression"]
    (tmp_path / "sky.json").write_text(json.dumps(data))
    assert read_job(tmp_path / "sky.json").compression == "zip"
    with pytest.raises(JobError, match="half floats only"):
        dataclasses.replace(job, pixel_format="float")
