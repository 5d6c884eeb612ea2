"""Runs a sky job: request -> radiance -> EXR -> picture, one frame after the other, each file whole or absent.

The Bake button, the Blender command and ``python -m skygen_addon bake`` all end here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import Bundle, load_bundle
from ...core.engine_identity import engine_identity
from ...core.errors import JobError, OutputError, SkyGenError
from ...core.job import JOB_FILE, SkyJob, request_digest, write_job
from ...core.job_record import job_record
from ...core.request import SkyRequest
from ..exr import read_exr, write_exr
from ..frame.sun_record import SunLight, SunlitRenderer, append_sunlight
from .frame_pictures import check_pictures, picture_is_current, write_frame_picture
from .output_folder import check_folder, prepare_folder


class Renderer(Protocol):
    """What makes frames; :class:`skygen_addon.runtime.frame.frame.FrameRenderer` outside of tests."""

    bundle: Bundle
    """The bundle whose graphs it runs."""

    def render(self, request: SkyRequest) -> NDArray[np.float32]:
        """Linear Rec.709 radiance (H, W, 3), a pure function of bundle and request."""


LoadRenderer = Callable[[Path, "int | None"], Renderer]
"""Makes a renderer of a bundle folder and a number of threads."""


@dataclass(frozen=True)
class Progress:
    """State of a bake after one more frame."""

    frame: int
    """The frame just finished."""
    path: Path
    """Its file."""
    skipped: bool
    """Whether it was there already."""
    done: int
    """Frames finished, skipped ones included."""
    total: int
    """Frames of the job."""
    rendered: int
    """Frames rendered so far."""
    seconds: float
    """Time spent on rendered frames, loading the bundle and pauses excluded."""

    @property
    def frames_per_second(self) -> float:
        """Rendered frames per second; 0 before the first."""
        return self.rendered / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate, as if no further frame could be skipped; None before a frame was rendered."""
        return (self.total - self.done) / self.frames_per_second if self.rendered and self.seconds > 0 else None


@dataclass(frozen=True)
class BakeResult:
    """What a bake did."""

    written: tuple[int, ...]
    """Frames rendered and written."""
    skipped: tuple[int, ...]
    """Frames that were there already."""
    cancelled: bool
    """Whether it was stopped before its last frame."""


def load_renderer(bundle_folder: Path, threads: int | None = None) -> Renderer:
    """The frame renderer of a bundle, loaded late because ONNX Runtime is large.

    Raises
    ------
    BundleError
        If the bundle does not fit this engine.
    SkyGenError
        If ONNX Runtime cannot be loaded on this machine.
    """
    try:
        import onnxruntime  # noqa: F401
    except (ImportError, OSError) as error:
        raise SkyGenError(
            f"ONNX Runtime cannot be loaded: {error}.", "Install the SkyGen package for this platform again."
        ) from error
    from ..frame.frame import FrameRenderer

    return FrameRenderer(bundle_folder, threads)


