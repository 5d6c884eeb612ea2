"""Sky jobs: everything a bake needs, in one file that can be inspected, re-run or sent to a farm."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import reprlib
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .engine_identity import engine_identity
from .errors import JobError, RequestError
from .frames import MAX_FRAME, MAX_FRAMES
from .request import SkyRequest, request_from_dict
from .signatures import ENGINE_SCHEMA
from .whole_file import whole_file

JOB_FILE = "sky.json"
DEFAULT_PATTERN = "sky_{frame:04d}.exr"
MAX_PATTERN_BYTES = 200
"""Longest pattern; file systems allow names of 255 bytes, of which a frame being written needs some more."""
PIXEL_FORMATS = ("auto", "half", "float")
COMPRESSIONS = ("zip", "dwaa")
"""Lossless ZIP, and DWAA: lossy, a fifth to a half of the size, half floats only."""
PICTURE_ENDINGS = {"none": "", "png": ".png", "jpeg": ".jpg"}
"""Kinds of display pictures that a bake writes beside its frames, and how their names end."""

_REMEDY = "Write the job again with skygen bake."


@dataclass(frozen=True)
class SkyJob:
    """A bake: which bundle, which frames, where to."""

    bundle_name: str
    """Name of the model bundle, for people."""
    bundle_identity: str
    """Bundle.identity; a bake with another bundle is refused."""
    frames: tuple[int, ...]
    """Frame numbers, each once."""
    requests: tuple[SkyRequest, ...]
    """One request per frame, keyframes already evaluated."""
    folder: Path
    """Output folder; in the file relative to the file, where it can be."""
    pattern: str = DEFAULT_PATTERN
    """File name with one ``{frame}`` field."""
    pixel_format: str = "auto"
    """auto (half while the peak fits), half or float."""
    compression: str = "zip"
    """zip (lossless) or dwaa (lossy, half floats only)."""
    pictures: str = "none"
    """none, png or jpeg: the display picture that is written beside each frame."""
    engine: str = field(default_factory=engine_identity)
    """:func:`.engine_identity.engine_identity` of the engine that wrote it; a bake with another engine is refused."""
    schema: int = ENGINE_SCHEMA
    """Version of the contracts."""

    def __post_init__(self) -> None:
        _check_schema(self.schema, "The job")
        if not self.frames or len(self.frames) > MAX_FRAMES:
            raise JobError(f"The job has {len(self.frames)} frames.", f"Give from 1 to {MAX_FRAMES}.")
        if not all(type(f) is int and 0 <= f <= MAX_FRAME for f in self.frames):
            raise JobError(
                "The job has an impossible frame number.", f"Frames are whole numbers from 0 to {MAX_FRAME}."
            )
        if len(set(self.frames)) != len(self.frames):
            raise JobError("The job lists a frame twice.", _REMEDY)
        if len(self.requests) != len(self.frames):
            raise JobError(f"The job has {len(self.frames)} frames and {len(self.requests)} requests.", _REMEDY)
        if len({r.width for r in self.requests}) != 1:
            raise JobError("The job mixes frame widths.", "Give every request the same width.")
        if not re.fullmatch(r"[0-9a-f]{64}", self.bundle_identity):
            raise JobError("The job's bundle identity is not a sha256.", _REMEDY)
        if not re.fullmatch(r"\d+-[0-9a-f]{16}", self.engine):
            raise JobError("The job's engine is not an identity such as 1-0123456789abcdef.", _REMEDY)
        check_storage(self.pixel_format, self.compression, self.pictures)
        _check_pattern(self.pattern)
        _check_path("folder", str(self.folder))

    def path(self, frame: int) -> Path:
        """File of a frame."""
        return self.folder / self.pattern.format(frame=frame)

    def picture_path(self, frame: int) -> Path | None:
        """File of the picture beside a frame, with its frame's name and another ending; None without pictures."""
        path = self.path(frame)
        return None if self.pictures == "none" else path.with_name(path.stem + PICTURE_ENDINGS[self.pictures])

    def select(self, frames: tuple[int, ...]) -> SkyJob:
        """The same job with only some of its frames, in the order given. Raises JobError if one is missing."""
        by_frame = dict(zip(self.frames, self.requests, strict=True))
        missing = [f for f in frames if f not in by_frame]
        if missing:
            raise JobError(f"The job has no frame {missing[0]}.", f"It has {self.frames[0]} to {self.frames[-1]}.")
        return dataclasses.replace(self, frames=frames, requests=tuple(by_frame[f] for f in frames))


def check_storage(pixel_format: str, compression: str, pictures: str = "none") -> None:
    """Refuse a way of storing frames and their pictures that there is not. Raises JobError."""
    if pixel_format not in PIXEL_FORMATS:
        raise JobError(f"The pixel format is {reprlib.repr(pixel_format)}.", f"Use one of {', '.join(PIXEL_FORMATS)}.")
    if compression not in COMPRESSIONS:
        raise JobError(f"The compression is {reprlib.repr(compression)}.", f"Use one of {', '.join(COMPRESSIONS)}.")
    if compression == "dwaa" and pixel_format == "float":
        raise JobError("DWAA compression keeps half floats only.", "Use the format auto or half, or ZIP.")
    if pictures not in PICTURE_ENDINGS:
        raise JobError(
            f"The kind of pictures is {reprlib.repr(pictures)}.", f"Use one of {', '.join(PICTURE_ENDINGS)}."
        )


