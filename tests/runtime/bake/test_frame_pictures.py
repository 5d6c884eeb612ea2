"""Pictures beside baked frames: what they show, when they are drawn, and what they never replace."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.controls import SkyControls
from skygen_addon.core.errors import OutputError, SkyGenError
from skygen_addon.core.job import SkyJob, read_job
from skygen_addon.core.timeline import requests_for_frames
from skygen_addon.runtime.bake.bake import bake
from skygen_addon.runtime.bake.frame_pictures import picture_request
from skygen_addon.runtime.command.commands import main
from skygen_addon.runtime.exr import read_exr
from skygen_addon.runtime.preview import _BAND_PIXELS, tone_map, write_png

KINDS = {"png": ".png", "jpeg": ".jpg"}


def job_of(folder: Path, bundle_folder: Path, pictures: str, seed: int = 1, frames: tuple[int, ...] = (1, 2, 3)) -> Any:
    controls = SkyControls()
    requests = requests_for_frames(lambda _: controls, list(frames), fps=24.0, seed=seed, width=64)
    bundle = load_bundle(bundle_folder)
    return SkyJob(bundle.name, bundle.identity, frames, tuple(requests), folder, pictures=pictures)


@pytest.fixture(params=["png", "jpeg"])
def job(request: Any, tmp_path: Path, bundle_folder: Path) -> SkyJob:
    """Three frames of 64 px with pictures."""
    made: SkyJob = job_of(tmp_path / "out", bundle_folder, request.param)
    return made


def refuse(folder: Path, threads: int | None) -> Any:
    raise AssertionError("loaded")


def pictures(job: SkyJob) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.folder.iterdir() if path.suffix in KINDS.values()}


def test_each_frame_has_its_picture_and_another_decoder_reads_it(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    """PNG holds the tone-mapped frame exactly; JPEG within two of 255 in the mean, at quality 95."""
    bake(job, bundle_folder, load=load)
    assert sorted(pictures(job)) == [f"sky_{frame:04d}{KINDS[job.pictures]}" for frame in job.frames]
    for frame in job.frames:
        path = job.picture_path(frame)
        assert path is not None
        with Image.open(path) as image:
            assert (image.mode, image.size, image.format) == ("RGB", (64, 32), job.pictures.upper())
            shown = np.asarray(image).astype(int)
        apart = np.abs(shown - tone_map(read_exr(job.path(frame)).radiance))
        assert apart.max() == 0 if job.pictures == "png" else apart.mean() < 2
        assert picture_request(path) == read_exr(job.path(frame)).request_digest
    assert read_job(job.folder / "sky.json") == job


def test_a_picture_that_is_missing_damaged_or_of_another_sky_is_drawn_from_its_frame(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    """Without rendering, and to the same bytes."""
    bake(job, bundle_folder, load=load)
    whole = pictures(job)
    first, second, third = (job.picture_path(frame) for frame in job.frames)
    assert first and second and third
    other = job_of(job.folder.parent / "other", bundle_folder, job.pictures, seed=2)
    bake(other, bundle_folder, load=load)
    first.unlink()
    os.truncate(second, len(whole[second.name]) - 1)
    third.write_bytes(pictures(other)[third.name])
    assert len({*pictures(job).values(), *whole.values()}) == 5
    assert bake(job, bundle_folder, skip_existing=True, load=refuse).skipped == job.frames
    assert pictures(job) == whole


def test_pictures_come_to_frames_that_were_baked_without(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    bake(dataclasses.replace(job, pictures="none"), bundle_folder, load=load)
    assert pictures(job) == {}
    bake(job, bundle_folder, skip_existing=True, load=refuse)
    later = pictures(job)
    bake(job, bundle_folder, load=load)
    assert pictures(job) == later and len(later) == 3
    assert read_job(job.folder / "sky.json").pictures == job.pictures


def test_current_pictures_are_left_alone(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    bake(job, bundle_folder, load=load)
    stamps = {path: path.stat().st_mtime_ns for path in job.folder.iterdir() if path.suffix in KINDS.values()}
    bake(job, bundle_folder, skip_existing=True, load=refuse)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize("content", ["picture", "text", "folder", "other format"])
def test_files_of_others_are_not_replaced(job: SkyJob, bundle_folder: Path, content: str) -> None:
    """Told before anything is loaded, with a remedy."""
    job.folder.mkdir()
    path = job.picture_path(2)
    assert path is not None
    if content == "folder":
        path.mkdir()
    elif content == "text":
        path.write_text("mine")
    else:
        kind = job.pictures if content == "picture" else {"png": "jpeg", "jpeg": "png"}[job.pictures]
        Image.new("RGB", (8, 4)).save(path, kind, comment="skygenRequests")
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(OutputError, match=r"sky_0002\.\w+ is not a picture that SkyGen has baked.*another folder"):
        bake(job, bundle_folder, load=refuse)
    assert [p.name for p in job.folder.iterdir()] == [path.name]
    assert path.is_dir() if content == "folder" else path.read_bytes() == before


def test_an_empty_picture_is_replaced(job: SkyJob, bundle_folder: Path, load: Callable[..., Any]) -> None:
    """A loss of power leaves a file that was renamed but not yet written: it has nothing to lose, and is no reason
    to refuse the bake."""
    bake(job, bundle_folder, load=load)
    whole, path = pictures(job), job.picture_path(2)
    assert path is not None
    path.write_bytes(b"")
    bake(job, bundle_folder, skip_existing=True, load=refuse)
    assert pictures(job) == whole


def test_without_the_encoder_jpeg_is_refused_and_png_is_not(
    tmp_path: Path, bundle_folder: Path, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)  # importing it raises ImportError
    with pytest.raises(SkyGenError, match="simplejpeg cannot be loaded.*write PNG"):
        bake(job_of(tmp_path / "a", bundle_folder, "jpeg"), bundle_folder, load=refuse)
    assert not (tmp_path / "a").exists()
    bake(job_of(tmp_path / "a", bundle_folder, "png"), bundle_folder, load=load)


def test_a_full_disk_leaves_the_frame_and_no_half_picture(
    job: SkyJob, bundle_folder: Path, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(KINDS[job.pictures]):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OutputError, match="disk is full"):
            bake(job, bundle_folder, load=load)
    assert sorted(p.name for p in job.folder.iterdir()) == ["sky.json", "sky_0001.exr"]
    bake(job, bundle_folder, skip_existing=True, load=load)
    assert len(pictures(job)) == 3


def test_the_command_line_chooses_and_a_job_keeps_the_choice(
    bundle_folder: Path, load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: object) -> int:
        return main(["bake", *map(str, words), "--bundle", str(bundle_folder)], load)

    def endings(folder: Path) -> set[str]:
        return {path.suffix for path in folder.iterdir()}

    assert run("--frames", "1-2", "--width", 64, "--out", tmp_path / "a", "--pictures", "jpeg") == 0
    assert endings(tmp_path / "a") == {".json", ".exr", ".jpg"}
    farm = ("--job", tmp_path / "a" / "sky.json", "--out")
    assert run(*farm, tmp_path / "b") == 0 and endings(tmp_path / "b") == {".json", ".exr", ".jpg"}
    assert run(*farm, tmp_path / "c", "--pictures", "png") == 0 and ".png" in endings(tmp_path / "c")
    assert run(*farm, tmp_path / "d", "--pictures", "none") == 0 and endings(tmp_path / "d") == {".json", ".exr"}
    capsys.readouterr()
    (tmp_path / "d" / "sky_0001.png").write_text("mine")
    for folder, kind, words in (("d", "png", "not a picture that SkyGen has baked"), ("e", "gif", "none, png, jpeg")):
        assert run(*farm, tmp_path / folder, "--pictures", kind) == 2
        told = capsys.readouterr()
        assert not told.out and words in told.err and told.err.count("\n") == 1
    assert not (tmp_path / "e").exists()


def test_a_frame_with_its_picture_is_the_baked_one(bundle_folder: Path, load: Any, tmp_path: Path) -> None:
    options = ["--width", "64", "--bundle", str(bundle_folder)]
    assert main(["bake", "--frames", "3", "--out", str(tmp_path / "a"), "--pictures", "png", *options], load) == 0
    assert main(["frame", "--frame", "3", "--out", str(tmp_path / "b"), "--png", *options], load) == 0
    assert (tmp_path / "a" / "sky_0003.png").read_bytes() == (tmp_path / "b" / "sky_0003.png").read_bytes()


@pytest.mark.parametrize("differences", [False, True])
def test_a_large_png_in_parts_is_whole(tmp_path: Path, differences: bool) -> None:
    """Noise, which does not compress, over several bands and chunks."""
    height = 2 * _BAND_PIXELS // 1024 + 3
    display = np.random.default_rng(1).integers(0, 256, (height, 1024, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", display, differences=differences, texts={"skygenRequest": "ab"})
    assert (tmp_path / "a.png").read_bytes().count(b"IDAT") > 2
    with Image.open(tmp_path / "a.png") as image:
        assert (np.asarray(image) == display).all() and image.info["skygenRequest"] == "ab"
    radiance = np.geomspace(1e-3, 1e3, height * 1024 * 3, dtype=np.float32).reshape(height, 1024, 3)
    rows = slice(height - 5, height)
    assert (tone_map(radiance)[rows] == tone_map(radiance[rows])).all()