def is_current(job: SkyJob, frame: int, request: SkyRequest) -> bool:
    """Whether a frame's file is whole, readable, stored as the job asks, and of this request, bundle and engine."""
    path = job.path(frame)
    if not path.is_file():
        return False
    try:
        found = read_exr(path)
    except OutputError:  # damaged or foreign: to be baked again
        return False
    if found.compression != job.compression:
        return False
    if job.pixel_format != "auto" and found.half != (job.pixel_format == "half"):
        return False
    same_size = found.radiance.shape == (request.width // 2, request.width, 3)
    return same_size and found.request_digest == request_digest(request, job.bundle_identity, job.engine)


def bake_steps(
    job: SkyJob,
    bundle_folder: Path,
    *,
    skip_existing: bool = False,
    record: bool = True,
    threads: int | None = None,
    load: LoadRenderer | None = None,
) -> Iterator[Progress]:
    """Bake frame by frame: each step finishes one frame, so the caller may stop between steps.

    Nothing is made in the folder before the job is checked, the renderer loaded and the first
    frame rendered: a bake that is refused leaves no trace.

    Parameters
    ----------
    job : SkyJob
        What to bake.
    bundle_folder : Path
        Folder of the bundle; must have the job's identity.
    skip_existing : bool
        Keep frames for which :func:`is_current` holds; a picture that such a frame lacks is drawn from its file.
    record : bool
        Write the job as ``sky.json`` beside the frames before the first one is written, joined
        with what is recorded there of the same sky, see :func:`...core.job_record.job_record`.
    threads : int, optional
        Threads of the renderer; the result does not depend on them.
    load : callable, optional
        Called once, with bundle folder and threads, when the first frame must be rendered;
        :func:`load_renderer` if absent.

    Raises
    ------
    JobError
        If the bundle or the engine is not the one of the job, or the folder holds frames of
        another engine or bundle that would stay beside this job's.
    SkyGenError
        As raised by :func:`load_renderer`, :func:`check_folder`, ``check_pictures``, ``write_exr`` and
        ``write_frame_picture``.
    """
    _check_makers(job, load_bundle(bundle_folder))
    recorded = job_record(job).job if record else None
    check_folder(job.folder)
    check_pictures(job)
    renderer: Renderer | None = None
    rendered, seconds = 0, 0.0
    for index, (frame, request) in enumerate(zip(job.frames, job.requests, strict=True)):
        path, started = job.path(frame), time.perf_counter()
        digest = request_digest(request, job.bundle_identity, job.engine)
        skipped = skip_existing and is_current(job, frame, request)
        if not skipped:
            if renderer is None:
                renderer = (load_renderer if load is None else load)(bundle_folder, threads)
                started = time.perf_counter()
            radiance, sun = _rendered(renderer, request)
            if not rendered:
                prepare_folder(job.folder)
                _record(recorded, job.folder)
            if sun is not None:  # before the frame: a frame that is there and kept has its line
                append_sunlight(job.folder, frame, digest, sun)
            write_exr(
                path,
                radiance,
                pixel_format=job.pixel_format,
                compression=job.compression,
                request_digest=digest,
            )
            del radiance  # before it is read again for its picture: a wide one takes gigabytes
            rendered += 1
        if not (skipped and picture_is_current(job, frame, digest)):
            write_frame_picture(job, frame, digest)
        if not skipped:  # pictures of kept frames say nothing of what is left; nor does a pause between two steps
            seconds += time.perf_counter() - started
        yield Progress(frame, path, skipped, index + 1, len(job.frames), rendered, seconds)
    if not rendered:
        _record(recorded, job.folder)


def _check_makers(job: SkyJob, bundle: Bundle) -> None:
    """Refuse to bake with another bundle or engine than the job's: its frames may be baked in several places."""
    if job.engine != engine_identity():
        raise JobError(
            f"The job was written by the SkyGen engine {job.engine}; this is engine {engine_identity()}, "
            "whose frames would not fit the others.",
            "Install the SkyGen version that wrote it, or write the job again with this one and bake all frames.",
        )
    if bundle.identity != job.bundle_identity:
        raise JobError(
            f"The job was written for the bundle {job.bundle_name} ({job.bundle_identity[:12]}), "
            f"not for {bundle.name} ({bundle.identity[:12]}).",
            "Choose the bundle of the job, or write the job again with this one.",
        )


def _rendered(renderer: Renderer, request: SkyRequest) -> tuple[NDArray[np.float32], SunLight | None]:
    """A frame's radiance, and its sun if the renderer knows it."""
    if isinstance(renderer, SunlitRenderer):
        frame = renderer.render_frame(request)
        return frame.radiance, frame.sun
    return renderer.render(request), None


def _record(recorded: SkyJob | None, folder: Path) -> None:
    if recorded is not None:
        write_job(recorded, folder / JOB_FILE)


def bake(
    job: SkyJob,
    bundle_folder: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    skip_existing: bool = False,
    should_cancel: Callable[[], bool] | None = None,
    record: bool = True,
    threads: int | None = None,
    load: LoadRenderer | None = None,
) -> BakeResult:
    """Bake a whole job; see :func:`bake_steps` for the other parameters and the errors.

    Parameters
    ----------
    on_progress : callable, optional
        Called after every frame.
    should_cancel : callable, optional
        Asked before every frame, and may take its time to answer; a frame begun is finished.
    """
    steps = bake_steps(job, bundle_folder, skip_existing=skip_existing, record=record, threads=threads, load=load)
    written: list[int] = []
    skipped: list[int] = []
    while not (should_cancel is not None and should_cancel()):
        progress = next(steps, None)
        if progress is None:
            return BakeResult(tuple(written), tuple(skipped), False)
        (skipped if progress.skipped else written).append(progress.frame)
        if on_progress is not None:
            on_progress(progress)
    return BakeResult(tuple(written), tuple(skipped), len(written) + len(skipped) < len(job.frames))
