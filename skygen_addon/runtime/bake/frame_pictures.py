"""Pictures beside baked frames: what a frame looks like, for a backdrop, an edit or the web.

A picture is drawn from the frame's file, so it is the same whether that was rendered just now or long ago. It carries
the digest of the request that its frame carries too. That tells a picture of an older sky from one of this frame, and
files of other makers from both: those are never replaced.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ...core.errors import OutputError, SkyGenError
from ...core.job import PICTURE_ENDINGS, SkyJob
from ...core.whole_file import whole_file
from ..exr import REQUEST_ATTRIBUTE, read_exr
from ..preview import tone_map, write_png

JPEG_QUALITY = 95
"""Of 100: gradients of a sky show the blocks of lower ones."""
HEAD_BYTES = 4096
"""The digest lies within so many bytes from a picture's beginning."""
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_COMMENT, _JPEG_SCAN = 0xFE, 0xDA
"""Markers (ITU-T T.81, table B.1)."""


def check_pictures(job: SkyJob) -> None:
    """Make sure, before anything is rendered, that the job's pictures can take their names; none wanted is fine.

    Raises
    ------
    OutputError
        If the name of one belongs to a folder or to a file that no bake has made; an empty file, which a loss of power
        may leave, is replaced.
    SkyGenError
        If JPEG is wanted and its encoder cannot be loaded.
    """
    if job.pictures == "jpeg":
        _encoder()
    for frame in job.frames:
        path = job.picture_path(frame)
        if path is None or not path.exists() or picture_request(path) is not None or _is_empty(path):
            continue
        raise OutputError(
            f"{path} is not a picture that SkyGen has baked, so it is not replaced.",
            "Move it or choose another folder, or bake without pictures.",
        )


def picture_is_current(job: SkyJob, frame: int, request_digest: str) -> bool:
    """Whether the picture of a frame is there, whole and of that request; also where none is wanted."""
    path = job.picture_path(frame)
    return path is None or (picture_request(path) == request_digest and _is_whole(path))


def write_frame_picture(job: SkyJob, frame: int, request_digest: str) -> None:
    """Draw the picture of a frame from its file, if one is wanted. Raises as :func:`draw_picture`."""
    path = job.picture_path(frame)
    if path is not None:
        draw_picture(job.path(frame), path, request_digest)


def draw_picture(frame: Path, picture: Path, request_digest: str) -> None:
    """Draw what a frame looks like: :func:`..preview.tone_map`, 8 bit sRGB, under a temporary name, then renamed.

    Parameters
    ----------
    frame : Path
        EXR file of the frame.
    picture : Path
        File to write or replace, whose ending tells PNG from JPEG.
    request_digest : str
        The frame's, see :func:`...core.job.request_digest`; kept in the picture.

    Raises
    ------
    OutputError
        If the frame cannot be read or the picture cannot be written.
    SkyGenError
        If the JPEG encoder cannot be loaded.
    """
    display = tone_map(read_exr(frame).radiance)
    if picture.suffix.lower() == PICTURE_ENDINGS["png"]:
        write_png(picture, display, differences=True, texts={REQUEST_ATTRIBUTE: request_digest})
        return
    data = _jpeg(display, f"{REQUEST_ATTRIBUTE} {request_digest}")
    with whole_file(picture) as temporary:
        temporary.write_bytes(data)


def picture_request(path: Path) -> str | None:
    """Digest of the request whose frame a picture shows; None if the file does not state it."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:  # a folder, or a file that is closed to us
        return None
    words = _png_text(head) if head.startswith(_PNG_START) else _jpeg_comment(head)
    keyword, _, digest = words.partition(" ")
    return digest if keyword == REQUEST_ATTRIBUTE and digest else None


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _is_whole(path: Path) -> bool:
    """Whether a picture ends as its kind does."""
    with path.open("rb") as file:
        start = file.read(len(_PNG_START))
        end = _PNG_END if start == _PNG_START else _JPEG_END
        file.seek(max(0, path.stat().st_size - len(end)))
        return file.read() == end


def _jpeg(display: NDArray[np.uint8], comment: str) -> bytes:
    """JFIF file of a picture (H, W, 3), which programs take for sRGB, with a comment after its header."""
    data: bytes = _encoder().encode_jpeg(
        np.ascontiguousarray(display), quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="444"
    )
    text = comment.encode("ascii")
    segment = struct.pack(">BBH", 0xFF, _JPEG_COMMENT, 2 + len(text)) + text
    header_end = 4 + struct.unpack_from(">H", data, 4)[0]  # the start of the image, then the segment of JFIF
    return data[:header_end] + segment + data[header_end:]


def _encoder() -> ModuleType:
    """The JPEG encoder, loaded late: only who wants JPEG needs it."""
    try:
        import simplejpeg
    except (ImportError, OSError) as error:
        raise SkyGenError(
            f"The JPEG encoder simplejpeg cannot be loaded: {error}.",
            "Install the SkyGen package for this platform again, or write PNG pictures.",
        ) from error
    encoder: ModuleType = simplejpeg
    return encoder


def _png_text(head: bytes) -> str:
    """Keyword and text of the first tEXt chunk of a PNG file, parted by a space; empty without one."""
    position = len(_PNG_START)
    while position + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, position)
        if kind == b"tEXt":
            return head[position + 8 : position + 8 + size].replace(b"\0", b" ").decode("latin-1")
        if kind == b"IDAT":
            break
        position += 12 + size
    return ""


def _jpeg_comment(head: bytes) -> str:
    """The first comment of a JPEG file; empty without one, and of other files."""
    if not head.startswith(_JPEG_START):
        return ""
    position = len(_JPEG_START)
    while position + 4 <= len(head) and head[position] == 0xFF:
        marker, size = struct.unpack_from(">BH", head, position + 1)
        if marker == _JPEG_COMMENT:
            return head[position + 4 : position + 2 + size].decode("latin-1")
        if marker == _JPEG_SCAN:
            break
        position += 2 + size
    return ""