def request_digest(request: SkyRequest, bundle_identity: str, engine: str) -> str:
    """sha256 in hexadecimal of all that a frame depends on: schema, engine, bundle and request."""
    content = {"schema": ENGINE_SCHEMA, "engine": engine, "bundle": bundle_identity, "request": request.to_dict()}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_job(job: SkyJob, path: Path) -> None:
    """Write a job as JSON under a temporary name, then rename it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    folder = job.folder.absolute()
    relative = folder.is_relative_to(path.parent.absolute())
    content = {
        "schema": job.schema,
        "engine": job.engine,
        "bundle": {"name": job.bundle_name, "identity": job.bundle_identity},
        "output": {
            "folder": folder.relative_to(path.parent.absolute()).as_posix() if relative else str(folder),
            "pattern": job.pattern,
            "format": job.pixel_format,
            "compression": job.compression,
            "pictures": job.pictures,
        },
        "frames": [{"frame": f, "request": r.to_dict()} for f, r in zip(job.frames, job.requests, strict=True)],
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_job(path: Path) -> SkyJob:
    """Read and check a job file.

    Raises
    ------
    JobError
        If the file is missing or damaged, of another schema, or asks for something impossible.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(f"The job {path} cannot be read: {error}.", _REMEDY) from error
    if isinstance(data, dict):
        _check_schema(data.get("schema"), f"The job {path}")
    _check_keys(data, ("bundle", "engine", "frames", "output", "schema"), "The job")
    bundle, output, rows = data["bundle"], data["output"], data["frames"]
    _check_keys(bundle, ("identity", "name"), "The job's bundle")
    if isinstance(output, dict):
        output = {"compression": "zip", "pictures": "none", **output}  # jobs written before there was a choice
    _check_keys(output, ("compression", "folder", "format", "pattern", "pictures"), "The job's output")
    texts = (data["engine"], *bundle.values(), *output.values())
    if not all(isinstance(t, str) for t in texts) or not isinstance(rows, list):
        raise JobError(f"The job {path} has a value of the wrong kind.", _REMEDY)
    requests = []
    for row in rows:
        _check_keys(row, ("frame", "request"), "A frame of the job")
        try:
            requests.append(request_from_dict(row["request"]))
        except RequestError as error:
            raise JobError(f"Frame {reprlib.repr(row['frame'])} of the job: {error.message}", error.remedy) from error
    return SkyJob(
        bundle_name=bundle["name"],
        bundle_identity=bundle["identity"],
        frames=tuple(row["frame"] for row in rows),
        requests=tuple(requests),
        folder=path.parent / output["folder"],
        pattern=output["pattern"],
        pixel_format=output["format"],
        compression=output["compression"],
        pictures=output["pictures"],
        engine=data["engine"],
    )


def _check_schema(schema: object, what: str) -> None:
    """Jobs of this engine's schema; True and 1.0 are none."""
    if type(schema) is not int or schema != ENGINE_SCHEMA:
        raise JobError(
            f"{what} has schema {reprlib.repr(schema)}; this engine reads {ENGINE_SCHEMA}.",
            "Use the SkyGen version that wrote it, or write it again.",
        )


def _check_keys(data: Any, names: tuple[str, ...], what: str) -> None:
    if not isinstance(data, dict):
        raise JobError(f"{what} is not an object.", _REMEDY)
    missing, unknown = sorted(set(names) - set(data)), sorted(set(data) - set(names))
    if missing:
        raise JobError(f"{what} lacks {', '.join(missing)}.", _REMEDY)
    if unknown:
        raise JobError(f"{what} has unknown keys: {', '.join(unknown)}.", _REMEDY)


def _check_path(what: str, text: str) -> bytes:
    """The text as the system's files know it. Raises JobError if no file can be called so."""
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise JobError(f"The output {what} {reprlib.repr(text)} is not text.", _REMEDY) from error
    if b"\0" in encoded:
        raise JobError(f"The output {what} {reprlib.repr(text)} has a NUL character.", _REMEDY)
    return encoded


def _check_pattern(pattern: str) -> None:
    if len(_check_path("pattern", pattern)) > MAX_PATTERN_BYTES:
        raise JobError(
            f"The output pattern {reprlib.repr(pattern)} is too long.", f"Use at most {MAX_PATTERN_BYTES} bytes."
        )
    remedy = f"Use a file name such as {DEFAULT_PATTERN}."
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise JobError(f"The output pattern {pattern!r} cannot be read: {error}.", remedy) from error
    fields = [(name, spec or "", conversion) for _, name, spec, conversion in parts if name is not None]
    one = len(fields) == 1 and fields[0][0] == "frame" and fields[0][2] is None
    if not one or not re.fullmatch(r"(0\d)?d?", fields[0][1]):
        raise JobError(f"The output pattern {pattern!r} needs exactly one {{frame}} field.", remedy)
    literal = "".join(text for text, *_ in parts)
    if not pattern.endswith(".exr") or re.search(r"[/\\:]", literal):
        raise JobError(f"The output pattern {pattern!r} is not the name of an .exr file.", remedy)
