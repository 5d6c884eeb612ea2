"""The job beside baked frames: what ``sky.json`` says once another job is baked into its folder.

It grows with every part of a sequence that is baked there. Frames of two engines or bundles are
never mixed in one sequence; a folder may be given to another sky.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .errors import JobError
from .frames import MAX_FRAMES, frames_in_words
from .job import JOB_FILE, SkyJob, read_job


@dataclass(frozen=True)
class JobRecord:
    """What is to be recorded, and what it leaves behind."""

    job: SkyJob
    """The job for sky.json."""
    strangers: tuple[int, ...]
    """Frames whose files stay in the folder although they are of another sky, for a note."""


def job_record(job: SkyJob) -> JobRecord:
    """What becomes of the job in a folder when ``job`` is baked there; writes nothing.

    A job of the same sky (same width, pattern and seed, and the same request wherever both have a
    frame) is joined with this one; format and pictures are the newer one's. Any other is replaced, as is a
    file that is no job that this engine reads.

    Raises
    ------
    JobError
        If it is the same sky, but of another engine or bundle, and some of its frames would stay
        beside the new ones: the sequence would change its look there.
    """
    try:
        older = read_job(job.folder / JOB_FILE)
    except JobError:  # none, or nothing to go on from
        return JobRecord(job, ())
    left = tuple(f for f in sorted(set(older.frames) - set(job.frames)) if job.path(f).is_file())
    if not _same_sky(job, older):
        return JobRecord(job, left)
    if (older.engine, older.bundle_identity) == (job.engine, job.bundle_identity):
        return JobRecord(_joined(job, older), ())
    if left:
        raise JobError(
            f"Frames {frames_in_words(left)} in {job.folder} were baked by another SkyGen engine or bundle, "
            f"so frames {frames_in_words(job.frames)} would not fit between them.",
            f"Bake them again too ({frames_in_words(older.frames)} in all), or choose another folder.",
        )
    return JobRecord(job, ())


def _same_sky(job: SkyJob, older: SkyJob) -> bool:
    known = dict(zip(older.frames, older.requests, strict=True))
    return (
        (job.pattern, job.requests[0].width, job.requests[0].seed)
        == (older.pattern, older.requests[0].width, older.requests[0].seed)
    ) and all(known.get(f, r) == r for f, r in zip(job.frames, job.requests, strict=True))


def _joined(job: SkyJob, older: SkyJob) -> SkyJob:
    """Both jobs' frames, ascending; only ``job`` where they are too many for one."""
    rows = dict(zip((*older.frames, *job.frames), (*older.requests, *job.requests), strict=True))
    if len(rows) > MAX_FRAMES:
        return job
    frames = tuple(sorted(rows))
    return dataclasses.replace(job, frames=frames, requests=tuple(rows[f] for f in frames))
